/**
 * Integers of a quantized model as the real numbers that they stand for: a QuantizeLinear becomes a rounding to its
 * grid, the DequantizeLinear of it nothing, and what hands integers on in between hands on real numbers.
 */
import { at, complain, InputError, locate, must, nodeLabel } from '../base/errors.ts';
import { type AnyNode, freshIn, type Graph, type TensorInfo } from '../ir/graph/graph.ts';
import type { Obstacle } from '../ir/graph/obstacles.ts';
import { fileValue } from '../ir/kernel/file-grid.ts';
import { type Quant, sameGrid } from '../ir/kernel/stored.ts';
import { grid } from '../ir/ops/grid.ts';
import { identity } from '../ir/ops/identity.ts';
import {
  dequantizeLinear,
  type IntegerType,
  quantizeLinear,
  requireZeroPoints,
  typeOf,
} from '../ir/ops/quantize-linear.ts';
import type { DType, Tensor } from '../ir/tensor.ts';

type Imported = Graph<'imported'>;

interface Draft {
  readonly graph: Imported;
  readonly tensors: Map<string, TensorInfo<'imported'>>;
  /** Of tensors that were integers. */
  readonly grids: Map<string, Quant>;
}

/** ONNX types of nodes that hand on integers, or the larger of them, as they would hand on what those stand for. */
const onIntegers: ReadonlySet<string> = new Set([
  ...[
    'Clip',
    'Concat',
    'DepthToSpace',
    'Expand',
    'Flatten',
    'Gather',
    'Identity',
    'MaxPool',
    'Pad',
    'Reshape',
  ],
  ...['Resize', 'Slice', 'SpaceToDepth', 'Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
]);

/** The graph without integers of its own; a model that is not quantized is itself. */
export function liftQuantized(graph: Imported): Imported {
  if (!graph.nodes.some(({ op }) => op === quantizeLinear || op === dequantizeLinear)) return graph;
  const draft: Draft = { graph, tensors: new Map(graph.tensors), grids: new Map() };
  const obstacles: Obstacle[] = [];
  const nodes = graph.nodes.map((node) => {
    const { name, type = node.op.kind } = node;
    try {
      return locate(nodeLabel(name, type), () => lifted(draft, node));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      obstacles.push({ kind: 'use', error, node: { name, type } });
      return node;
    }
  });
  return { ...graph, tensors: draft.tensors, nodes, obstacles: [...(graph.obstacles ?? []), ...obstacles] };
}

const constantAt = ({ graph }: Draft, node: AnyNode, index: number): Tensor | undefined =>
  graph.tensors.get(node.inputs[index] ?? '')?.constant;

function lifted(draft: Draft, node: AnyNode): AnyNode {
  const made = node.outputs.every((name) => draft.graph.tensors.get(name)?.constant !== undefined);
  if (made) return node;
  if (node.op === quantizeLinear) return roundedTo(draft, node, gridOf(draft, node).quant);
  const [first = ''] = node.inputs;
  if (node.op === dequantizeLinear && draft.graph.inputs.includes(first)) return ofInput(draft, node, first);
  const from = node.inputs.map((name) => draft.grids.get(name)).find((quant) => quant !== undefined);
  if (from === undefined) return node;
  if (node.op === dequantizeLinear) return without(draft, node, from);
  return handsOn(draft, node, from);
}

/** How far above the file's integers stored ones are. */
function lift(type: DType): number {
  if (type === 'int8') return 128;
  return type === 'uint16' ? -32768 : 0;
}

/**
 * The grid of a QuantizeLinear or DequantizeLinear of activations, and the type of the file's integers.
 * @param without of a DequantizeLinear: the type where it has no zero point
 */
function gridOf(
  draft: Draft,
  node: AnyNode,
  without: IntegerType = {},
): { readonly quant: Quant; readonly type: DType } {
  const scale = constantAt(draft, node, 1);
  const zero = constantAt(draft, node, 2);
  if (scale === undefined || (zero === undefined && (node.inputs[2] ?? '') !== ''))
    throw complain('a scale or zero point that is computed', 'constants');
  if (scale.data.length !== 1)
    throw complain(
      `${scale.data.length} scales of an activation`,
      'one for the whole tensor',
      'quantize activations per tensor',
    );
  requireZeroPoints(scale, zero);
  const type = typeOf(zero, node.op === quantizeLinear ? (node.attrs as IntegerType) : without);
  if (type === 'int32')
    throw complain(`activations of ${type}`, '8 and 16 bits', 'quantize activations to 8 or 16 bits');
  const step = at(scale.data, 0);
  if (!(step > 0 && Number.isFinite(step))) throw complain(`a scale of ${step}`, 'positive numbers');
  const zeroPoint = (zero === undefined ? 0 : at(zero.data, 0)) + lift(type);
  const is8 = type === 'uint8' || type === 'int8';
  return { type, quant: { scale: step, zeroPoint, ...(is8 ? { file: type } : { bits: 16 }) } };
}

/** The types of its outputs, which are real now, on `quant`. */
function noteOutputs({ tensors, grids }: Draft, { outputs }: AnyNode, quant: Quant): void {
  for (const name of outputs) {
    if (name === '') continue;
    const { shape } = must(tensors.get(name), `tensor '${name}' is known`);
    tensors.set(name, { dtype: 'float32', ...(shape === undefined ? {} : { shape }) });
    grids.set(name, quant);
  }
}

function roundedTo(draft: Draft, node: AnyNode, quant: Quant): AnyNode {
  noteOutputs(draft, node, quant);
  return { ...node, op: grid, attrs: quant, inputs: node.inputs.slice(0, 1) };
}

/** An input of integers: here it is of what those stand for, and stored as them. */
function ofInput(draft: Draft, node: AnyNode, input: string): AnyNode {
  const { dtype, shape } = must(draft.graph.tensors.get(input), `input '${input}' is known`);
  const { quant, type } = gridOf(draft, node);
  if (dtype !== type) throw complain(`a zero point of ${type} for an input of ${dtype}`, 'one type for both');
  draft.tensors.set(input, { dtype: 'float32', ...(shape === undefined ? {} : { shape }) });
  return { ...node, op: grid, attrs: quant, inputs: [input] };
}

function without(draft: Draft, node: AnyNode, from: Quant): AnyNode {
  const outputType = from.bits === 16 ? 'int16' : from.file;
  const { quant: own } = gridOf(draft, node, outputType === undefined ? {} : { outputType });
  if (!sameGrid(own, from))
    throw complain(
      `a scale of ${own.scale} and zero point ${own.zeroPoint} for integers of ${from.scale} and ${from.zeroPoint}`,
      'those with which they were made',
    );
  return { ...node, op: identity, attrs: {}, inputs: node.inputs.slice(0, 1) };
}

/** Its constants of the same type are integers of the same grid. */
function handsOn(draft: Draft, node: AnyNode, from: Quant): AnyNode {
  const { type = node.op.kind } = node;
  const others = node.inputs.flatMap((name) => draft.grids.get(name) ?? []);
  if (!onIntegers.has(type) || others.some((other) => !sameGrid(other, from)) || !isNearest(node))
    throw complain(`${type} of integers`, `${[...onIntegers].join(', ')}, of one scale and zero point`);
  noteOutputs(draft, node, from);
  if (type === 'Pad' && node.inputs.length < 3 && from.bits === 16)
    throw complain('padding of 16-bit integers without a value', 'a constant that is padded with');
  const given =
    type === 'Pad' && node.inputs.length < 3
      ? [...node.inputs.slice(0, 2), zeroByte(draft, from)]
      : node.inputs;
  return {
    ...node,
    inputs: given.map((name, i) => (i === 0 && type !== 'Concat' ? name : real(draft, name, from))),
  };
}

const isNearest = ({ type, attrs }: AnyNode): boolean =>
  type !== 'Resize' || (attrs as { readonly mode?: string }).mode === 'nearest';

function real({ tensors }: Draft, name: string, quant: Quant): string {
  const constant = tensors.get(name)?.constant;
  if (constant === undefined || !holdsSteps(constant, quant)) return name;
  const data = Float32Array.from(constant.data, (q: number) => fileValue(q + lift(constant.dtype), quant));
  return added(tensors, `${name}~real`, { dtype: 'float32', shape: constant.shape, data });
}

const holdsSteps = ({ dtype }: Tensor, { file, bits }: Quant): boolean =>
  bits === 16 ? dtype === 'int16' || dtype === 'uint16' : dtype === file;

/** ONNX pads integers with 0 where the file does not say with what. */
const zeroByte = ({ tensors }: Draft, { file = 'uint8' }: Quant): string =>
  added(tensors, 'pad~0', {
    dtype: file,
    shape: [],
    data: file === 'int8' ? new Int8Array(1) : new Uint8Array(1),
  });

function added(tensors: Draft['tensors'], stem: string, constant: Tensor): string {
  const name = freshIn(tensors, stem);
  tensors.set(name, { dtype: constant.dtype, shape: constant.shape, constant });
  return name;
}
