/** A network in memory: a group of samples forward, and the gradients of the loss backward. */
import { at, must } from '../../base/errors.ts';
import { instantiate } from '../../wasm/host.ts';
import { curveBackward, curveForward, productBackward, productForward } from './curve.ts';
import { elementBytes, type Kernels, kernelModule, lanes } from './kernels.ts';
import type { Affine, Network, Step, Terms } from './network.ts';
import { softmaxBackward, softmaxForward } from './softmax.ts';

/** Where a layer's numbers are. Weights, offsets and gradients hold its kept terms, row by row. */
export interface LayerMemory {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly weightGradients: Float32Array;
  readonly biasGradients: Float32Array;
}

interface Tables {
  readonly rowStarts: number;
  readonly offsets: number;
  readonly weights: number;
  readonly bias: number;
  readonly pixelStarts: number;
  readonly weightGradients: number;
  readonly biasGradients: number;
}

/** Addresses that follow each other; the memory is made when all are known. */
class Allotment {
  bytes: number;
  constructor(from: number) {
    this.bytes = from;
  }
  take(words: number): number {
    const at = this.bytes;
    this.bytes += 4 * Math.max(1, words);
    return at;
  }
}

type Way = () => void;

/**
 * Values and gradients are elements x 16 samples. A gradient lies `toGradient` bytes behind its value.
 * Memory is taken once; a forward or backward pass makes no objects.
 */
export class Engine {
  readonly network: Network;
  readonly layers: readonly LayerMemory[];
  /** elements x lanes */
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly outputGradients: Float32Array;
  readonly #forward: readonly Way[];
  readonly #backward: readonly Way[];
  readonly #tables = new Map<number, Tables>();
  readonly #gradients: Float32Array;
  readonly #buffer: ArrayBuffer;

  /** @param learn false for forward passes only: there is no room for gradients then */
  constructor(network: Network, { learn }: { readonly learn: boolean }) {
    this.network = network;
    const toGradient = learn ? network.valueBytes : 0;
    const room = new Allotment(network.valueBytes + toGradient);
    const places = network.steps.map((step) => placesOf(step, room));
    const { buffer, kernels } = machineOf(room.bytes);
    this.#buffer = buffer;
    const floats = (at: number, count: number): Float32Array => new Float32Array(buffer, at, count);
    this.input = floats(network.input, inputCount(network) * lanes);
    this.output = floats(network.output, network.outputCount * lanes);
    this.outputGradients = floats(network.output + toGradient, network.outputCount * lanes);
    this.#gradients = floats(toGradient, learn ? network.valueBytes / 4 : 0);
    this.layers = network.layers.map((layer, l) => {
      const step = network.steps.findIndex((s) => s.kind === 'affine' && layerOf(s) === l);
      const { tables } = affinePlace(places[step]);
      this.#tables.set(l, tables);
      return memoryOf(floats, tables, layer.rows, layer.offsets.length);
    });
    network.steps.forEach((step, i) => {
      writeTables(buffer, step, places[i]);
    });
    const ways = network.steps.map((step, i) =>
      waysOf(step, must(places[i], 'each step has its places'), kernels, buffer, toGradient),
    );
    this.#forward = ways.map((way) => way.forward);
    this.#backward = ways.filter((_, i) => network.steps[i]?.learns).map((way) => way.backward);
    this.#backward = this.#backward.toReversed();
  }

  /** The terms that the layer keeps; its weights have to be written again. */
  setTerms(layer: number, terms: Terms): void {
    writeTerms(this.#buffer, must(this.#tables.get(layer), 'a layer of the network'), terms);
  }

  /** From `input` to `output`. */
  forward(): void {
    for (const run of this.#forward) run();
  }

  /** Clears all gradients of activations: before `outputGradients` is written. */
  clearGradients(): void {
    this.#gradients.fill(0);
  }

  /** From `outputGradients` to the gradients of all layers, for the last forward pass. */
  backward(): void {
    for (const run of this.#backward) run();
  }
}

const layerOf = ({ values }: Affine): number => (values.kind === 'layer' ? values.layer : -1);

const inputCount = ({ inputShape }: Network): number => inputShape.reduce((n, size) => n * size, 1);

type Places =
  | { readonly kind: 'affine'; readonly tables: Tables }
  | { readonly kind: 'maxPool'; readonly taps: number; readonly pixelStarts: number }
  | { readonly kind: 'none' };

const affinePlace = (place: Places | undefined): Extract<Places, { kind: 'affine' }> =>
  must(place?.kind === 'affine' ? place : undefined, 'rows of products have tables');
const poolPlace = (place: Places | undefined): Extract<Places, { kind: 'maxPool' }> =>
  must(place?.kind === 'maxPool' ? place : undefined, 'a max-pool has tables');

function placesOf(step: Step, room: Allotment): Places {
  switch (step.kind) {
    case 'affine': {
      const terms = step.terms.offsets.length;
      const learns = step.values.kind === 'layer';
      const tables = {
        rowStarts: room.take(step.rows + 1),
        offsets: room.take(terms),
        weights: room.take(terms),
        bias: room.take(step.rows),
        pixelStarts: room.take(step.pixelStarts.length),
        weightGradients: room.take(learns ? terms : 0),
        biasGradients: room.take(learns ? step.rows : 0),
      };
      return { kind: 'affine', tables };
    }
    case 'maxPool':
      return {
        kind: 'maxPool',
        taps: room.take(step.taps.length),
        pixelStarts: room.take(step.pixelStarts.length),
      };
    case 'clamp':
    case 'softmax':
    case 'curve':
    case 'product':
      return { kind: 'none' };
    default:
      return step satisfies never;
  }
}

const memoryOf = (
  floats: (at: number, count: number) => Float32Array,
  at: Tables,
  rows: number,
  terms: number,
): LayerMemory => ({
  weights: floats(at.weights, terms),
  bias: floats(at.bias, rows),
  weightGradients: floats(at.weightGradients, terms),
  biasGradients: floats(at.biasGradients, rows),
});

/** Row starts as bytes of the offsets' table. */
function writeTerms(buffer: ArrayBuffer, tables: Tables, { rowStarts, offsets }: Terms): void {
  const starts = new Int32Array(buffer, tables.rowStarts, rowStarts.length);
  for (let r = 0; r < rowStarts.length; r++) starts[r] = 4 * at(rowStarts, r);
  new Int32Array(buffer, tables.offsets, offsets.length).set(offsets);
}

/** Everything that stays: which terms and pixels there are, and weights that do not learn. */
function writeTables(buffer: ArrayBuffer, step: Step, place: Places | undefined): void {
  const ints = (at: number, values: Int32Array): void => {
    new Int32Array(buffer, at, values.length).set(values);
  };
  if (step.kind === 'maxPool') {
    const at = poolPlace(place);
    ints(at.taps, step.taps);
    ints(at.pixelStarts, step.pixelStarts);
  }
  if (step.kind !== 'affine') return;
  const { tables } = affinePlace(place);
  ints(tables.pixelStarts, step.pixelStarts);
  writeTerms(buffer, tables, step.terms);
  if (step.values.kind !== 'fixed') return;
  const { weights, bias } = step.values;
  new Float32Array(buffer, tables.weights, weights.length).set(weights);
  new Float32Array(buffer, tables.bias, bias.length).set(bias);
}

interface Ways {
  readonly forward: Way;
  readonly backward: Way;
}

function waysOf(step: Step, at: Places, kernels: Kernels, buffer: ArrayBuffer, toGradient: number): Ways {
  switch (step.kind) {
    case 'affine':
      return affineWays(step, affinePlace(at).tables, kernels, toGradient);
    case 'maxPool':
      return poolWays(step, poolPlace(at), kernels, toGradient);
    case 'clamp':
      return clampRuns(step, kernels, toGradient);
    case 'softmax': {
      const values = new Float32Array(buffer);
      const gradients = values.subarray(toGradient / 4);
      return {
        forward: () => softmaxForward(values, step, lanes),
        backward: () => softmaxBackward(values, gradients, step, lanes),
      };
    }
    case 'curve': {
      const values = new Float32Array(buffer);
      const gradients = values.subarray(toGradient / 4);
      return {
        forward: () => curveForward(values, step, lanes),
        backward: () => curveBackward(values, gradients, step, lanes),
      };
    }
    case 'product': {
      const values = new Float32Array(buffer);
      const gradients = values.subarray(toGradient / 4);
      return {
        forward: () => productForward(values, step, lanes),
        backward: () => productBackward(values, gradients, step, lanes),
      };
    }
    default:
      return step satisfies never;
  }
}

function poolWays(
  step: Extract<Step, { kind: 'maxPool' }>,
  at: Extract<Places, { kind: 'maxPool' }>,
  kernels: Kernels,
  toGradient: number,
): Ways {
  const taps = [at.taps, at.taps + 4 * step.taps.length] as const;
  const pixels = [at.pixelStarts, at.pixelStarts + 4 * step.pixelStarts.length] as const;
  const args = [step.channels, step.planeBytes, ...taps, ...pixels, step.x, step.y] as const;
  return {
    forward: () => kernels.maxPool(...args),
    backward: () => kernels.maxPoolGradients(...args, toGradient),
  };
}

function clampRuns(
  { x, count, clamp }: Extract<Step, { kind: 'clamp' }>,
  kernels: Kernels,
  toGradient: number,
): Ways {
  const args = [x, x + count * elementBytes, Math.fround(clamp.lo), Math.fround(clamp.hi)] as const;
  return {
    forward: () => kernels.clamp(...args),
    backward: () => kernels.clampGradients(...args, toGradient),
  };
}

function affineWays(step: Affine, at: Tables, kernels: Kernels, toGradient: number): Ways {
  const { rows, pixelStarts, x, y } = step;
  const pixels = pixelStarts.length;
  const terms = [rows, at.rowStarts, at.offsets] as const;
  const learns = step.values.kind === 'layer';
  return {
    forward: () => kernels.forward(...terms, at.weights, at.bias, at.pixelStarts, pixels, x, y),
    backward: () => {
      if (learns)
        kernels.weightGradients(
          ...terms,
          at.weightGradients,
          at.biasGradients,
          at.pixelStarts,
          pixels,
          x,
          y + toGradient,
        );
      if (step.inputLearns)
        kernels.inputGradients(
          ...terms,
          at.weights,
          at.bias,
          at.pixelStarts,
          pixels,
          x + toGradient,
          y + toGradient,
        );
    },
  };
}

/** Zeroed memory and the kernels that work in it. */
export function machineOf(bytes: number): { readonly buffer: ArrayBuffer; readonly kernels: Kernels } {
  const { buffer, exports } = instantiate(kernelModule(), bytes);
  return { buffer, kernels: exports as Kernels };
}
