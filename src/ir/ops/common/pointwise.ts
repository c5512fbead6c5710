/** Operators that are one real function of each element. In 8 bits a table says what each byte becomes. */
import { at, complain, must } from '../../../base/errors.ts';
import type { Steps, Value } from '../../graph/gradient.ts';
import type { CanonicalOp, Hold, KernelContext, OnnxRule, Range, TableSize } from '../../graph/op.ts';
import { quantOf } from '../../integers/quant.ts';
import { load } from '../../kernel/builders.ts';
import { fileStep, fileValue } from '../../kernel/file-grid.ts';
import type { Expr, Kernel, Table } from '../../kernel/kernel.ts';
import { elemOf, type Quant, storageOf } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';
import { type Curve, curveOf, curveValue } from '../kernels/chords.ts';
import { docOf } from '../kernels/doc.ts';
import { type Elementwise, elementwise, inOneOrder } from '../kernels/elementwise.ts';
import { sameChannels } from './channel-flows.ts';
import { required } from './inputs.ts';
import { rounded } from './round.ts';

export interface Pointwise<A> {
  readonly kind: string;
  readonly restrictions?: string;
  /** What the comment above its kernel calls it. */
  readonly title: string | ((attrs: A) => string);
  readonly onnx: Readonly<Record<string, OnnxRule<A>>>;
  /** The real function. */
  value(attrs: A, x: number): number;
  /** The values that it takes, if not all: its 8-bit grid is no wider. */
  readonly range?: Range;
  /** The same in float32, of a local; see `RealFunction`. */
  float32(attrs: A, x: Expr, hold: Hold): Expr;
  /** The same as differentiable steps; absent: its slope is measured, 'none': it has none. */
  readonly gradient?: ((attrs: A, steps: Steps) => Value) | 'none';
}

/** What each stored byte becomes, or a curve over 16 bits. */
export type Lookup = { readonly table: Uint8Array | Int16Array } | { readonly curve: Curve };

/** The nearest step to the function of each byte's real value, halves up; bytes outside of its domain are as the nearest inside. */
export function tableOf(
  value: (x: number) => number,
  input: Quant,
  output: Quant,
  entries: TableSize,
): Uint8Array {
  if (output.file !== undefined && entries === 256) return fileTable(value, input, output);
  const finer = entries / 256;
  return Uint8Array.from(storedOf(value, input, output, entries, finer));
}

/** @param finer parts of an input's step */
function storedOf(
  value: (x: number) => number,
  input: Quant,
  output: Quant,
  entries: number,
  finer: number,
): Float64Array {
  const { lo, hi } = storageOf(output);
  const real = Float64Array.from({ length: entries }, (_, i) =>
    value((i / finer - input.zeroPoint) * input.scale),
  );
  return insideDomain(real).map((y) =>
    Math.max(lo, Math.min(hi, Math.floor(y / output.scale + 0.5) + output.zeroPoint)),
  );
}

/** As ONNX has it: a float32 of a float32, and halves to even. */
const fileTable = (value: (x: number) => number, input: Quant, output: Quant): Uint8Array => {
  const real = Float64Array.from({ length: 256 }, (_, i) => value(fileValue(i, input)));
  return Uint8Array.from(insideDomain(real), (y) => fileStep(Math.fround(y), output));
};

function lookupOf(value: (x: number) => number, input: Quant, output: Quant): Lookup {
  if (input.bits === 16) {
    const reals = Float64Array.from({ length: 65536 }, (_, i) =>
      value((i - 32768 - input.zeroPoint) * input.scale),
    );
    return { curve: curveOf(insideDomain(reals), input.zeroPoint, output) };
  }
  if (output.bits === 16) return { table: Int16Array.from(storedOf(value, input, output, 256, 1)) };
  return { table: tableOf(value, input, output, 256) };
}

/** Each NaN as the nearest number beside it. @throws InputError where all are */
function insideDomain(values: Float64Array): Float64Array {
  const [first, last] = [
    values.findIndex((y) => !Number.isNaN(y)),
    values.findLastIndex((y) => !Number.isNaN(y)),
  ];
  if (first < 0) throw complain('inputs for which it has no value', 'inputs of its domain');
  if (values.subarray(first, last).every((y) => !Number.isNaN(y)))
    return values.map((y, i) => (i < first ? at(values, first) : i > last ? at(values, last) : y));
  return values.map((y, i) => {
    if (!Number.isNaN(y)) return y;
    if (i < first || i > last) return at(values, i < first ? first : last);
    const [before, behind] = [
      values.findLastIndex((z, j) => j < i && !Number.isNaN(z)),
      values.findIndex((z, j) => j > i && !Number.isNaN(z)),
    ];
    return at(values, i - before <= behind - i ? before : behind);
  });
}

type Loop = Pick<Elementwise, 'tables' | 'value'>;

const titleOf = <A>({ title }: Pointwise<A>, attrs: A): string =>
  typeof title === 'string' ? title : title(attrs);

function kernelOf(title: string, context: KernelContext, elem: 'u8' | 'f32', loop: Loop): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  const doc = docOf(title, context.inputs, output, elem);
  return elementwise({
    name: context.name,
    doc,
    elem: elem === 'f32' ? elem : elemOf(output),
    operands: [{ ...inOneOrder(countOf(output.shape)), elem: elem === 'f32' ? elem : elemOf(input) }],
    count: countOf(output.shape),
    ...loop,
  });
}

const only = (inputs: readonly Expr[]): Expr => must(inputs[0], 'one input');

/** scale / (1 + e^(-slope x)) + shift, of the node's input: the first share of a softmax over slope x and 0. */
export function logistic(steps: Steps, slope: number, scale: number, shift: number): Value {
  const x = steps.input(0);
  const pairs = steps.fixed([...x.shape, 2], (i) => (i % 2 === 0 ? [[x, i / 2, slope]] : []));
  const shares = steps.softmax(pairs, x.shape.length);
  return steps.fixed(
    x.shape,
    (i) => [[shares, 2 * i, scale]],
    () => shift,
  );
}

function gradientOf<A>({ kind, gradient }: Pointwise<A>): CanonicalOp<A>['gradient'] {
  if (gradient === 'none') return gradient;
  if (gradient !== undefined) return { of: gradient };
  return { of: (attrs, steps) => steps.curve(steps.input(0), { kind, attrs }) };
}

/** An operator of every stage, of a function; see `Pointwise`. */
export const pointwise = <A>(f: Pointwise<A>): CanonicalOp<A, Lookup> => ({
  kind: f.kind,
  ...(f.restrictions === undefined ? {} : { restrictions: f.restrictions }),
  onnx: f.onnx,
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference(attrs, inputs) {
    const { dtype, shape, data } = required(inputs, 0, 'input');
    return [
      rounded(
        dtype,
        shape,
        Float64Array.from(data, (x) => f.value(attrs, x)),
      ),
    ];
  },
  channels: (attrs) => ({ ...sameChannels(attrs), isSilent: () => f.value(attrs, 0) === 0 }),
  real: { value: f.value, float32: (attrs, x, hold) => f.float32(attrs, only(x), hold) },
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: true,
  anyZeroPoint: 'computes',
  // A table is as good for one grid as for another.
  servesFile: () => true,
  outputQuant: ({ range: { lo, hi }, outputBits }) =>
    quantOf({ lo: Math.max(lo, f.range?.lo ?? lo), hi: Math.min(hi, f.range?.hi ?? hi) }, outputBits),
  sixteen: 'both',
  quantize: ({ attrs, inputQuants, outputQuant }) =>
    lookupOf((x) => f.value(attrs, x), must(inputQuants[0], 'the input is quantized'), outputQuant),
  table: (attrs, input, output, entries) =>
    input.bits === undefined && output.bits === undefined
      ? tableOf((x) => f.value(attrs, x), input, output, entries)
      : undefined,
  rows: undefined,
  gradient: gradientOf(f),
  int8(attrs, q, context) {
    const name = `${context.name}_table`;
    const title = titleOf(f, attrs);
    if ('curve' in q) return kernelOf(title, context, 'u8', curveValue(name, q.curve));
    const { table: data } = q;
    const says = 'What each byte becomes.';
    const table: Table =
      data instanceof Uint8Array ? { name, elem: 'u8', data, says } : { name, elem: 'i16', data, says };
    return kernelOf(title, context, 'u8', {
      tables: [table],
      value: (inputs) => load(name, table.elem, only(inputs)),
    });
  },
  float32: (attrs, context) =>
    kernelOf(titleOf(f, attrs), context, 'f32', {
      value: (inputs, hold) => f.float32(attrs, only(inputs), hold),
    }),
});
