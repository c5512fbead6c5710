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
  local,
  loop,
  mul,
  pointer,
  storeVector,
} from '../ir/kernel/builders.ts';
import type { Elem, Expr, Kernel, Param, Stmt, Table } from '../ir/kernel/kernel.ts';
import { type Loop, rowSumsIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { type Filled, filledOf } from './filled.ts';
import type { NewName } from './fresh-names.ts';
import { pairLevels, wideLanes } from './row-blocks.ts';
import type { FoundSums, SumGroup } from './sum-groups.ts';

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
  readonly grid?: Grid;
}

/** Windows of which each pass of the innermost loop has its column, and each pass of the loops around it its row. */
export interface Grid {
  readonly passes: number;
  /** The counter of the innermost loop. */
  readonly pass: Expr;
  /** Of the image. */
  readonly height: number;
  /** The index of a pass's column in the image's first row. */
  readonly column: (pass: Expr) => Expr;
  /** The row of the image that a window begins with. */
  readonly row: Expr;
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
  /** What stands in the border, by column; the first ones again behind the last. */
  readonly border: Int16Array;
  /** Of each place the index of its first element. */
  readonly bases: readonly number[];
}

/** Images beyond that do not stay in the caches between making and reading. */
const mostElements = 2 ** 18;

/** Undefined where rows are not summed over patches, or these are no windows. */
export function windowsOf(
  kernel: Kernel,
  layout: WeightLayout,
  { groups }: FoundSums,
  names: NewName,
): Windows | undefined {
  const [group, ...others] = groups;
  if (group === undefined || others.length > 0) return undefined;
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
  const [name, bases, rows, border] = [names('image'), names('bases'), names('rows'), names('border')];
  const { pitch } = image;
  const seen = { ...layout, segmentStride: pitch };
  const grid = gridOf(image, around, { bases, rows });
  return {
    ...(grid === undefined ? {} : { grid }),
    image: {
      name,
      role: 'scratch',
      elem: 'i16',
      length: lengthOf(image) + (pairLevels(seen).at(-1)?.step ?? 0),
    },
    tables: [
      { name: bases, elem: 'i32', data: image.bases, says: 'Where windows lie in the image.' },
      {
        name: rows,
        elem: 'i32',
        data: rowsOf(image, passesOf(around)),
        says: 'Rows that windows begin with.',
      },
      { name: border, elem: 'i16', data: image.border, says: 'What stands in the border, by column.' },
    ],
    begin: made(image, filled.input, name, border, names),
    dropped: filled.writers,
    layout: seen,
    places: offsets.map((offset) =>
      add(load(bases, 'i32', counted), Math.floor(offset / row) * pitch + (offset % row)),
    ),
  };
}

/** Of the innermost loop. */
const passesOf = (around: readonly Loop[]): number => {
  const to = around.at(-1)?.to;
  return to?.kind === 'int' ? to.value : 1;
};

/** Of each pass of the loops around the innermost one. */
const rowsOf = ({ bases, pitch }: Image, passes: number): readonly number[] =>
  Array.from({ length: bases.length / passes }, (_, i) => Math.floor(at(bases, i * passes) / pitch));

function gridOf(
  image: Image,
  around: readonly Loop[],
  tables: { readonly bases: string; readonly rows: string },
): Grid | undefined {
  const { bases, pitch, height } = image;
  const inner = around.at(-1);
  const outer = placeNumber(around.slice(0, -1));
  if (inner === undefined || outer === undefined) return undefined;
  const passes = passesOf(around);
  const rows = rowsOf(image, passes);
  const isGrid = bases.every(
    (base, i) => base === at(rows, Math.floor(i / passes)) * pitch + (at(bases, i % passes) % pitch),
  );
  return isGrid
    ? {
        passes,
        height,
        pass: local(inner.name),
        column: (pass) => add(load(tables.bases, 'i32', pass), -at(rows, 0) * pitch),
        row: load(tables.rows, 'i32', outer),
      }
    : undefined;
}

/** Whether each loop stands in the one around it, and the sums in the innermost: every pass is a place. */
const isNested = ({ body }: Kernel, { around, ahead }: SumGroup): boolean =>
  [...around, ahead].every((s, i) => (around[i - 1]?.body ?? body).includes(s));

/** The number of a place, in the order of the loops. */
function placeNumber(around: readonly Loop[]): Expr | undefined {
  let number: Expr = int(0);
  for (const { name, from, to, step } of around) {
    if (from.kind !== 'int' || from.value !== 0 || to.kind !== 'int' || step !== 1) return undefined;
    number = add(mul(number, to.value), local(name));
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
  if (pitch * height > mostElements) return undefined;
  const bases = origins.map(({ y, x }) => (y + top) * pitch + x + left);
  const image = { inputPitch, pitch, height, inputHeight: input.length / inputPitch, top, left, bases };
  const border = borderOf(image, places, row);
  return (
    border && { ...image, border: Int16Array.from({ length: pitch + left }, (_, i) => at(border, i % pitch)) }
  );
}

/** The constant of each column that is read outside of the input; undefined where a patch is not the image's window. */
function borderOf(
  { bases, pitch, inputPitch, inputHeight, top, left }: Omit<Image, 'border'>,
  places: readonly Int32Array[],
  row: number,
): Int16Array | undefined {
  const border = new Int16Array(pitch).fill(unknown);
  for (const [p, patch] of places.entries())
    for (let start = 0; start < patch.length; start += row) {
      const first = at(bases, p) + (start / row) * pitch;
      const y = Math.floor(first / pitch) - top;
      const x = (first % pitch) - left;
      const isRow = y >= 0 && y < inputHeight;
      // Elements of the row that lie in the input.
      const from = isRow ? Math.min(row, Math.max(0, -x)) : row;
      const to = isRow ? Math.min(row, Math.max(from, inputPitch - x)) : row;
      const values = patch.subarray(start, start + row);
      const isWindow =
        isCounted(values.subarray(from, to), y * inputPitch + x + from) &&
        isBorder(values.subarray(0, from), border, x + left) &&
        isBorder(values.subarray(to), border, x + left + to);
      if (!isWindow) return undefined;
    }
  return border.map((value) => Math.max(value, 0));
}

const unknown = -1;

function isCounted(values: Int32Array, from: number): boolean {
  for (let i = 0; i < values.length; i++) if (values[i] !== from + i) return false;
  return true;
}

/** Whether these are the constants of the columns from one on; what is not known of them is noted. */
function isBorder(values: Int32Array, border: Int16Array, column: number): boolean {
  return values.every((found, i) => {
    const known = at(border, column + i);
    border[column + i] = -1 - found;
    return found < 0 && (known === unknown || known === -1 - found);
  });
}

/** Rows below the input's last one. */
const belowOf = ({ height, inputHeight, top }: Image): number => height - top - inputHeight;

/** In elements, with a vector that may be read behind any window. */
const lengthOf = ({ pitch, height, left }: Image): number => left + height * pitch + wideLanes;

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

/** What is left of the first row's input; then rows, each with what is left of the next one. */
function made(image: Image, input: Param, to: string, border: string, names: NewName): readonly Stmt[] {
  const { inputPitch, pitch, top, left, inputHeight } = image;
  const [source, place] = [names('from'), names('to')];
  const moved = (array: string, elem: Elem, from: number, count: number): readonly Stmt[] => [
    ...inVectors(names, count, (i, lanes) =>
      storeVector('i16x8', place, 'i16', i, loadVector('i16x8', array, elem, add(i, from), lanes), lanes),
    ),
    ...advance(place, count),
  ];
  const bordered = (rows: number): readonly Stmt[] =>
    loop(names('line'), rows, () => moved(border, 'i16', left, pitch));
  return [
    pointer(source, input.name, input.elem, 0, { mutable: true }),
    pointer(place, to, 'i16', 0, { mutable: true }),
    ...moved(border, 'i16', 0, left),
    ...bordered(top),
    ...loop(names('line'), inputHeight, () => [
      ...moved(source, input.elem, 0, inputPitch),
      ...advance(source, inputPitch),
      ...moved(border, 'i16', left + inputPitch, pitch - inputPitch),
    ]),
    ...bordered(belowOf(image)),
    storeVector('i16x8', place, 'i16', 0, loadVector('i16x8', border, 'i16', 0, 0)),
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
