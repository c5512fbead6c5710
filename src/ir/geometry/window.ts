/** Sliding windows over 1 to 3 spatial axes: the geometry that convolution and pooling share. */

import { at, complain, must } from '../../base/errors.ts';
import type { Attributes } from '../graph/attributes.ts';
import { largestTensor, type Shape } from '../tensor.ts';

const autoPads = ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'] as const;
export type AutoPad = (typeof autoPads)[number];

/**
 * As ONNX has them, per spatial axis. In the imported stage an empty list is a default: strides and dilations
 * of 1, no padding, the kernel of the weights. In later stages every list is full, and `autoPad` is NOTSET.
 */
export interface WindowAttrs {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** All begins, then all ends. */
  readonly pads: readonly number[];
  readonly autoPad: AutoPad;
  readonly dilations: readonly number[];
}

/** One spatial axis with everything resolved, in elements. */
export interface WindowAxis {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Of an axis that is not there. */
export const unitAxis: WindowAxis = {
  ...{ in: 1, out: 1, before: 0, after: 0 },
  ...{ kernel: 1, stride: 1, dilation: 1 },
};

export function parseWindow(attributes: Attributes): WindowAttrs {
  const autoPad = attributes.string('auto_pad', 'NOTSET');
  const known = autoPads.find((mode) => mode === autoPad);
  if (known === undefined) throw complain(`auto_pad '${autoPad}'`, autoPads.join(', '));
  return {
    kernel: attributes.ints('kernel_shape') ?? [],
    strides: attributes.ints('strides') ?? [],
    pads: attributes.ints('pads') ?? [],
    autoPad: known,
    dilations: attributes.ints('dilations') ?? [],
  };
}

/** Elements that a window spans. */
export const extentOf = (axis: Pick<WindowAxis, 'kernel' | 'dilation'>): number =>
  (axis.kernel - 1) * axis.dilation + 1;

/** An attribute of an axis; a list that the file leaves away has ONNX's default for every axis. */
const orDefault = (list: readonly number[], i: number, standard: number): number =>
  list.length === 0 ? standard : at(list, i);

/**
 * The spatial axes of a window `kernel` over x[N,C,spatial...] (ONNX Conv-22, AveragePool-22, MaxPool-22).
 * With `ceil`, a last window that begins in the trailing padding is dropped: PyTorch's rule, and ONNX's from
 * opset 22 on; older texts leave it open, and such a window would hold nothing.
 */
export function windowAxes(attrs: WindowAttrs, shape: Shape, kernel: Shape, ceil = false): WindowAxis[] {
  const [, channels = 0, ...spatial] = shape;
  const rank = spatial.length;
  if (rank < 1 || rank > 3) throw complain(`${rank} spatial axes`, '1, 2 or 3');
  requireList(kernel, rank, 'kernel_shape', 1);
  requireList(attrs.strides, rank, 'strides', 1);
  requireList(attrs.dilations, rank, 'dilations', 1);
  requireList(attrs.pads, 2 * rank, 'pads', 0);
  const axes = spatial.map((size, i) => {
    const axis = {
      in: size,
      kernel: at(kernel, i),
      stride: orDefault(attrs.strides, i, 1),
      dilation: orDefault(attrs.dilations, i, 1),
    };
    return placed(axis, attrs.autoPad, orDefault(attrs.pads, i, 0), orDefault(attrs.pads, rank + i, 0), ceil);
  });
  if (axes.reduce((count, axis) => count * paddedSize(axis), channels) > largestTensor)
    throw complain(`${channels} channels padded to ${axes.map(paddedSize).join('x')}`, 'less padding');
  return axes;
}

/** With the padding, and the overhang that ceil mode leaves. */
export const paddedSize = (axis: WindowAxis): number =>
  Math.max(axis.in + axis.before + axis.after, (axis.out - 1) * axis.stride + extentOf(axis));

/** Beyond this, sums of sizes could leave the integers that a float64 holds; no real network comes near. */
const largest = 2 ** 31 - 1;

function requireList(list: readonly number[], length: number, name: string, least: number): void {
  const full = list.length === length || (list.length === 0 && name !== 'kernel_shape');
  if (full && list.every((n) => Number.isInteger(n) && n >= least && n <= largest)) return;
  throw complain(`${name} [${list.join(', ')}]`, `${length} integers of ${least} or more`);
}

type Unplaced = Pick<WindowAxis, 'in' | 'kernel' | 'stride' | 'dilation'>;

function placed(axis: Unplaced, autoPad: AutoPad, begin: number, end: number, ceil: boolean): WindowAxis {
  const [before, after] = padding(axis, autoPad, begin, end);
  const room = axis.in + before + after - extentOf(axis);
  if (axis.in < 1 || room < 0)
    throw complain(`a window of ${extentOf(axis)} on an axis of ${axis.in} + ${before + after} padding`);
  const steps = ceil ? Math.ceil(room / axis.stride) : Math.floor(room / axis.stride);
  const beginsInside = steps * axis.stride < axis.in + before;
  const { in: size, kernel, stride, dilation } = axis;
  // Without a spread, which takes longer than all else here: references ask for every sample.
  return {
    in: size,
    kernel,
    stride,
    dilation,
    before,
    after,
    out: ceil && !beginsInside ? steps : steps + 1,
  };
}

/** SAME: out = ceil(in / stride), so that (out - 1) * stride + extent - in are missing; the odd one goes last or first. */
function padding(axis: Unplaced, autoPad: AutoPad, begin: number, end: number): [number, number] {
  switch (autoPad) {
    case 'NOTSET':
      return [begin, end];
    case 'VALID':
      return [0, 0];
    case 'SAME_UPPER':
    case 'SAME_LOWER': {
      const out = Math.ceil(axis.in / axis.stride);
      const missing = Math.max(0, (out - 1) * axis.stride + extentOf(axis) - axis.in);
      const less = Math.floor(missing / 2);
      return autoPad === 'SAME_UPPER' ? [less, missing - less] : [missing - less, less];
    }
    default:
      return autoPad satisfies never;
  }
}

/** The same windows with every list written out. */
export const explicitWindow = (axes: readonly WindowAxis[]): WindowAttrs => ({
  kernel: axes.map((axis) => axis.kernel),
  strides: axes.map((axis) => axis.stride),
  pads: [...axes.map((axis) => axis.before), ...axes.map((axis) => axis.after)],
  autoPad: 'NOTSET',
  dilations: axes.map((axis) => axis.dilation),
});

/** The pads of windows over N, C and spatial axes with more padding before them; undefined where that is not spatial. */
export function widerPads(
  pads: readonly number[],
  more: readonly (readonly [before: number, behind: number])[],
): readonly number[] | undefined {
  const [batch, channels, ...spatial] = more;
  const outside = [batch, channels].some((ends) => ends === undefined || ends.some((n) => n !== 0));
  if (outside || pads.length !== 2 * spatial.length) return undefined;
  return pads.map((pad, i) => pad + must(spatial[i % spatial.length], 'an axis')[i < spatial.length ? 0 : 1]);
}
