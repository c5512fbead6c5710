/** What cheaper modes make of quantized models other than onnxruntime, by recorded outputs of onnxruntime itself. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { type CompileOptions, compile, withRoundings } from '../../src/compile.ts';
import { importModel } from '../../src/ir/import/import-model.ts';
import { differenceText, type RoundingCount, roundingsText } from '../../src/judge/roundings.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { readNpy, rowOf } from '../support/npy.ts';

const folder = resolve(import.meta.dirname, '../fixtures/quantized');

const modelOf = (name: string) => importModel(readFileSync(`${folder}/${name}.onnx`), { name });

function built(name: string, options: Partial<CompileOptions>) {
  const all: CompileOptions = { name: 'net', arith: 'int8', requant: 'single', ...options };
  const compiled = compile(modelOf(name), all);
  return { compiled, ...withRoundings(compiled, modelOf(name), all) };
}

/** Against what onnxruntime recorded, as tests of their own hold `ort-float` to. */
function counted(name: string): Pick<RoundingCount, 'values' | 'differing' | 'largest'> {
  const [input, output] = [readNpy(`${folder}/${name}.input.npy`), readNpy(`${folder}/${name}.output.npy`)];
  const count = input.shape[0]!;
  const samples = Array.from({ length: count }, (_, i) => Float32Array.from(rowOf(input, i).data));
  const calibration = { inputs: samples, heldBack: samples };
  const { compiled, roundings } = built(name, { calibration });
  const { program } = compiled;
  const step = program.slots[program.outputs[0]!.slot]!.quant!.scale;
  const run = inference(program);
  const found = { values: 0, differing: 0, largest: 0 };
  samples.forEach((x, i) => {
    const wanted = rowOf(output, i).data;
    decodeOutput(program, run(encodeInput(program, x)).output).forEach((y, k) => {
      found.values++;
      if (y === wanted[k]) return;
      found.differing++;
      found.largest = Math.max(found.largest, Math.round(Math.abs(y - wanted[k]!) / step));
    });
  });
  expect(roundings!.samples).toBe(count);
  expect(roundings!.drawn).toBe(false);
  expect(roundings!.outputs).toMatchObject([{ ...found, unit: 'steps' }]);
  return found;
}

test('outputs differ as often as from recorded ones', () => {
  const all = ['avgpool-qdq-u8s8-pc', 'gelu-qdq-u8s8-pc', 'hand-ties-conv', 'conv_relu-qdq-u8s8-pc-op13'].map(
    counted,
  );
  expect(all.some(({ differing }) => differing > 0)).toBe(true);
  expect(all.some(({ differing }) => differing === 0)).toBe(true);
});

test('without samples, inputs are drawn from the whole range, and the text says so', () => {
  const { roundings } = built('hand-ties-conv', {});
  expect(roundings).toMatchObject({ samples: 64, drawn: true });
  expect(roundingsText(roundings!)).toMatch(
    /^off ort-float on 64 inputs drawn from the whole range: output '\w+' \d+ of [\d,]+ values, by 1 step at most; most in /,
  );
});

test('nothing is counted with ort-float, of other models, and of other weights', () => {
  expect(built('hand-ties-conv', { requant: 'ort-float' }).roundings).toBeUndefined();
});

test('words', () => {
  const difference: RoundingCount = {
    name: 'y',
    tensor: 't',
    values: 10,
    differing: 3,
    largest: 2,
    unit: 'steps',
  };
  expect(differenceText(difference)).toBe('3 of 10 values, by 2 steps at most');
  expect(differenceText({ ...difference, differing: 0 })).toBe('none of 10 values');
  expect(differenceText({ ...difference, unit: 'real', largest: 2e-7 })).toBe(
    '3 of 10 values, by 2.0e-7 at most',
  );
});
