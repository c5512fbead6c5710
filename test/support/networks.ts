/** Builds the network of a recipe: shapes first, every number of the recipe fitted to what is possible. */

import { cubicTaps, linearTaps } from '../../src/ir/geometry/resize-axis.ts';
import type { WindowAttrs } from '../../src/ir/geometry/window.ts';
import type { AnyNode, Graph, TensorInfo } from '../../src/ir/graph/graph.ts';
import type { OpDef } from '../../src/ir/graph/op.ts';
import { add } from '../../src/ir/ops/add.ts';
import { argMax } from '../../src/ir/ops/arg-extreme.ts';
import { mul } from '../../src/ir/ops/arithmetic.ts';
import { attention } from '../../src/ir/ops/attention.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { batchNorm } from '../../src/ir/ops/batch-norm.ts';
import { choice } from '../../src/ir/ops/choice.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import type { RecurrentAttrs } from '../../src/ir/ops/common/recurrent-cells.ts';
import { concat } from '../../src/ir/ops/concat.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { conversion } from '../../src/ir/ops/conversion.ts';
import { embedding } from '../../src/ir/ops/embedding.ts';
import { flatten } from '../../src/ir/ops/flatten.ts';
import { gather } from '../../src/ir/ops/gather.ts';
import { globalAvgPool } from '../../src/ir/ops/global-pools.ts';
import { identity } from '../../src/ir/ops/identity.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { matMul } from '../../src/ir/ops/mat-mul.ts';
import { matrices } from '../../src/ir/ops/matrices.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { normalize, rmsNormalize } from '../../src/ir/ops/normalize-groups.ts';
import { pad } from '../../src/ir/ops/pad.ts';
import { product } from '../../src/ir/ops/products.ts';
import { gru, lstm, rnn } from '../../src/ir/ops/recurrent.ts';
import { largestElement, mean, smallestElement, sum } from '../../src/ir/ops/reductions.ts';
import { resample } from '../../src/ir/ops/resample.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { runningSum } from '../../src/ir/ops/running-sum.ts';
import { sigmoid } from '../../src/ir/ops/sigmoid.ts';
import { slice } from '../../src/ir/ops/slice.ts';
import { softmax } from '../../src/ir/ops/softmax.ts';
import { tanh } from '../../src/ir/ops/tanh.ts';
import { transpose } from '../../src/ir/ops/transpose.ts';
import { comparison, logic } from '../../src/ir/ops/truth.ts';
import { countOf, floats, type Shape } from '../../src/ir/tensor.ts';
import { Draw } from './draw.ts';
import { gentleSamples } from './functions.ts';
import { pairSamples } from './pairs.ts';
import type { LayerRecipe, Recipe, Weights, WindowRecipe } from './recipes.ts';

type Layer<K extends LayerRecipe['kind']> = LayerRecipe & { readonly kind: K };

const relu: Layer<'clip'> = { kind: 'clip', bounds: [[0, 1e9]] };

/** Multiply-accumulates of a whole network: thousands of networks are run per minute. */
const macBudget = 24_000;

/** Elements: what is joined again and again would have too many. */
const largestMoved = 1500;

/** Scale, bias, mean and variance of a batch normalization. */
function normParameters(
  draw: Draw,
  channels: number,
  flavour: Layer<'batchNorm'>['flavour'],
): readonly Float32Array[] {
  if (flavour === 'extreme') {
    const power = (lo: number, hi: number): Float32Array => draw.floats(channels, lo, hi).map((x) => 10 ** x);
    const gain = power(-3, 1).map((g) => (draw.unit() < 0.5 ? -g : g));
    return [gain, draw.floats(channels, -8, 8), draw.floats(channels, -1, 1), power(-12, 6)];
  }
  const spread = flavour === 'steep' ? 8 : 1.5;
  const gain = draw.floats(channels, -spread, spread);
  if (flavour === 'zeroGain') gain[draw.int(0, channels - 1)] = 0;
  const variance = [flavour === 'steep' ? 0 : 0.5, 2] as const;
  return [
    gain,
    draw.floats(channels, -1, 1),
    draw.floats(channels, -1, 1),
    draw.floats(channels, ...variance),
  ];
}

class Builder {
  readonly tensors = new Map<string, TensorInfo<'imported'>>();
  readonly nodes: AnyNode[] = [];
  /** The tensor that the next layer reads. */
  at = 'x';
  shape: Shape;
  #macs = 0;
  /** Whether something was added that has code. */
  hasKernel = false;
  constructor(recipe: Recipe) {
    this.shape = [1, ...recipe.input];
    this.tensors.set('x', { dtype: 'float32', shape: this.shape });
  }

  #constant(shape: Shape, data: Float32Array): string {
    const name = `c${this.tensors.size}`;
    this.tensors.set(name, { dtype: 'float32', shape, constant: floats(shape, data) });
    return name;
  }

  #integers(values: readonly number[]): string {
    const name = `c${this.tensors.size}`;
    const type = { dtype: 'int64', shape: [values.length] } as const;
    this.tensors.set(name, { ...type, constant: { ...type, data: Float64Array.from(values) } });
    return name;
  }

  /** Appends a node on `inputs`; `at` and `shape` are its output's then. */
  #push<A, Q>(op: OpDef<A, Q>, attrs: A, inputs: readonly string[]): void {
    const name = `n${this.nodes.length}`;
    const types = inputs.map((input) => {
      const { dtype, shape, constant } = this.tensors.get(input)!;
      return { dtype: dtype!, shape: shape!, ...(constant === undefined ? {} : { constant }) };
    });
    const [type] = op.infer(attrs, types);
    const output = `${name}.out`;
    this.tensors.set(output, type!);
    this.nodes.push({ name, op: op as OpDef, attrs, inputs, outputs: [output], origin: [name] });
    this.at = output;
    this.shape = type!.shape;
  }

  /** As #push, for operators with code. */
  #compute<A, Q>(op: OpDef<A, Q>, attrs: A, inputs: readonly string[]): void {
    this.#push(op, attrs, inputs);
    this.hasKernel = true;
  }

  get #isImage(): boolean {
    return this.shape.length >= 3;
  }

  get #spatial(): Shape {
    return this.shape.slice(2);
  }

  get #channels(): number {
    return this.shape[1]!;
  }

  add(layer: LayerRecipe): void {
    switch (layer.kind) {
      case 'conv':
        this.#conv(layer);
        break;
      case 'pool':
        this.#pool(layer);
        break;
      case 'linear':
        this.#linear(layer);
        break;
      case 'clip':
        this.#clip(layer);
        break;
      case 'batchNorm':
        this.#batchNorm(layer);
        break;
      case 'residual':
        this.#residual(layer);
        break;
      case 'twice':
        this.#compute(add, {}, [this.at, this.at]);
        break;
      case 'addConstant':
        this.#addConstant(layer);
        break;
      case 'identity':
        this.#push(identity, {}, [this.at]);
        break;
      case 'flatten':
        this.#push(flatten, { axis: 1 }, [this.at]);
        break;
      case 'reshape':
        this.#reshape(layer);
        break;
      case 'transpose':
        this.#transpose(layer.turn);
        break;
      case 'softmax':
        this.#softmax(layer.axis);
        break;
      case 'move':
        if (countOf(this.shape) < largestMoved) this.#move(layer);
        break;
      case 'mix':
        if (countOf(this.shape) < largestMoved) this.#mix(layer);
        break;
      case 'pair':
        this.#pair(layer);
        break;
      case 'gate':
        this.#gate(layer.squeezed);
        break;
      case 'scale':
        this.#scale(layer);
        break;
      case 'along':
        this.#along(layer);
        break;
      case 'pointwise':
        this.#function(layer.of);
        break;
      default:
        layer satisfies never;
    }
  }

  #reshape(layer: Layer<'reshape'>): void {
    this.#push(reshape, { shape: reshapeTarget(layer, this.shape) }, [this.at]);
  }

  /** The window's lists for this image, or undefined where not even a smaller kernel fits. */
  #window(w: WindowRecipe, pooling: boolean): WindowAttrs {
    const first = 2 - this.#spatial.length;
    const pick = (pair: readonly [number, number]): number[] => pair.slice(first);
    // A pooling window that steps over the whole image would hold nothing.
    const dilations = pick(w.dilations).map((d, i) => (pooling && d > this.#spatial[i]! ? 1 : d));
    const [top, left, bottom, right] = w.pads;
    let befores = [top, left].slice(first);
    let afters = [bottom, right].slice(first);
    const fitting = (k: number, i: number): number => {
      const room = this.#spatial[i]! + befores[i]! + afters[i]!;
      return Math.max(1, Math.min(k, Math.floor((room - 1) / dilations[i]!) + 1));
    };
    let kernel = pick(w.kernel).map(fitting);
    const below = (p: number, i: number): number => Math.min(p, (kernel[i]! - 1) * dilations[i]!);
    if (pooling) {
      befores = befores.map(below);
      afters = afters.map(below);
      // Less padding is less room.
      kernel = kernel.map(fitting);
      befores = befores.map(below);
      afters = afters.map(below);
    }
    return { kernel, strides: pick(w.strides), pads: [...befores, ...afters], autoPad: 'NOTSET', dilations };
  }

  #affords(macs: number): boolean {
    if (this.#macs + macs > macBudget) return false;
    this.#macs += macs;
    return true;
  }

  #conv({ window, out, groups, weights }: Layer<'conv'>): void {
    if (!this.#isImage) return;
    const channels = this.#channels;
    const count = groups === 'one' ? 1 : groups === 'depthwise' ? channels : commonDivisor(channels, out);
    // A depthwise recipe keeps the channels; every third one multiplies them.
    const outs = groups === 'depthwise' ? channels * (out % 3 === 0 ? 2 : 1) : out;
    this.#convolve(this.#window(window, false), outs, count, weights);
  }

  #convolve(window: WindowAttrs, outs: number, groups: number, weights: Weights): void {
    const depth = this.#channels / groups;
    const shape = [outs, depth, ...window.kernel];
    const pixels = window.kernel.reduce((product, k, i) => {
      const extent = (k - 1) * window.dilations[i]! + 1;
      const room = this.#spatial[i]! + window.pads[i]! + window.pads[i + window.kernel.length]! - extent;
      return product * (Math.floor(room / window.strides[i]!) + 1);
    }, 1);
    if (!this.#affords(pixels * countOf(shape))) return;
    this.#compute(conv, { ...window, groups }, [this.at, ...this.#parameters(weights, shape)]);
  }

  #parameters(weights: Weights, shape: Shape): string[] {
    const draw = new Draw(weights.seed);
    const w = this.#constant(shape, drawnWeights(weights, shape, draw));
    const bias = drawnBias(weights, shape[0]!, draw);
    return bias === undefined ? [w] : [w, this.#constant([shape[0]!], bias)];
  }

  #pool({ of, window, ceil, countPad }: Layer<'pool'>): void {
    if (!this.#isImage) return;
    const average = of !== 'max';
    if (of === 'global' && average) {
      this.#compute(globalAvgPool, {}, [this.at]);
      return;
    }
    const attrs = this.#window(window, true);
    // Both at once have no kernel.
    const countIncludePad = average && countPad && !ceil;
    this.#compute(average ? avgPool : maxPool, { ...attrs, ceilMode: ceil, countIncludePad }, [this.at]);
  }

  #linear({ as, out, weights }: Layer<'linear'>): void {
    if (this.shape.length !== 2) this.#push(flatten, { axis: 1 }, [this.at]);
    const features = this.#channels;
    if (!this.#affords(features * out)) return;
    const [w, b] = this.#parameters(weights, [out, features]);
    if (as === 'linear') this.#compute(linear, {}, b === undefined ? [this.at, w!] : [this.at, w!, b]);
    else {
      const { data } = this.tensors.get(w!)!.constant!;
      const turned = Float32Array.from(data, (_, i) => data[(i % out) * features + Math.floor(i / out)]!);
      this.#compute(matMul, {}, [this.at, this.#constant([features, out], turned)]);
    }
  }

  #clip({ bounds }: Layer<'clip'>): void {
    // ONNX has the bounds in float32.
    const bound = (x: number): number => (Math.abs(x) >= 1e9 ? x * Infinity : Math.fround(x));
    for (const [lo, hi] of bounds) this.#compute(clip, { lo: bound(lo), hi: bound(hi) }, [this.at]);
  }

  /** Where nothing can take it in, it becomes a depthwise convolution. */
  #batchNorm({ seed, flavour }: Pick<Layer<'batchNorm'>, 'seed' | 'flavour'>): void {
    const channels = this.#channels;
    const parameters = normParameters(new Draw(seed), channels, flavour);
    const names = parameters.map((data) => this.#constant([channels], data));
    const epsilon = Math.fround(flavour === 'extreme' ? 1e-5 : 1e-2);
    this.#compute(batchNorm, { epsilon }, [this.at, ...names]);
  }

  /** Two convolutions (or linear layers) beside a shortcut, which is a 1x1 convolution where shapes change. */
  #residual(layer: Layer<'residual'>): void {
    const { window, out, norm, weights } = layer;
    const start = { at: this.at, shape: this.shape };
    if (this.shape.length === 2) this.#linear({ kind: 'linear', as: 'linear', out: this.#channels, weights });
    else if (this.#isImage) this.#branch(window, out, norm, weights);
    if (this.at === start.at) return;
    const branch = { at: this.at, shape: this.shape };
    [this.at, this.shape] = [start.at, start.shape];
    if (!sameShapes(start.shape, branch.shape)) this.#shortcut(window, branch.shape, norm, weights);
    if (sameShapes(this.shape, branch.shape)) this.#compute(add, {}, [branch.at, this.at]);
    // The shortcut was too dear: the branch goes on alone.
    else [this.at, this.shape] = [branch.at, branch.shape];
  }

  #branch(window: WindowRecipe, out: number, norm: boolean, weights: Weights): void {
    const same = (strides: readonly number[]): WindowAttrs => {
      const rank = this.#spatial.length;
      const half = window.kernel.slice(2 - rank).map((k) => Math.floor(Math.min(k, 5) / 2));
      const ones = half.map(() => 1);
      return {
        kernel: half.map((h) => 2 * h + 1),
        strides,
        pads: [...half, ...half],
        autoPad: 'NOTSET',
        dilations: ones,
      };
    };
    const strides = window.strides.slice(2 - this.#spatial.length);
    this.#convolve(same(strides), out, 1, weights);
    if (norm) this.#batchNorm({ seed: weights.seed, flavour: 'plain' });
    this.#clip(relu);
    this.#convolve(same(strides.map(() => 1)), out, 1, { ...weights, seed: weights.seed + 1 });
  }

  #shortcut(window: WindowRecipe, target: Shape, norm: boolean, weights: Weights): void {
    const ones = this.#spatial.map(() => 1);
    const strides = window.strides.slice(2 - this.#spatial.length);
    const pads = [...ones, ...ones].map(() => 0);
    const attrs: WindowAttrs = { kernel: ones, strides, pads, autoPad: 'NOTSET', dilations: ones };
    this.#convolve(attrs, target[1]!, 1, { ...weights, seed: weights.seed + 2 });
    if (norm) this.#batchNorm({ seed: weights.seed + 1, flavour: 'plain' });
  }

  /** Where no layer can take it in, it becomes a depthwise convolution, as a batch norm does. */
  #addConstant({ seed, scalar }: Layer<'addConstant'>): void {
    const data = new Draw(seed).floats(scalar ? 1 : this.#channels, -2, 2);
    const shape = scalar ? [1] : [this.#channels, ...this.#spatial.map(() => 1)];
    this.#compute(add, {}, [this.at, this.#constant(shape, data)]);
  }

  /** One of the orders of all axes but the batch. */
  #transpose(turn: number): void {
    const axes = this.shape.map((_, i) => i).slice(1);
    const perm = [0];
    for (let rest = turn; axes.length > 0; rest = Math.floor(rest / 2))
      perm.push(axes.splice(rest % axes.length, 1)[0]!);
    this.#push(transpose, { perm }, [this.at]);
  }

  #softmax(turn: number): void {
    this.#compute(softmax, { axis: turn % this.shape.length }, [this.at]);
  }

  /** Along one axis but the batch, or along all from it on. */
  #along({ of, turn, seed }: Layer<'along'>): void {
    const rank = this.shape.length;
    const first = 1 + (turn % (rank - 1));
    const axes = turn < 3 ? [first] : Array.from({ length: rank - first }, (_, i) => first + i);
    if (of === 'normalize' || of === 'rms') {
      const [draw, sizes] = [new Draw(seed), this.shape.slice(first).map((n, i) => (i === 0 ? n : 1))];
      const [gain, shift] = [0.5, -0.5].map((lo) => draw.floats(sizes[0]!, lo, lo + 1));
      const parameters = [gain!, shift!].map((data) => this.#constant(sizes, data));
      const op = of === 'rms' ? rmsNormalize : normalize;
      this.#compute(op, { view: this.shape, axes, epsilon: 0.25 }, [this.at, ...parameters]);
      return;
    }
    const op = { mean, sum, largest: largestElement, smallest: smallestElement }[of] as typeof mean;
    this.#compute(op, { axes, keepDims: seed % 2 === 0 || rank - axes.length < 2 }, [this.at]);
  }

  /** Slices, padding, concatenation and gathering along one axis but the batch. */
  #move({ of, turn, seed }: Layer<'move'>): void {
    const axis = 1 + (turn % (this.shape.length - 1));
    const [size, draw] = [this.shape[axis]!, new Draw(seed)];
    switch (of) {
      case 'slice': {
        const [first, step] = [draw.int(0, size - 1), draw.int(1, 2)];
        const backward = draw.unit() < 0.3;
        const ends = backward ? [-size - 1, -step] : [draw.int(first + 1, size), step];
        this.#push(slice, {}, [
          this.at,
          ...[first, ends[0]!, axis, ends[1]!].map((n) => this.#integers([n])),
        ]);
        break;
      }
      case 'pad': {
        const pads = [...this.shape, ...this.shape].map((_, i) =>
          i % this.shape.length === axis ? draw.int(0, 2) : 0,
        );
        const mode = size > 2 ? draw.of(['constant', 'edge', 'reflect'] as const) : 'constant';
        const value = draw.of([0, 0, 1.5, -2]);
        this.#push(pad, { mode, fixed: { pads, value } }, [this.at]);
        break;
      }
      case 'join': {
        const first = this.at;
        if (draw.unit() < 0.6) this.#function(draw.int(0, gentleSamples.length - 1));
        this.#push(concat, { axis }, [first, this.at]);
        break;
      }
      case 'pick': {
        const index = Array.from({ length: draw.int(1, size + 1) }, () => draw.int(-size, size - 1));
        this.#push(gather, { axis }, [this.at, this.#integers(index)]);
        break;
      }
      default:
        of satisfies never;
    }
  }

  #mix({ of, turn, seed }: Layer<'mix'>): void {
    const draw = new Draw(seed);
    switch (of) {
      case 'resize':
        this.#resize(turn, draw);
        break;
      case 'runningSum': {
        const axis = 1 + (turn % (this.shape.length - 1));
        const [exclusive, reverse] = [draw.unit() < 0.5, draw.unit() < 0.5];
        this.#compute(runningSum, { axis, exclusive, reverse }, [this.at]);
        break;
      }
      case 'matrices':
      case 'attention':
        this.#products(of === 'attention');
        break;
      case 'choice': {
        const [x, condition] = [this.at, this.#condition(draw)];
        const rest = draw.unit() < 0.5 ? this.#constant([1], draw.floats(1, -1, 1)) : this.#ofX(x, draw);
        this.#compute(choice, {}, draw.unit() < 0.5 ? [condition, x, rest] : [condition, rest, x]);
        break;
      }
      case 'truth':
        this.#compute(conversion, { from: 'bool', to: 'float32' }, [this.#condition(draw)]);
        break;
      case 'words':
        this.#words(draw);
        break;
      case 'lstm':
      case 'gru':
      case 'rnn':
        this.#recurrent({ lstm, gru, rnn }[of], { lstm: 4, gru: 3, rnn: 1 }[of], draw);
        break;
      default:
        of satisfies never;
    }
  }

  /** A function of a tensor that is not the last one. */
  #ofX(x: string, draw: Draw): string {
    this.at = x;
    this.#function(draw.int(0, gentleSamples.length - 1));
    return this.at;
  }

  /** Numbers are held to a constant, or to a function of themselves; two such tests may be one. */
  #condition(draw: Draw): string {
    const x = this.at;
    const test = (): string => {
      const other = draw.unit() < 0.6 ? this.#constant([1], draw.floats(1, -1, 1)) : this.#ofX(x, draw);
      const how = draw.of(['gt', 'ge', 'lt', 'le'] as const);
      this.#compute(comparison, { how }, draw.unit() < 0.7 ? [x, other] : [other, x]);
      return this.at;
    };
    const how = draw.of(['one', 'not', 'and', 'or', 'xor'] as const);
    const first = test();
    if (how === 'not') this.#compute(logic, { how }, [first]);
    else if (how !== 'one') this.#compute(logic, { how }, [first, test()]);
    return this.at;
  }

  /** One spatial axis, linear or cubic. */
  #resize(turn: number, draw: Draw): void {
    if (!this.#isImage) return;
    const axis = 2 + (turn % this.#spatial.length);
    const size = this.shape[axis]!;
    const out = draw.int(1, 2 * size);
    const resized = { in: size, out, scale: Math.fround(out / size) };
    const mode = draw.of(['half_pixel', 'align_corners', 'asymmetric'] as const);
    const taps = draw.unit() < 0.7 ? linearTaps(resized, mode) : cubicTaps(resized, mode, -0.75, false);
    this.#compute(resample, { axes: [{ axis, ...taps }], words: 'Resize' }, [this.at]);
  }

  /** Of a bounded form of itself and the same with rows as columns; as attention, of itself to itself. */
  #products(attends: boolean): void {
    if (!this.#isImage) return;
    const rank = this.shape.length;
    const [rows, depth] = [this.shape.at(-2)!, this.shape.at(-1)!];
    if (!this.#affords(2 * countOf(this.shape) * rows)) return;
    this.#compute(tanh, {}, [this.at]);
    const x = this.at;
    const perm = this.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
    this.#push(transpose, { perm }, [x]);
    if (attends) this.#compute(attention, { gain: 1 / Math.sqrt(depth) }, [x, this.at, x]);
    else this.#compute(matrices, {}, [x, this.at]);
  }

  /** Rows of a table, by the index of the largest of each row. */
  #words(draw: Draw): void {
    const rank = this.shape.length;
    const count = this.shape.at(-1)!;
    this.#compute(argMax, { axis: rank - 1, keepDims: rank === 2, last: false }, [this.at]);
    const shape = [count, draw.int(1, 3)];
    const table = this.#constant(shape, draw.floats(countOf(shape), -1, 1));
    this.#compute(embedding, {}, [this.at, table]);
  }

  /** Rows as steps; a bounded input, and what is bounded behind it, are of 8 bits. */
  #recurrent<Q>(op: OpDef<RecurrentAttrs, Q>, gates: number, draw: Draw): void {
    const features = this.shape.at(-1)!;
    const steps = countOf(this.shape) / features;
    const hidden = draw.int(1, 4);
    if (!this.#affords(steps * gates * hidden * (features + hidden))) return;
    this.#push(reshape, { shape: [steps, 1, features] }, [this.at]);
    this.#compute(tanh, {}, [this.at]);
    const rows = gates * hidden;
    const numbers = (shape: Shape): string => this.#constant(shape, draw.floats(countOf(shape), -1, 1));
    const attrs = {
      batchFirst: false,
      backward: draw.unit() < 0.3,
      resetsAfter: draw.unit() < 0.5,
      relu: false,
    };
    const constants = [numbers([1, rows, features]), numbers([1, rows, hidden]), numbers([1, 2 * rows])];
    this.#compute(op, attrs, [this.at, ...constants]);
    this.#push(reshape, { shape: [1, steps, hidden] }, [this.at]);
    this.#compute(sigmoid, {}, [this.at]);
  }

  #function(of: number): void {
    const { op, attrs } = gentleSamples[of % gentleSamples.length]!;
    this.#compute(op, attrs as never, [this.at]);
  }

  #pair({ of, row, seed }: Layer<'pair'>): void {
    const { op, attrs } = pairSamples[of % pairSamples.length]!;
    const shape = row ? this.shape.slice(-1) : this.shape;
    const constant = this.#constant(shape, new Draw(seed).floats(countOf(shape), 0.5, 2));
    this.#compute(op, attrs as never, [this.at, constant]);
  }

  #gate(squeezed: boolean): void {
    const start = { at: this.at, shape: this.shape };
    if (squeezed && this.#isImage) this.#compute(globalAvgPool, {}, [this.at]);
    this.#compute(sigmoid, {}, [this.at]);
    const gate = this.at;
    [this.at, this.shape] = [start.at, start.shape];
    this.#compute(product, {}, [this.at, gate]);
  }

  #scale({ seed, scalar }: Layer<'scale'>): void {
    const data = new Draw(seed).floats(scalar ? 1 : this.#channels, -2, 2);
    const shape = scalar ? [1] : [this.#channels, ...this.#spatial.map(() => 1)];
    this.#compute(mul, {}, [this.at, this.#constant(shape, data)]);
  }

  graph(): Graph<'imported'> {
    if (!this.hasKernel) this.#clip(relu);
    const named = new Set(['x', ...this.nodes.flatMap((n) => [...n.inputs, ...n.outputs])]);
    const tensors = new Map([...this.tensors].filter(([name]) => named.has(name)));
    return {
      stage: 'imported',
      name: 'random',
      opset: 0,
      inputs: ['x'],
      outputs: [this.at],
      tensors,
      nodes: this.nodes,
    };
  }
}

const sameShapes = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

function reshapeTarget({ to, cut }: Layer<'reshape'>, shape: Shape): Shape {
  const count = countOf(shape);
  if (to === 'row') return [1, count];
  // Channels stay where the tensor is an image and the cut says so: height and width become one axis.
  const channels = cut % 2 === 0 && shape.length > 2 ? shape[1]! : divisorNear(count, cut);
  const rest = count / channels;
  if (to === 'line') return [1, channels, rest];
  const height = divisorNear(rest, cut + 1);
  return [1, channels, height, rest / height];
}

/** The largest divisor of n up to `most`; 1 for 0. */
function divisorNear(n: number, most: number): number {
  for (let d = Math.min(n, most); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

function drawnWeights({ kind }: Weights, shape: Shape, draw: Draw): Float32Array {
  const count = countOf(shape);
  const row = count / shape[0]!;
  const uniform = (scale: number): Float32Array =>
    draw.floats(count, -scale / Math.sqrt(row), scale / Math.sqrt(row));
  switch (kind) {
    case 'zero':
      return new Float32Array(count);
    case 'ones':
      return new Float32Array(count).fill(1);
    case 'single':
      return new Float32Array(count).fill(1, count >> 1, (count >> 1) + 1);
    case 'uniform':
      return uniform(2);
    case 'extremes':
      return new Float32Array(count).map(() => (draw.unit() < 0.5 ? -0.25 : 0.25));
    case 'zeroRows': {
      const zero = Array.from({ length: shape[0]! }, () => draw.unit() < 0.5);
      return uniform(2).map((w, i) => (zero[Math.floor(i / row)] ? 0 : w));
    }
    case 'sparse':
      return uniform(2).map((w) => (draw.unit() < 0.006 ? w : 0));
    case 'tiny':
      return uniform(1e-4);
    case 'huge':
      return uniform(40);
    case 'mixed': {
      const scales = Array.from({ length: shape[0]! }, () => 2 ** draw.int(-8, 4));
      return uniform(2).map((w, i) => w * scales[Math.floor(i / row)]!);
    }
    default:
      return kind satisfies never;
  }
}

function drawnBias({ bias }: Weights, count: number, draw: Draw): Float32Array | undefined {
  switch (bias) {
    case 'none':
      return undefined;
    case 'zero':
      return new Float32Array(count);
    case 'uniform':
      return draw.floats(count, -1, 1);
    case 'huge':
      return draw.floats(count, -1e4, 1e4);
    default:
      return bias satisfies never;
  }
}

/** The recipe's network, with ONNX operators. */
export function networkOf(recipe: Recipe): Graph<'imported'> {
  const builder = new Builder(recipe);
  for (const layer of recipe.layers) builder.add(layer);
  return builder.graph();
}

/** Inputs as the network was trained on them; of a raw network before normalization. */
export function samplesOf(recipe: Recipe, count: number): Float32Array[] {
  const draw = new Draw(recipe.seed);
  const [lo, hi] = recipe.raw === 'no' ? ([-1, 1 + draw.unit()] as const) : ([0, 255] as const);
  return Array.from({ length: count }, () => draw.floats(countOf(recipe.input), lo, hi));
}
