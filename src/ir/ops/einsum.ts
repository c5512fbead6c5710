import { at, complain, must } from '../../base/errors.ts';
import { stridedIndex } from '../geometry/strided.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import { newestOpset, required } from './common/inputs.ts';
import { type Factor, productOf } from './common/matrix-products.ts';
import { rounded } from './common/round.ts';
import { transpose } from './transpose.ts';

interface Attrs {
  readonly equation: string;
}

/** Letters of the axes of each operand and of the result, and how long the axis of each letter is. */
interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

type Inputs = readonly (InputType | undefined)[];

/** One letter for each axis; those that `...` stands for are counted from the last. */
function lettersOf(term: string, rank: number): readonly string[] {
  const [front = '', behind] = term.split('...');
  if (behind === undefined) return [...front];
  const rest = rank - front.length - behind.length;
  return [...front, ...Array.from({ length: Math.max(0, rest) }, (_, i) => `.${rest - i}`), ...behind];
}

/** Without an arrow: what `...` stands for, then the letters that stand once, in the order of the alphabet. */
function implied(operands: readonly (readonly string[])[]): readonly string[] {
  const all = operands.flat();
  const dots = [...new Set(all.filter((letter) => letter.startsWith('.')))].sort().reverse();
  const once = all.filter((x, i) => all.indexOf(x) === i && all.lastIndexOf(x) === i && !x.startsWith('.'));
  return [...dots, ...once.sort()];
}

/** @throws InputError for equations that do not fit the operands */
function equationOf({ equation }: Attrs, inputs: Inputs): Equation {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (terms.length !== inputs.length)
    throw complain(`equation '${equation}' for ${inputs.length} operands`, 'one term of each');
  const operands = terms.map((term, i) => lettersOf(term, required(inputs, i, 'operand').shape.length));
  const sizes = new Map<string, number>();
  operands.forEach((letters, i) => {
    const { shape } = required(inputs, i, 'operand');
    if (letters.length !== shape.length)
      throw complain(`term '${terms[i]}' for ${shape.length} axes`, 'a letter for each axis');
    letters.forEach((letter, axis) => {
      const [size, known = 1] = [at(shape, axis), sizes.get(letter)];
      if (known !== size && known !== 1 && size !== 1)
        throw complain(`equation '${equation}' with axes '${letter}' of ${known} and ${size}`);
      sizes.set(letter, Math.max(known, size));
    });
  });
  const dots = operands.reduce((most, o) => Math.max(most, o.filter((x) => x.startsWith('.')).length), 0);
  const result =
    right === undefined ? implied(operands) : lettersOf(right, right.replace('...', '').length + dots);
  if (result.some((letter) => !sizes.has(letter)))
    throw complain(`equation '${equation}'`, 'a result of axes that the operands have');
  return { operands, result, sizes };
}

const sizeOf = ({ sizes }: Equation, letter: string): number =>
  must(sizes.get(letter), 'a letter has a size');
const shapeOf = (equation: Equation, letters: readonly string[]): Shape =>
  letters.map((letter) => sizeOf(equation, letter));

/** Where an operand's elements lie, for each of some indices; letters that it has several times walk its diagonal. */
function placesOf(equation: Equation, operand: number, shape: Shape, letters: readonly string[]): Int32Array {
  const own = at(equation.operands, operand);
  const strides = stridesOf(shape);
  const steps = letters.map((letter) =>
    own.reduce((sum, x, axis) => sum + (x === letter && shape[axis] !== 1 ? at(strides, axis) : 0), 0),
  );
  return stridedIndex(0, shapeOf(equation, letters), steps);
}

function summed(equation: Equation, tensors: readonly Tensor[]): Tensor {
  const { result, sizes } = equation;
  const inner = [...sizes.keys()].filter((letter) => !result.includes(letter));
  const [outer, within] = [result, inner].map((letters) =>
    tensors.map(({ shape }, i) => placesOf(equation, i, shape, letters)),
  );
  const [shape, count] = [shapeOf(equation, result), countOf(shapeOf(equation, inner))];
  const sums = Float64Array.from({ length: countOf(shape) }, (_, o) => {
    let sum = 0;
    for (let k = 0; k < count; k++)
      sum += tensors.reduce((product, { data }, i) => {
        return product * at(data, at(at(outer ?? [], i), o) + at(at(within ?? [], i), k));
      }, 1);
    return sum;
  });
  return rounded(at(tensors, 0).dtype, shape, sums);
}

/** What the letters of a product of two operands do. */
interface Roles {
  /** In both and in the result; in both only; in one and the result. */
  readonly batch: readonly string[];
  readonly inner: readonly string[];
  readonly left: readonly string[];
  readonly right: readonly string[];
}

/** @throws InputError for sums along axes of one operand alone, and for diagonals */
function rolesOf({ operands, result }: Equation, text: string): Roles {
  const [a = [], b = []] = operands;
  const odd = [...a, ...b].find((x) => !result.includes(x) && !(a.includes(x) && b.includes(x)));
  if (odd !== undefined)
    throw complain(
      `Einsum '${text}', which sums along '${odd}' of one operand`,
      'sums along axes of both operands',
      'write that sum with torch.sum',
    );
  const isRepeated = (letters: readonly string[]) => new Set(letters).size !== letters.length;
  if (isRepeated(a) || isRepeated(b)) throw complain(`Einsum '${text}', a diagonal`, 'each axis once');
  return {
    batch: result.filter((x) => a.includes(x) && b.includes(x)),
    inner: a.filter((x) => b.includes(x) && !result.includes(x)),
    left: result.filter((x) => a.includes(x) && !b.includes(x)),
    right: result.filter((x) => b.includes(x) && !a.includes(x)),
  };
}

/** An operand with its axes in an order, in three groups. */
function grouped(
  equation: Equation,
  operand: number,
  { name, type }: Factor,
  groups: readonly (readonly string[])[],
  to: string,
): { readonly factor: Factor; readonly made: readonly Replacement[] } {
  const own = at(equation.operands, operand);
  const letters = groups.flat();
  if (letters.some((x) => at(type.shape, own.indexOf(x)) !== sizeOf(equation, x)))
    throw complain('Einsum with an axis of 1 that is repeated', 'operands of equal sizes');
  const perm = letters.map((x) => own.indexOf(x));
  const [batch = [], rows = [], columns = []] = groups;
  const matrix = [
    ...shapeOf(equation, batch),
    countOf(shapeOf(equation, rows)),
    countOf(shapeOf(equation, columns)),
  ];
  const [turned] = type.constant === undefined ? [] : transpose.reference({ perm }, [type.constant]);
  const constant = turned && { ...turned, shape: matrix };
  const factor = { name: to, type: { dtype: type.dtype, shape: matrix, ...(constant && { constant }) } };
  if (constant !== undefined) return { factor, made: [] };
  const inOrder = `${to}~turned`;
  return {
    factor,
    made: [
      { op: transpose, attrs: { perm }, inputs: [name], outputs: [inOrder] },
      reshapeTo(inOrder, to, matrix),
    ],
  };
}

/** One operand: its axes in another order. */
function turned(equation: Equation, { inputs, outputs, attrs }: NodeView<Attrs>): readonly Replacement[] {
  const [own = []] = equation.operands;
  const { result } = equation;
  if (own.length !== result.length || new Set(own).size !== own.length)
    throw complain(`Einsum '${attrs.equation}'`, 'products of two operands', 'write the sum with torch.sum');
  const perm = result.map((letter) => own.indexOf(letter));
  return [{ op: transpose, attrs: { perm }, inputs, outputs }];
}

function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { attrs, inputs, outputs, inputTypes } = node;
  const equation = equationOf(attrs, inputTypes);
  if (inputs.length === 1) return turned(equation, node);
  if (inputs.length !== 2)
    throw complain(`Einsum '${attrs.equation}' of ${inputs.length} operands`, 'two', 'write it as two');
  const { batch, inner, left, right } = rolesOf(equation, attrs.equation);
  const to = at(outputs, 0);
  const factors = inputs.map((name, i) => ({ name, type: required(inputTypes, i, 'operand') }));
  const a = grouped(equation, 0, at(factors, 0), [batch, left, inner], `${to}~a`);
  const b = grouped(equation, 1, at(factors, 1), [batch, inner, right], `${to}~b`);
  const made = [...batch, ...left, ...right];
  const [product, wide] = [`${to}~product`, `${to}~wide`];
  const constants = [a, b].flatMap(({ factor: { name, type } }) =>
    type.constant === undefined ? [] : [[name, type.constant] as const],
  );
  const products = productOf({ factors: [a.factor, b.factor], to: product }).map((part) => {
    const read = constants.filter(([name]) => part.inputs.includes(name));
    return read.length === 0 ? part : { ...part, constants: new Map(read) };
  });
  return [
    ...a.made,
    ...b.made,
    ...products,
    reshapeTo(product, wide, shapeOf(equation, made)),
    {
      op: transpose,
      attrs: { perm: equation.result.map((letter) => made.indexOf(letter)) },
      inputs: [wide],
      outputs: [to],
    },
  ];
}

/** ONNX Einsum-12: sums of products along named axes; kernels for two operands, and for axes in another order. */
export const einsum: ImportedOp<Attrs> = {
  kind: 'einsum',
  restrictions:
    'products of two operands, or a transpose; no diagonal, no sum along an axis of one operand alone, no axis of 1 that is repeated',
  onnx: {
    Einsum: {
      since: 12,
      upTo: newestOpset,
      parse({ attributes }) {
        const equation = attributes.get('equation', 'string');
        if (equation === undefined) throw complain('no equation', 'an equation');
        return { equation };
      },
    },
  },
  infer(attrs, inputs) {
    const equation = equationOf(attrs, inputs);
    return [{ dtype: required(inputs, 0, 'operand').dtype, shape: shapeOf(equation, equation.result) }];
  },
  reference: (attrs, inputs) => [
    summed(
      equationOf(attrs, inputs),
      inputs.map((_, i) => required(inputs, i, 'operand')),
    ),
  ],
  canonicalize: canonical,
};
