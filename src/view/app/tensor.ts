/** One tensor of a step: its numbers as tiles of pixels, or one channel of them as a table. */

import { ownerSlot, slotAt } from '../../program/slots.ts';
import { addressOf, placeAt } from '../element.ts';
import {
  colourOf,
  cornerOf,
  elementAt,
  type Planes,
  planesOf,
  type Scale,
  type Tiling,
  tilingFor,
  wantsBlack,
} from '../picture.ts';
import { pixelsOf, sized, withKeys } from './canvas.ts';
import { button, el } from './dom.ts';
import type { Pointing } from './focus.ts';
import { formatReal, formatSlot } from './format.ts';
import { type Lab, slotName } from './lab.ts';
import type { Store } from './state.ts';

export interface Shown {
  readonly lab: Lab;
  readonly store: Store;
  readonly pointing: Pointing;
  readonly slot: number;
  readonly role: 'reads' | 'writes';
  readonly room: { readonly width: number; readonly height: number };
}

/** What a tensor's picture is made of. */
export interface Content {
  /** Row-major: what colours stand for. */
  readonly real: Float32Array;
  /** Row-major: what a table writes. */
  readonly text: (element: number) => string;
  readonly scale: Scale;
}

export interface TensorView {
  readonly element: HTMLElement;
  draw(content: Content): void;
  mark(): void;
}

/**
 * The element of this slot that is focused. A byte that the step reads and overwrites is one of what it read
 * and one of what it wrote.
 */
export function focusedElement({ lab, store, slot }: Shown): number | undefined {
  const { focus, moment, sample } = store.state;
  if (focus === undefined) return undefined;
  const { moments } = lab.recording(sample);
  const owned = [moment - 1, moment].some(
    (m) => moments[m]?.owners[focus.address] === ownerSlot(lab.program, slot) + 1,
  );
  const meant = focus.slot === undefined ? owned : focus.slot === slot;
  return meant ? placeAt(lab.program, slot, focus.address).element : undefined;
}

function planePixels({ height, width }: Planes, { real, scale }: Content, channel: number) {
  const rgba = new Uint8ClampedArray(4 * height * width);
  for (let i = 0; i < height * width; i++) {
    const x = real[channel * height * width + i];
    if (x === undefined) continue;
    rgba.set(colourOf(scale, x), 4 * i);
    rgba[4 * i + 3] = 255;
  }
  return pixelsOf(width, height, rgba);
}

function markElement(
  context: CanvasRenderingContext2D,
  planes: Planes,
  tiling: Tiling,
  element: number,
): void {
  const plane = planes.height * planes.width;
  const { x, y } = cornerOf(planes, tiling, Math.floor(element / plane));
  const { scale } = tiling;
  const left = x + (element % planes.width) * scale;
  const top = y + (Math.floor(element / planes.width) % planes.height) * scale;
  context.lineWidth = 2;
  for (const [colour, by] of [['#000', 2] as const, ['#ffd21f', 0.5] as const]) {
    context.strokeStyle = colour;
    context.strokeRect(left - by, top - by, scale + 2 * by, scale + 2 * by);
  }
}

/** Tiles, one per channel. */
export function picture(shown: Shown): TensorView {
  const { lab, pointing, slot } = shown;
  const { shape, length } = slotAt(lab.program, slot);
  const planes = planesOf(shape);
  const tiling = tilingFor(planes, shown.room);
  const canvas = el('canvas', { class: 'tiles', role: 'application' });
  canvas.setAttribute(
    'aria-label',
    `${slotName(lab, slot)}, ${formatSlot(slotAt(lab.program, slot))}; arrow keys walk over it`,
  );
  let tiles: readonly OffscreenCanvas[] = [];
  const mark = (): void => {
    const context = sized(canvas, tiling.width, tiling.height);
    const { width, height } = planes;
    tiles.forEach((tile, channel) => {
      const { x, y } = cornerOf(planes, tiling, channel);
      context.drawImage(tile, x, y, width * tiling.scale, height * tiling.scale);
    });
    const element = focusedElement(shown);
    if (element !== undefined) markElement(context, planes, tiling, element);
  };
  const focusOf = (element: number) => ({ address: addressOf(slotAt(lab.program, slot), element), slot });
  withKeys(canvas, {
    at: (point) => elementAt(planes, tiling, length, point),
    current: () => focusedElement(shown),
    next: (from, dx, dy) => {
      const to = from + dx + dy * planes.width;
      return to >= 0 && to < length ? to : undefined;
    },
    enter: (element) => pointing.enter(focusOf(element)),
    leave: pointing.leave,
    pin: (element) => pointing.pin(element === undefined ? undefined : focusOf(element)),
  });
  const draw = (content: Content): void => {
    tiles = Array.from({ length: planes.channels }, (_, c) => planePixels(planes, content, c));
    mark();
  };
  return { element: el('div', { class: 'scroll' }, canvas), draw, mark };
}

const mostCells = 32;

/** One channel as numbers, at most the first 32 by 32 of them. */
export function numberTable(shown: Shown): TensorView {
  const { lab, pointing, slot } = shown;
  const planes = planesOf(slotAt(lab.program, slot).shape);
  const cut = planes.height > mostCells || planes.width > mostCells;
  let channel = 0;
  let content: Content | undefined;
  const label = el('span', {});
  const turn = (by: number) => () => {
    channel = (channel + by + planes.channels) % planes.channels;
    redraw();
  };
  const pager = el(
    'div',
    { class: 'row', hidden: planes.channels === 1 && !cut },
    button('‹', { class: 'quiet', 'aria-label': 'previous channel' }, turn(-1)),
    label,
    button('›', { class: 'quiet', 'aria-label': 'next channel' }, turn(1)),
  );
  const table = el('table', { class: 'numbers' });
  const focusOf = (element: number) => ({ address: addressOf(slotAt(lab.program, slot), element), slot });
  const redraw = (): void => {
    label.textContent = `channel ${channel} of ${planes.channels}${cut ? `, its first ${mostCells}×${mostCells} numbers` : ''}`;
    if (content !== undefined) table.replaceChildren(...rowsOf(planes, content, channel));
    mark();
  };
  const mark = (): void => {
    const element = focusedElement(shown);
    for (const cell of table.querySelectorAll('td'))
      cell.classList.toggle('focused', element !== undefined && Number(cell.dataset.element) === element);
  };
  const elementOf = (event: Event): number | undefined => {
    const cell = event.target instanceof Element ? event.target.closest('td') : null;
    return cell?.dataset.element === undefined ? undefined : Number(cell.dataset.element);
  };
  table.addEventListener('pointerover', (event) => {
    const element = elementOf(event);
    if (element !== undefined) pointing.enter(focusOf(element));
  });
  table.addEventListener('pointerleave', pointing.leave);
  table.addEventListener('click', (event) => {
    const element = elementOf(event);
    pointing.pin(element === undefined ? undefined : focusOf(element));
  });
  const draw = (next: Content): void => {
    content = next;
    const element = focusedElement(shown);
    if (element !== undefined) channel = Math.floor(element / (planes.height * planes.width));
    redraw();
  };
  const room = el('div', { class: 'scroll', tabindex: 0 }, table);
  room.setAttribute('aria-label', `numbers of ${slotName(lab, slot)}`);
  return { element: el('div', {}, pager, room), draw, mark };
}

function rowsOf(
  { height, width }: Planes,
  { real, text, scale }: Content,
  channel: number,
): readonly HTMLElement[] {
  const [rows, columns] = [Math.min(height, mostCells), Math.min(width, mostCells)];
  return Array.from({ length: rows }, (_, y) => {
    const cells = Array.from({ length: columns }, (_, x) => {
      const element = (channel * height + y) * width + x;
      const value = real[element];
      if (value === undefined) return el('td', {});
      const rgb = colourOf(scale, value);
      const cell = el('td', { 'data-element': element }, text(element));
      cell.style.backgroundColor = `rgb(${rgb.join(' ')})`;
      cell.style.color = wantsBlack(rgb) ? '#000' : '#fff';
      return cell;
    });
    return el('tr', {}, ...cells);
  });
}

/** A strip of the colours in use, with the numbers at its ends. */
export function legend(scale: Scale): HTMLElement {
  const [lo, hi] = scale.kind === 'grey' ? [scale.lo, scale.hi] : [-scale.limit, scale.limit];
  const steps = 32;
  const rgba = new Uint8ClampedArray(4 * steps).fill(255);
  for (let i = 0; i < steps; i++) rgba.set(colourOf(scale, lo + ((hi - lo) * i) / (steps - 1)), 4 * i);
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  sized(canvas, 96, 10).drawImage(pixelsOf(steps, 1, rgba), 0, 0, 96, 10);
  return el('span', { class: 'legend' }, formatReal(lo), canvas, formatReal(hi));
}
