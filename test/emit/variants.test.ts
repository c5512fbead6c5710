/** Kernels in several forms: each kind of chip gets one function, and the tables that it reads. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { must } from '../../src/base/errors.ts';
import type { EmitInfo } from '../../src/emit/info.ts';
import { withoutMacro } from '../../src/emit/instruction-sets.ts';
import { emitC } from '../../src/emit/package.ts';
import { conditionOf, formsOf } from '../../src/emit/printed-forms.ts';
import type { Kernel, Stmt, Table } from '../../src/ir/kernel/kernel.ts';
import type { InstructionSet } from '../../src/ir/kernel/primitive.ts';
import type { Program } from '../../src/program/program.ts';
import { programOn, type Variant } from '../../src/program/variants.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { runNative } from '../../src/targets/native.ts';
import { add, call, for_, int, kernel, load, local, param, program, store, table } from '../support/ir.ts';
import { testWith } from '../support/toolchain.ts';

const shared = table('shared', 'i32', [1000]);
const only = (name: string, value: number): Table => table(name, 'i32', [value]);

/** out[i] = in[i] + what the tables add up to: every form gives other numbers here, so that it shows which one ran. */
const addsUp = (
  name: string,
  tables: readonly Table[],
  way: (x: ReturnType<typeof local>) => Stmt[] = () => [],
) =>
  kernel(
    name,
    [param('in', 'in', 'i32', 4), param('out', 'out', 'i32', 4)],
    [
      for_('i', 0, 4, [
        store(
          'out',
          'i32',
          local('i'),
          tables.reduce(
            (sum, { name: from }) => add(sum, load(from, 'i32', int(0))),
            load('in', 'i32', local('i')),
          ),
        ),
        ...way(local('i')),
      ]),
    ],
    tables,
  );
const wrapped = (i: ReturnType<typeof local>): Stmt[] => [
  store('out', 'i32', i, call('wrapped_sum', load('out', 'i32', i), int(5))),
];

const ofBoth = only('of_both', 7);
const first = addsUp('first', [shared, only('of_plain', 1), ofBoth]);
const second = addsUp('second', [shared, ofBoth]);
const third = addsUp('third', [shared, only('of_third', 3)]);
const variants = new Map<Kernel, readonly Variant[]>([
  [
    first,
    [
      { set: 'mve', kernel: { ...addsUp('first', [shared, only('of_mve', 10)]), doc: ['By vectors.'] } },
      {
        set: 'dsp',
        kernel: { ...addsUp('first', [shared, only('of_dsp', 100)], wrapped), doc: ['By pairs.'] },
      },
    ],
  ],
  [second, [{ set: 'dsp', kernel: addsUp('second', [shared, only('of_dsp_2', 200)]) }]],
]);
const sample: Program = {
  ...program(
    [0, 16, 32].map((address, i) => ({ name: `t${i}`, address, elem: 'i32', length: 4 })),
    [
      [first, [0, 1]],
      [second, [1, 2]],
      [third, [2, 0]],
    ],
  ),
  name: 'forms',
};

/** Those that the sample has forms for. */
const instructionSets: readonly InstructionSet[] = ['mve', 'dsp'];

const info = (more: Partial<EmitInfo> = {}): EmitInfo => ({
  command: '',
  version: '',
  hash: '',
  golden: [],
  variants,
  ...more,
});
const kinds: readonly (readonly InstructionSet[])[] = [[], ['mve'], ['dsp'], ['mve', 'dsp']];

/** As on a chip that has these instructions; no intrinsics are called. */
const onChip = (files: ReadonlyMap<string, string>, has: readonly InstructionSet[]): Map<string, string> =>
  new Map(
    [...files].map(([name, text]) => {
      const there = (set: InstructionSet, part: string) =>
        part.replace(
          new RegExp(
            `^#if defined\\(__ARM_FEATURE_${set.toUpperCase()}\\)(.*\\\\\n)*.*\n(#if .*__has_builtin.*\n)?`,
            'm',
          ),
          (found) => `#if ${has.includes(set) ? 1 : 0}\n${found.includes('__has_builtin(') ? '#if 1\n' : ''}`,
        );
      return [
        name,
        instructionSets.reduce((part, set) => there(set, part), text).replace('#include <arm_mve.h>\n', ''),
      ];
    }),
  );

test('a kernel without a variant is printed once, the others in a chain of forms, each with its own tables', () => {
  const text = must(emitC(sample, info()).get('forms.c'), 'the C');
  const lines = text
    .split('\n')
    .filter((line) => /^(#(if|elif|else|endif)|static const|static .*void |static inline|\/\* By)/.test(line))
    .map((line) => line.replace(/ = .*| FORMS_KERNEL {2}FORMS_CODE|\(const.*/, ''));
  const from = lines.findIndex((line) => line.startsWith('#if') && line.includes('_USES_'));
  const to = lines.findIndex((line) => line.includes('forms_third'));
  expect(lines.slice(from, to + 1)).toMatchInlineSnapshot(`
    [
      "#if !defined(FORMS_USES_MVE) && defined(FORMS_USES_DSP)",
      "static inline int32_t forms_wrapped_sum(int32_t a, int32_t b)",
      "#endif",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_shared[1]",
      "#if (!defined(FORMS_USES_MVE) && !defined(FORMS_USES_DSP)) || (defined(FORMS_TRACE) && FORMS_TRACE + 0 > 0)",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_plain[1]",
      "#endif",
      "#if !defined(FORMS_USES_DSP) || (defined(FORMS_TRACE) && FORMS_TRACE + 0 > 0)",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_both[1]",
      "#endif",
      "#if defined(FORMS_USES_MVE)",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_mve[1]",
      "/* By vectors. */",
      "static FORMS_KERNEL FORMS_CODE void forms_first",
      "#elif defined(FORMS_USES_DSP)",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_dsp[1]",
      "/* By pairs. */",
      "static FORMS_KERNEL FORMS_CODE void forms_first",
      "#else",
      "static FORMS_KERNEL FORMS_CODE void forms_first",
      "#endif",
      "#if defined(FORMS_USES_DSP)",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_dsp_2[1]",
      "static FORMS_KERNEL FORMS_CODE void forms_second",
      "#else",
      "static FORMS_KERNEL FORMS_CODE void forms_second",
      "#endif",
      "static const FORMS_FLASH FORMS_CONST int32_t forms_of_third[1]",
      "static FORMS_KERNEL FORMS_CODE void forms_third",
    ]
  `);
});

const strict = [
  '-std=c99',
  '-O1',
  '-Wall',
  '-Wextra',
  '-Wundef',
  '-Wshadow',
  '-Wconversion',
  '-pedantic',
  '-Werror',
  '-Wunused-const-variable=1',
];

testWith(['gcc'])(
  'no kind of chip has a table or function that it does not use, in one file or in two, traced or not',
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'thimble-forms-'));
    for (const has of kinds)
      for (const weightsFile of [false, true]) {
        const files = onChip(emitC(sample, info({ weightsFile })), has);
        for (const [name, text] of files) writeFileSync(path.join(folder, name), text);
        const sources = [...files.keys()].filter((name) => name.endsWith('.c'));
        for (const trace of [[], ['-DFORMS_TRACE=2', '-Dforms_trace_putc=other_putc']]) {
          const compiled = spawnSync('gcc', [...strict, ...trace, '-c', ...sources], {
            cwd: folder,
            encoding: 'utf8',
          });
          expect([has, weightsFile, trace, compiled.stderr]).toEqual([has, weightsFile, trace, '']);
        }
      }
  },
);

testWith(['gcc'])('each kind of chip runs its forms', async () => {
  const input = new Uint8Array(16);
  const found = new Set<string>();
  for (const has of kinds) {
    const expected = createSimulator(programOn(sample, variants, new Set(has)), { mode: 'checked' }).run(
      input,
    );
    const files = onChip(emitC(sample, info({ weightsFile: has.length === 1 })), has);
    const ran = await runNative(sample, files, 'host-gcc', [input], { sanitize: false, opt: '-O0' });
    expect(ran.kind === 'ran' && [...ran.outcomes[0]!.output]).toEqual([...expected.output]);
    found.add(expected.output.join());
  }
  expect(found.size).toBe(kinds.length);
});

test('any choice of chips is one condition, which holds for them alone', () => {
  const kernels = instructionSets.map((set) => addsUp(set, [shared]));
  const forms = formsOf(
    { ...sample, steps: kernels.map((kernel) => ({ kernel, args: [0, 1], origin: [] })) },
    {
      variants: new Map(
        kernels.map((kernel, i) => [kernel, [{ set: instructionSets[i]!, kernel: { ...kernel } }]]),
      ),
    },
  );
  const count = 2 ** instructionSets.length;
  expect(forms.chips.length).toBe(count);
  for (let choice = 1; choice < 2 ** count; choice++) {
    const where = forms.chips.map((_, i) => ((choice >> i) & 1) === 1);
    const condition = conditionOf(forms, where);
    const holds = forms.chips.map((chip) => {
      const js = condition.replace(/defined\(FORMS_USES_(\w+)\)/g, (_, set: string) =>
        String(chip.has(set.toLowerCase() as InstructionSet)),
      );
      return evaluated(js);
    });
    expect([condition, ...holds]).toEqual([condition, ...where]);
  }
});

/** `a && !b || (c && d)` of true and false. */
const evaluated = (text: string): boolean =>
  text === '' ||
  text.split(' || ').some((term) =>
    term
      .replace(/[()]/g, '')
      .split(' && ')
      .every((one) => one === 'true' || one === '!false'),
  );

test('the header and the build systems name the macro of each set', () => {
  const files = emitC(sample, info());
  for (const set of ['mve', 'dsp'] as const) {
    expect(files.get('forms.h')).toContain(withoutMacro(sample, set));
    expect(files.get('forms.h')!.replace(/\s*\n \* /g, ' ')).toContain('Constants are then');
    expect(files.get('CMakeLists.txt')).toContain(withoutMacro(sample, set));
  }
  expect(emitC(sample, info({ variants: new Map() })).get('forms.h')).not.toContain('_NO_');
});
