/** Kernels that go through a tensor group by group. */
import { at } from '../../../base/errors.ts';
import { add, int, load, store } from '../../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import type { Digits } from '../../kernel/memory-order.ts';
import { eachPlace, type Groups } from './axis-lines.ts';
import { stepsWords } from './doc.ts';

/** One group, as the statements of its loops see it. */
export interface Group {
  readonly first: Expr;
  /** `body` for each of its elements, in loops of this name: the element, and its number in each list. */
  each(name: string, body: (x: Expr, places: readonly Expr[]) => readonly Stmt[]): readonly Stmt[];
  /** Stores the one number that is made of it: the second list has its place. */
  put(value: Expr): Stmt;
}

export interface InGroups {
  readonly name: string;
  readonly doc: readonly string[];
  readonly elem: Elem;
  /** What comes out; as `elem` when absent. */
  readonly outElem?: Elem;
  /** The first list has places in the input. */
  readonly groups: Groups;
  /** Elements of the input and the output. */
  readonly counts: readonly [number, number];
  readonly tables?: readonly Table[];
  body(group: Group): readonly Stmt[];
}

/** Where groups and their elements lie. */
function groupsWords({ starts, members }: Groups): string {
  const [first, element] = [at(starts, 0), at(members, 0)];
  const counts = (list: Digits): string => list.counts.join(', ') || '1';
  return `Groups in loops of ${counts(first)}: in ${stepsWords(first)}. Elements of a group in loops of ${counts(element)}: in by ${element.strides.join(', ') || 1}.`;
}

export function inGroups({ name, doc, elem, groups, counts, tables = [], ...r }: InGroups): Kernel {
  const outElem = r.outElem ?? elem;
  const body = eachPlace('row', groups.starts, (first) =>
    r.body({
      first: load('in', elem, first[0] ?? int(0)),
      each: (loops, inner) =>
        eachPlace(loops, groups.members, (offsets) => {
          const places = first.map((place, list) => add(place, offsets[list] ?? int(0)));
          return inner(load('in', elem, places[0] ?? int(0)), places);
        }),
      put: (value) => store('out', outElem, first[1] ?? int(0), value),
    }),
  );
  return {
    name,
    doc: [...doc, groupsWords(groups)],
    params: [
      { name: 'in', role: 'in', elem, length: counts[0] },
      { name: 'out', role: 'out', elem: outElem, length: counts[1] },
    ],
    tables,
    body,
    macs: 0,
  };
}
