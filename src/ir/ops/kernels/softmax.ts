/** Softmax over lines along an axis: in integers by a table of exponentials, in float32 by a polynomial. */
import {
  accumulate,
  add,
  and,
  assign,
  call,
  constant,
  div,
  float,
  int,
  load,
  local,
  loop,
  maximum,
  mul,
  nearestEven,
  shr,
  store,
  sub,
  variable,
} from '../../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';
import { eachLine, type Lines } from './axis-lines.ts';

export interface Softmax {
  readonly name: string;
  readonly doc: readonly string[];
  /** What sums to 1, one after the other; the output lies as the input does. */
  readonly lines: Lines;
  /** Elements of all lines. */
  readonly count: number;
}

/** Probabilities are stored in steps of 1/256; a certain class saturates at 255. */
export const softmaxOutput = { scale: 1 / 256, zeroPoint: 0 };
/** The same in 16 bits. */
export const wideSoftmaxOutput = { scale: 2 ** -15, zeroPoint: 0, bits: 16 } as const;
/** The longest run whose sum of exponentials, of at least 15 bits each, stays in int32. */
export const longestInt8Softmax = 2 ** 16 - 1;

/**
 * What 1.0 is in the table: as much as keeps a sum of `length` in int32, and 256 e + sum / 2 too: 256 * 2^22 and
 * half of 2^31 are 2^31 together, and one of the two is always less.
 */
export const unitOfExponentials = (length: number): number =>
  Math.min(2 ** 22, Math.floor((2 ** 31 - 1) / length));

/**
 * exp(-d * scale) for the differences d = 0, 1, ... of two stored values, 1.0 being `unit`. The table ends with
 * the first 0, or at d = 255.
 */
export function exponentials(scale: number, unit: number): Int32Array {
  const all = Int32Array.from({ length: 256 }, (_, d) => Math.round(Math.exp(-d * scale) * unit));
  const zero = all.indexOf(0);
  return zero < 0 ? all : all.subarray(0, zero + 1);
}

const kernelOf = (
  s: Softmax,
  elem: Elem,
  tables: readonly Table[],
  body: readonly Stmt[],
  says: string,
  outElem = elem,
): Kernel => ({
  name: s.name,
  doc: [...s.doc, `Groups of ${s.lines.length} elements, ${s.lines.step} apart. ${says}`],
  params: [
    { name: 'in', role: 'in', elem, length: s.count },
    { name: 'out', role: 'out', elem: outElem, length: s.count },
  ],
  tables,
  body,
  macs: 0,
});

/**
 * out = min(255, (256 e + sum / 2) / sum) with e = table[largest - x], all in integers. The bounds that only
 * algebra knows are said: a difference is in the table, and a sum is at least its largest term, table[0].
 */
export function softmaxInt8(s: Softmax, inputScale: number): Kernel {
  const unit = unitOfExponentials(s.lines.length);
  const table: Table = {
    name: `${s.name}_exp`,
    elem: 'i32',
    data: exponentials(inputScale, unit),
    says: `e to the power -(entry * input scale), 1.0 being ${unit}.`,
  };
  const last = int(table.data.length - 1);
  const power = (x: Expr): Expr =>
    load(table.name, 'i32', call('clamp', 'i32', sub(local('largest'), x), int(0), last));
  const body = eachLine(s.lines, (first) => {
    const at = (i: Expr): Expr => add(first, mul(i, s.lines.step));
    const x = (i: Expr): Expr => load('in', 'u8', at(i));
    const share = div(add(mul(local('e'), 256), local('half')), local('sum'));
    return [
      variable('largest', int(0)),
      ...loop('i', s.lines.length, (i) => [
        constant('x', x(i)),
        assign('largest', maximum(local('x'), local('largest'))),
      ]),
      variable('sum', int(0)),
      ...loop('j', s.lines.length, (j) => [accumulate('sum', power(x(j)))]),
      assign('sum', maximum(local('sum'), unit)),
      constant('half', div(local('sum'), 2)),
      ...loop('k', s.lines.length, (k) => [
        constant('e', power(x(k))),
        store('out', 'u8', at(k), call('clamp', 'i32', share, int(0), int(255))),
      ]),
    ];
  });
  return kernelOf(
    s,
    'u8',
    [table],
    body,
    `e = ${table.name}[min(largest - x, ${table.data.length - 1})]; sum = the sum of e, at least ${unit}. out = min(255, (256 * e + sum / 2) / sum).`,
  );
}

/** The multiplier, below 2^15, and the shift of a scale: differences of 65535 times it are an int32. */
function differenceScale(scale: number): readonly [multiplier: number, shift: number] {
  const shift = Math.max(1, Math.min(30, 14 - Math.floor(Math.log2(scale))));
  return [Math.max(1, Math.min(32767, Math.round(scale * 2 ** shift))), shift];
}

/**
 * Of 16 bits in or out: d = (largest - x) in 256ths of a power of two, e = 2^-d of 15 bits from a table of 256 entries,
 * out = e / sum in 2^-15, or 2^-8.
 */
export function softmaxWide(s: Softmax, inputScale: number, elem: Elem, outElem: Elem): Kernel {
  const unit = Math.min(2 ** 15, Math.floor((2 ** 31 - 1) / s.lines.length));
  const data = Array.from({ length: 256 }, (_, i) => Math.round(unit * 2 ** (-i / 256)));
  const table: Table = {
    name: `${s.name}_exp`,
    elem: 'u16',
    data,
    says: `2 to the power -(entry / 256), 1.0 being ${unit}.`,
  };
  const [multiplier, shift] = differenceScale((inputScale * 256) / Math.LN2);
  const [one, most] = outElem === 'i16' ? [2 ** 15, 32767] : [256, 255];
  const body = eachLine(s.lines, (first) => {
    const at = (i: Expr): Expr => add(first, mul(i, s.lines.step));
    const powerOf = (name: string, i: Expr): readonly Stmt[] => [
      constant(
        `${name}_less`,
        call('clamp', 'i32', sub(local('largest'), load('in', elem, at(i))), int(0), int(65535)),
      ),
      constant(`${name}_steps`, shr(add(mul(local(`${name}_less`), multiplier), 2 ** (shift - 1)), shift)),
      constant(`${name}_d`, call('clamp', 'i32', local(`${name}_steps`), int(0), int(4095))),
      constant(name, shr(load(table.name, 'u16', and(local(`${name}_d`), 255)), shr(local(`${name}_d`), 8))),
    ];
    return [
      variable('largest', int(-32768)),
      ...loop('i', s.lines.length, (i) => [
        constant('x', load('in', elem, at(i))),
        assign('largest', maximum(local('x'), local('largest'))),
      ]),
      variable('sum', int(0)),
      ...loop('j', s.lines.length, (j) => [...powerOf('term', j), accumulate('sum', local('term'))]),
      assign('sum', maximum(local('sum'), unit)),
      constant('half', div(local('sum'), 2)),
      ...loop('k', s.lines.length, (k) => [
        ...powerOf('e', k),
        store(
          'out',
          outElem,
          at(k),
          call(
            'clamp',
            'i32',
            div(add(mul(local('e'), one), local('half')), local('sum')),
            int(0),
            int(most),
          ),
        ),
      ]),
    ];
  });
  const steps = `d = min(4095, ((largest - x) * ${multiplier} + ${2 ** (shift - 1)}) >> ${shift})`;
  const power = `e = ${table.name}[d & 255] >> (d >> 8); sum = the sum of e, at least ${unit}`;
  const says = `${steps}; ${power}. out = min(${most}, (${one} * e + sum / 2) / sum).`;
  return kernelOf(s, elem, [table], body, says, outElem);
}

export function softmaxFloat32(s: Softmax): Kernel {
  const body = eachLine(s.lines, (first) => {
    const at = (i: Expr): Expr => add(first, mul(i, s.lines.step));
    const x = (i: Expr): Expr => load('in', 'f32', at(i));
    const power = (value: Expr): Expr => call('exp_f32', 'f32', sub(value, local('largest', 'f32')));
    return [
      variable('largest', x(int(0))),
      ...loop('i', s.lines.length, (i) => [
        constant('x', x(i)),
        assign('largest', maximum(local('x', 'f32'), local('largest', 'f32'))),
      ]),
      variable('sum', float(0)),
      // Stored and summed in one pass: the output may lie where the input is, so each input is read once more only.
      ...loop('j', s.lines.length, (j) => [
        constant('e', power(x(j))),
        accumulate('sum', local('e', 'f32')),
        store('out', 'f32', at(j), local('e', 'f32')),
      ]),
      ...loop('k', s.lines.length, (k) => [
        store('out', 'f32', at(k), div(load('out', 'f32', at(k)), local('sum', 'f32'))),
      ]),
    ];
  });
  return kernelOf(s, 'f32', [], body, 'e = exp_f32(x - largest). out = e / the sum of e.');
}

/** onnxruntime's softmax on bytes: exponentials in float32 by the distance to the largest, its zero point outside. */
export interface FileSoftmax {
  readonly input: Quant;
  readonly output: Quant;
}

/** The largest float32. */
const mostFloat = (2 - 2 ** -23) * 2 ** 127;

/** exp of each distance below the largest byte, times as much as `length` of them can be summed up in float32. */
function fileExponentials(scale: number, length: number): Float32Array {
  const log = Math.fround(Math.log(mostFloat / length));
  const above = Math.max(0, log - 5) / scale;
  return Float32Array.from({ length: 256 }, (_, distance) => Math.exp((above - distance) * scale));
}

export function softmaxOfFile(s: Softmax, { input, output }: FileSoftmax): Kernel {
  const table: Table = {
    name: `${s.name}_exp`,
    elem: 'f32',
    data: fileExponentials(input.scale, s.lines.length),
  };
  const power = (x: Expr): Expr =>
    load(table.name, 'f32', call('clamp', 'i32', sub(local('largest'), x), int(0), int(255)));
  const body = eachLine(s.lines, (first) => {
    const at = (i: Expr): Expr => add(first, mul(i, s.lines.step));
    const x = (i: Expr): Expr => load('in', 'u8', at(i));
    const share = div(mul(local('e', 'f32'), float(Math.floor(1 / output.scale))), local('sum', 'f32'));
    const steps = add(nearestEven(share), output.zeroPoint);
    return [
      variable('largest', int(0)),
      ...loop('i', s.lines.length, (i) => [
        constant('x', x(i)),
        assign('largest', maximum(local('x'), local('largest'))),
      ]),
      variable('sum', float(0)),
      ...loop('j', s.lines.length, (j) => [accumulate('sum', power(x(j)))]),
      ...loop('k', s.lines.length, (k) => [
        constant('e', power(x(k))),
        store('out', 'u8', at(k), call('clamp', 'i32', steps, int(0), int(255))),
      ]),
    ];
  });
  const says = `e = ${table.name}[largest - x]. out = clamp(rint(e * ${Math.floor(1 / output.scale)} / the sum of e) + ${output.zeroPoint}, 0, 255).`;
  return kernelOf(s, 'u8', [table], body, says);
}
