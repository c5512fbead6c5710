/**
 * A network's steps for one sample, in JavaScript: each step's values are rounded to float32 once, as the operators'
 * references round them; sums and gradients are float64.
 */

import { holds, must } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { countOf, floats, type Tensor } from '../../ir/tensor.ts';
import { curveBackward, curveForward, productBackward, productForward } from './curve.ts';
import { elementBytes } from './kernels.ts';
import { type Affine, type Network, networkOf, type Step, weightsIn } from './network.ts';
import { softmaxBackward, softmaxForward } from './softmax.ts';

interface Memory {
  /** By element. */
  readonly values: Float32Array;
  readonly gradients: Float64Array;
}

interface Ways {
  readonly forward: (memory: Memory) => void;
  /** Adds to the gradients of what the step reads. */
  readonly backward: (memory: Memory) => void;
}

export class SampleRun {
  readonly network: Network;
  /** By layer, rows x positions, of the last forward pass: before clamp and pool. */
  readonly sums: readonly Float32Array[];
  readonly #memory: Memory;
  readonly #ways: readonly Ways[];

  /** @throws InputError as `networkOf` */
  constructor(graph: Graph<'float'>) {
    this.network = networkOf(graph);
    const { steps, layers, valueBytes } = this.network;
    const elements = valueBytes / elementBytes;
    const weights = weightsIn(graph, this.network);
    this.sums = layers.map(({ rows, pixels }) => new Float32Array(rows * pixels));
    this.#memory = { values: new Float32Array(elements), gradients: new Float64Array(elements) };
    this.#ways = steps.map((step) => {
      if (step.kind !== 'affine') return waysOf(step, elements);
      const { values } = step;
      if (values.kind === 'fixed') return affineWays(step, elements, values.weights, values.bias);
      const own = must(weights[values.layer], 'weights for each layer');
      return affineWays(step, elements, Float64Array.from(own.weights), own.bias, this.sums[values.layer]);
    });
  }

  /** @param sample the network's input, row-major */
  forward(sample: Float32Array): void {
    this.#memory.values.set(sample, this.network.input / elementBytes);
    for (const way of this.#ways) way.forward(this.#memory);
  }

  /**
   * Of the last forward pass.
   * @param direction weights of the elements of the logits
   * @returns by layer, the gradients of its sums, valid until the next backward pass
   */
  backward(direction: Float64Array): readonly Float64Array[] {
    const { gradients } = this.#memory;
    gradients.fill(0);
    gradients.set(direction, this.network.output / elementBytes);
    for (let i = this.#ways.length - 1; i >= 0; i--)
      if (this.network.steps[i]?.learns) this.#ways[i]?.backward(this.#memory);
    return this.network.steps.flatMap((step) => {
      if (step.kind !== 'affine' || step.values.kind === 'fixed') return [];
      const at = step.y / elementBytes;
      return [gradients.subarray(at, at + step.rows * step.pixelStarts.length)];
    });
  }

  /** What the last forward pass made, by name; valid until the next. */
  value(name: string): Tensor {
    const { at, shape } = must(this.network.values.get(name), `'${name}' is known`);
    const from = at / elementBytes;
    return floats(shape, this.#memory.values.subarray(from, from + countOf(shape)));
  }
}

const elementsOf = (bytes: Int32Array, from = 0): Int32Array => bytes.map((n) => (from + n) / elementBytes);

function affineWays(
  step: Affine,
  elements: number,
  weights: Float64Array,
  bias: Float32Array | Float64Array,
  sums?: Float32Array,
): Ways {
  const rows: Rows = {
    rowStarts: step.terms.rowStarts,
    offsets: elementsOf(step.terms.offsets),
    starts: elementsOf(step.pixelStarts, step.x),
    y: step.y / elementBytes,
    weights,
    bias: Float64Array.from(bias),
  };
  checkRows(rows, elements);
  return {
    forward({ values }) {
      addProducts(rows, values);
      sums?.set(values.subarray(rows.y, rows.y + sums.length));
    },
    backward({ gradients }) {
      if (step.inputLearns) addGradients(rows, gradients);
    },
  };
}

/** As `Affine`, in elements. */
interface Rows {
  readonly rowStarts: Int32Array;
  readonly offsets: Int32Array;
  readonly starts: Int32Array;
  readonly y: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

/**
 * The loops over terms and taps read unchecked, as they are what a sample costs. Here it is said once that all they
 * read is there: `count` of a list, and up to the last of `starts` and `offsets` together of the values.
 */
function checkRows({ rowStarts, offsets, starts, y, weights, bias }: Rows, elements: number): void {
  holds(rowStarts, bias.length + 1);
  holds(offsets, largestOf(rowStarts));
  holds(weights, offsets.length);
  holds({ length: elements }, y + bias.length * starts.length);
  holds({ length: elements }, largestOf(starts) + largestOf(offsets) + 1);
}

/** Four pixels at a time: enough independent sums to hide the adder's latency. */
function addProducts(rows: Rows, values: Float32Array): void {
  const { rowStarts, offsets, starts, weights, bias } = rows;
  const fours = starts.length - (starts.length % 4);
  let y = rows.y;
  for (let row = 0; row < bias.length; row++) {
    const [first, end, b] = [rowStarts[row] as number, rowStarts[row + 1] as number, bias[row] as number];
    for (let i = 0; i < fours; i += 4) {
      const [p, q, r, s] = [starts[i], starts[i + 1], starts[i + 2], starts[i + 3]] as number[] as [
        number,
        number,
        number,
        number,
      ];
      let [a0, a1, a2, a3] = [0, 0, 0, 0];
      for (let k = first; k < end; k++) {
        const [w, at] = [weights[k] as number, offsets[k] as number];
        a0 += w * (values[p + at] as number);
        a1 += w * (values[q + at] as number);
        a2 += w * (values[r + at] as number);
        a3 += w * (values[s + at] as number);
      }
      values[y++] = b + a0;
      values[y++] = b + a1;
      values[y++] = b + a2;
      values[y++] = b + a3;
    }
    for (let i = fours; i < starts.length; i++) {
      const start = starts[i] as number;
      let sum = 0;
      for (let k = first; k < end; k++)
        sum += (weights[k] as number) * (values[start + (offsets[k] as number)] as number);
      values[y++] = b + sum;
    }
  }
}

function addGradients({ rowStarts, offsets, starts, weights, bias, y }: Rows, gradients: Float64Array): void {
  for (let row = 0; row < bias.length; row++) {
    const [first, end] = [rowStarts[row] as number, rowStarts[row + 1] as number];
    for (let i = 0; i < starts.length; i++) {
      const g = gradients[y + row * starts.length + i] as number;
      if (g === 0) continue;
      const start = starts[i] as number;
      for (let k = first; k < end; k++) {
        const to = start + (offsets[k] as number);
        gradients[to] = (gradients[to] as number) + g * (weights[k] as number);
      }
    }
  }
}

function waysOf(step: Exclude<Step, Affine>, elements: number): Ways {
  switch (step.kind) {
    case 'maxPool':
      return poolWays(step, elements);
    case 'clamp': {
      const from = step.x / elementBytes;
      holds({ length: elements }, from + step.count);
      const [lo, hi] = [Math.fround(step.clamp.lo), Math.fround(step.clamp.hi)];
      return {
        forward({ values }) {
          for (let i = from; i < from + step.count; i++)
            values[i] = Math.min(Math.max(values[i] as number, lo), hi);
        },
        backward({ values, gradients }) {
          for (let i = from; i < from + step.count; i++)
            if (!((values[i] as number) > lo && (values[i] as number) < hi)) gradients[i] = 0;
        },
      };
    }
    case 'softmax':
      return {
        forward: ({ values }) => softmaxForward(values, step, 1),
        backward: ({ values, gradients }) => softmaxBackward(values, gradients, step, 1),
      };
    case 'curve':
      return {
        forward: ({ values }) => curveForward(values, step, 1),
        backward: ({ values, gradients }) => curveBackward(values, gradients, step, 1),
      };
    case 'product':
      return {
        forward: ({ values }) => productForward(values, step, 1),
        backward: ({ values, gradients }) => productBackward(values, gradients, step, 1),
      };
    default:
      return step satisfies never;
  }
}

function poolWays(step: Extract<Step, { kind: 'maxPool' }>, elements: number): Ways {
  const taps = elementsOf(step.taps);
  const starts = elementsOf(step.pixelStarts, step.x);
  const first = step.y / elementBytes;
  const plane = step.planeBytes / elementBytes;
  holds(taps, 1);
  holds({ length: elements }, first + step.channels * starts.length);
  holds({ length: elements }, (step.channels - 1) * plane + largestOf(starts) + largestOf(taps) + 1);
  /** Where the first of the largest elements under each window lies. */
  const chosen = (values: Float32Array, use: (from: number, y: number) => void): void => {
    let y = first;
    for (let c = 0; c < step.channels; c++)
      for (let i = 0; i < starts.length; i++) {
        const start = (starts[i] as number) + c * plane;
        let best = start + (taps[0] as number);
        for (let t = 1; t < taps.length; t++) {
          const at = start + (taps[t] as number);
          if ((values[at] as number) > (values[best] as number)) best = at;
        }
        use(best, y++);
      }
  };
  return {
    forward: ({ values }) =>
      chosen(values, (from, y) => {
        values[y] = values[from] as number;
      }),
    backward: ({ values, gradients }) =>
      chosen(values, (from, y) => {
        gradients[from] = (gradients[from] as number) + (gradients[y] as number);
      }),
  };
}
