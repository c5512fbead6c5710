/** Numbers that are not finite, in a model's constants or computed from them: the error names the number and the node. */
import { InputError, nodeLabel } from '../base/errors.ts';
import { evaluate, inputTensors } from '../ir/graph/evaluate.ts';
import type { AnyNode, Graph } from '../ir/graph/graph.ts';
import { showShape, type Tensor } from '../ir/tensor.ts';

const label = (node: AnyNode): string => nodeLabel(node.name, node.op.kind);

/** The first that is not finite, and where it lies: `NaN in its output 'y' (element 3 of 1x4)`. */
function offender({ data, shape }: Tensor, what: string): string | undefined {
  const index = firstOdd(data);
  return index < 0 ? undefined : `${data[index]} in ${what} (element ${index} of ${showShape(shape)})`;
}

/** A plain loop: every activation of every sample comes here. */
function firstOdd(data: Tensor['data']): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}

/** @throws InputError for a constant of the file that holds NaN or an infinity and is needed. */
export function requireFiniteFile(graph: Graph<'float'>): void {
  for (const node of graph.nodes)
    for (const name of node.inputs) {
      const constant = graph.tensors.get(name)?.constant;
      const found = constant && offender(constant, `its constant '${name}'`);
      if (found !== undefined)
        throw new InputError({
          where: label(node),
          found,
          supported: 'finite numbers',
          todo: 'the training diverged, or the file is damaged: check these weights in PyTorch',
        });
    }
}

/** A number in a list of an attribute must be finite; bounds may be infinite, but never NaN. */
function oddNumber(value: unknown, finite = false): number | undefined {
  if (typeof value === 'number')
    return Number.isNaN(value) || (finite && !Number.isFinite(value)) ? value : undefined;
  if (value === null || typeof value !== 'object') return undefined;
  const inside = Object.entries(value).map(([key, part]: [string, unknown]) =>
    oddNumber(part, Array.isArray(value) ? finite : Array.isArray(part) && !isBound(key)),
  );
  return inside.find((x) => x !== undefined);
}

const isBound = (key: string): boolean => key === 'lo' || key === 'hi';

/**
 * @param pass what made the graph
 * @throws InputError for constants and attributes that the pass brought beyond float32
 */
export function requireFiniteGraph(graph: Graph<'float'>, pass: string): void {
  const complaint = (node: AnyNode, found: string): InputError =>
    new InputError({
      where: label(node),
      found: `${found} after pass '${pass}', computed from ${node.origin.join(', ')}`,
      supported: 'numbers that stay within float32',
      todo: 'check the weights, gains and variances of these layers in PyTorch',
    });
  for (const node of graph.nodes) {
    const odd = oddNumber(node.attrs);
    if (odd !== undefined) throw complaint(node, `${odd} in its attributes`);
    for (const name of node.inputs) {
      const constant = graph.tensors.get(name)?.constant;
      const found = constant && offender(constant, `'${name}'`);
      if (found !== undefined) throw complaint(node, found);
    }
  }
}

/** @throws InputError for an activation that is not finite; it names the node that made it */
export function requireFiniteActivation(graph: Graph<'float'>, name: string, tensor: Tensor): void {
  const found = offender(tensor, `tensor '${name}'`);
  if (found === undefined) return;
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  throw new InputError({
    where: maker === undefined ? `input '${name}'` : label(maker),
    found: `${found} for one of the samples`,
    supported: 'activations within float32 (up to 3.4e38)',
    todo: 'the weights or the samples are too large: check them, and normalize the samples as in training',
  });
}

/** Runs the float network. @throws InputError for an activation that is not finite */
export function requireFiniteRuns(graph: Graph<'float'>, samples: readonly Float32Array[]): void {
  for (const sample of samples)
    evaluate(graph, inputTensors(graph, sample), (name, tensor) =>
      requireFiniteActivation(graph, name, tensor),
    );
}
