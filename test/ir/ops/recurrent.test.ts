/** Recurrent layers: reference, float32, and integers against an oracle; streams that go on; errors over many steps. */
import { describe, expect, test } from 'vitest';
import { Distances } from '../../../src/base/distance.ts';
import { compile } from '../../../src/compile.ts';
import { emitC } from '../../../src/emit/package.ts';
import { evaluate, inputTensors } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import type { StateRows } from '../../../src/ir/integers/state-rows.ts';
import { elemBytes } from '../../../src/ir/kernel/kernel.ts';
import type { QuantizedRecurrent } from '../../../src/ir/ops/common/quantized-recurrent.ts';
import type { Cell, RecurrentAttrs } from '../../../src/ir/ops/common/recurrent-cells.ts';
import { calibrate } from '../../../src/passes/calibrate.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { quantize } from '../../../src/passes/quantize.ts';
import { settleOrders } from '../../../src/passes/settle-orders.ts';
import { assemble } from '../../../src/plan/assemble.ts';
import type { Program } from '../../../src/program/program.ts';
import { encodeInput } from '../../../src/program/values.ts';
import { simulate } from '../../../src/runtime/engines.ts';
import { runNative } from '../../../src/targets/native.ts';
import { recurrentStates } from '../../oracles/recurrent.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { holdsModel } from '../../support/model-law.ts';
import { float, int, strings } from '../../support/onnx-model.ts';
import { type RecurrentSpec, recurrentModel, recurrentSizes } from '../../support/recurrent-models.ts';
import { testWith } from '../../support/toolchain.ts';

const layers = ['LSTM', 'GRU', 'RNN'] as const;
const resetsAfter = [int('linear_before_reset', 1)];
const relu = [strings('activations', ['Relu'])];

/** What the layer gives of one input. */
const reference = (spec: RecurrentSpec, x: Float32Array): readonly Float32Array[] => {
  const graph = canonicalize.run(importOnnx(recurrentModel(spec)));
  return [...evaluate(graph, inputTensors(graph, x)).values()].map(({ data }) => Float32Array.from(data));
};

const inputOf = (spec: RecurrentSpec, seed: number): Float32Array => {
  const { steps, batch, inputs } = recurrentSizes(spec);
  return new Draw(seed).floats(steps * batch * inputs, -1, 1);
};

/** Rows of `width` in the opposite order. */
const reversed = (x: Float32Array, width: number): Float32Array =>
  x.map((_, i) => x[x.length - width - (i - (i % width)) + (i % width)]!);

describe('the meaning', () => {
  test.each(layers)('%s from the last step is %s forward on the steps reversed', (op) => {
    const x = inputOf({ op }, 3);
    const [y, h] = reference({ op, outputs: ['y', 'h'] }, x);
    const [back, last] = reference({ op, direction: 'reverse', outputs: ['y', 'h'] }, reversed(x, 3));
    expect(back).toEqual(reversed(y!, 4));
    expect(last).toEqual(h);
  });

  test.each(layers)('%s last state is that of the last step, samples do not meet', (op) => {
    const spec: RecurrentSpec = { op, batch: 2, steps: 3, outputs: ['y', 'h'] };
    const x = inputOf(spec, 4);
    const [y, h] = reference(spec, x);
    expect(h).toEqual(Float32Array.of(...y!.slice(8, 12), ...y!.slice(20, 24)));
    const [alone] = reference({ ...spec, batch: 1 }, x.slice(9));
    expect(alone).toEqual(y!.slice(12));
  });

  test('samples first or steps first are the same numbers', () => {
    const spec: RecurrentSpec = { op: 'LSTM', direction: 'bidirectional', outputs: ['y', 'h', 'c'] };
    const x = inputOf(spec, 5);
    expect(reference({ ...spec, batchFirst: false }, x)).toEqual(reference(spec, x));
  });

  test('a state that goes on is one sequence', () => {
    const spec: RecurrentSpec = { op: 'GRU', start: 'given', outputs: ['y', 'h'], attributes: resetsAfter };
    const x = inputOf(spec, 6);
    const start = new Draw(1).floats(4, -1, 1);
    const joined = (part: Float32Array, h: Float32Array) => Float32Array.of(...part, ...h);
    const [whole, end] = reference(spec, joined(x, start));
    const half = { ...spec, steps: 3 };
    const [first, between] = reference(half, joined(x.slice(0, 9), start));
    const [second, last] = reference(half, joined(x.slice(9), between!));
    const numbers = [...first!, ...second!, ...last!];
    [...whole!, ...end!].forEach((value, i) => {
      expect(numbers[i]).toBeCloseTo(value, 6);
    });
  });

  test('the reset gate before or behind the weights is the same for one unit without bias', () => {
    const spec: RecurrentSpec = { op: 'GRU', hidden: 1 };
    const [x, model] = [inputOf(spec, 7), importOnnx(recurrentModel({ ...spec, seed: 2 }))];
    const run = (attrs: object) => {
      const graph = canonicalize.run(model);
      const nodes = graph.nodes.map((node) => ({ ...node, attrs: { ...(node.attrs as object), ...attrs } }));
      const tensors = new Map(graph.tensors);
      const b = tensors.get('b')!;
      const data = b.constant!.data.slice() as Float32Array;
      data[5] = 0;
      tensors.set('b', { ...b, constant: { ...b.constant!, data } });
      const same = { ...graph, nodes, tensors };
      return [...evaluate(same, inputTensors(same, x)).values()][0]!.data;
    };
    expect(run({ resetsAfter: true })).toEqual(run({ resetsAfter: false }));
  });
});

const cases: readonly (readonly [string, RecurrentSpec])[] = [
  ['LSTM of two samples', { op: 'LSTM', batch: 2, batchFirst: false, direction: 'reverse' }],
  [
    'LSTM both ways, with peepholes and constant states',
    { op: 'LSTM', peepholes: true, start: 'constant', direction: 'bidirectional' },
  ],
  ['LSTM of one step', { op: 'LSTM', steps: 1, batchFirst: false }],
  ['LSTM whose cells grow', { op: 'LSTM', steps: 30, lift: { 2: 6 }, size: 1, outputs: ['c'] }],
  ['GRU', { op: 'GRU', steps: 20, hidden: 8, batch: 2 }],
  [
    'GRU both ways, its reset behind the weights',
    { op: 'GRU', start: 'constant', direction: 'bidirectional', attributes: resetsAfter, outputs: ['h'] },
  ],
  ['RNN', { op: 'RNN', steps: 20 }],
  ['RNN with ReLU', { op: 'RNN', attributes: relu, outputs: ['h'], start: 'constant' }],
];

describe('compiled', () => {
  test.each(cases)('%s: float32, and int8 with all proofs, alike on all engines', (_, spec) => {
    holdsModel(recurrentModel(spec), { seed: 5, float: 1e-5 });
  });
});

/** Quantized for itself: the node, its program. */
function integers(spec: RecurrentSpec, seed: number, lo = -1, hi = 1, cut = (x: number): number => x) {
  const graph = canonicalize.run(importOnnx(recurrentModel(spec)));
  const draw = new Draw(seed);
  const count = graph.inputs.reduce(
    (n, name) => n + graph.tensors.get(name)!.shape.reduce((a, b) => a * b, 1),
    0,
  );
  const { steps, batch, inputs } = recurrentSizes(spec);
  const ends = (value: number, i: number) => (i < steps * batch * inputs ? cut(value) : value);
  const samples = Array.from({ length: 20 }, () => draw.floats(count, lo, hi).map(ends));
  const run = quantize(calibrate(graph, samples, 'minmax'), {
    mode: 'single',
    weightBits: 8,
    biasCorrection: true,
  });
  const made: Graph<'int8'> = run.run(settleOrders.run(graph));
  const { program } = assemble(made, { name: 'net', strategy: 'overlap' });
  return { program, node: made.nodes[0]!, samples, graph };
}

const numbersOf = (bytes: Uint8Array, elem: string): readonly number[] => {
  const copy = bytes.slice().buffer;
  return [...(elem === 'i16' ? new Int16Array(copy) : elem === 'i32' ? new Int32Array(copy) : bytes)];
};

/** The stored numbers of each port. */
function portsOf(
  { slots }: Program,
  ports: Program['inputs'] | Program['outputs'],
  bytes: Uint8Array,
): readonly (readonly number[])[] {
  let from = 0;
  return ports.map(({ slot }) => {
    const { elem, length } = slots[slot]!;
    const size = length * elemBytes[elem];
    from += size;
    return numbersOf(bytes.slice(from - size, from), elem);
  });
}

type Oracled = readonly [string, RecurrentSpec, (readonly [number, number])?];
const oracleCases: readonly Oracled[] = [
  ['LSTM', { op: 'LSTM', outputs: ['h', 'c'], size: 1 }],
  [
    'LSTM backward, peepholes',
    { op: 'LSTM', outputs: ['h', 'c'], peepholes: true, direction: 'reverse', size: 1 },
  ],
  ['LSTM with states', { op: 'LSTM', outputs: ['h', 'c'], start: 'given', lift: { 2: 4 } }],
  ['LSTM of large inputs', { op: 'LSTM', outputs: ['h', 'c'], size: 2 }, [-300, 900]],
  ['LSTM far from 0', { op: 'LSTM', outputs: ['h', 'c'], size: 0.1 }, [40, 43]],
  ['GRU', { op: 'GRU', outputs: ['h'], size: 1, start: 'given' }],
  ['GRU, reset behind', { op: 'GRU', outputs: ['h'], size: 2, attributes: resetsAfter, start: 'given' }],
  ['RNN', { op: 'RNN', outputs: ['h'], size: 1, start: 'given' }],
  ['RNN with ReLU', { op: 'RNN', outputs: ['h'], start: 'given', attributes: relu }],
];

describe('integers', () => {
  for (const [title, spec, [lo, hi] = [-1, 1]] of oracleCases)
    test(`${title}: states are those of the oracle`, () => {
      const { program, node, samples } = integers(spec, 7, lo, hi);
      const { inputs, steps } = recurrentSizes(spec);
      const facts = factsOf(program);
      requireProved(program, facts);
      const draw = new Draw(9);
      const wild = samples.slice(0, 4).map((x) => x.map(() => draw.between(2 * lo - hi, 2 * hi - lo)));
      const bytes = [...samples.slice(0, 8), ...wild].map((x) => encodeInput(program, x));
      const q = node.quantized as QuantizedRecurrent;
      const finer = 2 ** (15 - q.cellBits);
      simulated(program, bytes, facts).forEach(({ output }, i) => {
        const input = bytes[i]!;
        const x = Array.from({ length: steps }, (_, t) => [...input.slice(t * inputs, (t + 1) * inputs)]);
        const [h0, c0] = portsOf(program, program.inputs, input).slice(1);
        const open = 2 ** (16 - q.stateBits);
        const opened = h0?.map((h) => Math.max(-32767, Math.min(32767, Math.floor(h / open + 0.5))));
        const layer = { cell: node.op.kind as Cell, attrs: node.attrs as RecurrentAttrs, q, x };
        const [isGru, isOpen] = [layer.cell === 'gru', layer.attrs.relu];
        const c1 = isGru ? h0?.map(insideCell) : c0?.map((c) => insideCell(Math.floor(c / finer + 0.5)));
        const h1 = isGru ? c1?.map((c) => c >> 8) : isOpen ? opened : h0;
        const { h, c } = recurrentStates(layer, { ...(h1 && { h: h1 }), ...(c1 && { c: c1 }) });
        const [last, cells] = portsOf(program, program.outputs, output);
        expect(last).toEqual(isGru ? c : isOpen ? h.map((state) => state * open) : h);
        if (cells !== undefined) expect(cells).toEqual(c.map((value) => value * finer));
      });
    });
});

const insideCell = (c: number): number => Math.max(-8388352, Math.min(8388352, c));

/** A network of one step, fed its own states, and one of all steps: on one grid of x. */
describe('a stream that goes on', () => {
  test.each(['LSTM', 'GRU', 'RNN'] as const)(
    '%s: step by step the states are those of the whole sequence',
    (op) => {
      const outputs = op === 'LSTM' ? (['h', 'c'] as const) : (['h'] as const);
      const spec: RecurrentSpec = { op, inputs: 1, outputs, start: 'given', size: 1 };
      const ends = (x: number): number => Math.max(-1, Math.min(1, 4 * x));
      const [whole, single] = [12, 1].map((steps) => integers({ ...spec, steps }, 3, -1, 1, ends));
      const [q, one] = [whole!, single!].map(({ node }) => node.quantized as QuantizedRecurrent);
      expect([one!.x, one!.cellBits]).toEqual([q!.x, q!.cellBits]);
      const input = encodeInput(whole!.program, whole!.samples[0]!);
      const run = (program: Program, bytes: Uint8Array) => simulate(program, bytes).output;
      let states: Uint8Array = input.slice(12);
      for (let t = 0; t < 12; t++) states = run(single!.program, Uint8Array.of(input[t]!, ...states));
      expect(states).toEqual(run(whole!.program, input));
    },
  );
});

test('both ways, states are ports of one grid each', () => {
  const spec: RecurrentSpec = { op: 'LSTM', direction: 'bidirectional', start: 'given', outputs: ['h', 'c'] };
  const { program } = integers(spec, 3);
  const grids = [...program.inputs.slice(1), ...program.outputs].map(
    ({ slot }) => program.slots[slot]!.quant,
  );
  expect(grids.map((quant) => [quant!.bits, quant!.scale])).toEqual([
    [16, 2 ** -15],
    [32, 2 ** -23],
    [16, 2 ** -15],
    [32, 2 ** -23],
  ]);
  requireProved(program, factsOf(program));
});

/** The layer with the weights that the integers stand for: what is left of the error is the integers' own. */
function withRoundedWeights(graph: Graph<'float'>, q: QuantizedRecurrent, fraction: number): Graph<'float'> {
  const tensors = new Map(graph.tensors);
  const round = (name: string, { weights, bias, multiplier, shift, up }: StateRows, scale: number) => {
    const info = tensors.get(name)!;
    const terms = weights.length / bias.length;
    const data = Float32Array.from(weights, (w, i) => {
      const row = Math.floor(i / terms);
      return (w * multiplier[row]! * 2 ** (up - shift[row]! - fraction)) / scale;
    });
    tensors.set(name, { ...info, constant: { ...info.constant!, data } });
  };
  round('w', q.ofX, q.x.scale);
  round('r', q.ofState, 2 ** -q.stateBits);
  return { ...graph, tensors };
}

/** Signal to noise of all states, in decibels: against the float layer, and against it with rounded weights and inputs. */
function errorOver(spec: RecurrentSpec) {
  const { node, graph } = integers(spec, 21);
  const { steps, inputs } = recurrentSizes(spec);
  const q = node.quantized as QuantizedRecurrent;
  const attrs = node.attrs as RecurrentAttrs;
  const rounded = withRoundedWeights(graph, q, attrs.relu ? q.stateBits : 11);
  const draw = new Draw(22);
  const [total, own] = [new Distances(), new Distances()];
  for (let sample = 0; sample < 2; sample++) {
    const x = draw.floats(steps * inputs, -1, 1);
    const stored = Array.from(x, (value) =>
      Math.max(0, Math.min(255, Math.round(value / q.x.scale) + q.x.zeroPoint)),
    );
    const rows = Array.from({ length: steps }, (_, t) => stored.slice(t * inputs, (t + 1) * inputs));
    const { all } = recurrentStates({ cell: node.op.kind as Cell, attrs, q, x: rows });
    const real = Float32Array.from(stored, (value) => (value - q.x.zeroPoint) * q.x.scale);
    const wanted = [...evaluate(graph, inputTensors(graph, x)).values()][0]!.data;
    const near = [...evaluate(rounded, inputTensors(rounded, real)).values()][0]!.data;
    all.flat().forEach((state, i) => {
      total.add(wanted[i]!, state * 2 ** -q.stateBits);
      own.add(near[i]!, state * 2 ** -q.stateBits);
    });
  }
  return { total: total.result().sqnr, own: own.result().sqnr };
}

/**
 * Of layers that forget the error does not grow. Where they do not, the rounding of weights to 8 bits grows (here to 15
 * dB of LSTM), and the integers' own error stays small.
 */
test.each([
  ['LSTM', { op: 'LSTM' }, 45, 55],
  ['GRU', { op: 'GRU', attributes: resetsAfter }, 45, 55],
  ['GRU, its reset before the weights', { op: 'GRU' }, 45, 55],
  ['RNN', { op: 'RNN' }, 45, 55],
  ['RNN with ReLU', { op: 'RNN', attributes: relu }, 35, 50],
  ['LSTM of long memory', { op: 'LSTM', lift: { 2: 6 } }, 10, 35],
  ['GRU of long memory', { op: 'GRU', attributes: resetsAfter, lift: { 0: 6 } }, 45, 55],
] as const)('%s over 250 steps', (_, spec: RecurrentSpec, least, leastOwn) => {
  const { total, own } = errorOver({ steps: 250, inputs: 6, hidden: 16, ...spec });
  expect(total).toBeGreaterThan(least);
  expect(own).toBeGreaterThan(leastOwn);
});

/** With one attribute or input of the node's file changed. */
describe('refused', () => {
  const compiled = (model: Uint8Array) => () => compile(importOnnx(model), { name: 'net', arith: 'float32' });
  const lstm: RecurrentSpec = { op: 'LSTM' };

  test.each([
    ['clipped sums', [float('clip', 3)], /clipped before gates/],
    [
      'other activations',
      [strings('activations', ['Sigmoid', 'Relu', 'Tanh'])],
      /activation 'relu'.*sigmoid, tanh, tanh/,
    ],
    ['too few activations', [strings('activations', ['Sigmoid'])], /1 activations.*3/],
    ['one gate for two', [int('input_forget', 1)], /input_forget/],
  ] as const)('%s', (_, attributes, message) => {
    expect(compiled(recurrentModel({ ...lstm, attributes }))).toThrow(message);
  });

  test('shorter sequences', () => {
    expect(compiled(recurrentModel({ ...lstm, lengths: [5] }))).toThrow(/sequences of other lengths.*6/);
    expect(compiled(recurrentModel({ ...lstm, lengths: [6] }))).not.toThrow();
  });

  test('sums far beyond what a gate can see', () => {
    expect(() => integers({ op: 'GRU', size: 1e4 }, 3)).toThrow(/sums before its gates/);
  });

  test('cells that an output cannot hold', () => {
    const spec: RecurrentSpec = { op: 'LSTM', steps: 400, lift: { 0: 9, 2: 9, 3: 9 }, outputs: ['c'] };
    expect(() => integers(spec, 3)).toThrow(/cells beyond 170/);
  });
});

testWith(['gcc', 'qemu-system-arm'])('C with sanitizers, and a chip', async () => {
  const lstm: RecurrentSpec = { op: 'LSTM', start: 'given', outputs: ['y', 'h', 'c'], peepholes: true };
  const gru: RecurrentSpec = { op: 'GRU', hidden: 5, direction: 'bidirectional' };
  for (const [spec, target] of [[lstm, 'cortex-m0'] as const, [gru, 'host-gcc'] as const]) {
    const { program, samples } = integers(spec, 13);
    const files = emitC(program, { command: '', version: '', hash: '', golden: [] });
    const inputs = samples.slice(0, 3).map((x) => encodeInput(program, x));
    const ran = await runNative(program, files, target, inputs, {});
    if (ran.kind !== 'ran') throw new Error('does not fit');
    expect(ran.outcomes.map(({ output }) => output)).toEqual(inputs.map((x) => simulate(program, x).output));
  }
});
