/** Tensors as pictures: which planes there are, and which colour stands for a number. */
import { at } from '../base/errors.ts';
import { countOf, type Shape } from '../ir/tensor.ts';

export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Wider than high, for numbers that have no place in a picture. */
function wrapped(count: number): Planes {
  const width = count <= 16 ? count : Math.ceil(Math.sqrt(count * 2));
  return { channels: 1, height: Math.ceil(count / width), width };
}

/** 1xCxHxW is C planes; 1xCxW too, of one row each; everything else is one plane, wrapped into lines. */
export function planesOf(shape: Shape): Planes {
  const [, channels = 1, height = 1, width = 1] = shape;
  if (shape.length === 4 && height * width > 1) return { channels, height, width };
  if (shape.length === 3) return { channels, height: 1, width: height };
  return wrapped(countOf(shape));
}

/** How planes are arranged in a picture: all sizes in CSS pixels. */
export interface Tiling {
  /** Of one element. */
  readonly scale: number;
  readonly columns: number;
  readonly gap: number;
  readonly width: number;
  readonly height: number;
}

const biggest = 24;

/** The largest whole scale at which all planes fit; at 1 the picture may become higher than the room. */
export function tilingFor(planes: Planes, room: { readonly width: number; readonly height: number }): Tiling {
  const { channels, height, width } = planes;
  for (let scale = biggest; ; scale--) {
    const gap = channels === 1 ? 0 : Math.max(2, Math.min(8, scale));
    const fits = Math.max(1, Math.floor((room.width + gap) / (width * scale + gap)));
    const rows = Math.ceil(channels / fits);
    const columns = Math.ceil(channels / rows);
    const size = {
      width: columns * (width * scale + gap) - gap,
      height: rows * (height * scale + gap) - gap,
    };
    if (scale === 1 || (size.width <= room.width && size.height <= room.height))
      return { scale, columns, gap, ...size };
  }
}

/** The left upper corner of a plane. */
export function cornerOf({ height, width }: Planes, { scale, columns, gap }: Tiling, channel: number) {
  return {
    x: (channel % columns) * (width * scale + gap),
    y: Math.floor(channel / columns) * (height * scale + gap),
  };
}

/** The row-major element drawn at a point of the picture, undefined between and beside the planes. */
export function elementAt(
  planes: Planes,
  tiling: Tiling,
  count: number,
  point: { readonly x: number; readonly y: number },
): number | undefined {
  const { height, width, channels } = planes;
  const { scale, columns, gap } = tiling;
  const [column, row] = [
    Math.floor(point.x / (width * scale + gap)),
    Math.floor(point.y / (height * scale + gap)),
  ];
  const x = Math.floor((point.x - column * (width * scale + gap)) / scale);
  const y = Math.floor((point.y - row * (height * scale + gap)) / scale);
  const channel = row * columns + column;
  if (point.x < 0 || point.y < 0 || column >= columns || x >= width || y >= height) return undefined;
  const element = (channel * height + y) * width + x;
  return channel < channels && element < count ? element : undefined;
}

/** The numbers between which colours run. `diverging` is symmetric around 0. */
export type Scale =
  | { readonly kind: 'grey'; readonly lo: number; readonly hi: number }
  | { readonly kind: 'diverging'; readonly limit: number };

/** Grey for numbers that are all of one sign, two colours for both signs, and for differences. */
export function scaleOf(arrays: readonly ArrayLike<number>[], difference = false): Scale {
  let [lo, hi] = [0, 0];
  for (const numbers of arrays)
    for (let i = 0; i < numbers.length; i++) {
      const x = at(numbers, i);
      if (x < lo) lo = x;
      if (x > hi) hi = x;
    }
  if (difference || lo < 0) return { kind: 'diverging', limit: Math.max(-lo, hi) || 1 };
  return { kind: 'grey', lo, hi: hi || 1 };
}

export type Rgb = readonly [red: number, green: number, blue: number];

/** From black to white; or from blue over a light grey to red, equally dark at both ends. */
const blue: Rgb = [33, 102, 198];
const middle: Rgb = [242, 240, 236];
const red: Rgb = [196, 58, 36];

const mix = (a: Rgb, b: Rgb, t: number): Rgb => [
  Math.round(a[0] + (b[0] - a[0]) * t),
  Math.round(a[1] + (b[1] - a[1]) * t),
  Math.round(a[2] + (b[2] - a[2]) * t),
];

export function colourOf(scale: Scale, x: number): Rgb {
  if (scale.kind === 'grey') {
    const level = Math.round(255 * Math.min(1, Math.max(0, (x - scale.lo) / (scale.hi - scale.lo))));
    return [level, level, level];
  }
  const t = Math.min(1, Math.max(-1, x / scale.limit));
  return mix(middle, t < 0 ? blue : red, Math.abs(t));
}

/** Whether black reads better than white on this colour: relative luminance, WCAG 2. */
export function wantsBlack([r, g, b]: Rgb): boolean {
  const linear = (c: number): number => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.179;
}
