/** Gains and shifts of single channels into the layers beside them, or alone as a layer that has kernels. */

import { at } from '../base/errors.ts';
import type { ChannelMap, Remade } from '../ir/graph/affine.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { composed } from '../ir/integers/row-clamp.ts';
import {
  activationInput,
  freshName,
  inRow,
  type Merged,
  type MergeView,
  onlyReader,
  remade,
  viewOf,
  withNodes,
} from './rewrite.ts';

/** What a node that nothing computes as it stands maps its channels to; undefined of every other node. */
export function mapOf(graph: Graph<'float'>, node: Node): ChannelMap | undefined {
  const { affine } = node.op;
  if (affine.kind !== 'channelwise' || affine.alone === undefined) return undefined;
  return affine.map(viewOf(graph, node));
}

/** What stands between a layer and the map that is folded into it. */
interface Way {
  readonly layer: Node;
  readonly folded: Remade<unknown>;
  /** Pools and views that stay, from the layer on. */
  readonly kept: readonly Node[];
  /** Maps that are in the layer now. */
  readonly gone: readonly Node[];
}

/** The node that makes what `reader` reads, where nothing else does. */
function makerFor(graph: Graph<'float'>, reader: Node): Node | undefined {
  const name = activationInput(graph, reader);
  return onlyReader(graph, name) && graph.nodes.find(({ outputs }) => outputs.includes(name));
}

/** From f of what `reader` reads back to a layer that takes it in; undefined where the way is barred. */
export function wayBack(graph: Graph<'float'>, reader: Node, f: ChannelMap): Way | undefined {
  const node = makerFor(graph, reader);
  if (node === undefined) return undefined;
  const [view, { affine }] = [viewOf(graph, node), node.op];
  switch (affine.kind) {
    case 'opaque':
      return undefined;
    case 'weighted': {
      const folded = affine.after(f, view);
      return folded && { layer: node, folded, kept: [], gone: [] };
    }
    case 'commuting': {
      const way = affine.commutes(f, view) ? wayBack(graph, node, f) : undefined;
      return way && { ...way, kept: [...way.kept, node] };
    }
    case 'channelwise': {
      const own = affine.map(view);
      const way = own && wayBack(graph, node, composed(own, f));
      return way && { ...way, gone: [...way.gone, node] };
    }
    default:
      return affine satisfies never;
  }
}

/**
 * The graph with what `last` is in the layer, or all of it but the `rest`. Tensors in between hold mapped numbers
 * now: they get names of their own.
 */
export function withFolded(
  graph: Graph<'float'>,
  last: Node,
  way: Way,
  rest?: Remade<unknown>,
): Graph<'float'> {
  const { layer, folded, kept, gone } = way;
  const fresh = (stem: string) => freshName(graph, stem);
  const [end = ''] = last.outputs;
  const inner = (node: Node) => fresh(`${node.outputs[0]}.normalized`);
  const names = [
    ...[layer, ...kept].slice(0, -1).map(inner),
    rest === undefined ? end : fresh(`${end}.sized`),
  ];
  const made = remade(fresh, layer, folded, at(layer.inputs, 0));
  const left = rest && remade(fresh, last, rest, at(names, names.length - 1));
  const origin = [layer, ...gone, last].flatMap((node) => node.origin);
  const first = { ...layer, attrs: made.attrs, inputs: made.inputs, outputs: names.slice(0, 1), origin };
  const chain = [first, ...inRow(kept, names)];
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (node === last) return left === undefined ? [] : [{ ...last, attrs: left.attrs, inputs: left.inputs }];
    if (gone.includes(node)) return [];
    return [chain[[layer, ...kept].indexOf(node)] ?? node];
  });
  return withNodes(graph, nodes, new Map([...made.constants, ...(left?.constants ?? [])]));
}

/** The graph with one of the nodes folded into the layer before it; undefined where none can be. */
export function foldBack(graph: Graph<'float'>, nodes: readonly Node[]): Graph<'float'> | undefined {
  for (const node of nodes) {
    const f = mapOf(graph, node);
    const way = f && wayBack(graph, node, f);
    if (way !== undefined) return withFolded(graph, node, way);
  }
  return undefined;
}

/** Whether the tensor that f reads may be read by the layer behind f, which then pads with these numbers. */
export type Serves = (input: string, f: ChannelMap, padding: readonly number[]) => boolean;

/** A map without bounds in the columns, bias and padding of the layer behind it. */
export function foldForward({ graph, first, second, fresh }: MergeView, serves: Serves): Merged | undefined {
  const [f, view, { op }] = [mapOf(graph, first), viewOf(graph, second), second];
  if (f === undefined || f.clamp !== undefined || op.affine.kind !== 'weighted') return undefined;
  const folded = op.affine.before(f, view);
  const input = activationInput(graph, first);
  if (folded === undefined) return undefined;
  const { columns } = op.channels(folded.attrs, view.inputTypes);
  return serves(input, f, columns?.padding?.values ?? []) ? remade(fresh, second, folded, input) : undefined;
}

/** Whether a reshape or transpose stands before a tensor, since the last layer. */
export function isAliased(graph: Graph<'float'>, name: string): boolean {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  if (maker === undefined || maker.op.affine.kind === 'weighted') return false;
  return maker.op.alias === true || maker.inputs.some((input) => input !== '' && isAliased(graph, input));
}

/** The graph with a map as a layer of its own. */
export function asLayer(graph: Graph<'float'>, node: Node): Graph<'float'> {
  const { affine } = node.op;
  const f = mapOf(graph, node);
  if (affine.kind !== 'channelwise' || affine.alone === undefined || f === undefined) return graph;
  const names = new Map([...node.inputs, ...node.outputs].map((name) => [name, name]));
  const named = (stem: string): string => {
    const name = names.get(stem) ?? freshName(graph, stem);
    names.set(stem, name);
    return name;
  };
  const parts = affine.alone(f, viewOf(graph, node));
  const made = parts.map(({ op, attrs, ...part }): Node => {
    const [inputs, outputs] = [part.inputs.map(named), part.outputs.map(named)];
    const name = op.alias ? `${node.name}.${outputs[0]}` : node.name;
    return { name, op, attrs, inputs, outputs, origin: node.origin };
  });
  const constants = parts.flatMap((part) => [...(part.constants ?? [])]);
  const nodes = graph.nodes.flatMap((n) => (n === node ? made : [n]));
  return withNodes(graph, nodes, new Map(constants.map(([stem, constant]) => [named(stem), constant])));
}
