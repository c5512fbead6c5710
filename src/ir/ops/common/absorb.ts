/** What operators take in of the next one. */
import type { RowClamp } from '../../graph/affine.ts';
import { is } from '../../graph/graph.ts';
import type { NextNode } from '../../graph/op.ts';
import { clampedAgain } from '../../integers/row-clamp.ts';
import { clip } from '../clip.ts';

/** An activation with bounds, of an operator that clamps what it makes. */
export const absorbClip = <A extends { readonly clamp?: RowClamp }>(
  attrs: A,
  next: NextNode,
): A | undefined => (is(next, clip) ? { ...attrs, clamp: clampedAgain(attrs.clamp, next.attrs) } : undefined);
