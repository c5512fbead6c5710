/**
 * Patches that are windows onto one image with a border around it. The image is made once, of 16 bits, when the kernel
 * begins (what a plan lets it write over its input was read before); a table says where the window of each place is.
 */
import { at } from '../base/errors.ts';
import {
  add,
  advance,
  int,
  load,
  loadVector,
  loop,
  mul,
  pointer,
  storeVector,
} from '../ir/kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt, Table } from '../ir/kernel/kernel.ts';
import { type Loop, rowSumsIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { type Filled, filledOf } from './filled.ts';
import type { NewName } from './fresh-names.ts';
import { pairLevels, wideLanes } from './row-blocks.ts';
import type { SumGroup } from './sum-groups.ts';

export interface Windows {
  readonly image: Param;
  readonly tables: readonly Table[];
  /** Makes the image. */
  readonly begin: readonly Stmt[];
  /** Statements that fill patches. */
  readonly dropped: ReadonlySet<Stmt>;
  /** Of rows of weights over the image. */
  readonly layout: WeightLayout;
  /** Where rows begin, as the group's. */
  readonly places: readonly Expr[];
}

/** The sizes are elements. */
interface Image {
  /** From a row of the input, and of the image, to the next one. */
  readonly inputPitch: number;
  readonly pitch: number;
  /** In rows; and of the input. */
  readonly height: number;
  readonly inputHeight: number;
  /** Rows above the input, and elements to the left of it. */
  readonly top: number;
  readonly left: number;
  readonly border: number;
  /** Of each place the index of its first element. */
  readonly bases: readonly number[];
}

/** Images beyond that do not stay in the caches between making and reading. */
const mostElements = 2 ** 18;

/** Undefined where rows are not summed over patches, or these are no windows. */
export function windowsOf(
  kernel: Kernel,
  group: SumGroup,
  layout: WeightLayout,
  names: NewName,
): Windows | undefined {
  const { around, ahead, places } = group;
  const array = kernel.params.find(({ name }) => name === group.from);
  const offsets = places.flatMap((place) => (place.kind === 'int' ? [place.value] : []));
  const counted = placeNumber(around);
  if (array?.role !== 'scratch' || array.elem !== 'u8' || counted === undefined) return undefined;
  if (offsets.length < places.length || rowSumsIn(kernel.body).length > 1 || !isNested(kernel, group))
    return undefined;
  const filled = filledOf({ kernel, array, around, ahead });
  const row = layout.segments > 1 ? layout.segmentStride : array.length;
  const image = filled && imageOf(filled, row);
  if (filled === undefined || image === undefined) return undefined;
  const [name, bases, border] = [names('image'), names('bases'), names('border')];
  const { pitch } = image;
  const seen = { ...layout, segmentStride: pitch };
  return {
    image: {
      name,
      role: 'scratch',
      elem: 'i16',
      length: lengthOf(image) + (pairLevels(seen).at(-1)?.step ?? 0),
    },
    tables: [
      { name: bases, elem: 'i32', data: image.bases, says: 'Where windows lie in the image.' },
      { name: border, elem: 'i16', data: Array.from({ length: wideLanes }, () => image.border) },
    ],
    begin: made(image, filled.input, name, border, names),
    dropped: filled.writers,
    layout: seen,
    places: offsets.map((offset) =>
      add(load(bases, 'i32', counted), Math.floor(offset / row) * pitch + (offset % row)),
    ),
  };
}

/** Whether each loop stands in the one around it, and the sums in the innermost: every pass is a place. */
const isNested = ({ body }: Kernel, { around, ahead }: SumGroup): boolean =>
  [...around, ahead].every((s, i) => (around[i - 1]?.body ?? body).includes(s));

/** The number of a place, in the order of the loops. */
function placeNumber(around: readonly Loop[]): Expr | undefined {
  let number: Expr = int(0);
  for (const { name, from, to, step } of around) {
    if (from.kind !== 'int' || from.value !== 0 || to.kind !== 'int' || step !== 1) return undefined;
    number = add(mul(number, to.value), { kind: 'local', name, type: 'i32' });
  }
  return number;
}

/** The image whose windows the patches are, `row` elements a row; undefined where there is none. */
function imageOf({ places, input }: Filled, row: number): Image | undefined {
  const inputPitch = pitchOf(places, row) ?? input.length;
  const origins = places.flatMap((patch) => originOf(patch, row, inputPitch) ?? []);
  const length = at(places, 0).length;
  if (origins.length < places.length || length % row !== 0 || input.length % inputPitch !== 0)
    return undefined;
  const all = (of: 'y' | 'x'): readonly number[] => origins.map((origin) => origin[of]);
  const [top, left] = [Math.max(0, -Math.min(...all('y'))), Math.max(0, -Math.min(...all('x')))];
  const pitch = left + Math.max(inputPitch, Math.max(...all('x')) + row);
  const height = top + Math.max(input.length / inputPitch, Math.max(...all('y')) + length / row);
  const constant = places.flatMap((patch) => patch.find((x) => x < 0) ?? [])[0];
  const border = constant === undefined ? 0 : -1 - constant;
  const isWindow = places.every((patch, p) =>
    patch.every((from, i) => {
      const y = at(origins, p).y + Math.floor(i / row);
      const x = at(origins, p).x + (i % row);
      const isInside = y >= 0 && y * inputPitch < input.length && x >= 0 && x < inputPitch;
      return from === (isInside ? y * inputPitch + x : -1 - border);
    }),
  );
  if (!isWindow || pitch * height > mostElements) return undefined;
  const bases = origins.map(({ y, x }) => (y + top) * pitch + x + left);
  return { inputPitch, pitch, height, inputHeight: input.length / inputPitch, top, left, border, bases };
}

/** What lies behind the input's last row and the border to its right: whole vectors may be read from any window. */
const tailOf = ({ pitch, height, inputHeight, top, left }: Image): number =>
  Math.max(0, (height - top - inputHeight) * pitch - left) + wideLanes;

/** In elements. */
const lengthOf = (image: Image): number =>
  (image.top + image.inputHeight) * image.pitch + image.left + tailOf(image);

/** How far rows of the input are apart: by two elements of a patch, one below the other. */
function pitchOf(places: readonly Int32Array[], row: number): number | undefined {
  for (const patch of places)
    for (let i = 0; i + row < patch.length; i++)
      if (at(patch, i) >= 0 && at(patch, i + row) > at(patch, i)) return at(patch, i + row) - at(patch, i);
  return undefined;
}

/** Where a patch begins in the input, seen from its first element that is an input. */
function originOf(
  patch: Int32Array,
  row: number,
  pitch: number,
): { readonly y: number; readonly x: number } | undefined {
  const i = patch.findIndex((from) => from >= 0);
  if (i < 0) return undefined;
  const from = at(patch, i);
  return { y: Math.floor(from / pitch) - Math.floor(i / row), x: (from % pitch) - (i % row) };
}

/** The input's rows, and the border in front of them, between them and behind them. */
function made(image: Image, input: Param, to: string, border: string, names: NewName): readonly Stmt[] {
  const { inputPitch, pitch, top, left, inputHeight } = image;
  const [source, place] = [names('from'), names('to')];
  const copied = (i: Expr | number, lanes: number): Stmt =>
    storeVector('i16x8', place, 'i16', i, loadVector('i16x8', source, input.elem, i, lanes), lanes);
  const filled = (i: Expr | number, lanes: number): Stmt =>
    storeVector('i16x8', place, 'i16', i, loadVector('i16x8', border, 'i16', 0), lanes);
  const bordered = (count: number): readonly Stmt[] => [
    ...inVectors(names, count, filled),
    ...advance(place, count),
  ];
  return [
    pointer(source, input.name, input.elem, 0, { mutable: true }),
    pointer(place, to, 'i16', 0, { mutable: true }),
    ...bordered(top * pitch + left),
    ...loop(names('line'), inputHeight, () => [
      ...inVectors(names, inputPitch, copied),
      ...advance(source, inputPitch),
      ...advance(place, inputPitch),
      ...bordered(pitch - inputPitch),
    ]),
    ...bordered(tailOf(image)),
  ];
}

/** Statements for all of `count` elements, eight at a time. */
function inVectors(
  names: NewName,
  count: number,
  one: (i: Expr | number, lanes: number) => Stmt,
): readonly Stmt[] {
  const whole = Math.floor(count / wideLanes) * wideLanes;
  return [
    ...loop(names('i'), whole, (i) => [one(i, wideLanes)], { step: wideLanes }),
    ...(count > whole ? [one(whole, count - whole)] : []),
  ];
}
