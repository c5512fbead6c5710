import { at, complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
import { quantOf } from '../integers/quant.ts';
import { copy, load, local, loop, mul } from '../kernel/builders.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { elemOf, type Quant } from '../kernel/stored.ts';
import { countOf, picked, type Shape, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { nearestIndex, rowAt } from './common/row-index.ts';
import { docOf } from './kernels/doc.ts';

/** The table's rows as bytes on the output's grid. */
export interface QuantizedEmbedding {
  readonly data: readonly number[];
}

const rowsShape = (indices: TensorType, table: TensorType): Shape => [
  ...indices.shape,
  ...table.shape.slice(1),
];

function typeOf(inputs: readonly (InputType | undefined)[]): TensorType {
  const [indices, table] = [required(inputs, 0, 'indices'), required(inputs, 1, 'table')];
  if (table.dtype !== 'float32' || !/^u?int\d+$/.test(indices.dtype))
    throw complain(`rows of ${table.dtype} by ${indices.dtype}`, 'rows of float32 by integers');
  return { dtype: table.dtype, shape: rowsShape(indices, table) };
}

const tableOf = (inputs: readonly (InputType | undefined)[]): Tensor =>
  must(inputs[1]?.constant, 'the table is constant');

const bytesOf = ({ data }: Tensor, { scale, zeroPoint }: Quant): readonly number[] =>
  Array.from(data, (x) => Math.max(0, Math.min(255, Math.round(x / scale) + zeroPoint)));

function kernelOf(
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  data: readonly number[],
): Kernel {
  const [indices, output] = [must(inputs[0], 'indices'), must(outputs[0], 'an output')];
  const count = countOf(indices.shape);
  const width = countOf(output.shape) / count;
  const rows = data.length / width;
  const table = { name: `${name}_rows`, elem, data, rowLength: width, says: 'A row for each index.' };
  return {
    name,
    doc: [
      ...docOf(`Rows of a table of ${rows} by their index`, [], output, elem),
      `Negative indices count from the end; those beyond ${-rows}..${rows - 1} are the first or the last row.`,
    ],
    params: [
      { name: 'in', role: 'in', elem: elemOf(indices), length: count },
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
    ],
    tables: [table],
    body: loop('i', count, (i) => [
      ...rowAt(load('in', elemOf(indices), i), rows),
      copy(elem, ['out', mul(i, width)], [table.name, mul(local('row'), width)], width),
    ]),
    macs: 0,
  };
}

/**
 * Rows of a constant table, by indices: words as vectors. Negative indices count from the end; those that are out of
 * range are the first or the last row.
 */
export const embedding: CanonicalOp<unknown, QuantizedEmbedding> = {
  kind: 'embedding',
  ownTypes: true,
  infer: (_attrs, inputs) => [typeOf(inputs)],
  reference(_attrs, inputs) {
    const [indices, table] = [required(inputs, 0, 'indices'), required(inputs, 1, 'table')];
    const rows = at(table.shape, 0);
    const found = picked(
      table,
      0,
      Array.from(indices.data, (index) => nearestIndex(index, rows)),
    );
    return [{ ...found, shape: rowsShape(indices, table) }];
  },
  reads: (_attrs, inputs) => inputs.map(() => undefined),
  order: () => undefined,
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  anyZeroPoint: 'computes',
  // Of the whole table: a word that did not calibrate is stored as well as those that did.
  outputQuant({ inputTypes }) {
    const { data } = tableOf(inputTypes);
    return quantOf({ lo: Math.min(0, smallestOf(data)), hi: Math.max(0, largestOf(data)) });
  },
  quantize: ({ inputTypes, outputQuant }) => ({ data: bytesOf(tableOf(inputTypes), outputQuant) }),
  rows: undefined,
  gradient: 'none',
  int8: (_attrs, { data }, context) => kernelOf(context, 'u8', data),
  float32: (_attrs, context, constants) =>
    kernelOf(context, 'f32', Array.from(must(constants[1], 'the table is constant').data)),
};
