/** Layers as what pruning sees: matrices of weights on columns of inputs. */

import { at, holds, must } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import type { Graph, Node } from '../../ir/graph/graph.ts';
import { inputName } from '../../ir/graph/graph.ts';
import type { Rows } from '../../ir/graph/weight-rows.ts';
import { spatialOrder } from '../../ir/kernel/memory-order.ts';
import { countOf, type Tensor } from '../../ir/tensor.ts';

export interface MacLayer {
  readonly node: Node;
  /** Name of the activation that it reads. */
  readonly input: string;
  /** Output channels, all groups together. */
  readonly rows: number;
  /** Weights of one row. */
  readonly terms: number;
  readonly groups: number;
  /** rows x terms. */
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  /** How often each weight is used in one inference, before pooling. */
  readonly positions: number;
  /** `memoryOrder[i]` is the i-th term in the order in which the inputs lie in memory. */
  readonly memoryOrder: Int32Array;
  /** The columns that the rows are multiplied with, for one input tensor. */
  columnsOf(input: Tensor): Columns;
}

/** One column per group and position. */
export interface Columns {
  /** Writes 1 (for the bias) and then the terms. */
  fill(column: Float64Array, group: number, position: number): void;
}

/** Every node of the graph that has rows of weights, in its order; they are constant. */
export const macLayers = (graph: Graph<'float'>): readonly MacLayer[] =>
  graph.nodes.flatMap((node) => {
    const types = node.inputs.map((name) => graph.tensors.get(name));
    const rows = node.op.rows?.of(node.attrs, types);
    return rows === undefined ? [] : [macLayer(graph, node, rows)];
  });

function macLayer(graph: Graph<'float'>, node: Node, { groups, starts, order, ...rest }: Rows): MacLayer {
  const constantAt = (index: number) => graph.tensors.get(inputName(node, index))?.constant;
  const weight = must(constantAt(1), `the weights of '${node.name}' are constant`);
  const [rows, input] = [at(weight.shape, 0), at(node.inputs, 0)];
  const terms = rest.offsets.length;
  const reach = largestOf(rest.offsets);
  return {
    node,
    input,
    rows,
    terms,
    groups,
    weights: Float64Array.from(weight.data),
    bias: Float64Array.from(constantAt(2)?.data ?? new Float64Array(rows)),
    positions: starts.length,
    memoryOrder: Int32Array.from(order ?? flattenedOrder(graph, input, terms)),
    columnsOf(x) {
      const padded = rest.padded(x);
      return {
        fill(column, group, position) {
          const from = group * rest.groupStride + at(starts, position);
          column[0] = 1;
          holds(padded, from + reach + 1);
          for (let i = 0; i < terms; i++)
            column[i + 1] = padded[from + (rest.offsets[i] as number)] as number;
        },
      };
    },
  };
}

/** Features that were an image before a reshape lie in memory as the image did: channels innermost. */
function flattenedOrder(graph: Graph<'float'>, name: string, terms: number): readonly number[] {
  const rowMajor = Array.from({ length: terms }, (_, i) => i);
  const maker = graph.nodes.find((n) => n.outputs.includes(name));
  if (maker?.op.alias) return flattenedOrder(graph, at(maker.inputs, 0), terms);
  const { shape } = must(graph.tensors.get(name), `tensor '${name}' has a type`);
  return countOf(shape) === terms && shape.length > 2 ? (spatialOrder(shape) ?? rowMajor) : rowMajor;
}
