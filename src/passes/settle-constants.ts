/**
 * Constant channels with large weights go into the bias. A batch normalization folded forward gives the column of a
 * channel of no variance (a dead ReLU, a constant feature) hundreds of times the weights of the others, and a row's
 * step of 8 bits is its largest weight's: the row's other weights would be 0.
 *
 *   sum over c of w[c] x[c] + b = sum over the others + (b + w[k] x[k])   where x[k] is the same in all samples
 *
 * An 8-bit tensor cuts such a channel off at its one value anyway. Columns of ordinary size stay.
 */
import { must } from '../base/errors.ts';
import { evaluate } from '../ir/graph/evaluate.ts';
import { type Graph, is, type Node } from '../ir/graph/graph.ts';
import { conv } from '../ir/ops/conv.ts';
import { linear } from '../ir/ops/linear.ts';
import { floats, type Tensor } from '../ir/tensor.ts';
import type { Pass } from './pass.ts';
import { constantAt, constantOf, freshName, withConstants } from './rewrite.ts';

/** A column is large beside the median of the columns' largest weights. */
const large = 8;

/** A layer whose columns are channels of its whole input, none of which is padded. */
const isPlain = (node: Node): boolean =>
  is(node, linear) || (is(node, conv) && node.attrs.groups === 1 && node.attrs.pads.every((p) => p === 0));

/** The largest weight of each column, rows x columns x taps. */
function columnsOf({ shape, data }: Tensor): readonly number[] {
  const [rows = 1, columns = 1] = shape;
  const taps = data.length / (rows * columns);
  const most = new Array<number>(columns).fill(0);
  data.forEach((w: number, i: number) => {
    const c = Math.floor(i / taps) % columns;
    most[c] = Math.max(must(most[c], 'a column'), Math.abs(w));
  });
  return most;
}

function largeColumns(weight: Tensor): readonly number[] {
  const most = columnsOf(weight);
  const median = most.toSorted((a, b) => a - b)[Math.floor(most.length / 2)] ?? 0;
  return [...most.keys()].filter((c) => must(most[c], 'a column') > large * median);
}

/** What each channel of a tensor was in all samples. */
interface Spans {
  readonly lo: Float64Array;
  readonly hi: Float64Array;
}

/** The value of each of the channels that is the same in all samples, within float32 rounding. */
function constantsOf({ lo, hi }: Spans, channels: readonly number[]): ReadonlyMap<number, number> {
  const made = new Map<number, number>();
  for (const c of channels) {
    const [least, most] = [must(lo[c], 'a channel'), must(hi[c], 'a channel')];
    if (most - least <= 1e-6 * Math.max(Math.abs(least), Math.abs(most))) made.set(c, (least + most) / 2);
  }
  return made;
}

/** The layer with the columns of constant channels in its bias. */
function settled(graph: Graph<'float'>, node: Node, constants: ReadonlyMap<number, number>): Graph<'float'> {
  const weight = must(constantAt(graph, node, 1), 'a layer has weights');
  const [rows = 1, columns = 1] = weight.shape;
  const taps = weight.data.length / (rows * columns);
  const bias = Float64Array.from({ length: rows }, (_, row) =>
    Number(constantAt(graph, node, 2)?.data[row] ?? 0),
  );
  const left = Float32Array.from(weight.data, (w, i) => {
    const value = constants.get(Math.floor(i / taps) % columns);
    if (value === undefined) return w;
    const row = Math.floor(i / (taps * columns));
    bias[row] = must(bias[row], 'a row') + w * value;
    return 0;
  });
  const names = ['weight', 'bias'].map((what) => freshName(graph, `${node.name}.${what}.settled`));
  const inputs = [node.inputs[0] ?? '', ...names];
  return withConstants(
    { ...graph, nodes: graph.nodes.map((n) => (n === node ? { ...node, inputs } : n)) },
    new Map([
      [names[0] ?? '', constantOf(weight.shape, left)],
      [names[1] ?? '', constantOf([rows], Float32Array.from(bias))],
    ]),
  );
}

/** @param samples inputs of the graph, in its own units */
export const settleConstants = (samples: readonly Float32Array[]): Pass<'float', 'float'> => ({
  name: 'settle-constants',
  doc: 'large weights of channels that are constant are in the bias; outputs on the samples stay the same',
  run(graph) {
    const asked = graph.nodes.flatMap((node) => {
      const weight = isPlain(node) ? constantAt(graph, node, 1) : undefined;
      const columns = weight === undefined ? [] : largeColumns(weight);
      return columns.length === 0 ? [] : [{ node, columns }];
    });
    if (asked.length === 0) return graph;
    const seen = seenBy(graph, samples, new Set(asked.map(({ node }) => node.inputs[0] ?? '')));
    return asked.reduce((made, { node, columns }) => {
      const spans = must(seen.get(node.inputs[0] ?? ''), 'an input of a layer was computed');
      const constants = constantsOf(spans, columns);
      return constants.size === 0 ? made : settled(made, node, constants);
    }, graph);
  },
});

/** The spans of the named tensors. */
function seenBy(
  graph: Graph<'float'>,
  samples: readonly Float32Array[],
  names: ReadonlySet<string>,
): ReadonlyMap<string, Spans> {
  const input = must(graph.inputs[0], 'a float graph has an input');
  const { shape } = must(graph.tensors.get(input), 'the input has a type');
  const seen = new Map<string, Spans>();
  for (const sample of samples)
    evaluate(graph, new Map([[input, floats(shape, sample)]]), (name, tensor) => {
      if (names.has(name)) seen.set(name, joined(seen.get(name), tensor));
    });
  return seen;
}

function joined(spans: Spans | undefined, { shape, data }: Tensor): Spans {
  const channels = shape[1] ?? 1;
  const { lo, hi } = spans ?? {
    lo: new Float64Array(channels).fill(Infinity),
    hi: new Float64Array(channels).fill(-Infinity),
  };
  const plane = data.length / channels;
  for (let i = 0; i < data.length; i++) {
    const [c, x] = [Math.floor(i / plane), data[i] as number];
    lo[c] = Math.min(lo[c] as number, x);
    hi[c] = Math.max(hi[c] as number, x);
  }
  return { lo, hi };
}
