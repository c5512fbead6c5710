/** Recurrent layers and cells. PyTorch's rows of gates are put in ONNX' order. */
import { at, complain } from '../../../base/errors.ts';
import type { AttributeValue } from '../../graph/attributes.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import {
  concatenated,
  cut,
  reshaped,
  selected,
  squeezed,
  trained,
  transposed,
  unsqueezed,
} from './aten-common.ts';
import { int, type OnnxAttributes, text } from './aten-draft.ts';

interface Cell {
  readonly type: string;
  /** Which of PyTorch's gates each of ONNX' is. */
  readonly gates: readonly number[];
  /** States beside the hidden one. */
  readonly states: 1 | 2;
  readonly attributes: OnnxAttributes;
}

const activation = (name: string): AttributeValue => ({ kind: 'strings', value: [name] });

/** r z n to z r h. */
const gru: Cell = { type: 'GRU', gates: [1, 0, 2], states: 1, attributes: { linear_before_reset: int(1) } };
/** i f g o to i o f c. */
const lstm: Cell = { type: 'LSTM', gates: [0, 3, 1, 2], states: 2, attributes: {} };
const tanh: Cell = { type: 'RNN', gates: [0], states: 1, attributes: { activations: activation('Tanh') } };
const relu: Cell = { type: 'RNN', gates: [0], states: 1, attributes: { activations: activation('Relu') } };

/** A direction's numbers: of inputs, of states, and the biases of both. */
interface Direction {
  readonly input: string;
  readonly hidden: string;
  readonly biases: readonly [string, string] | undefined;
}

/** The rows of gates in ONNX' order, with an axis of one direction in front. */
function ordered(call: AtenCall, { gates }: Cell, x: string): string {
  const size = at(call.shapeOf(x), 0) / gates.length;
  const rows = gates.flatMap((gate) => Array.from({ length: size }, (_, i) => gate * size + i));
  const inOrder = gates.every((gate, i) => gate === i) ? x : call.make('Gather', [x, call.list(rows)]);
  return unsqueezed(call, inOrder, [0]);
}

interface States {
  readonly h: string;
  readonly c: string;
}

/** One layer on a sequence (time, batch, features). Returns Y and the last states. */
function layer(
  call: AtenCall,
  cell: Cell,
  x: string,
  directions: readonly Direction[],
  { h, c }: States,
): readonly string[] {
  const first = at(directions, 0);
  const stacked = (of: (direction: Direction) => string): string =>
    concatenated(
      call,
      directions.map((direction) => ordered(call, cell, of(direction))),
      0,
    );
  const biases = directions.map(({ biases }) =>
    biases === undefined
      ? undefined
      : concatenated(
          call,
          biases.map((bias) => ordered(call, cell, bias)),
          1,
        ),
  );
  const given = biases.filter((bias) => bias !== undefined);
  const bias = given.length === 0 ? '' : concatenated(call, given, 0);
  const inputs = [x, stacked(({ input }) => input), stacked(({ hidden }) => hidden), bias, '', h];
  if (cell.states === 2) inputs.push(c);
  const { activations } = cell.attributes;
  const attributes = {
    ...cell.attributes,
    ...(activations?.kind === 'strings'
      ? { activations: { kind: 'strings' as const, value: directions.flatMap(() => activations.value) } }
      : {}),
    hidden_size: int(at(call.shapeOf(first.hidden), 1)),
    direction: text(directions.length === 2 ? 'bidirectional' : 'forward'),
  };
  return call.makeAll(
    cell.type,
    inputs.at(-1) === '' ? trimmed(inputs) : inputs,
    attributes,
    cell.states + 1,
  );
}

/** Without what is left out at the end. */
const trimmed = (inputs: readonly string[]): readonly string[] =>
  inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);

/** By layer and direction: two matrices, two biases, where there are. */
function directionsOf(call: AtenCall, cell: Cell): readonly (readonly Direction[])[] {
  const params = call.tensors('params');
  const each = call.flag('has_biases') ? 4 : 2;
  const [layers, sides] = [call.int('num_layers'), call.flag('bidirectional') ? 2 : 1];
  if (params.length !== layers * sides * each)
    throw complain(
      `${params.length} tensors of weights`,
      `${layers * sides * each}`,
      `write ${cell.type} without proj_size`,
    );
  return Array.from({ length: layers }, (_, one) =>
    Array.from({ length: sides }, (_, side) => {
      const [input, hidden, first, second] = params.slice((one * sides + side) * each) as [
        string,
        string,
        string,
        string,
      ];
      return { input, hidden, biases: each === 4 ? ([first, second] as const) : undefined };
    }),
  );
}

/** Of a layer, of states of all; '' where all are zero. */
function stateOf(call: AtenCall, state: string | undefined, layers: number, index: number): string {
  if (state === undefined || call.constantOf(state)?.data.every((x) => x === 0) === true) return '';
  const sides = at(call.shapeOf(state), 0) / layers;
  return layers === 1 ? state : cut(call, state, 0, index * sides, (index + 1) * sides);
}

/** (time, directions, batch, hidden) to (time, batch, directions * hidden). */
function joined(call: AtenCall, y: string): string {
  const [time, sides, batch, hidden] = call.shapeOf(y) as [number, number, number, number];
  if (sides === 1) return squeezed(call, y, [1]);
  return reshaped(call, transposed(call, y, [0, 2, 1, 3]), [time, batch, sides * hidden]);
}

const recurrent =
  (cell: Cell): Translation =>
  (call) => {
    if (call.flag('train', false) && call.number('dropout', 0) > 0) call.note(trained);
    const turned = (x: string): string => (call.flag('batch_first') ? transposed(call, x, [1, 0, 2]) : x);
    const states = cell.states === 2 ? call.tensors('hx') : [call.tensor('hx')];
    const layers = directionsOf(call, cell);
    const last: string[][] = states.map(() => []);
    const made = layers.reduce(
      (x, directions, i) => {
        const [h, c] = states.map((state) => stateOf(call, state, layers.length, i));
        const [y, ...ends] = layer(call, cell, x, directions, { h: h ?? '', c: c ?? '' });
        ends.forEach((end, k) => {
          last[k]?.push(end);
        });
        return joined(call, y ?? '');
      },
      turned(call.tensor('input')),
    );
    return [turned(made), ...last.map((ends) => concatenated(call, ends, 0))];
  };

/** One step: a sequence of one element. */
const step =
  (cell: Cell): Translation =>
  (call) => {
    const [input, hidden] = [call.tensor('w_ih'), call.tensor('w_hh')];
    const [first, second] = [call.optional('b_ih'), call.optional('b_hh')];
    const biases = first === '' || second === '' ? undefined : ([first, second] as const);
    const states = cell.states === 2 ? call.tensors('hx') : [call.tensor('hx')];
    const [h, c] = states.map((state) => stateOf(call, unsqueezed(call, state, [0]), 1, 0));
    const x = unsqueezed(call, call.tensor('input'), [0]);
    const [, ...ends] = layer(call, cell, x, [{ input, hidden, biases }], { h: h ?? '', c: c ?? '' });
    return ends.map((end) => selected(call, end, 0, 0));
  };

export const recurrents: Translations = {
  'gru.input': recurrent(gru),
  'lstm.input': recurrent(lstm),
  'rnn_tanh.input': recurrent(tanh),
  'rnn_relu.input': recurrent(relu),
  'gru_cell.default': step(gru),
  'lstm_cell.default': step(lstm),
  'rnn_tanh_cell.default': step(tanh),
  'rnn_relu_cell.default': step(relu),
};
