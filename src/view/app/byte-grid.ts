/** Every byte of the arena at one moment: its use as hue, its number as brightness. */

import { at, must } from '../../base/errors.ts';
import { slotAt } from '../../program/slots.ts';
import type { Rgb } from '../picture.ts';
import { uses, usesAt } from '../use.ts';
import { pixelsOf, sized, withKeys } from './canvas.ts';
import { el, onChange, type Part } from './dom.ts';
import type { Pointing } from './focus.ts';
import { formatCount } from './format.ts';
import { bytesEach, type Lab, momentName } from './lab.ts';
import { placeOf } from './readout.ts';
import type { Store } from './state.ts';

/** Room for addresses at the left, and for the first one's height above. */
const margin = 44;
const above = 6;

interface Shape {
  readonly columns: number;
  readonly rows: number;
  /** CSS pixels of a byte. */
  readonly cell: number;
}

/** The largest bytes at which the arena is at most 320 pixels high; else the widest rows, to be scrolled. */
function shapeFor(bytes: number, width: number): Shape {
  const room = Math.max(120, width - margin);
  const of = (columns: number): Shape => ({
    columns,
    rows: Math.ceil(bytes / columns),
    cell: Math.min(16, Math.floor(room / columns)),
  });
  const widths = Array.from({ length: 16 }, (_, i) => 32 * (16 - i));
  const fitting = [...widths, 16].map(of).filter(({ cell }) => cell >= 2);
  const low = fitting.filter(({ rows, cell }) => rows * cell <= 320);
  return low.toSorted((a, b) => b.cell - a.cell)[0] ?? fitting[0] ?? of(16);
}

const parseRgb = (text: string): Rgb => {
  const value = Number.parseInt(text.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

/** The colours of uses as the style sheet has them for this theme. */
const paletteOf = (element: HTMLElement): readonly Rgb[] => {
  const style = getComputedStyle(element);
  return uses.map((use) => parseRgb(style.getPropertyValue(`--use-${use}`)));
};

/** The larger the byte, the paler: from 80 % of its use's colour to 70 % of the way to white. */
function shade([r, g, b]: Rgb, byte: number): Rgb {
  const t = (0.7 * byte) / 255;
  const of = (c: number): number => Math.round(0.8 * c + t * (255 - 0.8 * c));
  return [of(r), of(g), of(b)];
}

function pixels(lab: Lab, store: Store, palette: readonly Rgb[], { columns, rows }: Shape): OffscreenCanvas {
  const { sample, moment } = store.state;
  const recording = lab.recording(sample);
  const codes = usesAt(lab.program, recording, moment);
  const { bytes } = must(recording.moments[moment], 'a moment');
  const rgba = new Uint8ClampedArray(4 * columns * rows);
  codes.forEach((code, i) => {
    const base = palette[code] ?? [0, 0, 0];
    rgba.set(code === 0 ? base : shade(base, at(bytes, i)), 4 * i);
    rgba[4 * i + 3] = 255;
  });
  return pixelsOf(columns, rows, rgba);
}

function drawAddresses(
  context: CanvasRenderingContext2D,
  { rows, cell, columns }: Shape,
  colour: string,
): void {
  context.fillStyle = colour;
  context.font = '11px system-ui, sans-serif';
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  const every = Math.max(1, Math.ceil(14 / cell));
  for (let row = 0; row < rows; row += every)
    context.fillText(
      formatCount(row * columns),
      margin - 6,
      row * cell + (cell * Math.min(every, 1)) / 2 + 1,
    );
}

function drawGrid(context: CanvasRenderingContext2D, { rows, columns, cell }: Shape, colour: string): void {
  if (cell < 6) return;
  context.fillStyle = colour;
  for (let x = 0; x <= columns; x++) context.fillRect(margin + x * cell, 0, 1, rows * cell);
  for (let y = 0; y <= rows; y++) context.fillRect(margin, y * cell, columns * cell, 1);
}

/** The bytes of the element in focus. */
function focusedBytes(lab: Lab, store: Store): readonly number[] {
  const { focus } = store.state;
  if (focus === undefined) return [];
  const place = placeOf(lab, store, focus);
  if (place === undefined) return [focus.address];
  const slot = slotAt(lab.program, place.slot);
  const first = slot.address + place.position * bytesEach(slot);
  return Array.from({ length: bytesEach(slot) }, (_, i) => first + i);
}

function markBytes(
  context: CanvasRenderingContext2D,
  bytes: readonly number[],
  { columns, cell }: Shape,
): void {
  for (const [colour, by] of [['#000', 2] as const, ['#ffd21f', 0.5] as const]) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    for (const byte of bytes) {
      const [x, y] = [margin + (byte % columns) * cell, Math.floor(byte / columns) * cell];
      context.strokeRect(x - by, y - by, cell + 2 * by, cell + 2 * by);
    }
  }
}

export function byteGrid(lab: Lab, store: Store, pointing: Pointing): Part {
  const { arenaBytes } = lab.program;
  const canvas = el('canvas', { role: 'application', class: 'bytes' });
  const element = el('div', { class: 'scroll bytes-room' }, canvas);
  let shape: Shape = { columns: 16, rows: 1, cell: 1 };
  let cells: OffscreenCanvas | undefined;
  const draw = onChange(() => {
    shape = shapeFor(arenaBytes, element.clientWidth);
    cells = pixels(lab, store, paletteOf(element), shape);
    canvas.setAttribute(
      'aria-label',
      `the arena's bytes after ${momentName(lab, store.state.moment)}; arrow keys walk over them`,
    );
  });
  const mark = onChange(() => {
    const { columns, rows, cell } = shape;
    const context = sized(canvas, margin + columns * cell + 3, above + rows * cell + 3);
    context.translate(0, above);
    const style = getComputedStyle(element);
    if (cells !== undefined) context.drawImage(cells, margin, 0, columns * cell, rows * cell);
    drawGrid(context, shape, style.getPropertyValue('--card'));
    drawAddresses(context, shape, style.getPropertyValue('--soft'));
    markBytes(context, focusedBytes(lab, store), shape);
  });
  const inArena = (at: number): number | undefined => (at >= 0 && at < arenaBytes ? at : undefined);
  const focusOf = (address: number) => ({ address, slot: undefined });
  withKeys(canvas, {
    at({ x, y }) {
      const [column, row] = [Math.floor((x - margin) / shape.cell), Math.floor((y - above) / shape.cell)];
      return column < 0 || column >= shape.columns ? undefined : inArena(row * shape.columns + column);
    },
    current: () => store.state.focus?.address,
    next: (from, dx, dy) => inArena(from + dx + dy * shape.columns),
    enter: (address) => pointing.enter(focusOf(address)),
    leave: pointing.leave,
    pin: (address) => pointing.pin(address === undefined ? undefined : focusOf(address)),
  });
  const update = (): void => {
    const { sample, moment, theme, focus } = store.state;
    draw(sample, moment, theme, element.clientWidth);
    mark(sample, moment, theme, element.clientWidth, focus);
  };
  return { element, update };
}
