/** The kernels in order, and where in them the visitor stands. */

import { must } from '../../base/errors.ts';
import { slotAt } from '../../program/slots.ts';
import { button, el, onChange, type Part } from './dom.ts';
import { formatSlot } from './format.ts';
import { type Lab, madeBy, momentName } from './lab.ts';
import type { Store } from './state.ts';

export function step(lab: Lab, store: Store, by: number): void {
  const moment = Math.min(lab.last, Math.max(0, store.state.moment + by));
  if (moment !== store.state.moment) store.set({ moment });
}

function stop(lab: Lab, store: Store, moment: number): HTMLElement {
  const made = must(madeBy(lab, moment)[0], 'every step makes a tensor');
  const item = button('', { class: 'stop' }, () => store.set({ moment }));
  item.append(
    el('span', { class: 'stop-name' }, momentName(lab, moment)),
    el('span', { class: 'stop-shape' }, formatSlot(slotAt(lab.program, made))),
  );
  return el('li', {}, item);
}

export function stepperPart(lab: Lab, store: Store): Part {
  const back = button('‹', { 'aria-label': 'step back', title: 'step back (←)' }, () => step(lab, store, -1));
  const forth = button('›', { 'aria-label': 'step on', title: 'step on (→)' }, () => step(lab, store, 1));
  const items = Array.from({ length: lab.last + 1 }, (_, moment) => stop(lab, store, moment));
  const list = el('ol', { class: 'stops' }, ...items);
  const element = el('nav', { class: 'card stepper', 'aria-label': 'kernels' }, back, list, forth);
  const show = onChange(() => {
    const { moment } = store.state;
    back.disabled = moment === 0;
    forth.disabled = moment === lab.last;
    items.forEach((item, i) => {
      const stopButton = item.firstElementChild;
      if (i === moment) stopButton?.setAttribute('aria-current', 'step');
      else stopButton?.removeAttribute('aria-current');
      item.classList.toggle('done', i < moment);
    });
    const current = must(items[moment], 'a stop for each moment');
    list.scrollLeft = current.offsetLeft - (list.clientWidth - current.clientWidth) / 2;
  });
  return { element, update: () => show(store.state.moment) };
}
