/**
 * Layers on rows and images of any number of axes, with constants of any number of axes added behind: whatever
 * compiles computes what the model says, in the model's shape.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certify } from '../../src/artifact/certify.ts';
import { compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, floats, type Shape } from '../../src/ir/tensor.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { simulate } from '../../src/runtime/engines.ts';
import { Draw } from '../support/draw.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../support/onnx-model.ts';
import { Reached } from '../support/reached.ts';

interface Net {
  readonly bytes: Uint8Array;
  readonly input: Shape;
}

const kinds = ['matMul', 'gemm', 'conv'] as const;
const addends = ['scalar', 'channel', 'wide', 'whole', 'uniform'] as const;

const recipe = fc.record({
  kind: fc.constantFrom(...kinds),
  rows: fc.constantFrom(1, 1, 1, 3),
  axes: fc.integer({ min: 2, max: 4 }),
  view: fc.constantFrom('none', 'reshape', 'transpose', 'both'),
  operator: fc.constantFrom('Add'),
  addend: fc.constantFrom(...addends),
  extra: fc.nat({ max: 2 }),
  relu: fc.boolean(),
  second: fc.boolean(),
  seed: fc.nat({ max: 9999 }),
});
type Choice = typeof recipe extends fc.Arbitrary<infer T> ? T : never;

/** A shape with 1s in front. */
const led = (shape: Shape, axes: number): Shape => [
  ...new Array<number>(Math.max(0, axes - shape.length)).fill(1),
  ...shape,
];

/** Nodes in a row, each on what the one before made. */
class Model {
  readonly nodes: NodeSpec[] = [];
  readonly initializers: ReturnType<typeof floatTensor>[] = [];
  readonly draw: Draw;
  name = 'x';

  constructor(seed: number) {
    this.draw = new Draw(seed);
  }

  weights(shape: Shape, fill?: number): string {
    const name = `w${this.initializers.length}`;
    const data = this.draw.floats(countOf(shape), -1, 1);
    this.initializers.push(floatTensor(name, shape, [...(fill === undefined ? data : data.fill(fill))]));
    return name;
  }

  push(op: string, more: readonly string[] = [], attributes: NodeSpec['attributes'] = []): void {
    const to = `t${this.nodes.length}`;
    this.nodes.push({
      op,
      name: `${op}${this.nodes.length}`,
      inputs: [this.name, ...more],
      outputs: [to],
      attributes,
    });
    this.name = to;
  }

  reshape(shape: Shape): void {
    const name = `s${this.initializers.length}`;
    this.initializers.push(intTensor(name, [shape.length], [...shape]));
    this.push('Reshape', [name]);
  }
}

/** The layer's output, from the model's input of this shape. */
function layer(model: Model, { kind, rows, axes }: Choice): { input: Shape; shape: Shape; channels: Shape } {
  if (kind === 'conv') {
    model.push('Conv', [model.weights([3, 2, 1, 1])]);
    return { input: [1, 2, 2, 4], shape: [1, 3, 2, 4], channels: [3, 1, 1] };
  }
  const several = rows > 1 || kind === 'matMul';
  const input = several ? led([rows, 4], Math.max(axes, rows > 1 ? 3 : 2)) : [1, 4];
  if (kind === 'matMul') model.push('MatMul', [model.weights(led([4, 6], 2 + (axes % 2)))]);
  else {
    if (several) model.reshape([rows, 4]);
    model.push('Gemm', [model.weights([6, 4]), model.weights([6])], [int('transB', 1)]);
  }
  const shape = kind === 'matMul' ? [...input.slice(0, -1), 6] : [rows, 6];
  return { input, shape, channels: [6] };
}

function addendFor({ addend, extra }: Choice, model: Model, shape: Shape, channels: Shape): string {
  const more = (s: Shape): Shape => led(s, s.length + extra);
  switch (addend) {
    case 'scalar':
      return model.weights(more([1]));
    case 'channel':
      return model.weights(more(channels));
    case 'wide':
      return model.weights(led([1], shape.length + 1 + extra));
    case 'whole':
      return model.weights(more(shape));
    case 'uniform':
      return model.weights(more(shape), 0.75);
    default:
      return addend satisfies never;
  }
}

function built(choice: Choice): Net {
  const model = new Model(choice.seed);
  const { input, shape: made, channels } = layer(model, choice);
  let [shape, per] = [made, channels];
  if (choice.view === 'reshape' || choice.view === 'both') {
    shape = [1, made[1] ?? 1, countOf(made) / (made[1] ?? 1)];
    model.reshape(shape);
    per = choice.kind === 'conv' ? [3, 1] : [1];
  }
  if (choice.view === 'transpose' || choice.view === 'both') {
    const perm = [0, ...shape.slice(1).map((_, i) => shape.length - 1 - i)];
    model.push('Transpose', [], [ints('perm', perm)]);
    shape = perm.map((axis) => shape[axis]!);
    per = [1];
  }
  model.push('Add', [addendFor(choice, model, shape, per)]);
  if (choice.relu) model.push('Relu');
  if (choice.second) {
    model.reshape([1, countOf(shape)]);
    model.push('MatMul', [model.weights([countOf(shape), 2])]);
  }
  const bytes = encodeModel({
    opset: 13,
    nodes: model.nodes,
    initializers: model.initializers,
    inputs: [valueInfo('x', input)],
    outputs: [model.name],
  });
  return { bytes, input };
}

function meant(
  graph: Graph<'imported'>,
  input: Shape,
  sample: Float32Array,
): { shape: Shape; data: number[] } {
  const [output] = evaluate(graph, new Map([['x', floats(input, sample)]])).values();
  return { shape: output!.shape, data: [...output!.data] };
}

test('constants of any number of axes behind layers of any: in the layer, or a kernel of their own', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(recipe, (choice) => {
      const { bytes, input } = built(choice);
      const graph = importOnnx(bytes);
      const draw = new Draw(choice.seed + 1);
      const inputs = Array.from({ length: 3 }, () => draw.floats(countOf(input), -1, 1));
      const { program, fused } = compile(graph, { name: 'net', arith: 'float32', calibration: { inputs } });
      for (const sample of inputs) {
        const right = meant(graph, input, sample);
        const found = decodeOutput(program, simulate(program, encodeInput(program, sample)).output);
        expect(program.slots[program.outputs[0]!.slot]!.shape).toEqual(right.shape);
        right.data.forEach((x, i) => {
          expect(Math.abs(found[i]! - x)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(x)));
        });
      }
      const integers = compile(graph, { name: 'net', arith: 'int8', calibration: { inputs } });
      expect(certify(integers.program, integers.assembled as Graph<'int8'>).holds).toBe(true);
      // Whatever was added is in the layer, unless it differs within a channel.
      if (fused.nodes.every(({ op }) => op.kind !== 'add')) reached.add('in a layer');
      else {
        expect(choice.addend).not.toBe('scalar');
        reached.add('alone');
      }
    }),
    { numRuns: 100 },
  );
  reached.atLeast({ 'in a layer': 25, alone: 2 });
});

test('an activation behind a view joins the layer, and keeps its name where it can', () => {
  const bytes = encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 1, 4])],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['product'] },
      { op: 'Add', inputs: ['b', 'product'], outputs: ['sum'] },
      { op: 'Relu', inputs: ['sum'], outputs: ['hidden'] },
      { op: 'MatMul', inputs: ['hidden', 'w'], outputs: ['y'] },
    ],
    initializers: [
      floatTensor(
        'w',
        [4, 4],
        Array.from({ length: 16 }, (_, i) => i - 8),
      ),
      floatTensor('b', [4], [1, 2, 3, 4]),
    ],
  });
  const { fused } = compile(importOnnx(bytes), { name: 'net', arith: 'float32' });
  const layers = fused.nodes.filter(({ op }) => !op.alias);
  expect(layers.map(({ op, outputs }) => [op.kind, ...outputs])).toEqual([
    ['linear', 'hidden'],
    ['linear', expect.any(String)],
  ]);
  expect(layers[0]!.attrs).toEqual({ clamp: { lo: 0, hi: Infinity } });
  expect(fuse.run(fused)).toEqual(fused);
});
