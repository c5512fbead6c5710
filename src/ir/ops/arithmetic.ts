/** Addition, subtraction, multiplication, division, negation: of shapes, of activations, and by constants. */

import { complain } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape, sameShape } from '../tensor.ts';
import { add } from './add.ts';
import { inferPair, pairwise } from './common/elementwise.ts';
import { reshapeTo } from './common/imported.ts';
import { isFloat, newestOpset, required } from './common/inputs.ts';
import { plain } from './common/onnx-rules.ts';
import { channelNumbers } from './common/pairs.ts';
import { type IntegerPairAttrs, integerPair } from './integer-pairs.ts';
import { power } from './pow.ts';
import { reciprocal } from './powers.ts';
import { product, quotient } from './products.ts';
import { scaleShiftOf } from './scale-shift.ts';

/** gain x + shift, where c stands behind x, and before it; undefined: that is no map. */
interface Arithmetic {
  readonly behind: (c: number) => readonly [gain: number, shift: number];
  readonly before?: (c: number) => readonly [gain: number, shift: number];
  /** Of two activations, or of constants that differ within a channel. */
  readonly otherwise: (node: NodeView<unknown>) => Replacement | readonly Replacement[];
}

/** The input that is constant, and the numbers that it has for each channel of the other. */
function constantOf({ inputTypes, outputTypes }: NodeView<unknown>) {
  const which = inputTypes.findIndex((type) => type?.constant !== undefined);
  const [constant, other] = [inputTypes[which]?.constant, inputTypes[1 - which]];
  const { shape } = required(outputTypes, 0, 'results');
  // Integers of the file are an operand like any other.
  if (constant === undefined || constant.integers !== undefined) return undefined;
  if (other === undefined || countOf(other.shape) !== countOf(shape)) return undefined;
  const numbers = channelNumbers(constant, shape);
  return numbers && { which, numbers, from: other.shape, shape };
}

const mapped =
  ({ behind, before, otherwise }: Arithmetic) =>
  (node: NodeView<unknown>): readonly Replacement[] => {
    const found = constantOf(node);
    const map = found?.which === 0 ? before : behind;
    if (found === undefined || map === undefined) return [otherwise(node)].flat();
    const pairs = found.numbers.map(map);
    const [gain, shift] = [pairs.map(([g]) => g), pairs.map(([, h]) => h)];
    return onAllAxes(node, found.which, found.from, found.shape, (from, to) =>
      scaleShiftOf({ gain, shift }, [node.name, from, to]),
    );
  };

/** A constant with more axes adds some of size 1. */
function onAllAxes(
  { inputs, outputs }: NodeView<unknown>,
  constant: number,
  from: Shape,
  to: Shape,
  make: (from: string, to: string) => Replacement,
): readonly Replacement[] {
  const [input = '', output = ''] = [inputs[1 - constant], outputs[0]];
  if (sameShape(from, to)) return [make(input, output)];
  const grown = `${output}~axes`;
  return [reshapeTo(input, grown, to), make(grown, output)];
}

const as =
  <A>(op: CanonicalOp<A>, attrs: A) =>
  ({ inputs, outputs }: NodeView<unknown>): Replacement => ({
    op: op,
    attrs,
    inputs,
    outputs,
  });

interface Forms {
  /** Absent: of integers there is none. */
  readonly integers?: IntegerPairAttrs['how'];
  floats(node: NodeView<unknown>): readonly Replacement[];
}

function arithmetic(
  kind: string,
  type: string,
  compute: (x: number, y: number, float: boolean) => number,
  { integers, floats }: Forms,
): ImportedOp {
  return {
    kind,
    onnx: plain(type, 1),
    infer: (_attrs, inputs) => inferPair(inputs),
    reference(_attrs, inputs) {
      const float = inputs[0] === undefined || isFloat(inputs[0].dtype);
      return [pairwise(inputs, (x, y) => compute(x, y, float))];
    },
    canonicalize(node) {
      if (integers === undefined || isFloat(required(node.outputTypes, 0, 'results').dtype))
        return floats(node);
      return [as(integerPair, { how: integers })(node)];
    },
  };
}

/** Integers divide toward zero. @throws InputError for an integer divided by 0. */
function quotientOf(x: number, y: number, float: boolean): number {
  if (float) return x / y;
  if (y === 0) throw complain(`${x} / 0 in integers`);
  return Math.trunc(x / y);
}

/** @throws InputError for 0 */
function divided(c: number): readonly [number, number] {
  if (c !== 0) return [1 / c, 0];
  throw complain('a division by the constant 0', 'divisors that are not 0');
}

const plus = as(add, {});

/** ONNX Add-1, 6, 7, 13, 14. */
export const addition = arithmetic('addition', 'Add', (x, y) => x + y, {
  integers: 'sum',
  floats: (node) => [plus(node)],
});

/** ONNX Sub-1, 6, 7, 13, 14. */
export const sub = arithmetic('sub', 'Sub', (x, y) => x - y, {
  integers: 'difference',
  floats: mapped({
    behind: (c) => [1, -c],
    before: (c) => [-1, c],
    otherwise: as(add, { minus: true }),
  }),
});

const square = as(power, { exponent: 2 });

/** ONNX Mul-1, 6, 7, 13, 14. */
export const mul = arithmetic('mul', 'Mul', (x, y) => x * y, {
  integers: 'product',
  floats: mapped({
    behind: (c) => [c, 0],
    before: (c) => [c, 0],
    otherwise: (node) =>
      node.inputs[0] === node.inputs[1]
        ? { ...square(node), inputs: node.inputs.slice(0, 1) }
        : as(product, {})(node),
  }),
});

/** c / x as c times 1 / x, where c is one number per channel. */
function dividedInto(node: NodeView<unknown>): readonly Replacement[] {
  const found = constantOf(node);
  if (found?.which !== 0) return [as(quotient, {})(node)];
  const inverse = `${node.outputs[0]}~inverse`;
  const shift = found.numbers.map(() => 0);
  const scaled = onAllAxes(
    { ...node, inputs: [node.inputs[0] ?? '', inverse] },
    0,
    found.from,
    found.shape,
    (from, to) => scaleShiftOf({ gain: found.numbers, shift }, [node.name, from, to]),
  );
  return [{ op: reciprocal, attrs: {}, inputs: node.inputs.slice(1), outputs: [inverse] }, ...scaled];
}

/** ONNX Div-1, 6, 7, 13, 14. */
export const div = arithmetic('div', 'Div', quotientOf, {
  integers: 'quotient',
  floats: mapped({ behind: divided, otherwise: dividedInto }),
});

/** -x. ONNX Neg-1, 6, 13. */
export const neg: ImportedOp = {
  kind: 'neg',
  onnx: { Neg: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference(_attrs, inputs) {
    const x = required(inputs, 0, 'input');
    return [{ ...x, data: x.data.map((value: number) => 0 - value) }];
  },
  canonicalize({ name, inputs, outputs, outputTypes }) {
    const channels = required(outputTypes, 0, 'results').shape[1] ?? 1;
    const gain = new Array<number>(channels).fill(-1);
    return [scaleShiftOf({ gain, shift: gain.map(() => 0) }, [name, inputs[0] ?? '', outputs[0] ?? ''])];
  },
};
