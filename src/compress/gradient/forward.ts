/** A run of the float network that keeps what back-propagation needs: every tensor, and sums before clamps. */

import { must } from '../../base/errors.ts';
import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { clampRows, type RowClamp } from '../../ir/integers/row-clamp.ts';
import { rounded } from '../../ir/ops/common/round.ts';
import { conv } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import { maxPool } from '../../ir/ops/max-pool.ts';
import { countOf, floats, type Tensor } from '../../ir/tensor.ts';

export interface NodeRun {
  readonly output: Tensor;
  /** Of convolutions and linear layers: before the clamp and the pool. */
  readonly sums?: Tensor;
}

/** One node, taken apart where a clamp or a pool is fused into it. */
export function runNode(node: Node, inputs: readonly (Tensor | undefined)[]): NodeRun {
  if (is(node, conv)) {
    const { clamp, pool, ...attrs } = node.attrs;
    const sums = must(conv.reference(attrs, inputs)[0], 'a convolution has an output');
    const clamped = clampedOf(sums, clamp);
    const output = pool === undefined ? clamped : maxPool.reference(pool, [clamped])[0];
    return { output: must(output, 'a pool has an output'), sums };
  }
  if (is(node, linear)) {
    const sums = must(linear.reference({}, inputs)[0], 'a linear layer has an output');
    return { output: clampedOf(sums, node.attrs.clamp), sums };
  }
  return { output: must(node.op.reference(node.attrs, inputs)[0], `${node.op.kind} has an output`) };
}

function clampedOf(sums: Tensor, clamp: RowClamp | undefined): Tensor {
  if (clamp === undefined) return sums;
  const [, channels = 1, ...spatial] = sums.shape;
  const values = clampRows(Float64Array.from(sums.data), clamp, channels, countOf(spatial));
  return rounded(sums.dtype, sums.shape, values);
}

export interface Recorded {
  /** Every activation by name. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** By node name. */
  readonly sums: ReadonlyMap<string, Tensor>;
}

/** @param sample the network's input, row-major. */
export function record(graph: Graph<'float'>, sample: Float32Array): Recorded {
  const input = must(graph.inputs[0], 'a float graph has an input');
  const { shape } = must(graph.tensors.get(input), 'the input has a type');
  const values = new Map([[input, floats(shape, sample)]]);
  const sums = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => graph.tensors.get(name)?.constant ?? values.get(name));
    const made = runNode(node, inputs);
    values.set(must(node.outputs[0], 'a node has an output'), made.output);
    if (made.sums !== undefined) sums.set(node.name, made.sums);
  }
  return { values, sums };
}
