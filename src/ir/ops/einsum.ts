import { at, complain, must } from '../../base/errors.ts';
import { type Piece, stridedIndex } from '../geometry/strided.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import { newestOpset, required } from './common/inputs.ts';
import { type Factor, productOf } from './common/matrix-products.ts';
import { rounded } from './common/round.ts';
import { move } from './move.ts';
import { sum } from './reductions.ts';
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

/** A factor with a letter for each axis, and what makes it. */
interface Term extends Factor {
  readonly letters: readonly string[];
  readonly made: readonly Replacement[];
}

/** The letters along which an operand is not repeated. */
const wholeOf = (equation: Equation, operand: number, { shape }: InputType): readonly string[] =>
  at(equation.operands, operand).filter((letter, axis) => at(shape, axis) === sizeOf(equation, letter));

/** An axis for each letter; where some stand several times, the diagonal. */
function diagonal(term: Term): Term {
  const { name, type, letters, made } = term;
  const own = [...new Set(letters)];
  if (own.length === letters.length) return term;
  const [shape, strides] = [own.map((x) => at(type.shape, letters.indexOf(x))), stridesOf(type.shape)];
  const steps = own.map((x) => letters.reduce((sum, y, i) => sum + (x === y ? at(strides, i) : 0), 0));
  const pieces: readonly Piece[] = [
    {
      input: 0,
      counts: shape,
      from: { first: 0, strides: steps },
      to: { first: 0, strides: stridesOf(shape) },
    },
  ];
  const to = `${name}~diagonal`;
  return {
    ...{ name: to, type: { dtype: type.dtype, shape }, letters: own },
    made: [...made, { op: move, attrs: { shape, pieces, words: 'Diagonal' }, inputs: [name], outputs: [to] }],
  };
}

/** Summed along all but some letters. */
function summedTo(kept: readonly string[], term: Term, to: string): Term {
  const { name, type, letters, made } = term;
  const axes = [...letters.keys()].filter((axis) => !kept.includes(at(letters, axis)));
  if (axes.length === 0) return term;
  const shape = type.shape.filter((_, axis) => !axes.includes(axis));
  const total: Replacement = { op: sum, attrs: { axes, keepDims: false }, inputs: [name], outputs: [to] };
  const one = countOf(shape) === countOf(type.shape);
  return {
    ...{ name: to, type: { dtype: type.dtype, shape }, letters: letters.filter((x) => kept.includes(x)) },
    made: [...made, one ? reshapeTo(name, to, shape) : total],
  };
}

/** An operand with the axes that the result or another operand needs: each once, none that is repeated. */
function termOf(equation: Equation, operand: number, { inputs, outputs, inputTypes }: NodeView<Attrs>): Term {
  const types = inputs.map((_, i) => required(inputTypes, i, 'operand'));
  const whole = types.map((type, i) => wholeOf(equation, i, type));
  const elsewhere = [...equation.result, ...whole.filter((_, i) => i !== operand).flat()];
  const kept = [...new Set(at(whole, operand))].filter((letter) => elsewhere.includes(letter));
  const [name, type, letters] = [at(inputs, operand), at(types, operand), at(equation.operands, operand)];
  const to = `${outputs[0]}~operand${operand}`;
  if (type.constant === undefined || kept.length === letters.length)
    return summedTo(kept, diagonal({ name, type, letters, made: [] }), to);
  const sizes = new Map(letters.map((letter, axis) => [letter, at(type.shape, axis)]));
  const constant = summed({ operands: [letters], result: kept, sizes }, [type.constant]);
  return { name: to, type: { ...constant, constant }, letters: kept, made: [] };
}

/** What the letters of a product do: in both and kept; in both only; in one. */
interface Roles {
  readonly batch: readonly string[];
  readonly inner: readonly string[];
  readonly left: readonly string[];
  readonly right: readonly string[];
}

const rolesOf = (a: readonly string[], b: readonly string[], kept: readonly string[]): Roles => ({
  batch: kept.filter((x) => a.includes(x) && b.includes(x)),
  inner: a.filter((x) => b.includes(x) && !kept.includes(x)),
  left: kept.filter((x) => a.includes(x) && !b.includes(x)),
  right: kept.filter((x) => b.includes(x) && !a.includes(x)),
});

/** A term with its axes in an order, in three groups. */
function grouped(
  equation: Equation,
  { name, type, letters }: Term,
  groups: readonly (readonly string[])[],
  to: string,
): { readonly factor: Factor; readonly made: readonly Replacement[] } {
  const perm = groups.flat().map((x) => letters.indexOf(x));
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

/** The product of two terms with the letters that are kept. */
function joined(
  equation: Equation,
  [first, second]: readonly [Term, Term],
  kept: readonly string[],
  to: string,
): Term {
  const { batch, inner, left, right } = rolesOf(first.letters, second.letters, kept);
  const a = grouped(equation, first, [batch, left, inner], `${to}~a`);
  const b = grouped(equation, second, [batch, inner, right], `${to}~b`);
  const letters = [...batch, ...left, ...right];
  const [product, wide] = [`${to}~product`, `${to}~wide`];
  const constants = [a, b].flatMap(({ factor: { name, type } }) =>
    type.constant === undefined ? [] : [[name, type.constant] as const],
  );
  const products = productOf({ factors: [a.factor, b.factor], to: product }).map((part) => {
    const read = constants.filter(([name]) => part.inputs.includes(name));
    return read.length === 0 ? part : { ...part, constants: new Map(read) };
  });
  const shape = shapeOf(equation, letters);
  const made = [first, second].flatMap((term) => term.made);
  return {
    ...{ name: wide, type: { dtype: first.type.dtype, shape }, letters },
    made: [...made, ...a.made, ...b.made, ...products, reshapeTo(product, wide, shape)],
  };
}

/** From left to right, each product with the letters that are read behind it. */
function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const equation = equationOf(node.attrs, node.inputTypes);
  const { result } = equation;
  const to = at(node.outputs, 0);
  const [first, ...others] = node.inputs.map((_, operand) => termOf(equation, operand, node));
  const { name, letters, made } = others.reduce(
    (term, other, i) => {
      const behind = others.slice(i + 1).flatMap((one) => one.letters);
      const read = [...term.letters, ...other.letters].filter((x) => behind.includes(x));
      const own = result.filter((x) => term.letters.includes(x) || other.letters.includes(x));
      const kept = [...new Set([...own, ...read])];
      return joined(equation, [term, other], kept, behind.length === 0 ? to : `${to}~${i}`);
    },
    must(first, 'an operand'),
  );
  const perm = result.map((letter) => letters.indexOf(letter));
  return [...made, { op: transpose, attrs: { perm }, inputs: [name], outputs: [to] }];
}

/** ONNX Einsum-12: sums of products along named axes, as products of two after sums along axes of one alone. */
export const einsum: ImportedOp<Attrs> = {
  kind: 'einsum',
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
