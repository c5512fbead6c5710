/** The words of the comment above a kernel. */

import type { RowClamp } from '../../integers/row-clamp.ts';
import type { Elem, Expr } from '../../kernel/kernel.ts';
import { type Digits, sameOrder, spatialOrder } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { exprText } from '../../kernel/text.ts';
import { countOf } from '../../tensor.ts';

/** `u8[32][32][1]`: the extents in the order of memory; of what lies in no such order how many elements there are. */
export function extents({ shape, order }: StoredTensor, elem: Elem): string {
  const [batch, channels = 1, ...spatial] = shape;
  const rows = shape.length > 2 && batch === 1;
  const image = rows && sameOrder(order, spatialOrder(shape));
  const plain = rows && order === undefined ? shape.slice(1) : [countOf(shape)];
  const sizes = image ? [...spatial, channels] : plain;
  return `${elem === 'f32' ? 'float' : elem}${sizes.map((n) => `[${n}]`).join('')}`;
}

export function clampWords(clamp: RowClamp | undefined): string {
  if (typeof clamp?.lo === 'object' || typeof clamp?.hi === 'object') return ', clamp by channel';
  if (clamp === undefined || (clamp.lo === -Infinity && clamp.hi === Infinity)) return '';
  if (clamp.lo === 0 && clamp.hi === Infinity) return ', ReLU';
  if (clamp.lo === 0 && clamp.hi === 6) return ', ReLU6';
  return `, clamp to ${clamp.lo}..${clamp.hi}`;
}

/** 117,600 */
export const grouped = (n: number): string => n.toString().replace(/\B(?=(\d{3})+$)/g, ',');

/** What is computed, then from what to what and how much work it is. */
export function docOf(
  what: string,
  inputs: readonly StoredTensor[],
  output: StoredTensor,
  elem: Elem,
  macs = 0,
): readonly string[] {
  const own = (p: StoredTensor): string => extents(p, p.quant?.bits === 16 ? 'i16' : elem);
  const shapes = `${inputs.map(own).join(' + ')} -> ${own(output)}.`;
  return [`${what}.`, macs > 0 ? `${shapes}  ${grouped(macs)} MAC.` : shapes];
}

/** Longer formulas are read in the C. */
const longestFormula = 400;

/** `out = clamp(...).`, so that the comment alone says what is computed. */
export function formula(name: string, value: Expr): readonly string[] {
  const text = exprText(value).replace(/^\((.*)\)$/, (all, inner: string) => (isWhole(inner) ? inner : all));
  return text.length > longestFormula ? [] : [`${name} = ${text}.`];
}

/** Whether no bracket closes that was not opened in it. */
function isWhole(text: string): boolean {
  let depth = 0;
  return [...text].every((c) => {
    depth += c === '(' ? 1 : c === ')' ? -1 : 0;
    return depth >= 0;
  });
}

/** Elements around an image; 0 where it is smaller than its windows reach. */
interface Around {
  readonly above: number;
  readonly left: number;
  readonly below: number;
  readonly right: number;
}

/** @param value what stands there */
export const paddingWords = ({ above, left, below, right }: Around, value: string): string =>
  [above, left, below, right].some((n) => n > 0)
    ? `padding ${above} above, ${left} left, ${below} below, ${right} right, ${value}`
    : 'no padding';

export const joined = (numbers: readonly number[]): string => numbers.join('x');

/** Where loops begin, and how far each moves. */
export const stepsWords = ({ first, strides }: Omit<Digits, 'counts'>): string =>
  `from ${first} by ${strides.join(', ') || 1}`;
