/** ArgMax, ArgMin and TopK: the indices that the stored numbers have, in float32 and in 8 bits, on every engine. */
import { describe, expect, test } from 'vitest';
import { type Compiled, compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import {
  encodeModel,
  floatTensor,
  int,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const shape = [1, 5, 7];

/** Rows of 5x7 numbers, through a layer or not, and what is tried. */
function model(
  nodes: readonly NodeSpec[],
  outputs: readonly string[],
  { layer = false, opset = 13, k = 3 } = {},
): Uint8Array {
  const draw = new Draw(3);
  return encodeModel({
    opset,
    inputs: [valueInfo('x', shape)],
    outputs,
    nodes: [
      layer
        ? { op: 'MatMul', inputs: ['x', 'w'], outputs: ['a'] }
        : { op: 'Relu', inputs: ['x'], outputs: ['a'] },
      ...nodes,
    ],
    initializers: [floatTensor('w', [7, 7], [...draw.floats(49, -1, 1)]), intTensor('k', [1], [k])],
  });
}

function run({ program }: Compiled, samples: readonly Float32Array[]) {
  const facts = factsOf(program);
  requireProved(program, facts);
  return simulated(
    program,
    samples.map((x) => encodeInput(program, x)),
    facts,
  );
}

/** Numbers of which many are alike. */
const samples = (count: number) => {
  const draw = new Draw(8);
  return Array.from({ length: count }, () => Float32Array.from({ length: 35 }, () => draw.int(0, 6) / 2));
};

const compiled = (bytes: Uint8Array) => {
  const imported = importOnnx(bytes);
  return (['float32', 'int8'] as const).map((arith) =>
    compile(imported, {
      name: 'net',
      arith,
      ...(arith === 'int8' ? { calibration: { inputs: samples(30) } } : {}),
    }),
  );
};

/** By the words of the standard: of equal ones the first, or the last. */
function winner(values: readonly number[], largest: boolean, last: boolean): number {
  const best = largest ? Math.max(...values) : Math.min(...values);
  return last ? values.lastIndexOf(best) : values.indexOf(best);
}

const lineOf = (x: Float32Array, axis: number, i: number): number[] =>
  axis === 1 ? Array.from({ length: 5 }, (_, row) => x[row * 7 + i]!) : [...x.subarray(7 * i, 7 * i + 7)];

const integersOf = (bytes: Uint8Array) => [...new Int32Array(Uint8Array.from(bytes).buffer)];

describe.each(['ArgMax', 'ArgMin'])('%s', (op) => {
  test.each([
    [1, 0],
    [2, 0],
    [-1, 1],
  ])('along axis %i, select_last_index %i', (axis, last) => {
    const attributes = [int('axis', axis), int('select_last_index', last), int('keepdims', last)];
    const own = axis === 1 ? 1 : 2;
    for (const made of compiled(model([{ op, inputs: ['a'], outputs: ['y'], attributes }], ['y']))) {
      const given = samples(6);
      run(made, given).forEach(({ output }, i) => {
        const wanted = Array.from({ length: own === 1 ? 7 : 5 }, (_, line) =>
          winner(lineOf(given[i]!, own, line), op === 'ArgMax', last === 1),
        );
        expect(integersOf(output)).toEqual(wanted);
      });
    }
  });
});

test.each([
  ['Softmax', 13, 1, 1, true],
  ['LogSoftmax', 13, 2, -1, true],
  ['Softmax', 13, 1, 2, false],
  ['Softmax', 11, 1, 2, true],
  ['Softmax', 11, 2, 1, false],
] as const)('%s-%i of axis %i before ArgMax of axis %i goes: %s', (type, opset, axis, own, gone) => {
  const nodes = [
    { op: type, inputs: ['a'], outputs: ['s'], attributes: [int('axis', axis)] },
    { op: 'ArgMax', inputs: ['s'], outputs: ['y'], attributes: [int('axis', own)] },
  ];
  const graph = canonicalize.run(importOnnx(model(nodes, ['y'], { layer: true, opset })));
  expect(graph.nodes.some(({ op }) => /softmax/i.test(op.kind))).toBe(!gone);
});

describe('TopK', () => {
  test.each([
    [2, 1, 3],
    [1, 0, 2],
    [-1, 1, 7],
  ])('along axis %i, largest %i, of %i', (axis, largest, k) => {
    const attributes = [int('axis', axis), int('largest', largest)];
    const node = { op: 'TopK', inputs: ['a', 'k'], outputs: ['v', 'i'], attributes };
    for (const made of compiled(model([node], ['v', 'i'], { k }))) {
      const given = samples(4);
      const own = axis === 1 ? 1 : 2;
      run(made, given).forEach(({ output }, i) => {
        const lines = Array.from({ length: own === 1 ? 7 : 5 }, (_, line) => lineOf(given[i]!, own, line));
        const wanted = lines.map((line) =>
          line
            .map((value, index) => ({ value, index }))
            .sort((a, b) => (largest ? b.value - a.value : a.value - b.value) || a.index - b.index)
            .slice(0, k),
        );
        const flat =
          own === 2
            ? wanted.flat()
            : Array.from({ length: k }, (_, j) => wanted.map((line) => line[j]!)).flat();
        const { program } = made;
        const values = decodeOutput(program, output);
        expect([...values.subarray(flat.length)]).toEqual(flat.map(({ index }) => index));
        values.subarray(0, flat.length).forEach((value, j) => {
          expect(value).toBeCloseTo(flat[j]!.value, 1);
        });
      });
    }
  });
});
