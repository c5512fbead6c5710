/**
 * A fused float graph as steps of training. Three kinds suffice: rows of products (`affine`) are layers with weights
 * that learn, and with fixed ones padding, average pools, additions and transposes. Everything here is plain data, so
 * that it can be sent to other threads.
 */

import { at, InputError, locate, must } from '../../base/errors.ts';
import { inputCount } from '../../ir/graph/evaluate.ts';
import type { Curve, Steps, Term, Value, Windows } from '../../ir/graph/gradient.ts';
import { type Graph, inputName, type Node } from '../../ir/graph/graph.ts';
import { type Clamp, clampAt, type RowClamp } from '../../ir/integers/row-clamp.ts';
import { channelCount, countOf, type Shape, type Tensor } from '../../ir/tensor.ts';
import { elementBytes } from './kernels.ts';

/** Row r has the terms `rowStarts[r]` to `rowStarts[r + 1]`, each a byte offset into its input. */
export interface Terms {
  readonly rowStarts: Int32Array;
  readonly offsets: Int32Array;
}

/** y[row, pixel] = bias[row] + sum of weight[term] x[pixel + offset[term]]. Addresses are bytes in the values. */
export interface Affine {
  readonly kind: 'affine';
  readonly rows: number;
  readonly terms: Terms;
  readonly pixelStarts: Int32Array;
  readonly x: number;
  readonly y: number;
  readonly values:
    | { readonly kind: 'layer'; readonly layer: number }
    | { readonly kind: 'fixed'; readonly weights: Float64Array; readonly bias: Float64Array };
  /** Whether anything that learns lies before the input. */
  readonly inputLearns: boolean;
}

interface MaxPool {
  readonly kind: 'maxPool';
  readonly channels: number;
  readonly planeBytes: number;
  readonly taps: Int32Array;
  readonly pixelStarts: Int32Array;
  readonly x: number;
  readonly y: number;
}

interface ClampStep {
  readonly kind: 'clamp';
  readonly x: number;
  readonly count: number;
  readonly clamp: Clamp;
}

export interface SoftmaxStep {
  readonly kind: 'softmax';
  readonly x: number;
  readonly y: number;
  /** lines x size x inner elements; `size` of them sum to 1. */
  readonly lines: number;
  readonly size: number;
  readonly inner: number;
}

interface CurveStep {
  readonly kind: 'curve';
  readonly f: Curve;
  readonly x: number;
  readonly y: number;
  readonly count: number;
}

interface ProductStep {
  readonly kind: 'product';
  readonly factors: readonly [number, number];
  readonly y: number;
  readonly count: number;
}

/** `learns`: whether its output depends on weights that learn, so that it has a backward step. */
export type Step = (Affine | MaxPool | ClampStep | SoftmaxStep | CurveStep | ProductStep) & {
  readonly learns: boolean;
};

/** A node with weights: rows x terms in their own order. */
export interface Layer {
  readonly node: string;
  readonly weight: string;
  /** '' for none. */
  readonly bias: string;
  readonly rows: number;
  readonly termsPerRow: number;
  /** Of all weights. */
  readonly offsets: Int32Array;
  /** How often each weight is used for one sample. */
  readonly pixels: number;
}

export interface Network {
  readonly steps: readonly Step[];
  readonly layers: readonly Layer[];
  /** Of all activations of a group. */
  readonly valueBytes: number;
  /** By name, all that a node makes or the input is. */
  readonly values: ReadonlyMap<string, Value>;
  readonly input: number;
  readonly inputShape: Shape;
  readonly output: number;
  readonly outputCount: number;
}

const inBytes = (elements: Int32Array): Int32Array => elements.map((n) => n * elementBytes);

class Builder {
  readonly steps: Step[] = [];
  readonly layers: Layer[] = [];
  readonly values = new Map<string, Value>();
  bytes = 0;

  place(shape: Shape, learns: boolean): Value {
    const value = { at: this.bytes, shape, learns };
    this.bytes += countOf(shape) * elementBytes;
    return value;
  }

  /** As `Steps.fixed`. */
  fixed(shape: Shape, terms: (i: number) => readonly Term[], bias: (i: number) => number = () => 0): Value {
    const rows = countOf(shape);
    const rowStarts = new Int32Array(rows + 1);
    const [offsets, weights]: [number[], number[]] = [[], []];
    let learns = false;
    for (let i = 0; i < rows; i++) {
      for (const [value, element, weight] of terms(i)) {
        offsets.push(value.at + element * elementBytes);
        weights.push(weight);
        learns ||= value.learns;
      }
      rowStarts[i + 1] = offsets.length;
    }
    const y = this.place(shape, learns);
    this.steps.push({
      kind: 'affine',
      rows,
      terms: { rowStarts, offsets: Int32Array.from(offsets) },
      pixelStarts: new Int32Array(1),
      x: 0,
      y: y.at,
      values: {
        kind: 'fixed',
        weights: Float64Array.from(weights),
        bias: Float64Array.from({ length: rows }, (_, i) => bias(i)),
      },
      inputLearns: learns,
      learns,
    });
    return y;
  }
}

/** The steps of one node, appended to the network's. */
class NodeSteps implements Steps {
  readonly types: Steps['types'];
  readonly output: Shape;
  readonly #built: Builder;
  readonly #graph: Graph<'float'>;
  readonly #node: Node;
  /** What lies behind was made for this node. */
  readonly #begin: number;

  constructor(built: Builder, graph: Graph<'float'>, node: Node) {
    this.types = node.inputs.map((name) => graph.tensors.get(name));
    this.output = must(graph.tensors.get(at(node.outputs, 0)), 'outputs have types').shape;
    this.#built = built;
    this.#graph = graph;
    this.#node = node;
    this.#begin = built.bytes;
  }

  input(index: number): Value {
    const value = this.#built.values.get(inputName(this.#node, index));
    if (value !== undefined) return value;
    throw new InputError({ found: 'a constant as its input', supported: 'activations' });
  }

  constant(index: number): Tensor | undefined {
    return this.#graph.tensors.get(inputName(this.#node, index))?.constant;
  }

  fixed(shape: Shape, terms: (i: number) => readonly Term[], bias?: (i: number) => number): Value {
    return this.#built.fixed(shape, terms, bias);
  }

  learned(x: Value, shape: Shape): Value {
    const { op, attrs } = this.#node;
    const [weight, bias] = [inputName(this.#node, 1), inputName(this.#node, 2)];
    const w = this.constant(1);
    if (w === undefined)
      throw new InputError({ found: `weights '${weight}' that are computed`, supported: 'constant weights' });
    const {
      groups,
      groupStride,
      starts,
      offsets: ofRow,
    } = must(op.rows, 'a node with weights').of(attrs, this.types);
    const rows = at(w.shape, 0);
    const termsPerRow = ofRow.length;
    const offsets = Int32Array.from({ length: rows * termsPerRow }, (_, i) => {
      const group = Math.floor((Math.floor(i / termsPerRow) * groups) / rows);
      return (group * groupStride + at(ofRow, i % termsPerRow)) * elementBytes;
    });
    const { steps, layers } = this.#built;
    const y = this.#built.place(shape, true);
    steps.push({
      kind: 'affine',
      rows,
      terms: { rowStarts: Int32Array.from({ length: rows + 1 }, (_, r) => r * termsPerRow), offsets },
      pixelStarts: inBytes(starts),
      x: x.at,
      y: y.at,
      values: { kind: 'layer', layer: layers.length },
      inputLearns: x.learns,
      learns: true,
    });
    layers.push({ node: this.#node.name, weight, bias, rows, termsPerRow, offsets, pixels: starts.length });
    return y;
  }

  largest(x: Value, shape: Shape, { plane, taps, starts }: Windows): Value {
    const y = this.#built.place(shape, x.learns);
    this.#built.steps.push({
      kind: 'maxPool',
      channels: countOf(shape) / starts.length,
      planeBytes: plane * elementBytes,
      taps: inBytes(taps),
      pixelStarts: inBytes(starts),
      x: x.at,
      y: y.at,
      learns: x.learns,
    });
    return y;
  }

  /** In place, where this node made the value. Bounds that differ by channel are a step per channel. */
  clamp(x: Value, bounds: RowClamp | undefined): Value {
    if (bounds === undefined) return x;
    const y = x.at < this.#begin ? this.fixed(x.shape, (i) => [[x, i, 1]]) : x;
    const { shape, learns } = y;
    const { lo, hi } = bounds;
    const perChannel = typeof lo !== 'number' || typeof hi !== 'number';
    const parts = perChannel ? channelCount(shape) : 1;
    const count = countOf(shape) / parts;
    for (let c = 0; c < parts; c++)
      this.#built.steps.push({
        kind: 'clamp',
        x: y.at + c * count * elementBytes,
        count,
        clamp: clampAt(bounds, c),
        learns,
      });
    return y;
  }

  softmax(x: Value, axis: number): Value {
    const { shape, learns } = x;
    const y = this.#built.place(shape, learns);
    const inner = countOf(shape.slice(axis + 1));
    const lines = countOf(shape.slice(0, axis));
    this.#built.steps.push({
      kind: 'softmax',
      x: x.at,
      y: y.at,
      lines,
      size: at(shape, axis),
      inner,
      learns,
    });
    return y;
  }

  product(a: Value, b: Value): Value {
    const learns = a.learns || b.learns;
    const y = this.#built.place(a.shape, learns);
    const count = countOf(a.shape);
    this.#built.steps.push({ kind: 'product', factors: [a.at, b.at], y: y.at, count, learns });
    return y;
  }

  curve(x: Value, f: Curve): Value {
    const { shape, learns } = x;
    const y = this.#built.place(shape, learns);
    this.#built.steps.push({ kind: 'curve', f, x: x.at, y: y.at, count: countOf(shape), learns });
    return y;
  }
}

function stepsOf(built: Builder, graph: Graph<'float'>, node: Node): Value {
  const { gradient, kind } = node.op;
  if (gradient !== 'none') return gradient.of(node.attrs, new NodeSteps(built, graph, node));
  throw new InputError({
    found: `operator '${kind}', which has no gradient`,
    supported: 'pruning, weights of few bits and training of networks whose operators have one',
    todo: 'compile without these',
  });
}

/** @throws InputError for inputs and outputs of other types than float32 */
function requireReal({ inputs, outputs, tensors }: Graph<'float'>): void {
  const odd = [...inputs, ...outputs].find((port) => tensors.get(port)?.dtype !== 'float32');
  if (odd === undefined) return;
  throw new InputError({
    where: `'${odd}'`,
    found: `an input or output of type ${tensors.get(odd)?.dtype}, through which no gradient goes`,
    supported: 'float32',
    todo: 'compile without training, and without pruning or rounding of weights',
  });
}

/** @throws InputError for several outputs: answers are the classes of one */
export function requireOneOutput({ outputs }: Graph<'float'>): void {
  if (outputs.length === 1) return;
  throw new InputError({
    where: 'training',
    found: `a network with ${outputs.length} outputs (${outputs.join(', ')})`,
    supported: 'one, whose numbers are scores of classes',
    todo: 'train in PyTorch; pruning and fewer bits for weights need no training',
  });
}

/** What softmax is made of, where a value is made by one: near 1 it hides every error. */
function logitsOf({ steps }: Builder, value: Value): Value {
  const maker = steps.filter((step) => step.kind === 'softmax').find(({ y }) => y === value.at);
  return maker === undefined ? value : { ...value, at: maker.x };
}

/** All outputs as one vector, one after the other. */
function joined(built: Builder, outputs: readonly Value[]): Value {
  const places = outputs.flatMap((value) =>
    Array.from({ length: countOf(value.shape) }, (_, i): Term => [value, i, 1]),
  );
  return built.fixed([places.length], (i) => [at(places, i)]);
}

/**
 * The network's steps up to its logits: a softmax at the end is left away. Several inputs lie one after the other,
 * and several outputs are one vector.
 * @throws InputError for other types than float32, and naming the node for operators without a gradient and computed
 * weights
 */
export function networkOf(graph: Graph<'float'>): Network {
  requireReal(graph);
  const built = new Builder();
  const inputs = graph.inputs.map((name) => {
    const input = built.place(must(graph.tensors.get(name), 'the input has a type').shape, false);
    built.values.set(name, input);
    return input;
  });
  for (const node of graph.nodes) {
    const made = locate(`node '${node.name}'`, () => stepsOf(built, graph, node));
    built.values.set(at(node.outputs, 0), made);
  }
  const outputs = graph.outputs.map((name) => must(built.values.get(name), 'the output is made by a node'));
  const logits = outputs.map((value) => logitsOf(built, value));
  const output = logits.length === 1 ? at(logits, 0) : joined(built, logits);
  const last = built.steps.at(-1);
  const toLogits = last?.kind === 'softmax' && last.x === output.at;
  const [input, ...more] = inputs;
  return {
    steps: toLogits ? built.steps.slice(0, -1) : built.steps,
    layers: built.layers,
    valueBytes: built.bytes,
    values: built.values,
    input: at(inputs, 0).at,
    inputShape: input !== undefined && more.length === 0 ? input.shape : [inputCount(graph)],
    output: output.at,
    outputCount: countOf(output.shape),
  };
}

/** A network's weights and biases per layer, dense. */
export type FixedWeights = readonly { readonly weights: Float32Array; readonly bias: Float32Array }[];

export const weightsIn = (graph: Graph<'float'>, network: Network): FixedWeights =>
  network.layers.map(({ weight, bias, rows }) => ({
    weights: Float32Array.from(must(graph.tensors.get(weight)?.constant, 'constant weights').data),
    bias: Float32Array.from(graph.tensors.get(bias)?.constant?.data ?? new Float32Array(rows)),
  }));
