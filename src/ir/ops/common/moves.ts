/** Operators that only move elements, as `move`. */
import { at } from '../../../base/errors.ts';
import { type AxisIndex, allOf, axiswise, type Piece } from '../../geometry/strided.ts';
import type { NodeView, Replacement } from '../../graph/op.ts';
import { type MoveAttrs, move } from '../move.ts';
import { required } from './inputs.ts';

/** What not every move has. */
export interface MoveOptions extends Pick<MoveAttrs, 'fill' | 'padding'> {
  /** Which output of the node it makes; the first when absent. */
  readonly output?: number;
  /** How many of its inputs are read; one when absent. */
  readonly read?: number;
}

/** One output of a node as pieces of its inputs. */
export function asMove(
  { inputs, outputs, outputTypes }: NodeView<unknown>,
  words: string,
  pieces: readonly Piece[],
  { output = 0, read = 1, ...more }: MoveOptions = {},
): Replacement {
  const { shape } = at(outputTypes, output);
  return {
    op: move,
    attrs: { shape, pieces, words, ...more },
    inputs: inputs.slice(0, read),
    outputs: [at(outputs, output)],
  };
}

/** The first input with other indices along one axis. */
export function alongAxis(
  { inputTypes }: NodeView<unknown>,
  axis: number,
  index: AxisIndex,
): readonly Piece[] {
  const { shape } = required(inputTypes, 0, 'data');
  return axiswise(
    0,
    shape,
    shape.map((size, i) => (i === axis ? index : allOf(size))),
  );
}
