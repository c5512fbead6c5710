/** Operators that are one real function of each element. In 8 bits a table says what each byte becomes. */
import { must } from '../../../base/errors.ts';
import type { Steps, Value } from '../../graph/gradient.ts';
import type { CanonicalOp, KernelContext, OnnxRule, Range } from '../../graph/op.ts';
import { quantOf } from '../../integers/quant.ts';
import { load } from '../../kernel/builders.ts';
import type { Expr, Kernel, Stmt } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';
import { docOf } from '../kernels/doc.ts';
import { type Elementwise, elementwise } from '../kernels/elementwise.ts';
import { sameChannels } from './channel-flows.ts';
import { required } from './inputs.ts';
import { rounded } from './round.ts';

export interface Pointwise<A> {
  readonly kind: string;
  /** What the comment above its kernel calls it. */
  readonly title: string;
  readonly onnx: Readonly<Record<string, OnnxRule<A>>>;
  /** The real function. */
  value(attrs: A, x: number): number;
  /** The values that it takes: its 8-bit grid is no wider. */
  readonly range: Range;
  /** The same in float32: what is computed of an element `x` before the value, and the value. */
  float32(attrs: A, x: Expr): { readonly before: readonly Stmt[]; readonly value: Expr };
  /** The same as differentiable steps. */
  gradient(attrs: A, steps: Steps): Value;
}

/** What each stored byte becomes. */
export interface Lookup {
  readonly table: Uint8Array;
}

/** The nearest step to the function of each byte's real value, halves up. */
const tableOf = (value: (x: number) => number, input: Quant, output: Quant): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => {
    const steps = value((byte - input.zeroPoint) * input.scale) / output.scale;
    return Math.max(0, Math.min(255, Math.floor(steps + 0.5) + output.zeroPoint));
  });

type Loop = Pick<Elementwise, 'tables' | 'before' | 'value'>;

function kernelOf(title: string, context: KernelContext, elem: 'u8' | 'f32', loop: Loop): Kernel {
  const output = must(context.outputs[0], 'an output');
  const doc = docOf(title, context.inputs, output, elem);
  return elementwise({ name: context.name, doc, elem, inputs: 1, count: countOf(output.shape), ...loop });
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

/** An operator of every stage, of a function; see `Pointwise`. */
export const pointwise = <A>(f: Pointwise<A>): CanonicalOp<A, Lookup> => ({
  kind: f.kind,
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
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: true,
  anyZeroPoint: 'computes',
  outputQuant: ({ range: { lo, hi } }) =>
    quantOf({ lo: Math.max(lo, f.range.lo), hi: Math.min(hi, f.range.hi) }),
  quantize: ({ attrs, inputQuants, outputQuant }) => ({
    table: tableOf((x) => f.value(attrs, x), must(inputQuants[0], 'the input is quantized'), outputQuant),
  }),
  rows: undefined,
  gradient: { of: (attrs, steps) => f.gradient(attrs, steps) },
  int8(_attrs, { table }, context) {
    const name = `${context.name}_table`;
    return kernelOf(f.title, context, 'u8', {
      tables: [{ name, elem: 'u8', data: table }],
      value: (inputs) => load(name, 'u8', only(inputs)),
    });
  },
  float32: (attrs, context) =>
    kernelOf(f.title, context, 'f32', {
      before: (inputs) => f.float32(attrs, only(inputs)).before,
      value: (inputs) => f.float32(attrs, only(inputs)).value,
    }),
});
