/**
 * Channels that become pixels: each pixel of several channels becomes a block of pixels of fewer. This is PyTorch's
 * PixelShuffle, ONNX's DepthToSpace, and how the sums of a transposed convolution lie in its output.
 */
import { at } from '../../base/errors.ts';
import { countOf, type Shape, stridesOf } from '../tensor.ts';
import { type Piece, stridedIndex } from './strided.ts';

export interface Shuffle {
  /** Pixels of a block along each spatial axis. */
  readonly block: Shape;
  /** Which of a block's numbers are neighbours among the channels: those of one new channel, or of one new pixel. */
  readonly neighbours: 'pixels' | 'channels';
  /** Pixels at the beginning of each axis that are not kept. */
  readonly crop: Shape;
  /** Pixels that are kept. */
  readonly size: Shape;
}

/** New channels of `rows` old ones. */
export const shuffledChannels = ({ block }: Shuffle, rows: number): number => rows / countOf(block);

/** The new channel of each old one. */
export function channelsOfRows(shuffle: Shuffle, rows: number): readonly number[] {
  const [pixels, channels] = [countOf(shuffle.block), shuffledChannels(shuffle, rows)];
  return Array.from({ length: rows }, (_, row) =>
    shuffle.neighbours === 'pixels' ? Math.floor(row / pixels) : row % channels,
  );
}

/** All blocks whole: from [1, rows, spatial...], one number for each. */
export function shufflePiece({ block, neighbours }: Shuffle, [rows = 1, ...spatial]: Shape): Piece {
  const channels = rows / countOf(block);
  const wide = spatial.map((n, i) => n * at(block, i));
  const [near, far] = [stridesOf([rows, ...spatial]), stridesOf([channels, ...wide])];
  const plane = at(near, 0);
  const [channel, pixel] = neighbours === 'pixels' ? [countOf(block), 1] : [1, channels];
  const within = stridesOf(block);
  return {
    input: 0,
    counts: [1, channels, ...spatial.flatMap((n, i) => [n, at(block, i)])],
    from: {
      first: 0,
      strides: [
        rows * plane,
        channel * plane,
        ...spatial.flatMap((_, i) => [at(near, i + 1), pixel * at(within, i) * plane]),
      ],
    },
    to: {
      first: 0,
      strides: [
        channels * at(far, 0),
        at(far, 0),
        ...spatial.flatMap((_, i) => [at(block, i) * at(far, i + 1), at(far, i + 1)]),
      ],
    },
  };
}

/** Which of the numbers [rows, spatial...] each of the new ones [channels, size...] is. */
export function shuffleSources(shuffle: Shuffle, shape: Shape): Int32Array {
  const { counts, from, to } = shufflePiece(shuffle, shape);
  const [rows = 1, ...spatial] = shape;
  const wide = [shuffledChannels(shuffle, rows), ...spatial.map((n, i) => n * at(shuffle.block, i))];
  const whole = new Int32Array(countOf(shape));
  const sources = stridedIndex(from.first, counts, from.strides);
  stridedIndex(to.first, counts, to.strides).forEach((place, i) => {
    whole[place] = at(sources, i);
  });
  const strides = stridesOf(wide);
  const first = shuffle.crop.reduce((sum, n, i) => sum + n * at(strides, i + 1), 0);
  return stridedIndex(first, [at(wide, 0), ...shuffle.size], strides).map((place) => at(whole, place));
}
