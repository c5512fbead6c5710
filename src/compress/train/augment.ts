/** Samples into the lanes of a group, moved by some pixels. */
import { holds } from '../../base/errors.ts';
import { channelCount, type Shape, sizeAlong } from '../../ir/tensor.ts';
import { lanes } from '../gradient/kernels.ts';

/** Channels, rows and columns of what is moved; other samples than images are one row that stays. */
export interface Picture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

export const pictureOf = (shape: Shape): Picture => ({
  channels: channelCount(shape),
  height: sizeAlong(shape, 2),
  width: sizeAlong(shape, 3),
});

const inside = (i: number, size: number): number => (i < 0 ? 0 : i >= size ? size - 1 : i);

/** `sample` moved down by `dy` and right by `dx` into lane `lane`; its border pixels continue outwards. */
export function place(
  group: Float32Array,
  lane: number,
  sample: Float32Array,
  { channels, height, width }: Picture,
  dy: number,
  dx: number,
): void {
  // Read unchecked below: every number of every sample of every step.
  holds(sample, channels * height * width);
  let to = lane;
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++) {
      const row = (c * height + inside(y - dy, height)) * width;
      for (let x = 0; x < width; x++, to += lanes) group[to] = sample[row + inside(x - dx, width)] as number;
    }
}
