/** A library of Arduino, with a sketch that runs the network on a recorded input. */
import { at } from '../../base/errors.ts';
import { elemBytes } from '../../ir/kernel/kernel.ts';
import type { Slot } from '../../program/program.ts';
import { inputBytesOf, inputSlots, outputSlots, partsFor, readElement } from '../../program/slots.ts';
import { cFloat } from '../c/floats.ts';
import { cInt, comment, cType } from '../c/lines.ts';
import { textLines } from '../c/tables.ts';
import { classifies } from '../header.ts';
import { type FileTexts, type Library, namesOf, packageVersion, summaryOf } from '../library.ts';
import { portStems, returnsOutput } from '../port-names.ts';
import { placementMacros } from '../prefix.ts';

function properties(library: Library): string {
  const { name } = library.program;
  return [
    `name=${name}`,
    `version=${packageVersion}`,
    'author=thimble',
    'maintainer=thimble',
    `sentence=Neural network ${name}.`,
    `paragraph=${summaryOf(library)}.`,
    'category=Data Processing',
    `url=https://example.com/${name}`,
    'architectures=*',
    `includes=${namesOf(library.headers).join(',')}`,
    'license=MIT-0',
    '',
  ].join('\n');
}

/** Elements of one recorded input; zeros where nothing was recorded. */
function sampleLines(bytes: Uint8Array, slot: Slot, name: string): readonly string[] {
  const { elem, length } = slot;
  const text = (i: number): string => {
    const value = readElement(bytes, slot, i * elemBytes[elem]);
    return elem === 'f32' ? cFloat(value) : cInt(value);
  };
  return [`static const ${cType[elem]} ${name}[${length}] PROGMEM = {`, textLines(length, text, 4), '};'];
}

/** Prints the class where there is one, else the first elements of every output. */
function printing(library: Library): readonly string[] {
  const { program } = library;
  if (classifies(program))
    return [
      `  const ${program.name}_output_t *output = ${program.name}_run(&net);`,
      '  Serial.print("class ");',
      `  Serial.println((long)${program.name}_classify(output));`,
    ];
  const slots = outputSlots(program);
  const run = returnsOutput(program) ? [] : [`  ${program.name}_run(&net);`];
  return [
    ...run,
    ...portStems(program, 'output').flatMap((stem, i) => {
      const call = returnsOutput(program) ? `${program.name}_run(&net)` : `${stem}(&net)`;
      const { length, elem } = at(slots, i);
      const cast = elem === 'f32' ? '' : '(long)';
      return [
        '  {',
        `    const ${stem}_t *output = ${call};`,
        `    for (int i = 0; i < ${Math.min(length, 10)}; i++) {`,
        `      Serial.print(${cast}output[i]);`,
        '      Serial.print(" ");',
        '    }',
        '    Serial.println();',
        '  }',
      ];
    }),
  ];
}

function sketch(library: Library): string {
  const { program, info } = library;
  const slots = inputSlots(program);
  const stems = portStems(program, 'input');
  const first = info.golden[0]?.input ?? new Uint8Array(inputBytesOf(program));
  const parts = partsFor(slots, first);
  const arrays = stems.map((stem) => `sample${stem.slice(`${program.name}_input`.length)}`);
  return [
    ...comment([
      `Runs ${program.name} on ${info.golden.length > 0 ? 'a recorded input' : 'zeros'} once a second, and prints what it says.`,
    ]),
    ...namesOf(library.headers).map((header) => `#include <${header}>`),
    '',
    ...arrays.flatMap((array, i) => [...sampleLines(at(parts, i), at(slots, i), array), '']),
    `static ${placementMacros(program).arena} struct ${program.name} net;`,
    '',
    'void setup() {',
    '  Serial.begin(115200);',
    '}',
    '',
    'void loop() {',
    ...stems.map((stem, i) => `  memcpy_P(${stem}(&net), ${at(arrays, i)}, sizeof ${at(arrays, i)});`),
    ...printing(library),
    '  delay(1000);',
    '}',
    '',
  ].join('\n');
}

export const arduinoFiles = (library: Library): FileTexts =>
  new Map([
    ['library.properties', properties(library)],
    [`examples/${library.program.name}_sample/${library.program.name}_sample.ino`, sketch(library)],
  ]);
