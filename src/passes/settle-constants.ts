/**
 * Constant channels with large weights go into the bias. A batch normalization folded forward gives the column of a
 * channel of no variance (a dead ReLU, a constant feature) hundreds of times the weights of the others, and a row's
 * step of 8 bits is its largest weight's: the row's other weights would be 0.
 *
 *   sum over c of w[c] x[c] + b = sum over the others + (b + w[k] x[k])   where x[k] is the same in all samples
 *
 * An 8-bit tensor cuts such a channel off at its one value anyway. Columns of ordinary size stay.
 */

import { at, must } from '../base/errors.ts';
import { largestOf, smallestOf } from '../base/extremes.ts';
import { largeChannels } from '../ir/graph/channels.ts';
import { evaluate, inputTensors } from '../ir/graph/evaluate.ts';
import { channelsOf, type Graph, type Node } from '../ir/graph/graph.ts';
import { channelCount, countOf, type Tensor } from '../ir/tensor.ts';
import type { Pass } from './pass.ts';
import { freshName, remade, viewOf, withNodes } from './rewrite.ts';

/** A column is large beside the median of the columns' largest weights. */
const large = 8;

/** Columns of large weights, of a layer whose rows read its whole input, none of which is padded. */
function largeColumns(graph: Graph<'float'>, node: Node): readonly number[] {
  const { flow, columns } = channelsOf(graph, node);
  if (flow !== 'made' || columns.padding !== undefined) return [];
  return largeChannels(columns, (sizes) => large * must(sizes[Math.floor(sizes.length / 2)], 'a median'));
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

/** The layer with the columns of constant channels in its bias: it reads 0 x + value of them. */
function settled(graph: Graph<'float'>, node: Node, constants: ReadonlyMap<number, number>): Graph<'float'> {
  const { columns } = channelsOf(graph, node);
  const channels = [...Array(must(columns, 'a layer has columns').channels).keys()];
  const f = {
    gain: channels.map((c) => (constants.has(c) ? 0 : 1)),
    shift: channels.map((c) => constants.get(c) ?? 0),
  };
  const { affine } = node.op;
  const folded = affine.kind === 'weighted' ? affine.before(f, viewOf(graph, node)) : undefined;
  const made = remade(
    (stem) => freshName(graph, stem),
    node,
    must(folded, 'a layer takes maps in'),
    at(node.inputs, 0),
  );
  const { attrs, inputs } = made;
  return withNodes(
    graph,
    graph.nodes.map((n) => (n === node ? { ...node, attrs, inputs } : n)),
    made.constants,
  );
}

/**
 * @param samples inputs of the graph, in its own units
 * @param float nodes that are not to be quantized, whose weights stay as they are
 */
export const settleConstants = (
  samples: readonly Float32Array[],
  float: Pick<ReadonlyMap<string, string>, 'has'> = new Map(),
): Pass<'float', 'float'> => ({
  name: 'settle-constants',
  doc: 'large weights of channels that are constant are in the bias; outputs on the samples stay the same',
  run(graph) {
    const asked = graph.nodes.flatMap((node) => {
      const columns = largeColumns(graph, node);
      return columns.length === 0 || float.has(node.name) ? [] : [{ node, columns }];
    });
    if (asked.length === 0) return graph;
    const seen = seenBy(graph, samples, new Set(asked.map(({ node }) => at(node.inputs, 0))));
    return asked.reduce((made, { node, columns }) => {
      const spans = must(seen.get(at(node.inputs, 0)), 'an input of a layer was computed');
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
  const seen = new Map<string, Spans>();
  for (const sample of samples)
    evaluate(graph, inputTensors(graph, sample), (name, tensor) => {
      if (names.has(name)) seen.set(name, joined(seen.get(name), tensor));
    });
  return seen;
}

function joined(spans: Spans | undefined, { shape, data }: Tensor): Spans {
  const all = (x: number) => new Float64Array(channelCount(shape)).fill(x);
  const { lo, hi } = spans ?? { lo: all(Infinity), hi: all(-Infinity) };
  const plane = countOf(shape.slice(2));
  for (let part = 0; part < data.length / plane; part++) {
    const c = part % lo.length;
    const values = data.subarray(part * plane, (part + 1) * plane);
    lo[c] = Math.min(at(lo, c), smallestOf(values));
    hi[c] = Math.max(at(hi, c), largestOf(values));
  }
  return { lo, hi };
}
