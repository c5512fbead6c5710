/** The rules of graphs. Every pass is followed by `verifyGraph`; what it throws is a defect of that pass. */
import { DefectError, InputError, must } from '../../base/errors.ts';
import { type ChannelGrid, elemOfType } from '../kernel/stored.ts';
import { countOf, type DType, numbersFor, sameShape, showShape } from '../tensor.ts';
import type { AnyNode, Graph, Stage, TensorInfo } from './graph.ts';
import { type CanonicalOp, isCanonical } from './op.ts';

/*
 * Names
 *  1. Node names are unique, and not empty.
 *  2. Every tensor is made once: it is an input, a constant, or one output of one node. (In the imported stage
 *     a node's output may be a constant too: it was folded.)
 *  3. Nodes stand in an order of execution: what a node reads is made before. '' stands for an omitted input.
 *  4. Graph inputs and outputs are tensors of the graph, inputs listed once each, and after the imported stage
 *     outputs too; inputs are not constant. An output may be an input, or be read further.
 *  5. `tensors` holds nothing else; after the imported stage, nothing that is neither read nor an output.
 * Types
 *  6. Sizes are integers of 0 or more; after the imported stage, of 1 or more.
 *  7. A constant has its tensor's type, the array that belongs to it, and as many elements as its shape says.
 *  8. After the imported stage the types of a node's outputs are those that its operator infers.
 * Stages
 *  9. After the imported stage there is an input and an output, no output is constant, and activations have types
 *     that are stored (`elemOfType`).
 * 10. After the imported stage every operator is canonical, and its attributes leave nothing to be inferred.
 * 11. Only int8 graphs hold quantizations; there every float32 activation that is not `real` has one, and no
 *     other tensor: a scale above 0, an integer zero point, in 0..255 where an operator reads or makes the tensor that needs 0 in it; of 16
 *     bits in -32768..32767, of 32 bits 0. Grids of channels are as many as axis 1 behind a first axis of 1 has, of 8
 *     bits, of tensors that are no inputs or outputs and that only operators read and make which know them.
 *
 * Not checked: types in the imported stage, which may be unknown; that constants are finite (canonicalize
 * complains to the user); that `origin` names nodes of the file; that `quantized` fits its operator and
 * attributes; that the graph computes what the one before did.
 */

type AnyGraph = { [S in Stage]: Graph<S> }[Stage];
type Info = TensorInfo<'imported'>;

/**
 * Checks a graph against the rules of its stage.
 * @throws DefectError which names the rule, the node and the tensor
 */
export function verifyGraph(graph: AnyGraph): void {
  const tensors: ReadonlyMap<string, Info> = graph.tensors;
  verifyEnds(graph, tensors);
  verifyNodes(graph, tensors);
  for (const [name, info] of tensors) verifyTensor(graph, name, info);
}

function fail(rule: number, what: string): never {
  throw new DefectError(`graph rule ${rule} is broken: ${what}`);
}

function verifyEnds(graph: AnyGraph, tensors: ReadonlyMap<string, Info>): void {
  for (const name of [...graph.inputs, ...graph.outputs])
    if (!tensors.has(name)) fail(4, `tensor '${name}' is an input or output and not in the graph`);
  for (const list of graph.stage === 'imported' ? [graph.inputs] : [graph.inputs, graph.outputs])
    if (new Set(list).size !== list.length) fail(4, `${list.join(', ')} names a tensor twice`);
  for (const name of graph.inputs)
    if (tensors.get(name)?.constant !== undefined) fail(4, `the input tensor '${name}' is constant`);
  if (graph.stage === 'imported') return;
  if (graph.inputs.length === 0 || graph.outputs.length === 0)
    fail(9, `${graph.inputs.length} inputs, ${graph.outputs.length} outputs`);
  for (const name of graph.outputs)
    if (tensors.get(name)?.constant !== undefined) fail(9, `the output tensor '${name}' is constant`);
}

function verifyNodes(graph: AnyGraph, tensors: ReadonlyMap<string, Info>): void {
  const names = new Set<string>();
  const made = new Set<string>(graph.inputs);
  const read = new Set<string>(graph.outputs);
  for (const [name, info] of tensors) if (info.constant !== undefined) made.add(name);
  for (const node of graph.nodes) {
    if (node.name === '' || names.has(node.name)) fail(1, `node '${node.name}'`);
    names.add(node.name);
    verifyReads(node, made, tensors);
    verifyMakes(graph, node, made, tensors);
    verifyTypes(graph, node, tensors);
    for (const input of node.inputs) read.add(input);
  }
  for (const name of tensors.keys()) {
    if (!made.has(name)) fail(5, `tensor '${name}' is made by no node`);
    if (graph.stage !== 'imported' && !read.has(name) && !graph.inputs.includes(name))
      fail(5, `tensor '${name}' is read by no node`);
  }
}

function verifyReads(node: AnyNode, made: ReadonlySet<string>, tensors: ReadonlyMap<string, Info>): void {
  for (const name of node.inputs) {
    if (name === '') continue;
    if (!tensors.has(name)) fail(3, `node '${node.name}' reads tensor '${name}', which is not in the graph`);
    if (!made.has(name)) fail(3, `node '${node.name}' reads tensor '${name}' before it is made`);
  }
}

function verifyMakes(
  graph: AnyGraph,
  node: AnyNode,
  made: Set<string>,
  tensors: ReadonlyMap<string, Info>,
): void {
  for (const name of node.outputs) {
    if (name === '') continue;
    const folded = graph.stage === 'imported' && tensors.get(name)?.constant !== undefined;
    if (!tensors.has(name)) fail(5, `node '${node.name}' makes tensor '${name}', which is not in the graph`);
    if (made.has(name) && !folded) fail(2, `node '${node.name}' makes tensor '${name}' again`);
    made.add(name);
  }
}

function verifyTypes(graph: AnyGraph, node: AnyNode, tensors: ReadonlyMap<string, Info>): void {
  const inputs = node.inputs.map((name) => tensors.get(name));
  if (graph.stage === 'imported') return;
  const { op, attrs } = node;
  // After the imported stage every tensor has its type: Graph's own type says so.
  const types = inputs as Parameters<typeof op.infer>[1];
  if (!isCanonical(op)) {
    fail(10, `node '${node.name}' is a ${op.kind}, which is not canonical`);
    return;
  }
  const [found, explicit] = inNode(node, () => [
    op.infer(attrs, types),
    op.explicit?.(attrs, types) ?? attrs,
  ]);
  if (canonicalText(explicit) !== canonicalText(attrs))
    fail(
      10,
      `node '${node.name}' (${op.kind}) has attributes that are not explicit: ${canonicalText(attrs)}`,
    );
  node.outputs.forEach((name, i) => {
    if (name === '') return;
    const [have, want] = [tensors.get(name), found[i]];
    if (
      have?.shape === undefined ||
      want === undefined ||
      have.dtype !== want.dtype ||
      !sameShape(have.shape, want.shape)
    )
      fail(
        8,
        `node '${node.name}' (${op.kind}), tensor '${name}': ${showType(have)}, inferred ${showType(want)}`,
      );
  });
}

/** An operator that rejects its inputs here was let through by a pass. */
function inNode<T>(node: AnyNode, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError)
      return fail(8, `node '${node.name}' (${node.op.kind}): ${error.message}`);
    throw error;
  }
}

const showType = (type: Info | undefined): string =>
  type?.shape === undefined ? 'no type' : `${type.dtype} ${showShape(type.shape)}`;

/** Keys sorted, so that equal attributes have equal texts; infinities kept. */
const canonicalText = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part);
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });

function verifyTensor(graph: AnyGraph, name: string, info: Info): void {
  const least = graph.stage === 'imported' ? 0 : 1;
  if (graph.stage !== 'imported' && info.shape === undefined) fail(6, `tensor '${name}' has no shape`);
  if (info.shape?.some((n) => !Number.isSafeInteger(n) || n < least))
    fail(6, `tensor '${name}' has shape [${info.shape.join(', ')}]`);
  if (info.constant !== undefined) verifyConstant(name, info, info.constant);
  else if (graph.stage !== 'imported' && elemOfType(must(info.dtype, 'a type')) === undefined)
    fail(9, `tensor '${name}' is of ${info.dtype}`);
  verifyQuant(graph, name, info);
}

function verifyConstant(name: string, info: Info, constant: NonNullable<Info['constant']>): void {
  const { dtype, shape, data } = constant;
  if (dtype !== info.dtype || info.shape === undefined || !sameShape(shape, info.shape))
    fail(7, `tensor '${name}' is ${showType(info)}, its constant ${showType(constant)}`);
  if (data.constructor !== arrayOf(dtype))
    fail(7, `tensor '${name}' of ${dtype} is held in a ${data.constructor.name}`);
  if (data.length !== countOf(shape))
    fail(7, `tensor '${name}' ${showShape(shape)} has ${data.length} elements`);
}

const arrayOf = (dtype: DType): unknown => numbersFor(dtype, 0).constructor;

function verifyQuant(graph: AnyGraph, name: string, info: Info): void {
  const { quant, constant, dtype, real, grid } = info;
  if (real && grid !== undefined) fail(11, `tensor '${name}' is float32, and on a grid of the model`);
  if (graph.stage !== 'int8' || dtype !== 'float32' || real) {
    if (quant !== undefined)
      fail(11, `tensor '${name}' of the ${graph.stage} stage, of ${dtype}, has a quantization`);
    return;
  }
  if (constant !== undefined) return;
  const { scale, zeroPoint, bits, channels } = quant ?? fail(11, `tensor '${name}' has no quantization`);
  if (!(scale > 0 && Number.isFinite(scale))) fail(11, `tensor '${name}' has scale ${scale}`);
  if (channels !== undefined) verifyChannels(graph, name, info, channels);
  if (zeroPoint !== (zeroPoint | 0)) fail(11, `tensor '${name}' has zero point ${zeroPoint}`);
  const [least, most] = bits === undefined ? [0, 255] : bits === 16 ? [-32768, 32767] : [0, 0];
  const holdsZero = zeroPoint >= least && zeroPoint <= most;
  if (bits !== undefined && !holdsZero)
    fail(11, `tensor '${name}' of ${bits} bits has zero point ${zeroPoint}`);
  if (!holdsZero && needsZero(graph, name))
    fail(11, `tensor '${name}' has zero point ${zeroPoint}, and an operator that needs 0 in its range`);
}

function verifyChannels(
  graph: AnyGraph,
  name: string,
  { shape }: Info,
  channels: readonly ChannelGrid[],
): void {
  if (shape?.[0] !== 1 || shape[1] !== channels.length)
    fail(11, `tensor '${name}' has the grids of ${channels.length} channels`);
  const wrong = channels.find(
    ({ scale, zeroPoint }) => !(scale > 0 && Number.isFinite(scale) && Number.isFinite(zeroPoint)),
  );
  if (wrong !== undefined)
    fail(11, `tensor '${name}' has a channel of scale ${wrong.scale}, zero point ${wrong.zeroPoint}`);
  const ports = [...graph.inputs, ...graph.outputs];
  const knows = graph.nodes.every(
    ({ op, inputs, outputs }) =>
      !(inputs.includes(name) || outputs.includes(name)) || (isCanonical(op) && knowsChannelGrids(op)),
  );
  if (ports.includes(name) || !knows)
    fail(11, `tensor '${name}' has a grid for each channel, and a port or operator that knows none`);
}

const knowsChannelGrids = ({ affine, channelGrids, channelSources, alias }: CanonicalOp): boolean =>
  alias === true ||
  channelGrids !== undefined ||
  channelSources !== undefined ||
  affine.kind === 'weighted' ||
  affine.kind === 'commuting';

/** Whether an operator makes or reads the tensor that knows zero points of 0..255 only. */
const needsZero = (graph: AnyGraph, name: string): boolean =>
  graph.nodes.some(
    ({ op, inputs, outputs }) =>
      isCanonical(op) && op.anyZeroPoint === undefined && (inputs.includes(name) || outputs.includes(name)),
  );
