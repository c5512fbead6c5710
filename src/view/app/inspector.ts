/** Everything about one byte: its value now, and which steps write it. */

import { at } from '../../base/errors.ts';
import { slotAt } from '../../program/slots.ts';
import { historyOf, type Write } from '../element.ts';
import { el, onChange, type Part } from './dom.ts';
import { formatByte, formatCount, formatReal } from './format.ts';
import { type Lab, momentName } from './lab.ts';
import { addressText, elementText, placeOf, valueText } from './readout.ts';
import type { Store } from './state.ts';

const line = (term: string, text: string): readonly HTMLElement[] =>
  text === '' ? [] : [el('dt', {}, term), el('dd', {}, text)];

function facts(lab: Lab, store: Store, address: number): readonly HTMLElement[] {
  const { focus, sample, moment } = store.state;
  const byte = at(at(lab.recording(sample).moments, moment).bytes, address);
  const place = focus === undefined ? undefined : placeOf(lab, store, focus);
  const holds = line('now', `${formatByte(byte)} = ${byte}`);
  if (place === undefined) return [...holds, ...line('tensor', 'none: not written yet')];
  return [
    ...holds,
    ...line('tensor', elementText(lab, place)),
    ...line('value', valueText(lab, store, place)),
    ...line('where', addressText(lab, place)),
  ];
}

const storedText = (lab: Lab, { slot, stored }: Write): string =>
  slotAt(lab.program, slot).elem === 'f32' ? formatReal(stored) : String(stored);

function written(lab: Lab, write: Write, now: number): HTMLElement {
  const who = write.moment === 0 ? 'the caller wrote' : `${momentName(lab, write.moment)} wrote`;
  const item = el(
    'li',
    { class: write.moment > now ? 'later' : '', 'data-moment': write.moment },
    el('span', { class: 'when' }, write.moment === 0 ? 'input' : `step ${write.moment}`),
    el('span', {}, `${who} ${elementText(lab, write)} = ${storedText(lab, write)}`),
  );
  return item;
}

function story(lab: Lab, store: Store, address: number): readonly HTMLElement[] {
  const { sample, moment } = store.state;
  const writes = historyOf(lab.program, lab.recording(sample), address);
  if (writes.length === 0) return [el('li', {}, 'no step ever writes it')];
  const items = writes.map((write) => written(lab, write, moment));
  const holds = writes.findLastIndex((write) => write.moment <= moment);
  items[holds]?.classList.add('holds');
  return items;
}

const hint = 'Point at a byte, or walk over them with Tab and the arrow keys. Click or Enter keeps one.';

export function inspector(lab: Lab, store: Store): Part {
  const title = el('h3', {});
  const list = el('dl', {});
  const history = el('ol', { class: 'history' });
  const spoken = el('p', { class: 'hidden', 'aria-live': 'polite' });
  const told = el('h4', {}, 'Its history');
  const element = el('div', { class: 'inspector' }, title, list, told, history, spoken);
  const show = onChange(() => {
    const { focus, pinned } = store.state;
    told.hidden = focus === undefined;
    if (focus === undefined) {
      title.textContent = 'No byte chosen';
      list.replaceChildren(el('dd', {}, hint));
      history.replaceChildren();
      spoken.textContent = '';
      return;
    }
    title.textContent = `Byte ${formatCount(focus.address)}${pinned ? ', kept' : ''}`;
    list.replaceChildren(...facts(lab, store, focus.address));
    history.replaceChildren(...story(lab, store, focus.address));
    spoken.textContent = `${title.textContent}: ${list.textContent}`;
  });
  const update = (): void => {
    const { focus, sample, moment, pinned } = store.state;
    show(focus, sample, moment, pinned);
  };
  return { element, update };
}
