/** A recurrent layer of which only the last step is read makes only the last state. */
import { expect, test } from 'vitest';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import { evaluate, inputTensors } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { shortenOutputs } from '../../src/passes/shorten-outputs.ts';
import { Draw } from '../support/draw.ts';
import { int, ints, intTensor } from '../support/onnx-model.ts';
import { type RecurrentSpec, recurrentModel } from '../support/recurrent-models.ts';

/** y[1, 6, 1, 4] as steps, then one of them. */
const picking = (step: number, more: Partial<RecurrentSpec> = {}): RecurrentSpec => ({
  op: 'GRU',
  outputs: ['z'],
  tail: {
    nodes: [
      { op: 'Transpose', inputs: ['y'], outputs: ['t'], attributes: [ints('perm', [1, 0, 2, 3])] },
      { op: 'Reshape', inputs: ['t', 'shape'], outputs: ['s'] },
      { op: 'Gather', inputs: ['s', 'step'], outputs: ['z'], attributes: [int('axis', 0)] },
    ],
    constants: [intTensor('shape', [3], [6, 1, 4]), intTensor('step', [], [step])],
  },
  ...more,
});

function passed(spec: RecurrentSpec) {
  const before = canonicalize.run(importOnnx(recurrentModel(spec)));
  const after = shortenOutputs.run(before);
  verifyGraph(after);
  const run = (graph: typeof before) => [
    ...evaluate(graph, inputTensors(graph, new Draw(2).floats(18, -1, 1))).values(),
  ];
  expect(run(after)).toEqual(run(before));
  return after.nodes.map(({ op, outputs }) => [op.kind, outputs.map((name) => name !== '')]);
}

test('the last step alone', () => {
  expect(passed(picking(-1))).toEqual([
    ['gru', [false, true]],
    ['reshape', [true]],
  ]);
});

test('the first step of a layer that runs backward', () => {
  expect(passed(picking(0, { direction: 'reverse' }))).toHaveLength(2);
});

test.each([
  ['another step', picking(3)],
  ['the last step of a layer that runs backward', picking(-1, { direction: 'reverse' })],
  ['all steps are an output too', picking(-1, { outputs: ['z', 'y'] })],
])('not where %s', (_, spec) => {
  expect(passed(spec)).toHaveLength(4);
});

test('not where the largest of all steps is asked for: it is no step', () => {
  const { tail } = picking(-1);
  const nodes = [
    ...tail!.nodes.slice(0, 2),
    { op: 'ReduceMax', inputs: ['s'], outputs: ['z'], attributes: [ints('axes', [0]), int('keepdims', 0)] },
  ];
  const kinds = passed(picking(-1, { tail: { ...tail!, nodes } })).map(([kind]) => kind);
  expect(kinds).toContain('largestAlong');
});
