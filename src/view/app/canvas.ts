/** Canvases that are sharp on every screen, and that keyboards can walk over. */
import { must } from '../../base/errors.ts';

export const contextOf = (canvas: HTMLCanvasElement): CanvasRenderingContext2D =>
  must(canvas.getContext('2d'), 'a 2D canvas');

/** Gives a canvas a size in CSS pixels; drawing then counts in these. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = globalThis.devicePixelRatio;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = contextOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = false;
  return context;
}

/** A picture of one pixel per number, to be drawn larger. */
export function pixelsOf(
  width: number,
  height: number,
  rgba: Uint8ClampedArray<ArrayBuffer>,
): OffscreenCanvas {
  const canvas = new OffscreenCanvas(Math.max(1, width), Math.max(1, height));
  must(canvas.getContext('2d'), 'a 2D canvas').putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}

/** A point of the event in CSS pixels of the canvas. */
export function pointOf(canvas: HTMLCanvasElement, event: MouseEvent): { x: number; y: number } {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

export interface Keys {
  /** What is under the pointer. */
  at(point: { readonly x: number; readonly y: number }): number | undefined;
  /** What is focused now. */
  current(): number | undefined;
  /** What lies a column or a row away; undefined at the border. */
  next(from: number, dx: number, dy: number): number | undefined;
  enter(index: number): void;
  leave(): void;
  pin(index: number | undefined): void;
}

const arrows: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Hovering, clicking and arrow keys on a canvas of cells. */
export function withKeys(canvas: HTMLCanvasElement, keys: Keys): void {
  canvas.tabIndex = 0;
  canvas.addEventListener('pointermove', (event) => {
    const index = keys.at(pointOf(canvas, event));
    if (index === undefined) keys.leave();
    else keys.enter(index);
  });
  canvas.addEventListener('pointerleave', keys.leave);
  canvas.addEventListener('click', (event) => keys.pin(keys.at(pointOf(canvas, event))));
  canvas.addEventListener('focus', () => {
    if (canvas.matches(':focus-visible') && keys.current() === undefined) keys.enter(0);
  });
  canvas.addEventListener('keydown', (event) => {
    const arrow = arrows[event.key];
    if (event.key === 'Enter' || event.key === ' ') keys.pin(keys.current());
    else if (arrow !== undefined) {
      const to = keys.next(keys.current() ?? 0, ...arrow);
      if (to !== undefined) keys.enter(to);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
