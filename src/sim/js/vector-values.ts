/** Vectors in JavaScript: arrays with a number for each lane. */
import { type ExprOf, elemBytes, lanesOf, type StmtOf } from '../../ir/kernel/kernel.ts';
import { ownerOf } from '../arena.ts';
import { type Context, elementIndex, fail, isLive, type JsArray, jsArray, temporary } from './site.ts';

/** What the generated code calls, by these names. */
export const vectorRuntime = {
  /** The element of each lane. */
  places: (at: number, lanes: number, offsets: readonly number[] | undefined): readonly number[] =>
    Array.from({ length: lanes }, (_, i) => at + (offsets === undefined ? i : (offsets[i] as number))),
  /** Whether the number of lanes, or the element of one of the first `count`, is not what may be. */
  outside: (places: readonly number[], count: number, lanes: number, start: number, end: number): boolean =>
    count < 0 || count > lanes || places.slice(0, count).some((place) => place < start || place >= end),
  /** The first `count` elements, filled up with zeros. */
  gather: (view: ArrayLike<number>, places: readonly number[], count: number): readonly number[] =>
    places.map((place, i) => (i < count ? (view[place] as number) : 0)),
  /** A byte of the first `count` elements that `owner` does not own; -1 if it owns all. */
  lost(owners: Uint16Array, owner: number, places: readonly number[], count: number, bytes: number): number {
    for (const place of places.slice(0, count))
      for (let i = place * bytes; i < (place + 1) * bytes; i++) if (owners[i] !== owner) return i;
    return -1;
  },
  /** The first lane that loses bits in this array; -1 if none does. */
  narrowed(view: Uint8Array, lanes: readonly number[], count: number): number {
    const one = view.slice(0, 1);
    for (let i = 0; i < count; i++) {
      one[0] = lanes[i] as number;
      if (one[0] !== lanes[i]) return i;
    }
    return -1;
  },
};

/** The condition under which `count` lanes from `at` on are not all inside of the array. */
const outside = (array: JsArray, at: string, count: string, lanes: number): string =>
  `${count} < 0 || ${count} > ${lanes} || ${at} < ${array.start} || ${at} + ${count} > ${array.end}`;

function outsideTrap(
  c: Context,
  node: ExprOf<'loadVector'> | StmtOf<'storeVector'>,
  name: string,
  array: JsArray,
  at: string,
  count: string,
): string {
  return fail(c, 'out of bounds', node, `${at} - ${array.start}, ${array.end - array.start}, ${count}`, name);
}

/** `parts` are the index, the count, and the offsets where there are any. */
export function loadVector(
  c: Context,
  e: ExprOf<'loadVector'>,
  [index = '', length = '', offsets]: readonly string[],
): string {
  const array = jsArray(c, e.from);
  const [at, count, places, lost] = [temporary(c), temporary(c), temporary(c), temporary(c)];
  const lanes = lanesOf[e.type];
  const bytes = elemBytes[e.elem];
  const checks: string[] = [];
  if (isLive(c, e)) {
    const bad = `vectors.outside(${places}, ${count}, ${lanes}, ${array.start}, ${array.end})`;
    checks.push(`${bad} ? ${outsideTrap(c, e, e.from, array, at, count)} : `);
  }
  if (c.checked && array.slot !== undefined) {
    const trap = fail(c, 'overwritten byte', e, `${lost} / ${bytes} | 0`, e.from);
    const found = `vectors.lost(owners, ${ownerOf(array.slot)}, ${places}, ${count}, ${bytes})`;
    checks.push(`(${lost} = ${found}) >= 0 ? ${trap} : `);
  }
  const sets = [
    `${at} = ${elementIndex(array, index)}`,
    `${count} = ${length}`,
    `${places} = vectors.places(${at}, ${lanes}, ${offsets ?? 'undefined'})`,
  ];
  return `(${sets.join(', ')}, ${checks.join('')}vectors.gather(${array.view}, ${places}, ${count}))`;
}

/** The array is one that may be written. */
export function storeVector(
  c: Context,
  s: StmtOf<'storeVector'>,
  array: JsArray,
  [stored, index, length]: readonly [stored: string, index: string, length: string],
): void {
  const [at, count, lanes, bad] = [temporary(c), temporary(c), temporary(c), temporary(c)];
  c.lines.push(`${lanes} = ${stored};`, `${count} = ${length};`);
  c.lines.push(`${at} = ${elementIndex(array, index)};`);
  if (isLive(c, s)) {
    const trap = outsideTrap(c, s, s.to, array, at, count);
    c.lines.push(`if (${outside(array, at, count, lanesOf[s.type])}) ${trap};`);
    c.lines.push(`${bad} = vectors.narrowed(${array.view}, ${lanes}, ${count});`);
    c.lines.push(`if (${bad} >= 0) ${fail(c, 'narrowing loses bits', s, `${lanes}[${bad}]`)};`);
  }
  const i = temporary(c);
  c.lines.push(`for (${i} = 0; ${i} < ${count}; ${i}++) ${array.view}[${at} + ${i}] = ${lanes}[${i}];`);
  if (!c.checked || array.slot === undefined) return;
  const bytes = elemBytes[s.elem];
  c.lines.push(`owners.fill(${ownerOf(array.slot)}, ${at} * ${bytes}, (${at} + ${count}) * ${bytes});`);
}

/** A primitive of vectors says itself where it is not defined. */
export function vectorCall(c: Context, e: ExprOf<'call'>, args: readonly string[]): string {
  const called = (list: string) => `prim_${e.primitive}(${list})`;
  if (!isLive(c, e)) return called(args.join(', '));
  const names = args.map(() => temporary(c));
  const result = temporary(c);
  const list = names.join(', ');
  const sets = names.map((name, i) => `${name} = ${args[i]}, `).join('');
  const trap = fail(c, 'precondition', e, `...[${list}].flat()`);
  return `(${sets}(${result} = ${called(list)}) === undefined ? ${trap} : ${result})`;
}
