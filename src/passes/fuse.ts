/**
 * Fusion: constant padding into the windows behind it, a constant addition into the bias before it, an activation into the operator before it, a max-pool
 * into the convolution before it. Clamping is monotone, so clamp(max(x)) = max(clamp(x)) and their order does
 * not matter; no number changes but those of biases and bounds that a constant is added to.
 */

import { at, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { composed } from './compose.ts';
import { asLayer, foldBack, foldForward, isAliased, type Serves } from './fold-maps.ts';
import { hoisted } from './hoist.ts';
import type { Pass } from './pass.ts';
import { activationInput, exhausted, type Merged, type MergeView, mergeAll, viewOf } from './rewrite.ts';

/** Constants of one number per channel into the layers before or behind them, or as layers of their own. */
function withoutAddends(graph: Graph<'float'>): Graph<'float'> {
  const back = exhausted(graph, (current) => foldBack(current, current.nodes));
  const unpadded: Serves = (_input, _f, padding) => padding.length === 0;
  const forward = mergeAll(back, (view) => foldForward(view, unpadded));
  return forward.nodes.filter((node) => !isBehindView(forward, node)).reduce(asLayer, forward);
}

/** Layers on channels read images as they lie; an addition with a kernel of its own reads whatever order a view left. */
const isBehindView = (graph: Graph<'float'>, node: Node): boolean =>
  node.op.float32 !== undefined && isAliased(graph, activationInput(graph, node));

function absorbed({ graph, first, second }: MergeView): Merged | undefined {
  const attrs = first.op.absorb(viewOf(graph, first), viewOf(graph, second));
  return attrs === undefined ? undefined : { op: first.op, attrs, inputs: first.inputs };
}

/** Padding that stands before windows becomes theirs. */
function padded({ graph, first, second }: MergeView): Merged | undefined {
  const padding = first.op.pads?.(first.attrs);
  if (padding === undefined || second.inputs[0] !== first.outputs[0]) return undefined;
  const input = must(graph.tensors.get(at(first.inputs, 0)), 'the input is known');
  const attrs = second.op.padded?.(second.attrs, padding, input);
  if (attrs === undefined) return undefined;
  const inputs = [at(first.inputs, 0), ...second.inputs.slice(1)];
  const explicit = second.op.explicit?.(
    attrs,
    inputs.map((name) => graph.tensors.get(name)),
  );
  return { named: second, op: second.op, attrs: explicit ?? attrs, inputs };
}

/** The pass that joins nodes: padding, constant additions and activations become parts of the layers beside them. */
export const fuse: Pass<'float', 'float'> = {
  name: 'fuse',
  doc: 'padding, biases, activations and max-pools join the operator before them, functions in a row become one; outputs stay within float32 rounding',
  run: (graph) => composed(mergeAll(withoutAddends(hoisted(mergeAll(graph, padded))), absorbed)),
};
