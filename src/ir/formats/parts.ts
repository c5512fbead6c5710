/**
 * Rows of which only some terms are taken, of dense 8-bit weights: of some segments, in a loop over them, and for each
 * sum of some pieces, in straight code. An input is loaded once for all sums of neighbouring places.
 */
import { DefectError } from '../../base/errors.ts';
import {
  accumulate,
  add,
  advance,
  constant,
  load,
  local,
  loop,
  mul,
  pointer,
  times,
} from '../kernel/builders.ts';
import type { Expr, RowSum, RowTerm, Stmt } from '../kernel/kernel.ts';
import { dense8, formatName, termsOf, type WeightLayout } from '../kernel/weight-format.ts';

export type SumOfRow = Omit<RowSum, 'kind' | 'body'>;

/** A term of a segment that a sum takes: its weight in the segment, and where its input lies. */
interface Use {
  readonly local: string;
  readonly weight: number;
  readonly place: number;
}

function usesOf({ local, offset, pieces }: RowTerm, l: WeightLayout): readonly Use[] {
  const { from, to } = pieces ?? { from: 0, to: l.pieces };
  return times((to - from) * l.run, (i) => {
    const [piece, one] = [from + Math.floor(i / l.run), i % l.run];
    return { local, weight: piece * l.run + one, place: offset + piece * l.pieceStride + one };
  });
}

/** The next row. @throws DefectError for weights that are not plain numbers of 8 bits, row after row */
export function partOfRow(sum: SumOfRow): readonly Stmt[] {
  const { layout, stream, format, walk } = sum.stored;
  if (walk === 'turns' || formatName(format) !== formatName(dense8))
    throw new DefectError(`'${stream}': parts of rows are of dense weights of 8 bits`);
  const { from, to } = sum.segments ?? { from: 0, to: layout.segments };
  const uses = sum.sums.flatMap((one) => usesOf(one, layout)).sort((a, b) => a.place - b.place);
  return [
    ...(uses.length > 0 ? loop(`ky${sum.suffix}`, to, (ky) => segment(sum, uses, ky), { from }) : []),
    ...advance('wt', termsOf(layout)),
  ];
}

function segment(
  { stored, from, elem, first, skip, type, suffix }: SumOfRow,
  uses: readonly Use[],
  ky: Expr,
): readonly Stmt[] {
  const { pieces, run, segmentStride } = stored.layout;
  const [px, wy] = [`px${suffix}`, `wy${suffix}`];
  const least = Math.min(...uses.map(({ place }) => place));
  const weights = [...new Set(uses.map(({ weight }) => weight))].sort((a, b) => a - b);
  const places = [...new Set(uses.map(({ place }) => place))];
  const x = (i: number): string => `x${i}${suffix}`;
  const w = (i: number): string => `w${i}${suffix}`;
  const product = ({ weight }: Use, i: number): Expr => mul(local(x(i), type), local(w(weight), type));
  return [
    pointer(px, from, elem, add(first, skip, mul(ky, segmentStride), least)),
    pointer(wy, 'wt', stored.elem, mul(ky, pieces * run)),
    ...weights.map((weight) => constant(w(weight), load(wy, stored.elem, weight))),
    ...places.flatMap((place, i) => [
      constant(x(i), load(px, elem, place - least)),
      ...uses.filter((use) => use.place === place).map((use) => accumulate(use.local, product(use, i))),
    ]),
  ];
}
