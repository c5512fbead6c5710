import { at, atOr0, complain } from '../../base/errors.ts';
import type { CanonicalOp, InputType } from '../graph/op.ts';
import type { Table } from '../kernel/kernel.ts';
import { countOf, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { constantOf, known, newestOpset, required, requireFloats } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import {
  type BlockRows,
  type BlocksOf as BlockWeightsAttrs,
  blockRowsKernel,
  codeAt,
  rowOf,
} from './kernels/block-rows.ts';

interface Constants extends BlockRows {
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
  float32(attrs, context, constants) {
    const { bias, ...rows } = constantsOf(attrs, constants.map(known));
    const biases: Table | undefined = bias && {
      name: `${context.name}_bias`,
      elem: 'f32',
      data: Float32Array.from(bias.data),
    };
    return blockRowsKernel(attrs, context, rows, { bias: biases, tables: [], finish: (sum) => sum });
  },
};
