/** One line about the element or byte that is pointed at. */
import { at } from '../../base/errors.ts';
import { elemBytes } from '../../ir/kernel/kernel.ts';
import { portOf } from '../../program/port.ts';
import { slotAt } from '../../program/slots.ts';
import { readSlot } from '../../program/values.ts';
import { coordinateText, type ElementAt, placeAt } from '../element.ts';
import { type Child, el } from './dom.ts';
import { formatCount, formatReal, formatSigned } from './format.ts';
import { type Lab, slotName } from './lab.ts';
import type { Focus, Store } from './state.ts';

/** The element that a focus means: of the slot that it names, else of the byte's owner at this moment. */
export function placeOf(lab: Lab, store: Store, { address, slot }: Focus): ElementAt | undefined {
  const { sample, moment } = store.state;
  const owner = at(at(lab.recording(sample).moments, moment).owners, address);
  const index = slot ?? (owner === 0 ? undefined : owner - 1);
  return index === undefined ? undefined : placeAt(lab.program, index, address);
}

/** `stored 117, real 0.629; float 0.631, difference −0.002`. Scratch holds no tensor: nothing is said. */
export function valueText(lab: Lab, store: Store, { slot, element }: ElementAt): string {
  const { sample } = store.state;
  const bytes = lab.recording(sample).tensors.get(slot);
  const own = bytes === undefined ? undefined : lab.numbers(sample, slot, 'program');
  if (bytes === undefined || own?.kind !== 'numbers') return '';
  const real = at(own.real, element);
  const { elem } = slotAt(lab.program, slot);
  const port = portOf(lab.program, slot);
  const isReal = port.grids.length === 0;
  const stored = at(readSlot(port, bytes), element);
  const value = isReal ? `value ${formatReal(real)}` : `stored ${stored}, real ${formatReal(real)}`;
  const float = lab.numbers(sample, slot, 'float');
  if (float.kind === 'none' || elem === 'f32') return value;
  const other = at(float.real, element);
  return `${value}; float ${formatReal(other)}, difference ${formatSigned(real - other)}`;
}

export const elementText = (lab: Lab, { slot, element }: ElementAt): string =>
  `${slotName(lab, slot)} [${coordinateText(slotAt(lab.program, slot), element)}]`;

export function addressText(lab: Lab, { slot, position }: ElementAt): string {
  const { address, elem } = slotAt(lab.program, slot);
  const first = address + position * elemBytes[elem];
  if (elemBytes[elem] === 1) return `arena byte ${formatCount(first)}`;
  return `arena bytes ${formatCount(first)} to ${formatCount(first + elemBytes[elem] - 1)}`;
}

const hint = 'Point at a pixel to see its number; click to keep it while you step.';

export function readout(lab: Lab, store: Store): readonly Child[] {
  const { focus } = store.state;
  if (focus === undefined) return [hint];
  const place = placeOf(lab, store, focus);
  if (place === undefined) return [`arena byte ${formatCount(focus.address)}: not written yet`];
  const value = valueText(lab, store, place);
  const parts = [value, addressText(lab, place)].filter((part) => part !== '');
  return [el('strong', {}, elementText(lab, place)), ` ${parts.join('; ')}`];
}
