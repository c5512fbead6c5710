/** Recurrent layers: what they compute is that of their recorded tests and of a meaning written otherwise, in every arithmetic. */
import { describe, expect, test } from 'vitest';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, int, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

interface Layer {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  readonly steps: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly directions?: 1 | 2;
  readonly attributes?: NonNullable<NodeSpec['attributes']>;
  /** Of weights; 1 / sqrt(hidden) when absent. */
  readonly size?: number;
}

const gates = { LSTM: 4, GRU: 3, RNN: 1 } as const;

/** x[steps, 1, inputs] -> y, all states. */
function layerModel({ op, steps, inputs, hidden, directions = 1, attributes = [], size }: Layer): Uint8Array {
  const draw = new Draw(11);
  const rows = gates[op] * hidden;
  const most = size ?? 1 / Math.sqrt(hidden);
  const weights = (name: string, ...dims: readonly number[]) =>
    floatTensor(name, dims, [
      ...draw.floats(
        dims.reduce((a, b) => a * b, 1),
        -most,
        most,
      ),
    ]);
  return encodeModel({
    opset: 14,
    inputs: [valueInfo('x', [1, steps, inputs])],
    nodes: [
      {
        op,
        inputs: ['x', 'w', 'r', 'b'],
        outputs: ['y'],
        attributes: [int('hidden_size', hidden), int('layout', 1), ...attributes],
      },
    ],
    initializers: [
      weights('w', directions, rows, inputs),
      weights('r', directions, rows, hidden),
      weights('b', directions, 2 * rows),
    ],
  });
}

describe('recurrent layers', () => {
  test.each(['LSTM', 'GRU', 'RNN'] as const)('%s', (op) => {
    const { sqnr, int8 } = holdsModel(layerModel({ op, steps: 20, inputs: 5, hidden: 8 }), {
      seed: 5,
      float: 1e-5,
    });
    console.log(op, sqnr, int8.program.arenaBytes);
    expect(sqnr).toBeGreaterThan(30);
  });
});
