/** `<name>_selftest.c`: runs recorded inputs and compares the recorded outputs, byte for byte. */

import { at, DefectError } from '../base/errors.ts';
import { type Elem, elemBytes } from '../ir/kernel/kernel.ts';
import type { Program, Slot } from '../program/program.ts';
import { inputSlots, outputSlots, partsFor } from '../program/slots.ts';
import { comment } from './c/lines.ts';
import { textLines } from './c/tables.ts';
import { provenance } from './header.ts';
import type { EmitInfo, Golden } from './info.ts';
import { portStems, type Role, returnsOutput, statusOr } from './port-names.ts';
import { placementMacros } from './prefix.ts';

/** Lines of elements as bit patterns, so that a float is exactly itself whatever the byte order. */
function patterns(bytes: Uint8Array, elem: Elem): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = elemBytes[elem];
  const pattern = (i: number): string => {
    if (width === 1) return String(bytes[i]);
    const value = width === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
    return `0x${value.toString(16).padStart(2 * width, '0')}u`;
  };
  return textLines(bytes.length / width, pattern, 8);
}

function checked(bytes: Uint8Array, slot: Slot): Uint8Array {
  const expected = slot.length * elemBytes[slot.elem];
  if (bytes.length === expected) return bytes;
  throw new DefectError(`golden bytes for '${slot.name}': ${bytes.length}, expected ${expected}`);
}

function recorded(name: string, slot: Slot, samples: readonly Uint8Array[]): string[] {
  const type = `uint${8 * elemBytes[slot.elem]}_t`;
  const rows = samples.map((bytes) => patterns(checked(bytes, slot), slot.elem));
  return [
    `static const ${type} ${name}[${samples.length}][${slot.length}] = {`,
    ...rows.flatMap((lines) => ['    {', lines, '    },']),
    '};',
    '',
  ];
}

function mainFunction(program: Program, samples: number): string[] {
  const { name } = program;
  const quiet = `${name.toUpperCase()}_SELFTEST_QUIET`;
  return [
    'int main(void)',
    '{',
    '    int failures = 0;',
    `    for (int i = 0; i < ${samples}; i++) {`,
    ...arraysOf(program, 'input').map(
      ({ array, stem }) => `        memcpy(${stem}(&net), ${array}[i], sizeof ${array}[i]);`,
    ),
    ...comparison(program),
    '            failures++;',
    `#ifndef ${quiet}`,
    `            printf("${name}: input %d gives another output than recorded\\n", i);`,
    '#endif',
    '        }',
    '    }',
    `#ifndef ${quiet}`,
    `    printf("${name}: %d of ${samples} outputs as recorded\\n", ${samples} - failures);`,
    '#endif',
    '    return failures != 0;',
    '}',
    '',
  ];
}

interface Recorded {
  readonly array: string;
  readonly slot: Slot;
  readonly stem: string;
}

/** The arrays of recorded ports: `inputs`, or `inputs_<port>` each. */
function arraysOf(program: Program, role: Role): readonly Recorded[] {
  const slots = role === 'input' ? inputSlots(program) : outputSlots(program);
  const stem = `${program.name}_${role}`;
  return portStems(program, role).map((name, i) => ({
    array: `${role}s${name.slice(stem.length)}`,
    slot: at(slots, i),
    stem: name,
  }));
}

/** @param golden by sample, then by port */
const recordedAll = (program: Program, role: Role, golden: readonly (readonly Uint8Array[])[]): string[] =>
  arraysOf(program, role).flatMap(({ array, slot }, i) =>
    recorded(
      array,
      slot,
      golden.map((parts) => at(parts, i)),
    ),
  );

/** The lines up to the brace behind which an output is another than recorded. */
function comparison(program: Program): string[] {
  const arrays = arraysOf(program, 'output');
  const run = `${program.name}_run(&net)`;
  if (returnsOutput(program))
    return statusOr(
      program,
      [
        `        if (${run} != 0`,
        `            || memcmp(${at(arrays, 0).stem}(&net), outputs[i], sizeof outputs[i]) != 0) {`,
      ],
      [`        if (memcmp(${run}, outputs[i], sizeof outputs[i]) != 0) {`],
    );
  const differ = arrays.map(
    ({ array, stem }) => `memcmp(${stem}(&net), ${array}[i], sizeof ${array}[i]) != 0`,
  );
  return [`        (void)${run};`, `        if (${differ.join('\n            || ')}) {`];
}

export function selftestFile(program: Program, golden: readonly Golden[], info: EmitInfo): string {
  const inputs = golden.map((g) => partsFor(inputSlots(program), g.input));
  const outputs = golden.map((g) => partsFor(outputSlots(program), g.output));
  return [
    ...comment([...provenance(info), '', 'Exit status 0 when every output is as recorded, 1 otherwise.']),
    `#include "${program.name}.h"`,
    '#include <string.h>',
    `#ifndef ${program.name.toUpperCase()}_SELFTEST_QUIET`,
    '#include <stdio.h>',
    '#endif',
    '',
    ...recordedAll(program, 'input', inputs),
    ...recordedAll(program, 'output', outputs),
    `static ${placementMacros(program).arena} struct ${program.name} net;`,
    '',
    ...mainFunction(program, golden.length),
  ].join('\n');
}
