/** A network whose tensors are parts of others, or made of them; any of these may be outputs. */
import { type Compiled, compile } from '../../src/compile.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { encodeModel, int, intTensor, type NodeSpec, valueInfo } from './onnx-model.ts';

const slice = (from: string, to: string, part: 'front' | 'back'): NodeSpec => ({
  op: 'Slice',
  inputs: [from, `${part}.begin`, `${part}.end`, 'axis'],
  outputs: [to],
});
const nodes: readonly NodeSpec[] = [
  { op: 'Relu', inputs: ['x'], outputs: ['a'] },
  { op: 'Sigmoid', inputs: ['y'], outputs: ['b'] },
  { op: 'Concat', inputs: ['a', 'b'], outputs: ['both'], attributes: [int('axis', 1)] },
  slice('both', 'middle', 'back'),
  slice('a', 'front', 'front'),
  slice('x', 'given', 'back'),
  { op: 'Concat', inputs: ['x', 'y'], outputs: ['inputs'], attributes: [int('axis', 1)] },
  { op: 'Tanh', inputs: ['both'], outputs: ['last'] },
];
const initializers = [
  intTensor('front.begin', [1], [0]),
  intTensor('front.end', [1], [2]),
  intTensor('back.begin', [1], [1]),
  intTensor('back.end', [1], [4]),
  intTensor('axis', [1], [1]),
];
export const viewNames = ['a', 'b', 'both', 'middle', 'front', 'given', 'inputs', 'last'];

export const viewSamples = Array.from({ length: 12 }, (_, i) =>
  Float32Array.from({ length: 9 }, (_, k) => Math.sin(9 * i + k)),
);

export const viewsModel = (outputs: readonly string[]): Graph<'imported'> => {
  const inputs = [valueInfo('x', [1, 4]), valueInfo('y', [1, 5])];
  return importOnnx(encodeModel({ opset: 13, nodes, initializers, inputs, outputs }));
};

export const viewsBuilt = (outputs: readonly string[], arith: 'int8' | 'float32'): Compiled =>
  compile(viewsModel(outputs), { name: 'views', arith, calibration: { inputs: viewSamples } });
