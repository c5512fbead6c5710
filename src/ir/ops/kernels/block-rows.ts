/** Rows of float32 times weights of 2, 4 or 8 bits, a stretch of which shares a scale and a zero point. */
import { at, must } from '../../../base/errors.ts';
import type { KernelContext } from '../../graph/op.ts';
import {
  accumulate,
  add,
  and,
  constant,
  float,
  int,
  load,
  local,
  loop,
  mul,
  shr,
  store,
  sub,
  times,
  variable,
} from '../../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { countOf, type Tensor } from '../../tensor.ts';
import { docOf } from './doc.ts';

export interface BlocksOf {
  /** Numbers of a row of A, and rows of weights. */
  readonly depth: number;
  readonly outputs: number;
  readonly bits: number;
  /** Weights that share a scale and a zero point. */
  readonly block: number;
}

/** What each row of weights has: blocks, and bytes of a block. */
export const rowOf = ({ depth, bits, block }: BlocksOf) => ({
  blocks: Math.ceil(depth / block),
  blockBytes: (block * bits) / 8,
});

/** The lowest first. */
export const codeAt = (bytes: Tensor['data'], bits: number, first: number, i: number): number =>
  (at(bytes, first + Math.floor((i * bits) / 8)) >> ((i * bits) % 8)) & (2 ** bits - 1);

export interface BlockRows {
  /** Codes, block by block from a byte on. */
  readonly weights: Pick<Tensor, 'data' | 'dtype'>;
  readonly scales: Pick<Tensor, 'data'>;
  /** One for each block of each row. */
  readonly zeros: Uint8Array;
}

/** What becomes of a sum. */
export interface BlockRowsEnd {
  /** That sums begin with, of each output. */
  readonly bias: Table | undefined;
  /** That `finish` reads. */
  readonly tables: readonly Table[];
  readonly finish: (sum: Expr, output: Expr) => Expr;
  /** Of the kernel's comment. */
  readonly words?: string;
}

interface Tables {
  readonly weights: Table;
  readonly scales: Table;
  /** A number where all are alike. */
  readonly zeros: Table | number;
}

function tablesOf(name: string, { weights, scales, zeros }: BlockRows, rowLength: number): Tables {
  const [first] = zeros;
  const alike = first !== undefined && zeros.every((zero) => zero === first);
  return {
    weights: { name: `${name}_weights`, elem: 'u8', data: Uint8Array.from(weights.data), rowLength },
    scales: { name: `${name}_scales`, elem: 'f32', data: Float32Array.from(scales.data) },
    zeros: alike ? first : { name: `${name}_zeros`, elem: 'u8', data: zeros },
  };
}

const acc = local('acc', 'f32');

/** Adds a block's share: its codes less their zero point, times the numbers of the row, times the scale. */
function blockSum(
  attrs: BlocksOf,
  tables: Tables,
  own: Expr,
  first: Expr,
  count: number,
  tag: string,
): readonly Stmt[] {
  const { bits } = attrs;
  const perByte = 8 / bits;
  const { blockBytes } = rowOf(attrs);
  const [zero, sum] = [local(`zero${tag}`), local(`sum${tag}`, 'f32')];
  const byte = (i: Expr | number, codes: number, name: string): readonly Stmt[] => [
    constant(name, load(tables.weights.name, 'u8', add(mul(own, blockBytes), i))),
    ...times(codes, (e) => {
      const steps = sub(bits === 8 ? local(name) : and(shr(local(name), e * bits), 2 ** bits - 1), zero);
      const x = load('in', 'f32', add(first, mul(i, perByte), e));
      return accumulate(`sum${tag}`, mul(x, { kind: 'toFloat', value: steps }));
    }),
  ];
  const [whole, rest] = [Math.floor(count / perByte), count % perByte];
  return [
    constant(
      `zero${tag}`,
      typeof tables.zeros === 'number' ? tables.zeros : load(tables.zeros.name, 'u8', own),
    ),
    variable(`sum${tag}`, float(0)),
    ...loop(`i${tag}`, whole, (i) => byte(i, perByte, `byte${tag}`)),
    ...(rest > 0 ? byte(whole, rest, `last${tag}`) : []),
    accumulate('acc', mul(sum, load(tables.scales.name, 'f32', own))),
  ];
}

/** Input and output are rows of numbers that lie one behind the other. */
export function blockRowsKernel(
  attrs: BlocksOf,
  { name, inputs, outputs: made }: KernelContext,
  c: BlockRows,
  { bias, tables: more, finish, words = '' }: BlockRowsEnd,
): Kernel {
  const { depth, outputs, block, bits } = attrs;
  const [input, output] = [must(inputs[0], 'an input'), must(made[0], 'an output')];
  const { blocks, blockBytes } = rowOf(attrs);
  const [rows, whole, rest] = [countOf(input.shape) / depth, Math.floor(depth / block), depth % block];
  const tables = tablesOf(name, c, blocks * blockBytes);
  const body = loop('row', rows, (row) =>
    loop('o', outputs, (o) => {
      const share = (b: Expr, count: number, tag: string) =>
        blockSum(attrs, tables, add(mul(o, blocks), b), add(mul(row, depth), mul(b, block)), count, tag);
      return [
        variable('acc', bias === undefined ? float(0) : load(bias.name, 'f32', o)),
        ...loop('b', whole, (b) => share(b, block, '')),
        ...(rest > 0 ? share(int(whole), rest, '_rest') : []),
        store('out', 'f32', add(mul(row, outputs), o), finish(acc, o)),
      ];
    }),
  );
  const macs = rows * depth * outputs;
  return {
    name,
    doc: docOf(
      `Rows of ${depth} times weights of ${bits} bits in blocks of ${block}${words}`,
      [input],
      output,
      'f32',
      macs,
    ),
    params: [
      { name: 'in', role: 'in', elem: 'f32', length: countOf(input.shape) },
      { name: 'out', role: 'out', elem: 'f32', length: countOf(output.shape) },
    ],
    tables: [tables.weights, tables.scales, tables.zeros, bias, ...more].filter(
      (table) => typeof table === 'object',
    ),
    body,
    macs,
  };
}
