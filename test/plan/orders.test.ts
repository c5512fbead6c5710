/** Inputs lie as images do: those with channels last as the model has them, without a copy. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { sampleShapeOf } from '../../src/data/prepare.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { spatialOrder } from '../../src/ir/kernel/memory-order.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { channelsLast } from '../../src/plan/orders.ts';
import { inputPort } from '../../src/program/port.ts';
import type { Program } from '../../src/program/program.ts';
import { encodeInput } from '../../src/program/values.ts';
import { simulate } from '../../src/runtime/engines.ts';
import { Draw } from '../support/draw.ts';
import { encodeModel, floatTensor, ints, intTensor, valueInfo } from '../support/onnx-model.ts';

interface Sizes {
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly seed: number;
}

type Front = 'planes' | 'transpose' | 'reshape' | 'sequence';

/** A padded convolution and a linear layer, behind different inputs of the same numbers. */
function model({ c, h, w, seed }: Sizes, front: Front): Uint8Array {
  const draw = new Draw(seed);
  const input = {
    planes: [1, c, h, w],
    transpose: [1, h, w, c],
    reshape: [1, h, w, 1],
    sequence: [1, h, w * c],
  };
  const made = {
    planes: { op: 'Identity', inputs: ['x'], outputs: ['image'] },
    transpose: {
      op: 'Transpose',
      inputs: ['x'],
      outputs: ['image'],
      attributes: [ints('perm', [0, 3, 1, 2])],
    },
    reshape: { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['image'] },
    sequence: { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['image'] },
  };
  return encodeModel({
    opset: 13,
    inputs: [valueInfo('x', input[front])],
    nodes: [
      made[front],
      { op: 'Conv', inputs: ['image', 'w', 'b'], outputs: ['t'], attributes: [ints('pads', [1, 1, 1, 1])] },
      { op: 'Relu', inputs: ['t'], outputs: ['r'] },
      { op: 'Flatten', inputs: ['r'], outputs: ['f'] },
      { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
    ],
    initializers: [
      intTensor('shape', [4], [1, c, h, w]),
      floatTensor('w', [2, c, 3, 3], [...draw.floats(18 * c, -1, 1)]),
      floatTensor('b', [2], [0.5, -0.25]),
      floatTensor('v', [2 * h * w, 3], [...draw.floats(6 * h * w, -1, 1)]),
    ],
  });
}

const sizes = fc.record({
  c: fc.integer({ min: 1, max: 4 }),
  h: fc.integer({ min: 1, max: 5 }),
  w: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat({ max: 999 }),
});

const toLast = (x: Float32Array, c: number): Float32Array =>
  x.map((_, i) => x[(i % c) * (x.length / c) + Math.floor(i / c)]!);

/** All that a kernel is but its words. */
const code = ({ steps }: Program) => steps.map(({ kernel: { doc: _, ...rest } }) => rest);

const raw = { mean: [100], std: [50] };

test('a model with channels last is the program of the one with channels first, and takes its own order', () => {
  fc.assert(
    fc.property(sizes, fc.constantFrom('int8', 'float32', 'raw'), (size, how) => {
      const draw = new Draw(size.seed + 1);
      const planes = Array.from({ length: 3 }, () => draw.floats(size.c * size.h * size.w, -1, 1));
      const build = (front: Front, inputs: readonly Float32Array[]) =>
        compile(importOnnx(model(size, front)), {
          name: 'net',
          arith: how === 'float32' ? 'float32' : 'int8',
          calibration: { inputs, ...(how === 'raw' ? { raw } : {}) },
        }).program;
      const pixels = planes.map((x) => toLast(x, size.c));
      const [first, last] = [build('planes', planes), build('transpose', pixels)];
      expect(code(last)).toEqual(code(first));
      const slot = last.slots[last.inputs[0]!.slot]!;
      expect(slot.shape).toEqual([1, size.h, size.w, size.c]);
      expect(slot.order).toBeUndefined();
      planes.forEach((x, i) => {
        const [a, b] = [encodeInput(first, x), encodeInput(last, pixels[i]!)];
        expect(b).toEqual(a);
        expect(simulate(last, b).output).toEqual(simulate(first, a).output);
      });
    }),
    { numRuns: 40 },
  );
});

test('what has channels last is known, in graphs and in programs', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.constantFrom<Front>('planes', 'transpose', 'reshape', 'sequence'),
      (given, front) => {
        const size = front === 'reshape' ? { ...given, c: 1 } : given;
        const graph = importOnnx(model(size, front));
        const different = spatialOrder([1, size.h, size.w, size.c]) !== undefined;
        const last = front === 'transpose' || front === 'reshape';
        if (different) expect(channelsLast(canonicalize.run(graph))).toBe(last ? 'image' : undefined);
        const { program } = compile(graph, { name: 'net', arith: 'float32' });
        const sample = sampleShapeOf(inputPort(program));
        expect('channelsLast' in sample).toBe(last && different);
      },
    ),
    { numRuns: 40 },
  );
});
