import { at, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Quant, type StoredTensor, storageOf } from '../kernel/stored.ts';
import { showShape, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import {
  fromGrid,
  type Inside,
  type QuantizedRecurrent,
  type QuantizedStart,
  quantizeRecurrent,
  toGrid,
  wideGrids,
} from './common/quantized-recurrent.ts';
import {
  type Cell,
  gatesOf,
  places,
  type RecurrentAttrs,
  recurrentReference,
  recurrentTypes,
  rowOf,
  type Sizes,
  sizesOf,
} from './common/recurrent-cells.ts';
import { grouped } from './kernels/doc.ts';
import { type Given, type Recurrent, recurrent, type Start } from './kernels/recurrence.ts';
import { floatCell } from './kernels/recurrent-float32.ts';
import { integerCell, largestCell, largestState } from './kernels/recurrent-int8.ts';

const words: Readonly<Record<Cell, string>> = { lstm: 'LSTM', gru: 'GRU', rnn: 'RNN' };

/** Sizes from the kernel's view: of x, and the length of a row of weights of the state. */
function sizesIn(cell: Cell, { batchFirst }: RecurrentAttrs, x: StoredTensor, rows: number): Sizes {
  const [first, second, inputs] = [at(x.shape, 0), at(x.shape, 1), at(x.shape, 2)];
  const [batch, steps] = batchFirst ? [first, second] : [second, first];
  return { steps, batch, inputs, hidden: rows / gatesOf[cell], gates: gatesOf[cell] };
}

type Parts = Pick<Recurrent, 'arithmetic' | 'starts' | 'all' | 'last' | 'lastCell'>;

/** @param rows of weights: gates times units */
function kernelOf(
  cell: Cell,
  attrs: RecurrentAttrs,
  context: KernelContext,
  rows: number,
  parts: Parts,
): Kernel {
  const x = must(context.inputs[0], 'an input');
  const sizes = sizesIn(cell, attrs, x, rows);
  const direction = attrs.backward ? ' from the last step to the first' : '';
  const kernel = recurrent({
    name: context.name,
    doc: [],
    cell,
    attrs,
    sizes,
    ...parts,
  });
  return {
    ...kernel,
    doc: [
      `${words[cell]}${direction}, ${sizes.inputs} -> ${sizes.hidden}.`,
      `${sizes.steps} steps${sizes.batch > 1 ? ` of ${sizes.batch} samples` : ''}: ${showShape(x.shape)} numbers.  ${grouped(kernel.macs)} MAC.`,
    ],
  };
}

const asItIs: Given = { elem: 'f32', value: (x) => x };

function float32Kernel(
  cell: Cell,
  attrs: RecurrentAttrs,
  context: KernelContext,
  constants: readonly (Tensor | undefined)[],
): Kernel {
  const floats = (place: number): Float32Array | undefined =>
    constants[place] && Float32Array.from(constants[place].data);
  const given = context.inputs.length > 1;
  const startOf = (place: number, name: string): Start => {
    const data = floats(place);
    if (data === undefined) return given ? { kind: 'given', ...asItIs } : { kind: 'zero' };
    return { kind: 'constant', table: { name: `${context.name}_${name}`, elem: 'f32', data } };
  };
  const [ofX, ofState] = [must(floats(places.w), 'W is constant'), must(floats(places.r), 'R is constant')];
  const outputs = context.outputs.map((output) => output && asItIs);
  return kernelOf(cell, attrs, context, at(must(constants[places.r], 'R').shape, 1), {
    arithmetic: floatCell({
      name: context.name,
      ofX,
      ofState,
      bias: floats(places.b),
      peepholes: floats(places.p),
    }),
    starts: {
      state: startOf(places.h, 'first_state'),
      cell: cell === 'lstm' ? startOf(places.c, 'first_cell') : { kind: 'zero' },
    },
    all: outputs[0],
    last: outputs[1],
    lastCell: outputs[2],
  });
}

function integerStart(start: QuantizedStart | undefined, name: string, inside: Inside): Start {
  if (start === undefined) return { kind: 'zero' };
  if (start.kind === 'given')
    return { kind: 'given', elem: storageOf(start.quant).elem, value: fromGrid(start.quant, inside) };
  const elem = inside.largest > largestState ? 'i32' : 'i16';
  return { kind: 'constant', table: { name, elem, data: [...start.data] } };
}

const integerOutput = (quant: Quant | undefined, inside: Inside): Given | undefined =>
  quant && { elem: storageOf(quant).elem, value: toGrid(quant, inside) };

function int8Kernel(
  cell: Cell,
  attrs: RecurrentAttrs,
  q: QuantizedRecurrent,
  context: KernelContext,
): Kernel {
  const { name } = context;
  const state: Inside = { bits: q.stateBits, largest: largestState };
  const cells: Inside = { bits: q.cellBits + 8, largest: largestCell };
  const full = cell === 'gru' ? cells : state;
  return kernelOf(cell, attrs, context, q.ofX.bias.length, {
    arithmetic: integerCell({
      name,
      x: q.x.bits === undefined ? 'u8' : 'i16',
      ofX: q.ofX,
      ofState: q.ofState,
      cellBits: q.cellBits,
      peepholes: q.peepholes,
      curved: cell !== 'rnn' || !attrs.relu,
    }),
    starts: {
      state: integerStart(q.state, `${name}_first_state`, full),
      cell: integerStart(q.cell, `${name}_first_cell`, cells),
    },
    all: integerOutput(q.outputs[0], state),
    last: integerOutput(q.outputs[1], full),
    lastCell: integerOutput(q.outputs[2], cells),
  });
}

/** Elements of all states that are the last ones, sample by sample. */
const lastElements = (attrs: RecurrentAttrs, sizes: Sizes): readonly number[] => {
  const { steps, batch, hidden } = sizes;
  const row = rowOf(attrs, sizes);
  return Array.from(
    { length: batch * hidden },
    (_, i) => row(Math.floor(i / hidden), steps - 1) * hidden + (i % hidden),
  );
};

/**
 * A recurrent layer of one direction: states of all steps, the last one, and LSTM's last cell. Inputs as ONNX's LSTM,
 * GRU and RNN have them, weights and biases constant, of one direction each: x, w, r, b, states to begin with (both of
 * an LSTM or neither), peepholes.
 */
const recurrentOp = (cell: Cell): CanonicalOp<RecurrentAttrs, QuantizedRecurrent> => ({
  kind: cell,
  infer: (attrs, inputs) => recurrentTypes(cell, attrs, inputs),
  reference: (attrs, inputs) => recurrentReference(cell, attrs, inputs),
  inside: true,
  repeats: (attrs, inputs) => [undefined, lastElements(attrs, sizesOf(cell, attrs, inputs))],
  channels: opaqueChannels,
  reads: (_attrs, inputs) => inputs.map(() => undefined),
  order: () => undefined,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  anyZeroPoint: 'computes',
  // No finer than a state's own steps.
  wide: wideGrids(cell),
  outputQuant: ({ range }) => noFinerThan(2 ** -15, range),
  rows: undefined,
  gradient: 'none',
  quantize: (c) => quantizeRecurrent(cell, c.attrs, c),
  float32: (attrs, context, constants) => float32Kernel(cell, attrs, context, constants),
  int8: (attrs, q, context) => int8Kernel(cell, attrs, q, context),
});

export const lstm = recurrentOp('lstm');
export const gru = recurrentOp('gru');
export const rnn = recurrentOp('rnn');
