/** The integers of recurrent layers. */
import { at, complain, type InputError, must } from '../../../base/errors.ts';
import { largestSize } from '../../../base/extremes.ts';
import type { QuantizeContext, Range, WideGrids } from '../../graph/op.ts';
import { quantizeStateRows, type StateRows } from '../../integers/state-rows.ts';
import { add, call, mul, shr, sub } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';
import type { Tensor } from '../../tensor.ts';
import { largestCell, largestState, type Peepholes, sumBits } from '../kernels/recurrent-int8.ts';
import { type Cell, places, type RecurrentAttrs } from './recurrent-cells.ts';

/** What a state of 16 bits, or a cell of 24, is before the first step; absent: 0. */
export type QuantizedStart =
  | { readonly kind: 'constant'; readonly data: Int32Array }
  | { readonly kind: 'given'; readonly quant: Quant };

export interface QuantizedRecurrent {
  readonly ofX: StateRows;
  readonly ofState: StateRows;
  /** Bits of the fraction of a state, and of a cell's upper 16 bits. */
  readonly stateBits: number;
  readonly cellBits: number;
  readonly peepholes?: Peepholes;
  readonly state?: QuantizedStart;
  readonly cell?: QuantizedStart;
  readonly x: Quant;
  /** By output; undefined where it is not read. */
  readonly outputs: readonly (Quant | undefined)[];
}

/** Room for what calibration did not see. */
const margin = 1.5;

/** The most bits of a fraction with which 16 bits hold a range. */
const fractionFor = ({ lo, hi }: Range): number =>
  Math.max(0, Math.min(15, 15 - Math.ceil(Math.log2(margin * Math.max(-lo, hi, 2 ** -15)))));

/** Peepholes in 16 bits, as fine as their shift allows. */
function peepholesOf({ data }: Tensor, cellBits: number): Peepholes {
  const most = 14 - Math.floor(Math.log2(Math.max(largestSize(data), 2 ** -15)));
  const shift = Math.max(1, most + cellBits - sumBits);
  const scale = 2 ** (shift - cellBits + sumBits);
  const weights = Int16Array.from(data, (p) =>
    Math.max(-largestState, Math.min(largestState, Math.round(p * scale))),
  );
  return { weights, shift };
}

/** A constant in steps of 2^-bits, of at most `largest` of them; undefined where all is 0. */
function constantStart(constant: Tensor, bits: number, largest: number): QuantizedStart | undefined {
  if (constant.data.every((x: number) => x === 0)) return undefined;
  const data = Int32Array.from(constant.data, (x) =>
    Math.max(-largest, Math.min(largest, Math.round(x * 2 ** bits))),
  );
  return { kind: 'constant', data };
}

const cellsTooLarge = (): InputError =>
  complain(
    `cells beyond ${Math.floor(256 / margin)}, which are an input or output of the network`,
    `cells of up to ${Math.floor(256 / margin)} during calibration`,
    'compile with --type float32, or look at the forget gates in PyTorch',
  );

/** Bits behind the point inside of a layer. @throws InputError where no sample was run: what a quantized model holds in float32 stays so */
function insideBits({ insideRange }: QuantizeContext<RecurrentAttrs>): number {
  if (insideRange !== undefined) return fractionFor(insideRange);
  throw complain(
    'no ranges for a recurrent layer: the model has none',
    'ranges from samples',
    'give typical inputs with --calibrate, or compile with --type float32',
  );
}

export function quantizeRecurrent(
  cell: Cell,
  { relu }: RecurrentAttrs,
  c: QuantizeContext<RecurrentAttrs>,
): QuantizedRecurrent {
  const constant = (place: number): Tensor | undefined => c.inputTypes[place]?.constant;
  const inside = insideBits(c);
  const stateBits = cell === 'rnn' && relu ? inside : 15;
  const cellBits = cell === 'lstm' ? inside : 15;
  const fraction = cell === 'rnn' && relu ? stateBits : sumBits;
  const input = must(c.inputQuants[places.x], 'the input is quantized');
  const [w, r] = [must(constant(places.w), 'W is constant'), must(constant(places.r), 'R is constant')];
  const rows = at(r.shape, 1);
  const b = constant(places.b)?.data ?? new Float32Array(2 * rows);
  const ofX = quantizeStateRows({
    weights: Float32Array.from(w.data),
    bias: Float32Array.from(b.subarray(0, rows)),
    scale: input.scale,
    zeroPoint: input.zeroPoint,
    largest: input.bits === undefined ? 255 : 2 ** 15,
    fraction,
  });
  const ofState = quantizeStateRows({
    weights: Float32Array.from(r.data),
    bias: Float32Array.from(b.subarray(rows)),
    scale: 2 ** -stateBits,
    zeroPoint: 0,
    largest: 2 ** 15,
    fraction,
  });
  const startOf = (place: number, bits: number, largest: number): QuantizedStart | undefined => {
    const [fixed, quant] = [constant(place), c.inputQuants[place]];
    if (fixed !== undefined) return constantStart(fixed, bits, largest);
    return quant && { kind: 'given', quant };
  };
  const [state, start] = [
    cell === 'gru'
      ? startOf(places.h, cellBits + 8, largestCell)
      : startOf(places.h, stateBits, largestState),
    startOf(places.c, cellBits + 8, largestCell),
  ];
  const isPort = [c.inputQuants[places.c], c.outputQuants[2]].some((quant) => quant?.bits === 32);
  if (cell === 'lstm' && isPort && cellBits < 7) throw cellsTooLarge();
  const peep = constant(places.p);
  return {
    ofX,
    ofState,
    stateBits,
    cellBits,
    ...(peep === undefined ? {} : { peepholes: peepholesOf(peep, cellBits) }),
    ...(state === undefined ? {} : { state }),
    ...(start === undefined ? {} : { cell: start }),
    x: input,
    outputs: c.outputQuants,
  };
}

/** The grid of an LSTM's cells and a GRU's states at ports: 2^-23 of 32 bits is no coarser than what is inside. */
const cellGrid: Quant = { scale: 2 ** -23, zeroPoint: 0, bits: 32 };
const stateGrid: Quant = { scale: 2 ** -15, zeroPoint: 0, bits: 16 };
/** Of states of a ReLU, which know no bound. */
const openGrid: Quant = { scale: 2 ** -16, zeroPoint: 0, bits: 32 };

/** The grid of states, or of cells, that go on from one run to the next. */
function portGrid(cell: Cell, { relu }: RecurrentAttrs, isCell: boolean): Quant {
  if (isCell || cell === 'gru') return cellGrid;
  return relu ? openGrid : stateGrid;
}

/** Its grids of more than 8 bits: states of all steps have them where another recurrent layer reads them. */
export const wideGrids = (cell: Cell): WideGrids<RecurrentAttrs> => ({
  read(attrs, input, isPort) {
    if (input === places.x) return isPort ? undefined : stateGrid;
    return portGrid(cell, attrs, input === places.c);
  },
  made(attrs, output, isRead) {
    if (output === 0) return isRead && !attrs.relu ? stateGrid : undefined;
    return portGrid(cell, attrs, output === 2);
  },
});

/** A number inside: in steps of 2^-bits, of at most `largest` of them. */
export interface Inside {
  readonly bits: number;
  readonly largest: number;
}

/** What a stored number of a grid is inside. */
export function fromGrid(quant: Quant, { bits, largest }: Inside): (q: Expr) => Expr {
  const { scale, zeroPoint } = quant;
  const clamped = (x: Expr): Expr => call('clamp', 'i32', x, -largest, largest);
  if (quant.bits !== undefined) {
    const finer = -Math.log2(scale) - bits;
    return (q) => clamped(finer > 0 ? call('requantize_pow2', 'i32', q, finer) : mul(q, 2 ** -finer));
  }
  const reach = 255 + Math.abs(zeroPoint);
  const ratio = scale * 2 ** bits;
  const shift = Math.max(0, Math.min(15, Math.floor(Math.log2(2 ** 30 / reach / ratio))));
  const multiplier = Math.round(Math.min(2 ** 30 / reach, ratio * 2 ** shift));
  return (q) => {
    const product = mul(sub(q, zeroPoint), multiplier);
    return clamped(shift === 0 ? product : shr(add(product, 2 ** (shift - 1)), shift));
  };
}

/** What a number inside is on a grid; bytes are made of its upper 16 bits, with one rounding in 32 bits. */
export function toGrid(quant: Quant, { bits, largest }: Inside): (x: Expr) => Expr {
  const { scale, zeroPoint } = quant;
  if (quant.bits !== undefined) return (x) => mul(x, 2 ** (-Math.log2(scale) - bits));
  const spare = largest > largestState ? 8 : 0;
  const ratio = 2 ** (spare - bits) / scale;
  const shift = Math.max(1, Math.min(30, 14 - Math.floor(Math.log2(ratio))));
  const multiplier = Math.max(1, Math.min(32767, Math.round(ratio * 2 ** shift)));
  return (x) => {
    const steps = call('requantize_compact', 'i32', shr(x, spare), multiplier, shift);
    return call('clamp', 'i32', add(steps, zeroPoint), 0, 255);
  };
}
