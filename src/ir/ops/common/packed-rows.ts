/**
 * Layers in float32 whose weights the model has as integers of at most 8 bits: their tables keep those.
 *
 *   y = sum x w = sum over blocks of step (sum x (code - zero point))
 */
import { at } from '../../../base/errors.ts';
import type { KernelContext } from '../../graph/op.ts';
import type { Arithmetic } from '../../integers/mac.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { FileIntegers, Tensor } from '../../tensor.ts';
import { type BlockRows, type BlocksOf, blockRowsKernel, rowOf } from '../kernels/block-rows.ts';

export interface PackedRows {
  readonly blocks: BlocksOf;
  readonly rows: BlockRows;
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** Neighbours of a row with one step: all of it, or a multiple of 8; undefined where steps change at other places. */
function blockOf({ steps }: FileIntegers, depth: number): number | undefined {
  let common = 0;
  for (let i = 1; i < steps.length; i++)
    if (i % depth !== 0 && at(steps, i) !== at(steps, i - 1)) common = divisor(i % depth, common);
  if (common === 0) return 8 * Math.ceil(depth / 8);
  return common % 8 === 0 ? common : undefined;
}

/** The least and the largest integer of each block, 0 among them. */
function spansOf({ numbers }: FileIntegers, attrs: Omit<BlocksOf, 'bits'>) {
  const { depth, outputs, block } = attrs;
  const { blocks } = rowOf({ ...attrs, bits: 8 });
  const spans = Array.from({ length: outputs * blocks }, () => ({ least: 0, most: 0 }));
  numbers.forEach((q, i) => {
    const span = at(spans, Math.floor(i / depth) * blocks + Math.floor((i % depth) / block));
    span.least = Math.min(span.least, q);
    span.most = Math.max(span.most, q);
  });
  return spans;
}

const sizes = [2, 4, 8] as const;

/** Weights[outputs, depth], of which `count` rows; undefined where they are no integers of 8 bits in blocks. */
export function packedRows({ integers, data }: Tensor, outputs: number): PackedRows | undefined {
  const depth = data.length / outputs;
  const block = integers && blockOf(integers, depth);
  if (integers === undefined || block === undefined) return undefined;
  const spans = spansOf(integers, { depth, outputs, block });
  const bits = sizes.find((size) => spans.every(({ least, most }) => most - least < 2 ** size));
  if (bits === undefined) return undefined;
  const half = 2 ** (bits - 1);
  const isEven = spans.every(({ least, most }) => least >= -half && most < half);
  const zeros = Uint8Array.from(spans, ({ least }) => (isEven ? half : -least));
  const blocks = { depth, outputs, bits, block };
  return { blocks, rows: coded(blocks, integers, zeros) };
}

function coded(attrs: BlocksOf, { numbers, steps }: FileIntegers, zeros: Uint8Array): BlockRows {
  const { depth, bits, block } = attrs;
  const { blocks, blockBytes } = rowOf(attrs);
  const data = new Uint8Array(zeros.length * blockBytes);
  const scales = new Float32Array(zeros.length);
  numbers.forEach((q, i) => {
    const [own, place] = [
      Math.floor(i / depth) * blocks + Math.floor((i % depth) / block),
      (i % depth) % block,
    ];
    const byte = own * blockBytes + Math.floor((place * bits) / 8);
    data[byte] = at(data, byte) | ((q + at(zeros, own)) << ((place * bits) % 8));
    scales[own] = at(steps, i);
  });
  return { weights: { dtype: 'uint8', data }, scales: { data: scales }, zeros };
}

/** Rows that lie one behind the other, on a layer's bias and bounds. */
export const packedKernel = (
  { blocks, rows }: PackedRows,
  context: KernelContext,
  { bias, tables, finish }: Arithmetic,
  words: string,
): Kernel => blockRowsKernel(blocks, context, rows, { bias, tables, finish, words });
