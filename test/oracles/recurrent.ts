/** Recurrent layers over integers of any size, step by step: what their kernels are to compute. */
import type { QuantizedRecurrent } from '../../src/ir/ops/common/quantized-recurrent.ts';
import type { Cell, RecurrentAttrs } from '../../src/ir/ops/common/recurrent-cells.ts';

/** floor((n + 2^(bits - 1)) / 2^bits) */
const nearest = (n: bigint, bits: number): bigint =>
  bits === 0 ? n : (n + (1n << BigInt(bits - 1))) >> BigInt(bits);
const within = (x: number, size: number): number => Math.max(-size, Math.min(size, x));
const s16 = (x: number): number => within(x, 32767);

/** The sigmoid in steps of 2^-15 of a sum in steps of 2^-11, by straight lines between 513 points. */
function sigmoid(sum: number): number {
  const point = (i: number): number => {
    const y = 1 / (1 + Math.exp(16 - i / 16));
    return Math.round(32768 * (y - (y * (1 - y) * (1 - 2 * y)) / 4096));
  };
  const place = s16(sum) + 32768;
  const [left, right] = [point(Math.floor(place / 128)), point(Math.floor(place / 128) + 1)];
  return left + Number(nearest(BigInt((right - left) * (place % 128)), 7));
}
const tanh = (sum: number): number => 2 * sigmoid(s16(2 * s16(sum))) - 32768;

interface Whole {
  readonly cell: Cell;
  readonly attrs: RecurrentAttrs;
  readonly q: QuantizedRecurrent;
  /** Stored numbers of x, one row per step in the order of the file. */
  readonly x: readonly (readonly number[])[];
}

export interface States {
  /** By step in the order of the file: each state inside. */
  readonly all: readonly (readonly number[])[];
  readonly h: readonly number[];
  /** 24 bits. */
  readonly c: readonly number[];
}

/** One sample's states from 0, or from those given. */
export function recurrentStates(
  { cell, attrs, q, x }: Whole,
  start: { readonly h?: readonly number[]; readonly c?: readonly number[] } = {},
): States {
  const rows = q.ofX.bias.length;
  const hidden = rows / { lstm: 4, gru: 3, rnn: 1 }[cell];
  const units = Array.from({ length: hidden }, (_, u) => u);
  let h = start.h ?? units.map(() => 0);
  let c = start.c ?? h.map((state) => (cell === 'gru' ? 256 * state : 0));
  const sum = (of: 'ofX' | 'ofState', row: number, operand: readonly number[]): number => {
    const { weights, bias, multiplier, shift, up } = q[of];
    const products = operand.map((value, i) => BigInt(weights[row * operand.length + i]! * value));
    const total = products.reduce((a, b) => a + b, BigInt(bias[row]!));
    if (total !== BigInt.asIntN(32, total) || total << BigInt(up) !== BigInt.asIntN(32, total << BigInt(up)))
      throw new Error(`sum ${total} of row ${row} leaves int32`);
    return Number(nearest((total << BigInt(up)) * BigInt(multiplier[row]!), shift[row]!));
  };
  /** forget c + input g, both of 22 bits below the point, to 24 bits. */
  const wide = (gate: number, old: number, rest: number): number => {
    const kept = BigInt(gate) * BigInt(old >> 8) + ((BigInt(gate) * BigInt(old & 255)) >> 8n);
    return within(Number((kept + BigInt(rest) + 64n) >> 7n), 32767 * 256);
  };
  const peep = (gate: number, u: number, value: number): number =>
    q.peepholes === undefined
      ? 0
      : Number(nearest(BigInt(q.peepholes.weights[gate * hidden + u]! * (value >> 8)), q.peepholes.shift));
  const seen = (value: number): number => {
    const [upper, spare] = [value >> 8, q.cellBits - 11];
    return spare >= 0 ? Number(nearest(BigInt(upper), spare)) : s16(upper * 2 ** -spare);
  };
  const order = attrs.backward ? x.map((_, i) => i).reverse() : x.map((_, i) => i);
  const all: (readonly number[])[] = x.map(() => []);
  for (const t of order) {
    const now = x[t]!;
    const pre = (gate: number, u: number): number =>
      sum('ofX', gate * hidden + u, now) + sum('ofState', gate * hidden + u, h);
    if (cell === 'rnn')
      h = units.map((u) => (attrs.relu ? Math.max(0, s16(pre(0, u))) : s16(tanh(pre(0, u)))));
    else if (cell === 'lstm') {
      const next = units.map((u) => {
        const [i, f] = [0, 2].map((gate) => sigmoid(pre(gate, u) + peep(gate, u, c[u]!)));
        return wide(f!, c[u]!, (i! * tanh(pre(3, u))) >> (15 - q.cellBits));
      });
      h = units.map((u) => {
        const o = sigmoid(pre(1, u) + peep(1, u, next[u]!));
        return s16(Number(nearest(BigInt(o * tanh(seen(next[u]!))), 15)));
      });
      c = next;
    } else {
      const reset = units.map((u) => sigmoid(pre(1, u)));
      const kept = units.map((u) => Number(nearest(BigInt(reset[u]! * h[u]!), 15)));
      c = units.map((u) => {
        const row = 2 * hidden + u;
        const past = attrs.resetsAfter
          ? Number(nearest(BigInt(reset[u]! * s16(sum('ofState', row, h))), 15))
          : sum('ofState', row, kept);
        const z = sigmoid(pre(0, u));
        return wide(z, c[u]!, (32768 - z) * s16(tanh(sum('ofX', row, now) + past)));
      });
      h = c.map((value) => value >> 8);
    }
    all[t] = h;
  }
  return { all, h, c };
}
