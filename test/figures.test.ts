/** The speed and size of what is generated stay as recorded; `npm run bench:figures` holds more networks to it. */
import { expect, test } from 'vitest';
import { must } from '../src/base/errors.ts';
import { calibrationOf } from '../src/cli/flags/calibrate.ts';
import { type Compiled, type CompileOptions, compile } from '../src/compile.ts';
import { digitSide, drawDigit } from '../src/data/digits.ts';
import { prepare } from '../src/data/prepare.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import type { TargetName } from '../src/targets/targets.ts';
import {
  complaints,
  expectRecorded,
  type Figures,
  figuresOf,
  modelledFor,
  type Objective,
  optionsFor,
  optOf,
  recorded,
} from './support/figures.ts';
import { calibrationSeeds, inputsOf, listed, modelOf } from './support/real-networks.ts';
import { readBytes, root } from './support/shared.ts';
import { crossTools, testWith } from './support/toolchain.ts';

/** With digits that the project draws: weights follow from the samples, so its record is one of its own. */
function lenet(options: Partial<CompileOptions>): Compiled {
  const count = 64;
  const size = digitSide ** 2;
  const data = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) data.set(drawDigit(i % 10, i), i * size);
  const digits = { array: { dtype: 'uint8', shape: [count, digitSide, digitSide], data } } as const;
  const prepared = prepare({ where: 'drawn digits', ...digits }, [1, 32, 32], { pad: 2 });
  const model = importOnnx(readBytes(`${root}/models/lenet5.onnx`), { name: 'lenet5' });
  const calibration = calibrationOf(prepared, count);
  return compile(model, { name: 'lenet5', arith: 'int8', calibration, ...options });
}

/** Depthwise and pointwise convolutions. */
function dscnn(options: Partial<CompileOptions>): Compiled {
  const one = must(
    listed.find(({ name }) => name === 'kws-dscnn'),
    'it is listed',
  );
  const inputs = inputsOf(one, calibrationSeeds(one));
  return compile(modelOf(one), { name: 'kws_dscnn', arith: 'int8', calibration: { inputs }, ...options });
}

const jobs = [
  ['lenet5-drawn', 'default', ['cortex-m0', 'cortex-m4', 'cortex-m55', 'rv32imc']],
  ['kws-dscnn', 'default', ['cortex-m4']],
] as const satisfies readonly (readonly [string, Objective, readonly TargetName[]])[];

testWith(crossTools)(
  'two networks are as fast and as small as recorded',
  async () => {
    const measured = jobs.flatMap(([network, objective, chips]) => {
      const options = objective === 'default' ? {} : optionsFor(objective, modelledFor(chips[0]));
      const compiled = network === 'lenet5-drawn' ? lenet(options) : dscnn(options);
      return chips.map(async (chip) => {
        const figures = await figuresOf(compiled, chip, optOf(objective));
        return [`${network} ${objective} ${chip}`, figures] as const;
      });
    });
    await expectRecorded(Object.fromEntries(await Promise.all(measured)), 'part');
  },
  300_000,
);

const one: Figures = { instructions: 10_000, code: 1000, constants: 500, ram: 200 };

test('a figure grows by at most 1 %, and shrinks by at most 5 %, without being recorded', () => {
  const off = (change: Partial<Figures>) => complaints({ net: { ...one, ...change } }, { net: one });
  expect(off({})).toEqual([]);
  expect(off({ instructions: 10_100, code: 950 })).toEqual([]);
  expect(off({ instructions: 10_101 })).toEqual(['net: instructions grew from 10,000 to 10,101 (+1.0 %)']);
  expect(off({ code: 1100, ram: 180 })).toEqual([
    'net: code grew from 1,000 to 1,100 (+10.0 %)',
    'net: ram shrank from 200 to 180 (-10.0 %)',
  ]);
  expect(off({ instructions: Number.NaN })).toHaveLength(1);
  expect(complaints({ net: one }, {})).toEqual(['net: not on record']);
});

test('for few bytes, the code of a network is below 6 KB', () => {
  const small = Object.entries(recorded).filter(([what]) => what.includes(' flash '));
  expect(small.length).toBeGreaterThan(0);
  expect(small.filter(([, { code }]) => code >= 6144).map(([what]) => what)).toEqual([]);
});
