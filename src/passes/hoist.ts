/**
 * Additions of constants and activations move in front of the reshapes and transposes behind a layer, so that
 * they can join it: f(view(x)) = view(f(x)) for what works element by element, with the constant's elements
 * moved back to where the view takes them from.
 */

import { broadcastTo } from '../ir/geometry/broadcast.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { countOf, type Shape, sameShape, type Tensor } from '../ir/tensor.ts';
import { activationInput, constantAt, constantOf, freshName, onlyReader, withConstants } from './rewrite.ts';

interface Found {
  /** A layer's own output. */
  readonly source: string;
  /** From the layer on. */
  readonly views: readonly Node[];
  readonly second: Node;
}

const shapeOf = (graph: Graph<'float'>, name: string): Shape => graph.tensors.get(name)?.shape ?? [];

/** The views between a layer and `node`, each read by the next alone; undefined where no layer is behind them. */
function viewsBehind(graph: Graph<'float'>, node: Node): Omit<Found, 'second'> | undefined {
  const source = activationInput(graph, node);
  const maker = graph.nodes.find(({ outputs }) => outputs[0] === source);
  if (maker === undefined || onlyReader(graph, source) !== node) return undefined;
  if (maker.op.affine.kind === 'weighted' || isElementwise(graph, maker)) return { source, views: [] };
  if (!maker.op.alias) return undefined;
  const before = viewsBehind(graph, maker);
  return before && { source: before.source, views: [...before.views, maker] };
}

/** Elements of one activation, each by itself; broadcasting repeats none. */
function isElementwise(graph: Graph<'float'>, node: Node): boolean {
  const activations = node.inputs.filter((_, i) => constantAt(graph, node, i) === undefined);
  if (!node.op.elementwise || activations.length !== 1) return false;
  return sameShape(shapeOf(graph, activations[0] ?? ''), shapeOf(graph, node.outputs[0] ?? ''));
}

function find(graph: Graph<'float'>): Found | undefined {
  for (const second of graph.nodes) {
    const behind = isElementwise(graph, second) ? viewsBehind(graph, second) : undefined;
    if (behind !== undefined && behind.views.length > 0) return { ...behind, second };
  }
  return undefined;
}

/** Which element of `shape` each element behind the views is. */
function elementsBehind(shape: Shape, views: readonly Node[]): Tensor['data'] {
  const start: Tensor = {
    dtype: 'int32',
    shape,
    data: Int32Array.from({ length: countOf(shape) }, (_, i) => i),
  };
  return views.reduce((x, { op, attrs }) => op.reference(attrs, [x])[0] ?? x, start).data;
}

/** A constant for the views' output as one for their input. */
function movedBack(constant: Tensor, elements: Tensor['data'], from: Shape, to: Shape): Tensor {
  const whole = broadcastTo(constant, to).data;
  const data = new Float32Array(whole.length);
  elements.forEach((element: number, i: number) => {
    data[element] = whole[i] as number;
  });
  return constantOf(from, data);
}

interface Moved {
  readonly nodes: readonly Node[];
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** The views behind the moved node, under new names as they hold other numbers. */
function viewsAfter(graph: Graph<'float'>, views: readonly Node[], from: string, last: string): Moved {
  const nameOf = (i: number): string => {
    if (i < 0) return from;
    return i === views.length - 1 ? last : freshName(graph, `${views[i]?.outputs[0]}~view`);
  };
  return {
    nodes: views.map((view, i) => ({ ...view, inputs: [nameOf(i - 1)], outputs: [nameOf(i)] })),
    shapes: new Map(views.map((view, i) => [nameOf(i), shapeOf(graph, view.outputs[0] ?? '')])),
  };
}

function move(graph: Graph<'float'>, found: Found): Graph<'float'> {
  const { source, views, second } = found;
  const [from, output] = [shapeOf(graph, source), second.outputs[0] ?? ''];
  const elements = elementsBehind(from, views);
  const other = freshName(graph, `${output}~view`);
  // The name goes to what is computed where that has the same elements in the same order.
  const keeps = !graph.outputs.includes(output) && elements.every((e: number, i: number) => e === i);
  const [moved, last] = keeps ? [output, other] : [other, output];
  const constants = new Map<string, Tensor>();
  const inputs = second.inputs.map((name, i) => {
    const constant = constantAt(graph, second, i);
    if (constant === undefined) return source;
    const fresh = freshName(graph, `${name}.before`);
    constants.set(fresh, movedBack(constant, elements, from, shapeOf(graph, output)));
    return fresh;
  });
  const after = viewsAfter(graph, views, moved, last);
  const made = [{ ...second, inputs, outputs: [moved] }, ...after.nodes];
  const nodes = graph.nodes.flatMap((node) => {
    if (node === second) return made;
    const inputs = node.inputs.map((name) => (name === output ? last : name));
    return views.includes(node) ? [] : [{ ...node, inputs }];
  });
  const tensors = new Map(graph.tensors);
  for (const [name, shape] of [...after.shapes, [moved, from] as const])
    tensors.set(name, { dtype: 'float32', shape });
  return withConstants({ ...graph, tensors, nodes }, constants);
}

/** Nothing is rounded: outputs stay the same. */
export function hoisted(graph: Graph<'float'>): Graph<'float'> {
  let current = graph;
  for (let found = find(current); found !== undefined; found = find(current)) current = move(current, found);
  return current;
}
