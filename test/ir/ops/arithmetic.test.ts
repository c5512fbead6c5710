/** Arithmetic of activations as ONNX files have it: each form compiles, in float32 to what the file means. */
import { expect, test } from 'vitest';
import { certify } from '../../../src/artifact/certify.ts';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { simulate } from '../../../src/runtime/engines.ts';
import { Draw } from '../../support/draw.ts';
import { encodeModel, floatTensor, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

const shape = [1, 3, 4, 5];
const draw = new Draw(3);
const constants = {
  scalar: [1],
  channel: [3, 1, 1],
  column: [5],
  whole: [1, 3, 4, 5],
  more: [1, 1, 3, 1, 1],
} as const;
const initializers = Object.entries(constants).map(([name, dims]) =>
  floatTensor(name, dims, [...draw.floats(countOf(dims), 0.5, 2)]),
);
initializers.push(
  floatTensor('two', [1], [2]),
  floatTensor('third', [1], [1 / 3]),
  floatTensor('zero', [1], [0]),
  floatTensor('low', [3, 1, 1], [-1, -0.5, 0.25]),
  floatTensor('high', [3, 1, 1], [1, 1.5, 0.75]),
);

const chain = (...nodes: readonly NodeSpec[]): readonly NodeSpec[] =>
  nodes.map((node, i) => ({ ...node, outputs: [i === nodes.length - 1 ? 'y' : `t${i}`] }));

const forms: Readonly<Record<string, readonly NodeSpec[]>> = {
  ...Object.fromEntries(
    ['Mul', 'Div', 'Sub', 'Add', 'Max', 'Min'].flatMap((op) =>
      Object.keys(constants).flatMap((name) => [
        [`${op} x ${name}`, chain({ op: 'Abs', inputs: ['x'] }, { op, inputs: ['t0', name] })],
        [`${op} ${name} x`, chain({ op: 'HardSigmoid', inputs: ['x'] }, { op, inputs: [name, 't0'] })],
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['Mul', 'Sub', 'Add', 'Max', 'Min', 'Sum', 'Mean'].map((op) => [
      `${op} of two`,
      chain({ op: 'Sin', inputs: ['x'] }, { op, inputs: ['x', 't0'] }),
    ]),
  ),
  'Div of two': chain({ op: 'HardSigmoid', inputs: ['x'] }, { op: 'Div', inputs: ['x', 't0'] }),
  'a gate': chain(
    { op: 'GlobalAveragePool', inputs: ['x'] },
    { op: 'Sigmoid', inputs: ['t0'] },
    { op: 'Mul', inputs: ['t1', 'x'] },
  ),
  'Mul of itself': chain({ op: 'Mul', inputs: ['x', 'x'] }),
  'Mean of four': chain({ op: 'Sin', inputs: ['x'] }, { op: 'Mean', inputs: ['x', 'column', 't0', 'x'] }),
  'Max of three': chain({ op: 'Sin', inputs: ['x'] }, { op: 'Max', inputs: ['scalar', 'x', 't0'] }),
  'Sum of one': chain({ op: 'Sum', inputs: ['x'] }, { op: 'Relu', inputs: ['t0'] }),
  'Pow 2': chain({ op: 'Pow', inputs: ['x', 'two'] }),
  'Pow 1/3': chain({ op: 'Abs', inputs: ['x'] }, { op: 'Pow', inputs: ['t0', 'third'] }),
  Neg: chain({ op: 'Neg', inputs: ['x'] }),
  'PRelu by channel': chain({ op: 'PRelu', inputs: ['x', 'channel'] }),
  'PRelu by one': chain({ op: 'PRelu', inputs: ['x', 'scalar'] }),
  'a chain of maps': chain(
    { op: 'Sub', inputs: ['x', 'channel'] },
    { op: 'Div', inputs: ['t0', 'scalar'] },
    { op: 'Mul', inputs: ['channel', 't1'] },
    { op: 'Add', inputs: ['t2', 'channel'] },
  ),
  'bounds and maps of channels': chain(
    { op: 'Max', inputs: ['x', 'low'] },
    { op: 'Min', inputs: ['high', 't0'] },
    { op: 'Sub', inputs: ['t1', 'low'] },
    { op: 'Mul', inputs: ['t2', 'channel'] },
  ),
};

const importForm = (nodes: readonly NodeSpec[]) =>
  importOnnx(
    encodeModel({ opset: 17, nodes, initializers, inputs: [valueInfo('x', shape)], outputs: ['y'] }),
  );

test.each(Object.entries(forms))('%s', (_, nodes) => {
  const graph = importForm(nodes);
  const inputs = Array.from({ length: 8 }, () => draw.floats(countOf(shape), -2, 2));
  const options = { name: 'net', calibration: { inputs } } as const;
  const { program } = compile(graph, { ...options, arith: 'float32' });
  const integers = compile(graph, { ...options, arith: 'int8' });
  expect(certify(integers.program, integers.assembled as Graph<'int8'>).holds).toBe(true);
  let [error, signal] = [0, 0];
  for (const sample of inputs) {
    const wanted = [...evaluate(graph, new Map([['x', floats(shape, sample)]])).values()][0]!;
    const found = decodeOutput(program, simulate(program, encodeInput(program, sample)).output);
    const bytes = encodeInput(integers.program, sample);
    const rough = decodeOutput(integers.program, simulate(integers.program, bytes).output);
    expect(found.length).toBe(wanted.data.length);
    wanted.data.forEach((y: number, i: number) => {
      expect(Math.abs(found[i]! - y)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(y)));
      error += (rough[i]! - y) ** 2;
      signal += y ** 2;
    });
  }
  expect(10 * Math.log10(signal / error), 'SQNR of 8 bits').toBeGreaterThan(30);
});

test.each(['a chain of maps', 'bounds and maps of channels'])('%s is one layer', (name) => {
  const inputs = [draw.floats(countOf(shape), -2, 2)];
  const { fused } = compile(importForm(forms[name]!), {
    name: 'net',
    arith: 'float32',
    calibration: { inputs },
  });
  expect(fused.nodes.filter(({ op }) => op.alias !== true).map(({ op }) => op.kind)).toEqual(['conv']);
});

test('a division by the constant 0 is refused', () => {
  const inputs = [draw.floats(countOf(shape), -2, 2)];
  const divided = importForm(chain({ op: 'Div', inputs: ['x', 'zero'] }));
  expect(() => compile(divided, { name: 'net', arith: 'float32', calibration: { inputs } })).toThrow(
    /division by the constant 0/,
  );
});
