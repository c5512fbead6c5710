/** A matrix of activations times constant weights, as a layer that has kernels. */
import { at } from '../../../base/errors.ts';
import type { Replacement } from '../../graph/op.ts';
import { type Shape, sameShape, type Tensor } from '../../tensor.ts';
import { type ConvAttrs, conv } from '../conv.ts';
import { linear } from '../linear.ts';
import { transpose } from '../transpose.ts';
import { reshapeTo } from './imported.ts';

export interface RowsProduct {
  /** An activation of rows x depth elements, and its shape. */
  readonly from: string;
  readonly shape: Shape;
  readonly to: string;
  readonly target: Shape;
  readonly rows: number;
  readonly depth: number;
  /** outputs x depth */
  readonly weights: Tensor;
  /** One number per output. */
  readonly bias?: Tensor;
}

const pointwise: ConvAttrs = {
  kernel: [1],
  strides: [1],
  pads: [0, 0],
  autoPad: 'NOTSET',
  dilations: [1],
  groups: 1,
};

/** What a part makes is called after the last tensor and a word of its own. */
type Part = readonly [word: string, made: (from: string, to: string) => Replacement];

const chained = (first: string, last: string, parts: readonly Part[]): readonly Replacement[] =>
  parts.map(([word, made], i) => {
    const from = i === 0 ? first : `${last}~${parts[i - 1]?.[0]}`;
    return made(from, i === parts.length - 1 ? last : `${last}~${word}`);
  });

/** One row is a linear layer; several are a convolution over one axis, whose pixels are the rows. */
export function rowsProduct(product: RowsProduct): readonly Replacement[] {
  const { from, shape, to, target, rows, depth, weights, bias } = product;
  const outputs = at(weights.shape, 0);
  const several = rows > 1;
  const [w, b] = [`${to}~w`, `${to}~b`];
  const constants = new Map([[w, several ? { ...weights, shape: [outputs, depth, 1] } : weights]]);
  if (bias !== undefined) constants.set(b, bias);
  const layer = (input: string, output: string): Replacement => ({
    op: several ? conv : linear,
    attrs: several ? pointwise : {},
    inputs: [input, w, ...(bias === undefined ? [] : [b])],
    outputs: [output],
    constants,
  });
  const turn = (input: string, output: string): Replacement => ({
    op: transpose,
    attrs: { perm: [0, 2, 1] },
    inputs: [input],
    outputs: [output],
  });
  const viewed = (word: string, a: Shape, b: Shape): readonly Part[] =>
    sameShape(a, b) ? [] : [[word, (input, output) => reshapeTo(input, output, b)]];
  const inner: readonly Part[] = several
    ? [
        ['turned', turn],
        ['sum', layer],
        ['back', turn],
      ]
    : [['sum', layer]];
  const matrix = (n: number): Shape => (several ? [1, rows, n] : [1, n]);
  return chained(from, to, [
    ...viewed('row', shape, matrix(depth)),
    ...inner,
    ...viewed('shaped', matrix(outputs), target),
  ]);
}
