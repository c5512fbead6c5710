/** What a visitor draws or drops, as an input of the network. */

import type { Preprocessing } from '../artifact/make.ts';
import { at, InputError } from '../base/errors.ts';
import { decodeSamples } from '../data/detect.ts';
import { centred, digitSide, type Point, render } from '../data/digits.ts';
import { isPng, type Picture, readPng } from '../data/png.ts';
import { type Prepared, type PrepareOptions, prepare } from '../data/prepare.ts';
import { padPlanes, resizePlanes } from '../data/resized.ts';
import type { Shape } from '../ir/tensor.ts';
import type { Program } from '../program/program.ts';
import { inputSlots } from '../program/slots.ts';
import type { Sample } from '../program/values.ts';
import type { Example } from './data.ts';

/** One sample's shape: the program's first input without a first axis of 1. */
export function sampleShapeOf(program: Program): Shape {
  const { shape } = at(inputSlots(program), 0);
  return shape[0] === 1 && shape.length > 1 ? shape.slice(1) : shape;
}

/** Sizes of pictures that the network takes, before they are padded. */
export interface Frame {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly pad: number;
}

/** Undefined for networks whose input is no picture of 1 or 3 channels. */
export function frameOf(program: Program, { pad = 0 }: Preprocessing): Frame | undefined {
  if (program.inputs.length > 1) return undefined;
  const shape = sampleShapeOf(program);
  const [channels = 0, h = 0, w = 0] = shape;
  const [height, width] = [h - 2 * pad, w - 2 * pad];
  if (shape.length !== 3 || (channels !== 1 && channels !== 3) || height < 8 || width < 8) return undefined;
  return { channels, height, width, pad };
}

const optionsOf = ({ normalize, pad, resize }: Preprocessing): PrepareOptions => ({
  ...(normalize === undefined ? {} : { normalize }),
  ...(pad === undefined ? {} : { pad }),
  ...(resize === undefined ? {} : { resize }),
});

const sampleAt = (prepared: Prepared, i: number): Sample => ({
  real: prepared.real(i),
  ...(prepared.pixels === undefined ? {} : { raw: prepared.pixels.raw(i) }),
});

/** Pixels of the network's own size, channels outermost, padding included. */
export function sampleOfPixels(program: Program, how: Preprocessing, pixels: Uint8Array): Sample {
  const shape = sampleShapeOf(program);
  const array = { dtype: 'uint8', shape: [1, ...shape], data: pixels } as const;
  const layout = ({ 3: 'nchw', 2: 'ncw', 1: 'nw' } as const)[shape.length];
  const samples = { where: 'the picture', array, ...(layout === undefined ? {} : { layout }) };
  const normalize = how.normalize === undefined ? {} : { normalize: how.normalize };
  return sampleAt(prepare(samples, shape, normalize), 0);
}

/** Grey pixels of `frame` size, in as many channels as the network takes. */
export function sampleOfInk(program: Program, how: Preprocessing, frame: Frame, ink: Uint8Array): Sample {
  const planes = new Uint8Array(frame.channels * ink.length);
  for (let c = 0; c < frame.channels; c++) planes.set(ink, c * ink.length);
  const padded = padPlanes(planes, [frame.channels, frame.height, frame.width], frame.pad);
  return sampleOfPixels(program, how, padded);
}

/** Strokes in 0..1 of a square as white ink, brought to the middle of the frame as MNIST's digits are. */
export function inkOf(strokes: readonly (readonly Point[])[], frame: Frame, centre: boolean): Uint8Array {
  const side = Math.min(frame.height, frame.width);
  const thickness = (2.7 * side) / digitSide;
  const scaled = strokes.map((points) => points.map(([x, y]): Point => [x * side, y * side]));
  if (scaled.length === 0) return new Uint8Array(frame.height * frame.width);
  const square = centre
    ? centred(scaled, side, thickness)
    : render(scaled, side, { thickness, dx: 0, dy: 0 });
  return inFrame(square, side, frame);
}

function inFrame(square: Uint8Array, side: number, { height, width }: Frame): Uint8Array {
  const out = new Uint8Array(height * width);
  const [top, left] = [(height - side) >> 1, (width - side) >> 1];
  for (let y = 0; y < side; y++) out.set(square.subarray(y * side, (y + 1) * side), (top + y) * width + left);
  return out;
}

export function sampleOfExample(program: Program, how: Preprocessing, example: Example): Sample {
  switch (example.kind) {
    case 'pixels':
      return sampleOfPixels(program, how, Uint8Array.from(example.numbers));
    case 'real':
      return { real: Float32Array.from(example.numbers) };
    default:
      return example satisfies never;
  }
}

/** Red, green and blue to the luma of ITU-R BT.601; one channel to three equal ones. */
function planesWanted({ pixels, width, height, channels }: Picture, wanted: number): Uint8Array {
  const count = width * height;
  const light = (i: number, c: number): number => at(pixels, i * channels + (channels === 1 ? 0 : c));
  if (wanted === 1 && channels === 3)
    return Uint8Array.from({ length: count }, (_, i) =>
      Math.round(0.299 * light(i, 0) + 0.587 * light(i, 1) + 0.114 * light(i, 2)),
    );
  return Uint8Array.from({ length: wanted * count }, (_, i) => light(i % count, Math.floor(i / count)));
}

/** A picture of any size: brought to the frame's, padded as the network's samples are. */
export function sampleOfPicture(
  program: Program,
  how: Preprocessing,
  frame: Frame,
  picture: Picture,
): Sample {
  const { height, width } = picture;
  const planes = planesWanted(picture, frame.channels);
  const resized = resizePlanes(planes, [frame.channels, height, width], frame.height, frame.width);
  const padded = padPlanes(resized, [frame.channels, frame.height, frame.width], frame.pad);
  return sampleOfPixels(program, how, padded);
}

export interface Opened {
  readonly count: number;
  sample(i: number): Sample;
}

/**
 * A file: one PNG picture of any size, or an array of samples (.npy, .npz, idx, CIFAR-10) that fits the network
 * as it is, or with its preprocessing.
 * @throws InputError
 */
export function openFile(program: Program, how: Preprocessing, name: string, bytes: Uint8Array): Opened {
  const frame = frameOf(program, how);
  if (frame !== undefined && isPng(bytes)) {
    const sample = sampleOfPicture(program, how, frame, readPng(bytes, name));
    return { count: 1, sample: () => sample };
  }
  const samples = decodeSamples({ name, bytes }, frame?.channels);
  const shape = sampleShapeOf(program);
  const prepared = firstThatFits([
    () => prepare(samples, shape, optionsOf(how)),
    () => prepare(samples, shape, how.normalize === undefined ? {} : { normalize: how.normalize }),
  ]);
  return { count: prepared.count, sample: (i) => sampleAt(prepared, i) };
}

/** The first complaint is the telling one: it is about the network's own preprocessing. */
function firstThatFits<T>(ways: readonly (() => T)[]): T {
  let complaint: unknown;
  for (const way of ways)
    try {
      return way();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      complaint ??= error;
    }
  throw complaint;
}

/** White for black, where the input is pixels; padding stays as it is. */
export function inverted(program: Program, how: Preprocessing, sample: Sample): Sample {
  const frame = frameOf(program, how);
  const { raw } = sample;
  if (frame === undefined || raw === undefined) return sample;
  const [h, w] = [frame.height + 2 * frame.pad, frame.width + 2 * frame.pad];
  const inside = (i: number): boolean => {
    const [x, y] = [i % w, Math.floor(i / w) % h];
    return x >= frame.pad && y >= frame.pad && x < w - frame.pad && y < h - frame.pad;
  };
  return sampleOfPixels(
    program,
    how,
    raw.map((p, i) => (inside(i) ? 255 - p : p)),
  );
}
