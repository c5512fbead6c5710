/**
 * Additions of constants and activations move in front of the reshapes and transposes behind a layer, so that
 * they can join it: f(view(x)) = view(f(x)) for what works element by element, with the constant's elements
 * moved back to where the view takes them from.
 */

import { at, must } from '../base/errors.ts';
import { broadcastTo } from '../ir/geometry/broadcast.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { countOf, type Shape, sameShape, type Tensor } from '../ir/tensor.ts';
import {
  activationInput,
  constantAt,
  constantOf,
  exhausted,
  freshName,
  inRow,
  onlyReader,
  viewOf,
  withNodes,
} from './rewrite.ts';

interface Behind {
  /** A layer's own output. */
  readonly source: string;
  /** From the layer on. */
  readonly views: readonly Node[];
}

const shapeOf = (graph: Graph<'float'>, name: string): Shape => graph.tensors.get(name)?.shape ?? [];

/** The views between a layer and `node`, each read by the next alone; undefined where no layer is behind them. */
function viewsBehind(graph: Graph<'float'>, node: Node): Behind | undefined {
  const source = activationInput(graph, node);
  const maker = graph.nodes.find(({ outputs }) => outputs[0] === source);
  if (maker === undefined || onlyReader(graph, source) !== node) return undefined;
  if (maker.op.affine.kind === 'weighted' || isElementwise(graph, maker)) return { source, views: [] };
  if (!maker.op.alias) return undefined;
  const before = viewsBehind(graph, maker);
  return before && { source: before.source, views: [...before.views, maker] };
}

/** What a layer could take in: elements of one activation, each by itself; broadcasting repeats none. */
function isElementwise(graph: Graph<'float'>, node: Node): boolean {
  const activations = node.inputs.filter((_, i) => constantAt(graph, node, i) === undefined);
  const { elementwise, affine } = node.op;
  if (!elementwise || affine.kind !== 'channelwise' || activations.length !== 1) return false;
  return sameShape(shapeOf(graph, at(activations, 0)), shapeOf(graph, at(node.outputs, 0)));
}

function moveOne(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const second of graph.nodes) {
    const behind = isElementwise(graph, second) ? viewsBehind(graph, second) : undefined;
    if (behind === undefined || behind.views.length === 0) continue;
    const made = moved(graph, behind, second);
    const now = must(
      made.nodes.find(({ name }) => name === second.name),
      'the moved node',
    );
    // What is one number per channel behind the views stays there where it is not in front of them.
    if (isMap(graph, second) && !isMap(made, now)) continue;
    return made;
  }
  return undefined;
}

const isMap = (graph: Graph<'float'>, node: Node): boolean =>
  node.op.affine.kind === 'channelwise' && node.op.affine.map(viewOf(graph, node)) !== undefined;

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
    data[element] = at(whole, i);
  });
  return constantOf(from, data);
}

function moved(graph: Graph<'float'>, { source, views }: Behind, second: Node): Graph<'float'> {
  const [from, output] = [shapeOf(graph, source), at(second.outputs, 0)];
  const elements = elementsBehind(from, views);
  const other = freshName(graph, `${output}~view`);
  // The name goes to what is computed where that has the same elements in the same order.
  const keeps = !graph.outputs.includes(output) && elements.every((e: number, i: number) => e === i);
  const [now, last] = keeps ? [output, other] : [other, output];
  const constants = new Map<string, Tensor>();
  const inputs = second.inputs.map((name, i) => {
    const constant = constantAt(graph, second, i);
    if (constant === undefined) return source;
    const fresh = freshName(graph, `${name}.before`);
    constants.set(fresh, movedBack(constant, elements, from, shapeOf(graph, output)));
    return fresh;
  });
  // The views hold other numbers now.
  const inner = views.slice(0, -1).map(({ outputs }) => freshName(graph, `${outputs[0]}~view`));
  const behind = inRow(views, [now, ...inner, last]);
  const made = [{ ...second, inputs, outputs: [now] }, ...behind];
  const renamed = (node: Node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === output ? last : name)),
  });
  const nodes = graph.nodes.flatMap((node) => {
    if (node === second) return made;
    return views.includes(node) ? [] : [renamed(node)];
  });
  return withNodes(graph, nodes, constants);
}

/** Nothing is rounded: outputs stay the same. */
export const hoisted = (graph: Graph<'float'>): Graph<'float'> => exhausted(graph, moveOne);
