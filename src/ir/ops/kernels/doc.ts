/** The words of the comment above a kernel. */

import type { RowClamp } from '../../integers/row-clamp.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';

/** `u8[32][32][1]`: the extents in the order of memory. */
export function extents(place: StoredTensor, elem: 'u8' | 'f32'): string {
  const [, channels = 1, ...spatial] = place.shape;
  const image = place.shape.length > 2 && place.shape[0] === 1;
  const sizes = image ? [...spatial, channels] : [countOf(place.shape)];
  return `${elem === 'u8' ? 'u8' : 'float'}${sizes.map((n) => `[${n}]`).join('')}`;
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
  elem: 'u8' | 'f32',
  macs = 0,
): readonly string[] {
  const shapes = `${inputs.map((p) => extents(p, elem)).join(' + ')} -> ${extents(output, elem)}.`;
  return [`${what}.`, macs > 0 ? `${shapes}  ${grouped(macs)} MAC.` : shapes];
}
