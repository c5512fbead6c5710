/** Says in words where the elements of an input or output lie. */

import { showShape } from '../ir/tensor.ts';
import type { Normalization, Slot } from '../program/program.ts';

const spatial = (shape: readonly number[]): readonly number[] | undefined =>
  shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape.length === 3 ? shape : undefined;

/** Whether position i holds element `at(y, x, c)` for an order of height, width, channel. */
function isInterleaved(order: readonly number[], [channels = 1, height = 1, width = 1]: readonly number[]) {
  const expected = (i: number): number =>
    ((i % channels) * height + Math.floor(i / channels / width)) * width + (Math.floor(i / channels) % width);
  return order.every((from, i) => from === expected(i));
}

const isPlain = (order: readonly number[]): boolean => order.every((from, i) => from === i);

function modelLines(shape: string, axes: readonly number[] | undefined, array: string): string[] {
  const says = `${shape}, row-major, in the model's own order`;
  if (axes === undefined) return [says];
  const [, second, third] = axes;
  return [`${says}:`, `  element (i, j, k) is ${array}[(i * ${second} + j) * ${third} + k]`];
}

function firstOf(order: readonly number[]): string {
  const shown = order.slice(0, 24).join(', ');
  return order.length > 24 ? `${shown}, ...` : shown;
}

/**
 * Lines for the header: shape, and the formula that finds an element.
 * @param asModel it lies row-major because the model's own order was asked for
 */
export function layoutLines(slot: Slot, array: string, asModel = false): string[] {
  const shape = `shape ${showShape(slot.shape)}`;
  const chw = spatial(slot.shape);
  if (asModel) return modelLines(shape, chw, array);
  const order = slot.order ?? [];
  if (chw !== undefined && isInterleaved(slot.order ?? [...Array(slot.length).keys()], chw)) {
    const [c, h, w] = chw;
    return [
      `${shape}, in memory as height ${h}, width ${w}, channel ${c}:`,
      `  element (c, y, x) is ${array}[(y * ${w} + x) * ${c} + c]`,
    ];
  }
  if (!isPlain(order))
    return [
      `${shape}, in an order of its own: ${array}[i] is the row-major element number`,
      `  ${firstOf(order)}`,
    ];
  if (chw === undefined) return [`${shape}, row-major`];
  const [, second, third] = chw;
  return [`${shape}, row-major:`, `  element (i, j, k) is ${array}[(i * ${second} + j) * ${third} + k]`];
}

/** How raw pixels relate to what the network was trained on. */
export function normalizationLines({ mean, std }: Normalization): string[] {
  const list = (numbers: readonly number[]): string => numbers.join(', ');
  return [
    'Write raw pixels, 0 to 255: the first layer contains the normalization of the training,',
    `  (pixel - mean) / std, per channel: mean ${list(mean)}; std ${list(std)}`,
  ];
}
