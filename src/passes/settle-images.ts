/**
 * Images that a linear layer makes: the layer's rows are put into the order in which images lie in memory
 * (height, width, channel), so that reshaping its output moves nothing. The same numbers, named otherwise:
 *
 *   reshape(W x, [1, C, H, W]) = transpose(reshape(P W x, [1, H, W, C])),  P the permutation of CHW to HWC.
 */

import { at } from '../base/errors.ts';
import { type Graph, is, type Node } from '../ir/graph/graph.ts';
import { pickedClamp } from '../ir/integers/row-clamp.ts';
import { spatialOrder } from '../ir/kernel/memory-order.ts';
import { linear } from '../ir/ops/linear.ts';
import { reshape } from '../ir/ops/reshape.ts';
import { transpose } from '../ir/ops/transpose.ts';
import type { Shape, Tensor } from '../ir/tensor.ts';
import type { Pass } from './pass.ts';
import { constantAt, constantOf, exhausted, freshName, onlyReader, withNodes } from './rewrite.ts';

/** `rows[i]` becomes row i. */
function inRows(t: Tensor, rows: readonly number[]): Tensor {
  const length = t.data.length / rows.length;
  return constantOf(
    t.shape,
    Float32Array.from(t.data, (_, i) => at(t.data, at(rows, Math.floor(i / length)) * length + (i % length))),
  );
}

/** The layer's attributes, with bounds that differ by row in the rows' order. */
function inRowsOf(layer: Node, rows: readonly number[]): unknown {
  if (!is(layer, linear) || layer.attrs.clamp === undefined) return layer.attrs;
  return { ...layer.attrs, clamp: pickedClamp(layer.attrs.clamp, rows) };
}

interface Found {
  readonly layer: Node;
  readonly image: Node;
  readonly shape: Shape;
  readonly rows: readonly number[];
}

/** The linear layer that `image` shows, through reshapes without other readers. */
function layerBehind(graph: Graph<'float'>, image: Node): Node | undefined {
  const [name = ''] = image.inputs;
  const maker = graph.nodes.find(({ outputs }) => outputs[0] === name);
  if (maker === undefined || onlyReader(graph, name) !== image) return undefined;
  if (is(maker, linear)) return maker;
  return is(maker, reshape) ? layerBehind(graph, maker) : undefined;
}

/**
 * A reshape of a linear layer's output to one image of several channels and pixels. What is transposed next has
 * its order already: from the model, or from here.
 */
function find(graph: Graph<'float'>): Found | undefined {
  for (const image of graph.nodes) {
    if (!is(image, reshape)) continue;
    const { shape } = image.attrs;
    const rows = shape.length > 2 && shape[0] === 1 ? spatialOrder(shape) : undefined;
    const reader = onlyReader(graph, at(image.outputs, 0));
    const turned = reader !== undefined && is(reader, transpose);
    const layer = rows === undefined || turned ? undefined : layerBehind(graph, image);
    if (rows !== undefined && layer !== undefined) return { layer, image, shape, rows };
  }
  return undefined;
}

function reshapesBetween(graph: Graph<'float'>, layer: Node, image: Node): readonly Node[] {
  const maker = graph.nodes.find(({ outputs }) => outputs[0] === image.inputs[0]);
  return maker === undefined || maker === layer ? [] : [maker, ...reshapesBetween(graph, layer, maker)];
}

function settle(graph: Graph<'float'>, { layer, image, shape, rows }: Found): Graph<'float'> {
  const [batch = 1, channels = 1, ...spatial] = shape;
  const turned = [batch, ...spatial, channels];
  const names = layer.inputs.slice(1).map((name) => freshName(graph, `${name}.hwc`));
  const constants = new Map(
    names.flatMap((name, i) => {
      const old = constantAt(graph, layer, i + 1);
      return old === undefined ? [] : [[name, inRows(old, rows)] as const];
    }),
  );
  const [vector = ''] = layer.outputs;
  const [made, laid] = [freshName(graph, `${vector}.hwc`), freshName(graph, `${vector}.image`)];
  const perm = [0, shape.length - 1, ...spatial.map((_, i) => i + 1)];
  const toImage: Node = { ...image, attrs: { shape: turned }, inputs: [made], outputs: [laid] };
  const turn: Node = { ...image, name: `${image.name}.chw`, op: transpose, attrs: { perm }, inputs: [laid] };
  const inputs = [at(layer.inputs, 0), ...names];
  const between = reshapesBetween(graph, layer, image);
  const nodes = graph.nodes.flatMap((node) => {
    if (node === layer) return [{ ...layer, attrs: inRowsOf(layer, rows), inputs, outputs: [made] }];
    if (node === image) return [toImage, turn];
    return between.includes(node) ? [] : [node];
  });
  return withNodes(graph, nodes, constants);
}

export const settleImages: Pass<'float', 'float'> = {
  name: 'settle-images',
  doc: 'linear layers that make images make them in the order of memory; outputs stay the same',
  run: (graph) =>
    exhausted(graph, (current) => {
      const found = find(current);
      return found && settle(current, found);
    }),
};
