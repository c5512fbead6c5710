/** Samples as a model sees them: channels, rows, columns; pixels or real numbers. */
import { at, InputError, must } from '../base/errors.ts';
import { countOf, type Numbers, type Shape, showShape } from '../ir/tensor.ts';
import { type AxisOrder, layouts, sameView, type View, viewAs, viewsOf } from './axes.ts';
import type { Samples } from './samples.ts';

interface DatasetOf<Raw extends boolean, Data> {
  readonly count: number;
  /** Channels, rows, columns. */
  readonly sampleShape: readonly [c: number, h: number, w: number];
  /** Whether the numbers are pixels, 0..255, as a sensor gives them. */
  readonly raw: Raw;
  /** Sample i, row-major. */
  get(i: number): Data;
}

export type Dataset = DatasetOf<true, Uint8Array> | DatasetOf<false, Float32Array>;

/** What happens to the sizes of a sample between the file and the model. */
export interface Geometry {
  readonly resize?: { readonly height: number; readonly width: number };
  /** Pixels on each of the four sides, after resizing. */
  readonly pad?: number;
}

type Chw = readonly [c: number, h: number, w: number];

const chw = (view: View): Chw => [view.c.size, view.h.size, view.w.size];

/** A sample's channels, rows and columns after `geometry`. */
export function sizeAfter([c, h, w]: Chw, { resize, pad = 0 }: Geometry): Chw {
  return [c, (resize?.height ?? h) + 2 * pad, (resize?.width ?? w) + 2 * pad];
}

/**
 * A model's sample shape may be C,H,W; C,W; or flat, when any sample of that many numbers is flattened (and
 * three axes are pictures, not channels).
 */
function accepts(sample: Shape, view: View, geometry: Geometry): boolean {
  const [c, h, w] = sizeAfter(chw(view), geometry);
  switch (sample.length) {
    case 3:
      return sample[0] === c && sample[1] === h && sample[2] === w;
    case 2:
      return sample[0] === c && h === 1 && sample[1] === w;
    case 1:
      return sample[0] === c * h * w && view.layout !== 'ncw' && view.layout !== 'cw';
    default:
      return false;
  }
}

/** Options that would make a C,H,W sample fit, best first. */
function remedies([c, h, w]: Chw, sample: Shape): string[] {
  const [wantC = 0, wantH = 0, wantW = 0] = sample;
  if (sample.length !== 3 || wantC !== c) return [];
  const around = (wantH - h) / 2;
  const pad = around > 0 && Number.isInteger(around) && wantW - w === 2 * around ? [`--pad ${around}`] : [];
  return [...pad, `--resize ${wantH}x${wantW}`];
}

const isWhole = ({ dtype }: Samples['array']): boolean => dtype !== 'float32' && dtype !== 'float64';

function mismatch(
  { where, array }: Samples,
  views: readonly View[],
  sample: Shape,
  done: Geometry,
): InputError {
  const likely = views.find((view) => view.c.size === sample[0]) ?? views[0];
  const from = likely ? chw(likely) : undefined;
  const changed = from !== undefined && (done.pad !== undefined || done.resize !== undefined);
  const after = changed ? `, ${showShape(sizeAfter(from, done))} after --resize and --pad` : '';
  const options = from ? remedies(from, sample) : [];
  if (array.shape.length === 1 && isWhole(array))
    return new InputError({
      where,
      found: `a list of ${array.shape[0]} whole numbers`,
      supported: `samples of ${showShape(sample)} for this model`,
      todo: 'if these are the labels, give them with --labels, and the samples here',
    });
  return new InputError({
    where,
    found: `an array of shape ${showShape(array.shape)}${from ? `: samples of ${showShape(from)}` : ''}${after}`,
    supported: `samples of ${showShape(sample)} for this model`,
    todo: options.length > 0 ? `try ${options.join(' or ')}` : 'check that data and model belong together',
  });
}

function ambiguity({ where, array }: Samples, views: readonly View[]): InputError {
  const names = views.map((view) => view.layout);
  return new InputError({
    where,
    found: `an array of shape ${showShape(array.shape)}, which could be ${names.join(' or ')}`,
    todo: `choose one with --layout, e.g. --layout ${names[0]}`,
  });
}

function stated(samples: Samples, layout: AxisOrder | undefined): AxisOrder | undefined {
  const { layout: known, where, array } = samples;
  if (layout === undefined || layout === known) return known;
  if (known !== undefined)
    throw new InputError({
      where,
      found: `--layout ${layout}, but this format is always ${known}`,
      todo: 'omit --layout',
    });
  if (layout.length === array.shape.length) return layout;
  throw new InputError({
    where,
    found: `--layout ${layout} for an array of shape ${showShape(array.shape)}`,
    supported: `a layout of ${array.shape.length} letters: ${layouts.filter((l) => l.length === array.shape.length).join(', ')}`,
    todo: 'give one letter per axis',
  });
}

/** The one way to see the array that the model can take. */
function viewFor(samples: Samples, sample: Shape, geometry: Geometry, layout: AxisOrder | undefined): View {
  const known = stated(samples, layout);
  const views = known ? [viewAs(known, samples.array.shape)] : viewsOf(samples.array.shape);
  const fitting = views.filter((view) => accepts(sample, view, geometry));
  const [first] = fitting;
  if (first === undefined) throw mismatch(samples, views, sample, geometry);
  const different = fitting.filter((view, i) => fitting.findIndex((other) => sameView(view, other)) === i);
  if (different.length > 1) throw ambiguity(samples, different);
  return first;
}

function requireFinite(where: string, data: Numbers, perSample: number): void {
  const at = data.findIndex((x: number) => !Number.isFinite(Math.fround(x)));
  if (at < 0) return;
  throw new InputError({
    where,
    found: `sample ${Math.floor(at / perSample)} holds ${data[at]}`,
    supported: 'finite float32 numbers',
    todo: 'clean the data first',
  });
}

function gather<T extends Uint8Array | Float32Array>(out: T, data: Numbers, view: View, i: number): T {
  let to = 0;
  for (let c = 0; c < view.c.size; c++)
    for (let y = 0; y < view.h.size; y++) {
      const row = i * view.n.stride + c * view.c.stride + y * view.h.stride;
      for (let x = 0; x < view.w.size; x++) out[to++] = at(data, row + x * view.w.stride);
    }
  return out;
}

/**
 * Samples in the order that a model with sample shape `sample` (without the batch axis) wants them in. uint8
 * arrays are pixels; all other types are real numbers as they are.
 * @throws InputError when no layout, or more than one, fits; when there are no samples; when one is not finite.
 */
export function datasetFor(
  samples: Samples,
  sample: Shape,
  geometry: Geometry = {},
  layout?: AxisOrder,
): Dataset {
  const { where, array } = samples;
  if (countOf(array.shape) === 0)
    throw new InputError({
      where,
      found: `no samples (shape ${showShape(array.shape)})`,
      todo: 'name another',
    });
  const view = viewFor(samples, sample, geometry, layout);
  const size = countOf(chw(view));
  const shape = { count: view.n.size, sampleShape: chw(view) };
  const inside = (i: number): number => must(i >= 0 && i < view.n.size ? i : undefined, `no sample ${i}`);
  if (array.dtype === 'uint8')
    return { ...shape, raw: true, get: (i) => gather(new Uint8Array(size), array.data, view, inside(i)) };
  requireFinite(where, array.data, size);
  return { ...shape, raw: false, get: (i) => gather(new Float32Array(size), array.data, view, inside(i)) };
}
