import { at, complain, must } from '../../base/errors.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, OnnxNode, Replacement } from '../graph/op.ts';
import { picked, type Shape, type Tensor, type TensorType } from '../tensor.ts';
import { known, newestOpset, required } from './common/inputs.ts';
import { type Cell, places, type RecurrentAttrs } from './common/recurrent-cells.ts';
import { concat } from './concat.ts';
import { gru, lstm, rnn } from './recurrent.ts';
import { split } from './split.ts';

interface Attrs {
  /** Samples before steps, and before directions. */
  readonly batchFirst: boolean;
  /** What each direction is. */
  readonly directions: readonly Pick<RecurrentAttrs, 'backward' | 'relu'>[];
  readonly resetsAfter: boolean;
}

interface Layer {
  readonly op: CanonicalOp<RecurrentAttrs>;
  /** ONNX's default activations of a direction. */
  readonly activations: readonly string[];
  readonly outputs: number;
}

const layers: Readonly<Record<Cell, Layer>> = {
  lstm: { op: lstm as CanonicalOp<RecurrentAttrs>, activations: ['sigmoid', 'tanh', 'tanh'], outputs: 3 },
  gru: { op: gru as CanonicalOp<RecurrentAttrs>, activations: ['sigmoid', 'tanh'], outputs: 2 },
  rnn: { op: rnn as CanonicalOp<RecurrentAttrs>, activations: ['tanh'], outputs: 2 },
};

/** ONNX's inputs: canonical ones in their order, with the lengths of sequences as the fifth. */
const onnxPlaces = { ...places, lengths: 4, h: 5, c: 6, p: 7 } as const;

const backwards: Readonly<Record<string, readonly boolean[]>> = {
  forward: [false],
  reverse: [true],
  bidirectional: [false, true],
};

/** By direction whether it is max(0, x), which RNN alone may be. */
function reluOf(cell: Cell, attributes: Attributes, count: number): readonly boolean[] {
  const { activations: usual } = layers[cell];
  const given = attributes.get('activations', 'strings')?.map((name) => name.toLowerCase());
  const all = given ?? Array.from({ length: count }, () => usual).flat();
  if (all.length !== count * usual.length)
    throw complain(`${all.length} activations`, `${count * usual.length}`);
  if (cell === 'rnn' && all.every((name) => name === 'relu' || name === 'tanh'))
    return all.map((name) => name === 'relu');
  const odd = all.find((name, i) => name !== usual[i % usual.length]);
  if (odd === undefined) return Array.from({ length: count }, () => false);
  throw complain(
    `activation '${odd}'`,
    `${usual.join(', ')}${cell === 'rnn' ? ', or relu' : ''}`,
    'train the layer with the usual activations',
  );
}

function parse(cell: Cell, { attributes }: OnnxNode): Attrs {
  const direction = attributes.string('direction', 'forward');
  const backward = backwards[direction];
  if (backward === undefined) throw complain(`direction '${direction}'`, Object.keys(backwards).join(', '));
  if (attributes.get('clip', 'float') !== undefined)
    throw complain('sums that are clipped before gates', 'no attribute clip', 'export without it');
  if (attributes.int('input_forget', 0) !== 0)
    throw complain('input_forget: coupled input and forget gates', 'separate gates');
  const relu = reluOf(cell, attributes, backward.length);
  return {
    batchFirst: attributes.int('layout', 0) === 1,
    directions: backward.map((turned, i) => ({ backward: turned, relu: at(relu, i) })),
    resetsAfter: attributes.int('linear_before_reset', 0) !== 0,
  };
}

type Inputs = readonly (InputType | undefined)[];

const attrsOf = ({ batchFirst, directions, resetsAfter }: Attrs, direction: number): RecurrentAttrs => ({
  batchFirst,
  resetsAfter,
  ...at(directions, direction),
});

/** The axis of directions: of all states, and of states before the first or behind the last step. */
const axesOf = ({ batchFirst }: Attrs): Readonly<Record<'all' | 'state', number>> =>
  batchFirst ? { all: 2, state: 1 } : { all: 1, state: 0 };

/** Canonical inputs of ONNX's. */
const canonicalInputs = <T>(inputs: readonly T[]): readonly (T | undefined)[] => {
  const { x, w, r, b, h, c, p } = onnxPlaces;
  return [x, w, r, b, h, c, p].map((place) => inputs[place]);
};

/** The axis along which a canonical input has a part for each direction; undefined: it has none. */
function partsAxis(attrs: Attrs, place: number): number | undefined {
  if (place === places.x) return undefined;
  return place === places.h || place === places.c ? axesOf(attrs).state : 0;
}

/** The types of one direction's inputs. */
function ofDirection(attrs: Attrs, inputs: Inputs, direction: number): Inputs {
  return canonicalInputs(inputs).map((type, place) => {
    const axis = partsAxis(attrs, place);
    if (type === undefined || axis === undefined) return type;
    const count = attrs.directions.length;
    if (type.shape[axis] !== count)
      throw complain(`${type.shape[axis]} directions in its input ${place}`, `${count}`);
    const { dtype, constant } = type;
    const shape = type.shape.with(axis, 1);
    return constant === undefined
      ? { dtype, shape }
      : { dtype, shape, constant: picked(constant, axis, [direction]) };
  });
}

/** @throws InputError for sequences of other lengths than the steps that there are */
function requireWhole({ batchFirst }: Attrs, inputs: Inputs): void {
  const lengths = inputs[onnxPlaces.lengths];
  if (lengths === undefined) return;
  const steps = required(inputs, places.x, 'X').shape[batchFirst ? 1 : 0];
  if (lengths.constant?.data.every((n: number) => n === steps)) return;
  throw complain(
    lengths.constant === undefined ? 'lengths of sequences that are computed' : 'sequences of other lengths',
    `sequence_lens that are absent, or constant and the number of steps, ${steps}`,
    'export with an example input of full length, without packed sequences',
  );
}

function requireConstant(inputs: Inputs): void {
  for (const [name, place] of Object.entries({ W: places.w, R: places.r, B: places.b, P: onnxPlaces.p }))
    if (inputs[place] !== undefined && inputs[place].constant === undefined)
      throw complain(`weights ${name} that are computed from the network's input`, 'constants');
}

const isOutput =
  (cell: Cell) =>
  (_: unknown, i: number): boolean =>
    i < layers[cell].outputs;

function inferLayer(cell: Cell, attrs: Attrs, inputs: Inputs): readonly TensorType[] {
  const { op } = layers[cell];
  const types = attrs.directions.map((_, d) => op.infer(attrsOf(attrs, d), ofDirection(attrs, inputs, d)));
  const { all, state } = axesOf(attrs);
  const widened = (shape: Shape, axis: number): Shape => shape.with(axis, attrs.directions.length);
  return at(types, 0)
    .filter(isOutput(cell))
    .map(({ dtype, shape }, i) => ({ dtype, shape: widened(shape, i === 0 ? all : state) }));
}

function layerReference(
  cell: Cell,
  attrs: Attrs,
  inputs: readonly (Tensor | undefined)[],
): readonly Tensor[] {
  const types = inputs.map(known);
  requireWhole(attrs, types);
  const { op, outputs } = layers[cell];
  const made = attrs.directions.map((_, d) =>
    op.reference(
      attrsOf(attrs, d),
      ofDirection(attrs, types, d).map((type) => type?.constant),
    ),
  );
  const { all, state } = axesOf(attrs);
  return Array.from({ length: outputs }, (_, i) => {
    const parts = made.map((tensors) => at(tensors, i));
    return must(concat.reference({ axis: i === 0 ? all : state }, parts)[0], 'a concatenation');
  });
}

const isZero = (type: InputType | undefined): boolean =>
  type === undefined || (type.constant?.data.every((x: number) => x === 0) ?? false);

/** A layer that is being split: what has been made so far. */
interface Split {
  readonly node: NodeView<Attrs>;
  readonly nodes: Replacement[];
  readonly constants: Map<string, Tensor>;
}

/** The name of a canonical input's part for one direction; '' for none. */
function partName({ node, constants }: Split, place: number, direction: number): string {
  const { attrs, inputs, inputTypes } = node;
  const [name = '', axis] = [canonicalInputs(inputs)[place], partsAxis(attrs, place)];
  if (name === '' || axis === undefined || attrs.directions.length === 1) return name;
  const part = `${node.name}~${place}${direction}`;
  const type = canonicalInputs(inputTypes)[place];
  if (type?.constant !== undefined) constants.set(part, picked(type.constant, axis, [direction]));
  return part;
}

/** The states that both directions begin with, one after the other, where they are activations. */
function splitStates({ node, nodes }: Split): void {
  const { attrs, inputs, inputTypes } = node;
  const { state: axis } = axesOf(attrs);
  const count = attrs.directions.length;
  if (count === 1) return;
  for (const place of [places.h, places.c]) {
    const [name, type] = [canonicalInputs(inputs)[place], canonicalInputs(inputTypes)[place]];
    if (name === undefined || type === undefined || type.constant !== undefined) continue;
    const part = { dtype: type.dtype, shape: type.shape.with(axis, 1) };
    nodes.push(
      ...split.canonicalize({
        name: node.name,
        attrs: { axis, parts: count },
        inputs: [name],
        inputTypes: [type],
        outputs: attrs.directions.map((_, d) => `${node.name}~${place}${d}`),
        outputTypes: attrs.directions.map(() => part),
      }),
    );
  }
}

/** Both states or neither: what is missing of an LSTM's begins at 0. */
function stateNames(split: Split, cell: Cell, direction: number): readonly string[] {
  const { node, constants } = split;
  const types = ofDirection(node.attrs, node.inputTypes, direction);
  const both = cell === 'lstm' ? [places.h, places.c] : [places.h];
  if (both.every((place) => isZero(types[place]))) return ['', ''];
  const shape = must(
    types.find((type, i) => type !== undefined && both.some((place) => place === i)),
    'a state',
  ).shape;
  return [places.h, places.c].map((place) => {
    if (!both.some((one) => one === place)) return '';
    const name = partName(split, place, direction);
    if (name !== '') return name;
    const zeros = `${node.name}~${place}${direction}`;
    const { dtype } = required(node.inputTypes, places.x, 'X');
    constants.set(zeros, { dtype, shape, data: new Float32Array(shape.reduce((n, size) => n * size, 1)) });
    return zeros;
  });
}

function canonical(cell: Cell, node: NodeView<Attrs>): readonly Replacement[] {
  const { attrs, outputs, outputTypes } = node;
  requireConstant(node.inputTypes);
  requireWhole(attrs, node.inputTypes);
  const split: Split = { node, nodes: [], constants: new Map() };
  splitStates(split);
  const { all, state } = axesOf(attrs);
  const whole = attrs.directions.length === 1;
  const partOf = (output: string, direction: number): string =>
    whole || output === '' ? output : `${output}~${direction}`;
  attrs.directions.forEach((_, d) => {
    const name = (place: number): string => partName(split, place, d);
    const inputs = [places.x, places.w, places.r, places.b].map(name);
    split.nodes.push({
      op: layers[cell].op,
      attrs: attrsOf(attrs, d),
      inputs: [...inputs, ...stateNames(split, cell, d), name(places.p)],
      outputs: outputs.map((output) => partOf(output, d)),
    });
  });
  if (!whole)
    outputs.forEach((output, i) => {
      if (output === '') return;
      const axis = i === 0 ? all : state;
      const type = at(outputTypes, i);
      const part = { dtype: type.dtype, shape: type.shape.with(axis, 1) };
      split.nodes.push(
        ...concat.canonicalize({
          name: node.name,
          attrs: { axis },
          inputs: attrs.directions.map((_, d) => partOf(output, d)),
          inputTypes: attrs.directions.map(() => part),
          outputs: [output],
          outputTypes: [type],
        }),
      );
    });
  const [first, ...rest] = split.nodes;
  return [{ ...must(first, 'a node for each direction'), constants: split.constants }, ...rest];
}

const layerOp = (cell: Cell, type: string, since: number): ImportedOp<Attrs> => ({
  kind: `${cell}Layer`,
  restrictions:
    'constant weights; sequences of one length; the usual activations; RNN: relu too; no clip, no input_forget',
  onnx: { [type]: { since, upTo: newestOpset, parse: (node) => parse(cell, node) } },
  infer: (attrs, inputs) => inferLayer(cell, attrs, inputs),
  reference: (attrs, inputs) => layerReference(cell, attrs, inputs),
  canonicalize: (node) => canonical(cell, node),
});

/** ONNX LSTM-7, 14, 22 with constant weights, one or two directions, the usual activations, whole sequences. */
export const lstmLayer = layerOp('lstm', 'LSTM', 7);
/** ONNX GRU-7, 14, 22, the same. */
export const gruLayer = layerOp('gru', 'GRU', 7);
/** ONNX RNN-7, 14, 22, the same; tanh or ReLU. */
export const rnnLayer = layerOp('rnn', 'RNN', 7);
