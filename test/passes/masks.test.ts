/** Masks of attention: what hides scores from a softmax is chosen instead of added, and computes the same. */
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { Draw } from '../support/draw.ts';
import { encodeModel, floatTensor, int, intTensor, type NodeSpec, valueInfo } from '../support/onnx-model.ts';

/** Scores of three rows, with all behind a length hidden by what is added to them. */
const model = (hidden: number, first: boolean, behind: readonly NodeSpec[]): Uint8Array =>
  encodeModel({
    opset: 17,
    inputs: [valueInfo('x', [1, 3, 5]), valueInfo('n', [1, 1], 7)],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['s'] },
      { op: first ? 'Greater' : 'Less', inputs: ['places', 'n'], outputs: ['c'] },
      { op: 'Where', inputs: first ? ['c', 'low', 'none'] : ['c', 'none', 'low'], outputs: ['m'] },
      { op: 'Reshape', inputs: ['m', 'shape'], outputs: ['row'] },
      { op: 'Expand', inputs: ['row', 'rows'], outputs: ['mask'] },
      { op: 'Add', inputs: first ? ['s', 'mask'] : ['mask', 's'], outputs: ['a'] },
      ...behind,
    ],
    initializers: [
      floatTensor('w', [5, 5], [...new Draw(2).floats(25, -1, 1)]),
      intTensor('places', [1, 5], [0, 1, 2, 3, 4]),
      floatTensor('low', [], [hidden]),
      floatTensor('none', [], [0]),
      intTensor('shape', [3], [1, 1, 5]),
      intTensor('rows', [3], [1, 3, 5]),
    ],
  });

const softmax: NodeSpec = { op: 'Softmax', inputs: ['a'], attributes: [int('axis', -1)] };
const length = (n: number): Tensor => ({ dtype: 'int64', shape: [1, 1], data: Float64Array.of(n) });

test.each([
  [-Infinity, true],
  [-3.4028234663852886e38, false],
])('%f, %s', (hidden, first) => {
  const imported = importOnnx(model(hidden, first, [softmax]));
  const graph = canonicalize.run(imported);
  expect(graph.nodes.map(({ op }) => op.kind)).not.toContain('add');
  const draw = new Draw(4);
  const samples = Array.from({ length: 30 }, (_, i) => [...draw.floats(15, -1, 1), 1 + (i % 4)]);
  for (const sample of samples.slice(0, 4)) {
    const given = new Map([
      ['x', floats([1, 3, 5], Float32Array.from(sample.slice(0, 15)))],
      ['n', length(sample[15]!)],
    ]);
    const [wanted, made] = [imported, graph].map((one) => evaluate(one, given).get('y')!.data);
    made!.forEach((y: number, i: number) => {
      expect(Math.abs(y - wanted![i]!)).toBeLessThan(1e-6);
    });
  }
  const inputs = samples.map((sample) => Float32Array.from(sample));
  expect(() => compile(imported, { name: 'net', arith: 'int8', calibration: { inputs } })).not.toThrow();
});

test('a sum that others read, or with numbers that scores are seen beside, stays', () => {
  const kinds = (bytes: Uint8Array) => canonicalize.run(importOnnx(bytes)).nodes.map(({ op }) => op.kind);
  expect(kinds(model(-1e4, true, [softmax]))).toContain('add');
  const both = [
    { ...softmax, outputs: ['p'] },
    { op: 'Mul', inputs: ['p', 'a'], outputs: ['y'] },
  ];
  expect(kinds(model(-Infinity, true, both))).toContain('add');
});
