/** ONNX files of one recurrent layer each. */
import type { onnx } from 'onnx-proto';
import { must } from '../../src/base/errors.ts';
import { Draw } from './draw.ts';
import { encodeModel, floatTensor, int, intTensor, type NodeSpec, text, valueInfo } from './onnx-model.ts';

export interface RecurrentSpec {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  readonly steps?: number;
  readonly batch?: number;
  readonly inputs?: number;
  readonly hidden?: number;
  readonly direction?: 'forward' | 'reverse' | 'bidirectional';
  /** Samples are axis 0 of x. */
  readonly batchFirst?: boolean;
  readonly attributes?: NonNullable<NodeSpec['attributes']>;
  /** The largest weight; 1 / sqrt(hidden) when absent. */
  readonly size?: number;
  /** Added to the biases of some gates, by their number. */
  readonly lift?: Readonly<Record<number, number>>;
  /** What is made of the layer's outputs: y, h, c. */
  readonly outputs?: readonly ('y' | 'h' | 'c' | 'z')[];
  /** States to begin with: constants, or further inputs of the network. */
  readonly start?: 'constant' | 'given';
  readonly peepholes?: boolean;
  /** Of sequences, by sample. */
  readonly lengths?: readonly number[];
  readonly seed?: number;
  /** What comes behind the layer, and makes z. */
  readonly tail?: { readonly nodes: readonly NodeSpec[]; readonly constants: readonly onnx.ITensorProto[] };
}

export const gateCount = { LSTM: 4, GRU: 3, RNN: 1 } as const;

/** With all that was left out. */
export function recurrentSizes({ steps = 6, batch = 1, inputs = 3, hidden = 4, direction }: RecurrentSpec) {
  return { steps, batch, inputs, hidden, directions: direction === 'bidirectional' ? 2 : 1 };
}

export function recurrentModel(spec: RecurrentSpec): Uint8Array {
  const { op, batchFirst = true, attributes = [], outputs = ['y'], start, peepholes = false } = spec;
  const { steps, batch, inputs, hidden, directions } = recurrentSizes(spec);
  const draw = new Draw(spec.seed ?? 11);
  const rows = gateCount[op] * hidden;
  const most = spec.size ?? 1 / Math.sqrt(hidden);
  const tensors: onnx.ITensorProto[] = [];
  const constant = (name: string, dims: readonly number[], lo = -most, hi = most): string => {
    const count = dims.reduce((a, b) => a * b, 1);
    tensors.push(floatTensor(name, dims, [...draw.floats(count, lo, hi)]));
    return name;
  };
  const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const starts = op === 'LSTM' ? ['h0', 'c0'] : ['h0'];
  const given = start === undefined ? [] : starts;
  if (start === 'constant') for (const name of starts) constant(name, state, -0.9, 0.9);
  constant('w', [directions, rows, inputs]);
  constant('r', [directions, rows, hidden]);
  constant('b', [directions, 2 * rows]);
  const biases = must(tensors.at(-1), 'biases');
  biases.floatData = must(biases.floatData, 'floats').map(
    (b, i) => b + (spec.lift?.[Math.floor((i % (2 * rows)) / hidden)] ?? 0),
  );
  if (peepholes) constant('p', [directions, 3 * hidden]);
  const blank = op === 'LSTM' && (peepholes || start !== undefined) ? ['', ''] : [''];
  if (spec.lengths !== undefined) tensors.push(intTensor('l', [batch], spec.lengths));
  const read = [
    'x',
    'w',
    'r',
    'b',
    spec.lengths === undefined ? '' : 'l',
    ...(given.length > 0 ? given : blank),
    ...(peepholes ? ['p'] : []),
  ];
  return encodeModel({
    opset: 14,
    inputs: [
      valueInfo('x', batchFirst ? [batch, steps, inputs] : [steps, batch, inputs]),
      ...(start === 'given' ? starts.map((name) => valueInfo(name, state)) : []),
    ],
    nodes: [
      {
        op,
        inputs: read,
        outputs: ['y', 'h', 'c'].filter((name) => op === 'LSTM' || name !== 'c'),
        attributes: [
          int('hidden_size', hidden),
          int('layout', batchFirst ? 1 : 0),
          text('direction', spec.direction ?? 'forward'),
          ...attributes,
        ],
      },
      ...(spec.tail?.nodes ?? []),
    ],
    initializers: [...tensors, ...(spec.tail?.constants ?? [])],
    outputs,
  });
}
