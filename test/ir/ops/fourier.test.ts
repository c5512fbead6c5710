/** DFT and STFT against sums of complex numbers written out, then float32 and int8 programs of them. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, int, intTensor, valueInfo } from '../../support/onnx-model.ts';

type Complex = readonly [number, number];

/** Bins of x, as if as many numbers as `length` were there. */
function bins(x: readonly Complex[], length: number, inverse: boolean): Complex[] {
  return Array.from({ length }, (_, k) => {
    let [re, im] = [0, 0];
    x.slice(0, length).forEach(([a, b], n) => {
      const angle = ((inverse ? 2 : -2) * Math.PI * k * n) / length;
      re += a * Math.cos(angle) - b * Math.sin(angle);
      im += a * Math.sin(angle) + b * Math.cos(angle);
    });
    return inverse ? [re / length, im / length] : [re, im];
  });
}

const holds = (
  bytes: Uint8Array,
  shape: readonly number[],
  wanted: (x: Float32Array) => readonly number[],
) => {
  const count = shape.reduce((product, size) => product * size, 1);
  const x = new Draw(3).floats(count, -1, 1);
  const imported = importOnnx(bytes);
  for (const graph of [imported, canonicalize.run(imported)]) {
    const made = evaluate(graph, new Map([['x', floats(shape, x)]])).get('y')!;
    const numbers = wanted(x);
    expect(made.data.length).toBe(numbers.length);
    numbers.forEach((y, i) => {
      expect(Math.abs(made.data[i]! - y), `element ${i}`).toBeLessThan(5e-6);
    });
  }
  holdsModel(bytes, { seed: 5, float: 2e-6 });
};

interface Case {
  readonly opset: 17 | 20;
  readonly parts: 1 | 2;
  readonly length?: number;
  readonly inverse?: 1;
  readonly onesided?: 1;
}

describe('DFT', () => {
  const cases: readonly Case[] = [
    { opset: 17, parts: 1, onesided: 1 },
    { opset: 17, parts: 2, inverse: 1 },
    { opset: 20, parts: 2, length: 9 },
    { opset: 20, parts: 1, length: 5 },
  ];
  test.each(cases)('$opset, $parts parts, length $length, inverse $inverse, onesided $onesided', (c) => {
    const { opset, parts, length, inverse, onesided } = c;
    const [rows, columns] = [7, 3];
    const shape = [1, rows, columns, parts];
    const before = opset < 20 ? [int('axis', 1)] : [];
    const bytes = encodeModel({
      opset,
      inputs: [valueInfo('x', shape)],
      nodes: [
        {
          op: 'DFT',
          inputs: ['x', length === undefined ? '' : 'n', ...(opset < 20 ? [] : ['axis'])],
          attributes: [...before, int('inverse', inverse ?? 0), int('onesided', onesided ?? 0)],
        },
      ],
      initializers: [intTensor('n', [], [length ?? 0]), intTensor('axis', [], [-3])],
    });
    holds(bytes, shape, (x) => {
      const own = length ?? rows;
      const kept = onesided === 1 ? Math.floor(own / 2) + 1 : own;
      const lines = Array.from({ length: columns }, (_, column) => {
        const line = Array.from({ length: rows }, (_, row): Complex => {
          const place = (row * columns + column) * parts;
          return [x[place]!, parts === 2 ? x[place + 1]! : 0];
        });
        return bins(line, own, inverse === 1);
      });
      return Array.from({ length: kept }, (_, k) => lines.flatMap((line) => line[k]!)).flat();
    });
  });
  test('along the parts of its numbers it is refused', () => {
    const bytes = encodeModel({
      opset: 20,
      inputs: [valueInfo('x', [1, 4, 2])],
      nodes: [{ op: 'DFT', inputs: ['x', '', 'axis'] }],
      initializers: [intTensor('axis', [], [-1])],
    });
    expect(() => canonicalize.run(importOnnx(bytes))).toThrow(InputError);
    expect(() => canonicalize.run(importOnnx(bytes))).toThrow(/along the last axis/);
  });
});

describe('STFT', () => {
  test.each([
    [1, 1, 1],
    [2, 1, 0],
    [1, 2, 0],
  ])('%i signals of %i parts, onesided %i', (batch, parts, onesided) => {
    const [samples, size, step] = [20, 8, 5];
    const window = [...new Draw(2).floats(size, 0.1, 1)];
    const shape = [batch, samples, parts];
    const bytes = encodeModel({
      opset: 17,
      inputs: [valueInfo('x', shape)],
      nodes: [{ op: 'STFT', inputs: ['x', 'step', 'window'], attributes: [int('onesided', onesided)] }],
      initializers: [intTensor('step', [], [step]), floatTensor('window', [size], window)],
    });
    const frames = 1 + Math.floor((samples - size) / step);
    holds(bytes, shape, (x) =>
      Array.from({ length: batch * frames }, (_, f) => {
        const first = Math.floor(f / frames) * samples + (f % frames) * step;
        const frame = window.map((w, n): Complex => {
          const place = (first + n) * parts;
          return [w * x[place]!, parts === 2 ? w * x[place + 1]! : 0];
        });
        return bins(frame, size, false)
          .slice(0, onesided === 1 ? size / 2 + 1 : size)
          .flat();
      }).flat(),
    );
  });
});
