/** The arena over time: a row for each moment, addresses from left to right. */
import { must } from '../../base/errors.ts';
import { type Stretch, stretchesAt } from '../use.ts';
import { button, el, onChange, type Part } from './dom.ts';
import { formatBytes, formatCount } from './format.ts';
import { type Lab, momentName, slotName } from './lab.ts';
import type { Store } from './state.ts';

const percent = (lab: Lab, bytes: number): string => `${(100 * bytes) / lab.program.arenaBytes}%`;

const verbs: Readonly<Record<Stretch['use'], string>> = {
  free: 'never written',
  stale: 'not needed any more',
  kept: 'kept for later',
  read: 'read',
  write: 'written',
  reused: 'read, then overwritten',
};

function block(lab: Lab, { start, end, use, slot }: Stretch): HTMLElement {
  const name = slot === undefined ? '' : slotName(lab, slot);
  const title = `${formatCount(start)} to ${formatCount(end - 1)} (${formatBytes(end - start)}): ${name}${name === '' ? '' : ', '}${verbs[use]}`;
  const labelled = (end - start) / lab.program.arenaBytes > 0.1 && use !== 'stale';
  const element = el('span', { class: `block ${use}`, title }, labelled ? name : '');
  element.style.left = percent(lab, start);
  element.style.width = percent(lab, end - start);
  return element;
}

function row(lab: Lab, store: Store, moment: number): HTMLElement {
  const go = (): void => store.set({ moment });
  const track = el('div', { class: 'track' });
  track.addEventListener('click', go);
  const name = momentName(lab, moment);
  return el(
    'div',
    { class: 'map-row' },
    button(name, { class: 'quiet map-label', 'aria-label': `go to ${name}` }, go),
    track,
  );
}

function ruler(lab: Lab): HTMLElement {
  const { arenaBytes } = lab.program;
  return el(
    'div',
    { class: 'map-row ruler', 'aria-hidden': 'true' },
    el('span', { class: 'map-label' }, 'byte'),
    el('div', { class: 'track' }, el('span', {}, '0'), el('span', {}, formatCount(arenaBytes - 1))),
  );
}

export function timeMap(lab: Lab, store: Store): Part {
  const rows = Array.from({ length: lab.last + 1 }, (_, moment) => row(lab, store, moment));
  const line = el('div', { class: 'map-line', hidden: true });
  const element = el('div', { class: 'time-map' }, ruler(lab), ...rows, line);
  /** Who owns what follows from the program: one recording is as good as any. */
  const fill = onChange(() => {
    const recording = lab.recording(store.state.sample);
    rows.forEach((r, moment) => {
      const track = must(r.querySelector('.track'), 'a row has a track');
      track.replaceChildren(
        ...stretchesAt(lab.program, recording, moment).map((stretch) => block(lab, stretch)),
      );
    });
  });
  const point = onChange(() => {
    const { focus, moment } = store.state;
    rows.forEach((r, i) => {
      r.classList.toggle('current', i === moment);
    });
    line.hidden = focus === undefined;
    line.style.setProperty('--at', String((focus?.address ?? 0) / lab.program.arenaBytes));
  });
  const update = (): void => {
    fill(lab);
    point(store.state.focus, store.state.moment);
  };
  return { element, update };
}
