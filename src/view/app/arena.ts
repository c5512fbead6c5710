/** The arena: the tensor in each byte at each step, and every byte of the current step. */
import { formatBytes } from '../../text/numbers.ts';
import type { Use } from '../use.ts';
import { byteGrid } from './byte-grid.ts';
import { el, onChange, type Part } from './dom.ts';
import type { Pointing } from './focus.ts';
import { inspector } from './inspector.ts';
import { type Lab, momentName } from './lab.ts';
import type { Store } from './state.ts';
import { timeMap } from './time-map.ts';

const legendTexts: readonly (readonly [Use, string])[] = [
  ['read', 'read by this step'],
  ['write', 'written by it'],
  ['reused', 'read, then overwritten'],
  ['kept', 'kept for a later step'],
  ['stale', 'not needed any more'],
  ['free', 'never written'],
];

const legend = (): HTMLElement =>
  el(
    'ul',
    { class: 'uses' },
    ...legendTexts.map(([use, text]) => el('li', {}, el('span', { class: `swatch ${use}` }), text)),
  );

const paler = 'One cell a byte; the paler, the larger its number.';

export function arenaPart(lab: Lab, store: Store, pointing: Pointing): Part {
  const parts = [timeMap(lab, store), byteGrid(lab, store, pointing), inspector(lab, store)] as const;
  const [map, grid, details] = parts;
  const now = el('h3', {});
  const lead = `All the memory the network has: one arena of ${formatBytes(lab.program.arenaBytes)}, used again and again. Each row is the arena after a step.`;
  const element = el(
    'section',
    { class: 'card arena', 'aria-labelledby': 'arena-title' },
    el('h2', { id: 'arena-title' }, 'The arena over time'),
    el('p', { class: 'note' }, lead),
    map.element,
    legend(),
    el(
      'div',
      { class: 'bytes-and-byte' },
      el('div', { class: 'grow' }, now, el('p', { class: 'note' }, paler), grid.element),
      details.element,
    ),
  );
  const show = onChange(() => {
    const { moment } = store.state;
    now.textContent =
      moment === 0 ? 'Its bytes with the input in place' : `Its bytes after ${momentName(lab, moment)}`;
  });
  const update = (): void => {
    show(store.state.moment);
    for (const part of parts) part.update();
  };
  return { element, update };
}
