import { at, atOr0, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
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
} from '../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../kernel/kernel.ts';
import { countOf, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { constantOf, known, newestOpset, required, requireFloats } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { docOf } from './kernels/doc.ts';

export interface BlockWeightsAttrs {
  /** Numbers of a row of A, and rows of weights. */
  readonly depth: number;
  readonly outputs: number;
  readonly bits: number;
  /** Weights that share a scale and a zero point. */
  readonly block: number;
}

/** What each row of weights has: blocks, and bytes of a block. */
const rowOf = ({ depth, bits, block }: BlockWeightsAttrs) => ({
  blocks: Math.ceil(depth / block),
  blockBytes: (block * bits) / 8,
});

/** The lowest first. */
const codeAt = (bytes: Tensor['data'], bits: number, first: number, i: number): number =>
  (at(bytes, first + Math.floor((i * bits) / 8)) >> ((i * bits) % 8)) & (2 ** bits - 1);

interface Constants {
  readonly weights: Tensor;
  readonly scales: Tensor;
  /** One for each block of each row. */
  readonly zeros: Uint8Array;
  readonly bias?: Tensor;
}

/** Zero points come packed as weights do, each row from a byte on. */
function zerosOf(attrs: BlockWeightsAttrs, zeros: Tensor | undefined): Uint8Array {
  const { outputs, bits } = attrs;
  const { blocks } = rowOf(attrs);
  const rowBytes = Math.ceil((blocks * bits) / 8);
  if (zeros !== undefined && zeros.dtype !== 'uint8')
    throw complain(`zero points of type ${zeros.dtype}`, 'uint8, as many bits as weights have');
  if (zeros !== undefined && zeros.data.length !== outputs * rowBytes)
    throw complain(`${zeros.data.length} bytes of zero points`, `${outputs} rows of ${rowBytes}`);
  return Uint8Array.from({ length: outputs * blocks }, (_, i) => {
    if (zeros === undefined) return 2 ** (bits - 1);
    return codeAt(zeros.data, bits, Math.floor(i / blocks) * rowBytes, i % blocks);
  });
}

/** @throws InputError unless they are there, constant, and fit together */
function constantsOf(attrs: BlockWeightsAttrs, inputs: readonly (InputType | undefined)[]): Constants {
  const [weights, scales, zeros, groups, bias] = [
    'weights',
    'scales',
    'zero points',
    'group index',
    'bias',
  ].map((role, i) => constantOf(inputs[i + 1], role));
  if (groups !== undefined) throw complain('a group index (g_idx)', 'blocks in the order of the weights');
  const { blocks, blockBytes } = rowOf(attrs);
  const { outputs } = attrs;
  const made = { weights: required([weights], 0, 'B'), scales: required([scales], 0, 'scales') };
  const counts = [outputs * blocks * blockBytes, outputs * blocks];
  if (made.weights.dtype !== 'uint8') throw complain(`weights of type ${made.weights.dtype}`, 'uint8');
  if (made.weights.data.length !== counts[0] || made.scales.data.length !== counts[1])
    throw complain(
      `${made.weights.data.length} bytes of weights and ${made.scales.data.length} scales`,
      `${outputs} rows of ${blocks} blocks of ${blockBytes} bytes`,
    );
  if (bias !== undefined && bias.data.length !== outputs)
    throw complain(`${bias.data.length} numbers of bias`, `${outputs}`);
  return { ...made, zeros: zerosOf(attrs, zeros), ...(bias === undefined ? {} : { bias }) };
}

function typeOf(attrs: BlockWeightsAttrs, inputs: readonly (InputType | undefined)[]): TensorType {
  const a = required(inputs, 0, 'A');
  requireFloats([a]);
  if (a.shape.at(-1) !== attrs.depth)
    throw complain(`rows of ${a.shape.at(-1) ?? 0} numbers`, `K = ${attrs.depth}`);
  constantsOf(attrs, inputs);
  return { dtype: a.dtype, shape: [...a.shape.slice(0, -1), attrs.outputs] };
}

/** (code - zero point) scale, by output and input. */
function realWeights(attrs: BlockWeightsAttrs, { weights, scales, zeros }: Constants): Float64Array {
  const { depth, outputs, bits, block } = attrs;
  const { blocks, blockBytes } = rowOf(attrs);
  return Float64Array.from({ length: outputs * depth }, (_, i) => {
    const [output, k] = [Math.floor(i / depth), i % depth];
    const own = output * blocks + Math.floor(k / block);
    return (codeAt(weights.data, bits, own * blockBytes, k % block) - at(zeros, own)) * at(scales.data, own);
  });
}

function product(attrs: BlockWeightsAttrs, a: Tensor, constants: Constants, type: TensorType): Tensor {
  const { depth, outputs } = attrs;
  const w = realWeights(attrs, constants);
  const values = Float64Array.from({ length: countOf(type.shape) }, (_, i) => {
    const [row, output] = [Math.floor(i / outputs), i % outputs];
    let sum = atOr0(constants.bias?.data, output);
    for (let k = 0; k < depth; k++) sum += at(a.data, row * depth + k) * at(w, output * depth + k);
    return sum;
  });
  return rounded(type.dtype, type.shape, values);
}

interface Tables {
  readonly weights: Table;
  readonly scales: Table;
  /** A number where all are alike. */
  readonly zeros: Table | number;
}

function tablesOf(name: string, { weights, scales, zeros }: Constants, rowLength: number): Tables {
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
  attrs: BlockWeightsAttrs,
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

function kernelOf(
  attrs: BlockWeightsAttrs,
  { name, inputs, outputs: made }: KernelContext,
  c: Constants,
): Kernel {
  const { depth, outputs, block, bits } = attrs;
  const [input, output] = [must(inputs[0], 'an input'), must(made[0], 'an output')];
  const { blocks, blockBytes } = rowOf(attrs);
  const [rows, whole, rest] = [countOf(input.shape) / depth, Math.floor(depth / block), depth % block];
  const tables = tablesOf(name, c, blocks * blockBytes);
  const bias: Table | undefined = c.bias && {
    name: `${name}_bias`,
    elem: 'f32',
    data: Float32Array.from(c.bias.data),
  };
  const body = loop('row', rows, (row) =>
    loop('o', outputs, (o) => {
      const share = (b: Expr, count: number, tag: string) =>
        blockSum(attrs, tables, add(mul(o, blocks), b), add(mul(row, depth), mul(b, block)), count, tag);
      return [
        variable('acc', bias === undefined ? float(0) : load(bias.name, 'f32', o)),
        ...loop('b', whole, (b) => share(b, block, '')),
        ...(rest > 0 ? share(int(whole), rest, '_rest') : []),
        store('out', 'f32', add(mul(row, outputs), o), acc),
      ];
    }),
  );
  const macs = rows * depth * outputs;
  return {
    name,
    doc: docOf(
      `Rows of ${depth} times weights of ${bits} bits in blocks of ${block}`,
      [input],
      output,
      'f32',
      macs,
    ),
    params: [
      { name: 'in', role: 'in', elem: 'f32', length: countOf(input.shape) },
      { name: 'out', role: 'out', elem: 'f32', length: countOf(output.shape) },
    ],
    tables: [tables.weights, tables.scales, tables.zeros, bias].filter((table) => typeof table === 'object'),
    body,
    macs,
  };
}

/**
 * A[..., K] times the transpose of w[N, K], plus an optional bias[N]: w = (code - zero point) scale, of a scale and a zero
 * point for each block of a row. Codes stay 2, 4 or 8 bits in the tables; sums are float32, whatever accuracy_level the
 * file allows. com.microsoft MatMulNBits-1.
 */
export const blockWeights: CanonicalOp<BlockWeightsAttrs> = {
  kind: 'blockWeights',
  restrictions: 'constant weights, scales and zero points; no group index; zero points of uint8',
  only: 'float32',
  onnx: {
    'com.microsoft.MatMulNBits': {
      since: 1,
      upTo: newestOpset,
      parse({ attributes }) {
        const bits = attributes.int('bits', 4);
        const [depth, outputs, block] = ['K', 'N', 'block_size'].map((name) => attributes.int(name, 0));
        if (![2, 4, 8].includes(bits)) throw complain(`weights of ${bits} bits`, '2, 4 or 8');
        if (
          depth === undefined ||
          outputs === undefined ||
          block === undefined ||
          block < 8 ||
          block % 8 !== 0
        )
          throw complain(`blocks of ${block} weights`, 'a multiple of 8');
        return { depth, outputs, bits, block };
      },
    },
  },
  infer: (attrs, inputs) => [typeOf(attrs, inputs)],
  reference(attrs, inputs) {
    const types = inputs.map(known);
    return [product(attrs, required(inputs, 0, 'A'), constantsOf(attrs, types), typeOf(attrs, types))];
  },
  channels: opaqueChannels,
  reads: (_attrs, inputs) => inputs.map(() => undefined),
  order: () => undefined,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  quantize() {
    throw complain('weights on grids of blocks', 'float32', 'compile with --type float32');
  },
  float32: (attrs, context, constants) => kernelOf(attrs, context, constantsOf(attrs, constants.map(known))),
};
