/** Convolutions and linear layers as what pruning sees: matrices of weights on columns of inputs. */
import { must } from '../../base/errors.ts';
import { sweepOf } from '../../ir/geometry/slide.ts';
import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { spatialOrder } from '../../ir/kernel/memory-order.ts';
import { type ConvAttrs, conv, convAxes, paddedInput } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
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

/** Every convolution and linear layer of the graph with constant weights, in its order. */
export const macLayers = (graph: Graph<'float'>): readonly MacLayer[] =>
  graph.nodes.flatMap((node) => {
    if (is(node, conv)) return [convLayer(graph, node, node.attrs)];
    return is(node, linear) ? [linearLayer(graph, node)] : [];
  });

const constantAt = (graph: Graph<'float'>, node: Node, index: number): Tensor | undefined =>
  graph.tensors.get(node.inputs[index] ?? '')?.constant;

type Common = Pick<MacLayer, 'node' | 'input' | 'rows' | 'terms' | 'weights' | 'bias'>;

function common(graph: Graph<'float'>, node: Node): Common & { readonly weight: Tensor } {
  const weight = must(constantAt(graph, node, 1), `the weights of '${node.name}' are constant`);
  const [rows = 1] = weight.shape;
  return {
    node,
    input: node.inputs[0] ?? '',
    rows,
    terms: weight.data.length / rows,
    weights: Float64Array.from(weight.data),
    bias: Float64Array.from(constantAt(graph, node, 2)?.data ?? new Float64Array(rows)),
    weight,
  };
}

function convLayer(graph: Graph<'float'>, node: Node, attrs: ConvAttrs): MacLayer {
  const { weight, ...base } = common(graph, node);
  const types = node.inputs.map((name) => graph.tensors.get(name));
  const sweep = sweepOf(convAxes(attrs, types));
  const { taps, starts, paddedCount } = sweep;
  const perGroup = weight.shape[1] ?? 1;
  const offsets = Int32Array.from({ length: base.terms }, (_, term) => {
    return Math.floor(term / taps.length) * paddedCount + (taps[term % taps.length] as number);
  });
  return {
    ...base,
    groups: attrs.groups,
    positions: sweep.outCount,
    memoryOrder: Int32Array.from(
      { length: base.terms },
      (_, i) => (i % perGroup) * taps.length + Math.floor(i / perGroup),
    ),
    columnsOf(input) {
      const padded = paddedInput(attrs, input, 0, sweep);
      return {
        fill(column, group, position) {
          const from = group * perGroup * paddedCount + (starts[position] as number);
          column[0] = 1;
          for (let i = 0; i < offsets.length; i++)
            column[i + 1] = padded[from + (offsets[i] as number)] as number;
        },
      };
    },
  };
}

function linearLayer(graph: Graph<'float'>, node: Node): MacLayer {
  const { weight, ...base } = common(graph, node);
  const [, terms = 1] = weight.shape;
  const batch = graph.tensors.get(base.input)?.shape[0] ?? 1;
  return {
    ...base,
    groups: 1,
    positions: batch,
    memoryOrder: Int32Array.from(flattenedOrder(graph, base.input, terms)),
    columnsOf: ({ data }) => ({
      fill(column, _group, position) {
        column[0] = 1;
        for (let i = 0; i < terms; i++) column[i + 1] = data[position * terms + i] as number;
      },
    }),
  };
}

/** Features that were an image before a reshape lie in memory as the image did: channels innermost. */
function flattenedOrder(graph: Graph<'float'>, name: string, terms: number): readonly number[] {
  const rowMajor = Array.from({ length: terms }, (_, i) => i);
  const maker = graph.nodes.find((n) => n.outputs.includes(name));
  if (maker?.op.alias) return flattenedOrder(graph, maker.inputs[0] ?? '', terms);
  const shape = graph.tensors.get(name)?.shape ?? [];
  return countOf(shape) === terms && shape.length > 2 ? (spatialOrder(shape) ?? rowMajor) : rowMajor;
}
