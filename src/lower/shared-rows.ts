/**
 * Rows of weights that all meet the same inputs: convolutions and linear layers. Inputs are widened to 16 bits once; a
 * pair of neighbouring inputs, in all four lanes of a vector, meets the pairs of weights of four rows (eight products,
 * neighbours added), so that no lane is ever added to another. One load of weights serves up to four places, one load
 * of inputs up to 24 rows. Sums of integers may be made in any order, as none can overflow.
 */
import { at } from '../base/errors.ts';
import { add, int, loadVector, loop, pointer, storeVector, times } from '../ir/kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt } from '../ir/kernel/kernel.ts';
import { namesIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { split } from '../sim/wasm/body.ts';
import type { NewName } from './fresh-names.ts';
import { inFront, type MadeSums } from './made-sums.ts';
import {
  lanes,
  packed,
  pairLevels,
  pairTable,
  placesAtOnce,
  summedRows,
  vectorsOf,
  wideLanes,
} from './row-blocks.ts';
import type { FoundSums, SumGroup } from './sum-groups.ts';
import type { Windows } from './windows.ts';

/** What the statements of one kernel are made of. */
interface Work {
  readonly layout: WeightLayout;
  readonly names: NewName;
  readonly wide: string;
  readonly weights: string;
  readonly sums: string;
}

/** The sums of all rows at the places of a group, and where each statement's are. */
export function sharedRows(
  kernel: Kernel,
  found: FoundSums,
  windows: Windows | undefined,
  names: NewName,
): MadeSums | undefined {
  const order = ({ ahead }: SumGroup): number => kernel.body.indexOf(ahead);
  const groups = found.groups.toSorted((a, b) => order(a) - order(b));
  const [group, ...others] = groups;
  const own = kernel.weights?.layout;
  const source = kernel.params.find(({ name }) => name === group?.from);
  if (group === undefined || own === undefined || source === undefined) return undefined;
  if (source.elem !== 'u8' && source.elem !== 'i8') return undefined;
  // One set of packed weights and of sums: all groups ask for the same ones, of what never changes.
  const isLasting = source.role === 'in' && group.places.every((place) => namesIn(place).size === 0);
  if (!others.every((o) => isLasting && o.from === group.from && sameSums(kernel, o, group)))
    return undefined;
  const layout = windows?.layout ?? own;
  const wide = windows?.image ?? wideParam(names('wide'), source, own);
  const work = { layout, names, wide: wide.name, weights: names('pairs'), sums: names('sums') };
  const places = group.places.length;
  const perPlace = vectorsOf(layout.rows) * lanes;
  return {
    doc: 'Vectors of WebAssembly: pairs of inputs of 16 bits times those of four rows of weights.',
    scratch: [wide, { name: work.sums, role: 'scratch', elem: 'i32', length: places * perPlace }],
    tables: [
      pairTable(work.weights, [packed(decodeRows(kernel), layout, places)]),
      ...(windows?.tables ?? []),
    ],
    sums: work.sums,
    before:
      windows === undefined
        ? beforeOf(kernel, source, group, work)
        : inFront([at(kernel.body, 0), windows.begin], [group.ahead, summed(work, windows.places)]),
    ...(windows === undefined ? {} : { dropped: windows.dropped }),
    added: new Map(
      groups.map(({ statement, members }) => [
        statement,
        members.map(({ sum, place }) => ({
          local: sum.local,
          index: add(place * perPlace, sum.row),
        })),
      ]),
    ),
  };
}

/** The sums made ahead of one statement of the kernel's own block are still there at a later one. */
const sameSums = (kernel: Kernel, a: SumGroup, b: SumGroup): boolean =>
  JSON.stringify(a.places) === JSON.stringify(b.places) &&
  kernel.body.includes(a.ahead) &&
  kernel.body.includes(b.ahead);

/**
 * Inputs are widened when the kernel begins: whatever is written over them was read before. Scratch is widened in
 * front of the statement that reads it.
 */
function beforeOf(
  kernel: Kernel,
  source: Param,
  { ahead, places }: SumGroup,
  work: Work,
): ReadonlyMap<Stmt, readonly Stmt[]> {
  const wide = widened(source, work);
  const made = summed(work, places);
  return inFront([source.role === 'in' ? at(kernel.body, 0) : ahead, wide], [ahead, made]);
}

/** In whole vectors with a zero at the end at least, and as far as a pointer moves beyond its last pair. */
const wideParam = (name: string, { length }: Param, layout: WeightLayout): Param => ({
  name,
  role: 'scratch',
  elem: 'i16',
  length: (Math.floor(length / wideLanes) + 1) * wideLanes + (pairLevels(layout).at(-1)?.step ?? 0),
});

/** Widens up to so many vectors without a loop. */
const unrolled = 8;

function widened({ name, elem, length }: Param, { wide, names }: Work): readonly Stmt[] {
  const whole = Math.floor(length / wideLanes) * wideLanes;
  const one = (i: Expr, count = wideLanes): Stmt =>
    storeVector('i16x8', wide, 'i16', i, loadVector('i16x8', name, elem, i, count));
  const vectors =
    whole > unrolled * wideLanes
      ? loop(names('i'), whole, (i) => [one(i)], { step: wideLanes })
      : times(whole / wideLanes, (i) => one(int(i * wideLanes)));
  return [...vectors, one(int(whole), length - whole)];
}

/** Where rows begin: `offset` elements behind a pointer of `moving`. */
interface Place {
  readonly pointer: number;
  readonly offset: number;
}

/** Places that lie a fixed number of elements apart share a pointer to the first of them. */
function placesOf(places: readonly Expr[]): {
  readonly firsts: readonly Expr[];
  readonly places: readonly Place[];
} {
  const parts = places.map(split);
  const texts = parts.map(({ moving }) => JSON.stringify(moving) ?? '');
  const distinct = [...new Set(texts)];
  const least = distinct.map((text) =>
    Math.min(...parts.filter((_, i) => texts[i] === text).map(({ fixed }) => fixed)),
  );
  return {
    firsts: distinct.map((text, i) => add(at(parts, texts.indexOf(text)).moving ?? int(0), at(least, i))),
    places: parts.map(({ fixed }, i) => {
      const one = distinct.indexOf(at(texts, i));
      return { pointer: one, offset: fixed - at(least, one) };
    }),
  };
}

/** All rows at all places, up to four of these at a time. */
function summed(work: Work, all: readonly Expr[]): readonly Stmt[] {
  const { layout, names } = work;
  return times(Math.ceil(all.length / placesAtOnce), (chunk) => {
    const some = all.slice(chunk * placesAtOnce, (chunk + 1) * placesAtOnce);
    const { firsts, places } = placesOf(some);
    const pointers = firsts.map(() => names('px'));
    const [weights, out] = [names('w'), names('to')];
    const first = chunk * placesAtOnce * vectorsOf(layout.rows) * lanes;
    return [
      ...firsts.map((index, i) => pointer(at(pointers, i), work.wide, 'i16', index)),
      pointer(weights, work.weights, 'i16', 0, { mutable: true }),
      pointer(out, work.sums, 'i32', first, { mutable: true }),
      ...summedRows(layout, names, { pointers, places, weights, out }, all.length),
    ];
  }).flat();
}
