/** From the bytes of an ONNX file to a graph. */
import { at, complain, InputError, locate, must, tensorLabel } from '../../base/errors.ts';
import { inOrder } from '../graph/execution-order.ts';
import type { AnyNode, Graph, TensorInfo } from '../graph/graph.ts';
import type { Obstacle } from '../graph/obstacles.ts';
import { onnxTypeName } from '../graph/onnx-types.ts';
import { outputsOf } from '../graph/propagate.ts';
import { newestOpset } from '../ops/common/inputs.ts';
import type { Tensor } from '../tensor.ts';
import { branchOf, type Call, Flattener } from './calls.ts';
import { Declarations, uniqueNames } from './declarations.ts';
import { functionsOf } from './functions.ts';
import { alignment } from './legacy.ts';
import { metadataIn } from './metadata.ts';
import type { ExternalFiles, ImportOptions } from './model-options.ts';
import { newInitializers } from './new-weights.ts';
import { type Decoded, decodeNode, obstacleAt, undecided } from './nodes.ts';
import {
  attributeType,
  decodeModel,
  type GraphProto,
  isDefaultDomain,
  listOf,
  type ModelProto,
  numberOf,
  textOf,
  type ValueInfoProto,
} from './proto.ts';
import { expanded } from './quantized-calls.ts';
import { decodeInitializer, decodeSparse, isHalfByte, typeError } from './tensor-proto.ts';

type Info = TensorInfo<'imported'>;

/** Of ONNX's element type `code`; decoded when it is read. */
interface Initializer {
  readonly code: number;
  readonly decode: () => Tensor;
}

/** What has been read so far. */
interface Draft {
  readonly flattener: Flattener;
  readonly external: ExternalFiles | undefined;
  readonly initializers: Map<string, Initializer>;
  readonly tensors: Map<string, Info>;
  readonly nodes: AnyNode[];
  readonly obstacles: Obstacle[];
  /** Tensors of which nothing is known for an obstacle before them. */
  readonly unknown: Set<string>;
  /** Element types of the inputs, by name. */
  readonly codes: Map<string, number>;
  /** Element types of 16-bit floats that were met. */
  readonly halves: Set<string>;
}

/**
 * Reads an ONNX model (default domain, opset 1 to 25, as each operator allows). Initializers, Constant nodes and
 * whatever can be computed from them and from fixed shapes carry their values as `constant`; the file's own functions
 * and the branches that constant conditions take stand in the place of their calls; what no output needs is left out.
 * What cannot be used is in `obstacles`: `canonicalize` and `evaluate` refuse it.
 * @throws InputError for everything that is wrong with the file
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Graph<'imported'> {
  const where = options.name ?? 'the model';
  const model = decodeModel(bytes, where);
  return locate(where, () => graphOf(bytes, model, model.graph, options));
}

function graphOf(
  bytes: Uint8Array,
  model: ModelProto,
  graph: GraphProto,
  { name, external, weights, ...sizes }: ImportOptions,
): Graph<'imported'> {
  const opset = opsetOf(model);
  const flattener = new Flattener(functionsOf(bytes, model), graph);
  const initializers = initializersOf(graph, external);
  if (weights !== undefined)
    for (const [name, tensor] of newInitializers(
      { graph, metadata: metadataIn(bytes) },
      initializers,
      weights,
    ))
      initializers.set(name, { ...must(initializers.get(name), 'of the file'), decode: () => tensor });
  const draft: Draft = {
    flattener,
    external,
    initializers,
    tensors: new Map(),
    nodes: [],
    obstacles: [],
    unknown: new Set(),
    codes: new Map(),
    halves: new Set(),
  };
  const outputs = listOf(graph.output).map(({ name }) => textOf(name));
  const inputs = inputsIn(draft, graph);
  const declared = new Declarations(inputs, sizes);
  for (const info of inputs) {
    draft.tensors.set(textOf(info.name), declared.typeOf(info));
    draft.codes.set(textOf(info.name), numberOf(info.type?.tensorType?.elemType));
    noteType(draft, numberOf(info.type?.tensorType?.elemType));
  }
  const read = readAll(draft, flattener.ofModel(graph, opset, metadataIn(bytes)), outputs);
  requireOutputs(draft, outputs);
  return {
    ...{ stage: 'imported', name: name ?? (textOf(graph.name) || 'network'), opset },
    ...{
      inputs: inputs.map((info) => textOf(info.name)),
      outputs,
      tensors: draft.tensors,
      nodes: draft.nodes,
    },
    notes: notesOn(draft),
    obstacles: [...declared.obstacles((input) => read.has(input)), ...draft.obstacles],
  };
}

function noteType({ halves }: Draft, code: number): void {
  const type = onnxTypeName(code);
  if (type === 'float16' || type === 'bfloat16') halves.add(type);
}

function notesOn({ halves, tensors }: Draft): readonly string[] {
  const isWide = [...tensors.values()].some(
    (info) => info.dtype === 'float64' && info.constant === undefined,
  );
  return [...halves, ...(isWide ? ['float64'] : [])].map(
    (type) => `the model computes in ${type}; here all of it is float32`,
  );
}

function opsetOf(model: ModelProto): number {
  const ours = listOf(model.opsetImport).find((entry) => isDefaultDomain(entry.domain));
  // Opsets came with IR version 3; what is older means the first.
  if (ours === undefined && numberOf(model.irVersion) < 3) return 1;
  const opset = numberOf(ours?.version);
  if (ours !== undefined && opset >= 1 && opset <= newestOpset) return opset;
  throw new InputError({
    found: ours === undefined ? 'no opset of the default ONNX domain' : `opset ${opset}`,
    supported: `opset 1 to ${newestOpset}`,
    todo: 'export with opset_version=17',
  });
}

/** A sparse one has the name of its values. */
function initializersOf(graph: GraphProto, external: ExternalFiles | undefined): Map<string, Initializer> {
  const dense = listOf(graph.initializer).map((proto) => ({
    name: textOf(proto.name),
    code: numberOf(proto.dataType),
    decode: () => decodeInitializer(proto, tensorLabel(textOf(proto.name)), external),
  }));
  const sparse = listOf(graph.sparseInitializer).map((proto) => ({
    name: textOf(proto.values?.name),
    code: numberOf(proto.values?.dataType),
    decode: () => decodeSparse(proto, tensorLabel(textOf(proto.values?.name)), external),
  }));
  const all = [...dense, ...sparse];
  uniqueNames(all, 'initializer');
  return new Map(all.map((one) => [one.name, one]));
}

/** The inputs that are not initializers: files before IR version 4 list those too. */
function inputsIn({ initializers }: Draft, graph: GraphProto): readonly ValueInfoProto[] {
  uniqueNames(listOf(graph.input), 'input');
  return listOf(graph.input).filter((info) => !initializers.has(textOf(info.name)));
}

/** What `work` finds, or the user's error in it. */
function attempt<T>(work: () => T): { readonly found?: T; readonly error?: InputError } {
  try {
    return { found: work() };
  } catch (error) {
    if (error instanceof InputError) return { error };
    throw error;
  }
}

const constantInfo = (constant: Tensor): Info => ({ dtype: constant.dtype, shape: constant.shape, constant });

/** What is known of a tensor; an initializer is decoded now. */
function infoOf(draft: Draft, name: string): Info | undefined {
  const known = draft.tensors.get(name);
  const initializer = draft.initializers.get(name);
  if (known !== undefined || initializer === undefined) return known;
  noteType(draft, initializer.code);
  const error = isHalfByte(initializer.code) ? undefined : typeError(initializer.code, tensorLabel(name));
  const info = error === undefined ? constantInfo(initializer.decode()) : {};
  draft.tensors.set(name, info);
  if (error !== undefined) {
    draft.unknown.add(name);
    draft.obstacles.push({ kind: 'tensor', error });
  }
  return info;
}

/** Adds the nodes that `wanted` need. Returns all names that are read. */
function readAll(draft: Draft, calls: readonly Call[], wanted: readonly string[]): ReadonlySet<string> {
  const given = new Set([...draft.tensors.keys(), ...draft.initializers.keys()]);
  const reading = calls.map((call) => ({ ...call, inputs: [...call.inputs, ...call.captured], call }));
  const needed = new Set(wanted);
  const live = inOrder(reading, given)
    .toReversed()
    .flatMap(({ call, inputs }) => {
      const outputs = call.outputs.findLastIndex((name) => needed.has(name)) + 1;
      if (outputs === 0) return [];
      for (const name of inputs) needed.add(name);
      return [{ call, outputs }];
    });
  for (const { call, outputs } of live.toReversed()) {
    const isBranch = call.domain === '' && call.type === 'If';
    const condition = isBranch ? infoOf(draft, call.inputs[0] ?? '')?.constant : undefined;
    if (condition !== undefined) readBranch(draft, call, condition.data[0] !== 0, outputs);
    else if (isBranch) add(draft, call, undecided(call, isUnknown(draft, call)), outputs);
    else addParts(draft, typed(draft, call), outputs);
  }
  for (const name of needed) infoOf(draft, name);
  return needed;
}

/** The element type that a Cast makes. */
const castOf = (call: Call): number => numberOf(call.attributes.find(({ name }) => name === 'to')?.i);

const isUnknown = ({ unknown }: Draft, { inputs, captured }: Call): boolean =>
  [...inputs, ...captured].some((name) => unknown.has(name));

/** The nodes that a call stands for. */
function addParts(draft: Draft, call: Call, needed: number): void {
  const { found = [call], error } = attempt(() => {
    const zero = draft.initializers.get(call.inputs[2] ?? '');
    if (call.type === 'QuantizeLinear' && zero !== undefined && isHalfByte(zero.code))
      throw complain('activations or weights rounded to 4 bits here', 'weights that are integers of 4 bits');
    return expanded(call, (name) => infoOf(draft, name)?.constant);
  });
  if (error !== undefined) draft.obstacles.push(obstacleAt(call, 'attribute', error));
  for (const part of found) {
    const legacy = alignment(part);
    if (legacy !== undefined) add(draft, part, legacy.before, 1);
    const now = legacy?.call ?? part;
    const decoded = decodeNode(now, draft.external);
    const count = found.length === 1 ? needed : now.outputs.length;
    add(draft, now, error === undefined ? decoded : { node: decoded.node }, count);
  }
}

/** A CastLike with the type that it makes where that is one of 16 bits, which tensors here do not tell. */
function typed({ initializers, codes }: Draft, call: Call): Call {
  const like = call.inputs[1] ?? '';
  const code = initializers.get(like)?.code ?? codes.get(like);
  if (call.type !== 'CastLike' || call.domain !== '' || code === undefined) return call;
  return { ...call, attributes: [{ name: 'to', type: attributeType.INT, i: code }] };
}

/** Outputs that the operator does not make here are left out where they are behind the last that is read. */
function add(draft: Draft, call: Call, { node, obstacle }: Decoded, needed: number): void {
  if (obstacle !== undefined) draft.obstacles.push(obstacle);
  if (/^Cast(Like)?$/.test(call.type)) noteType(draft, castOf(call));
  const { found, error } = attempt(() => outputsOf(node, (name) => infoOf(draft, name), needed));
  if (error !== undefined) draft.obstacles.push(obstacleAt(call, 'shape', error));
  const behind = obstacle !== undefined || error !== undefined || isUnknown(draft, call);
  const outputs = node.outputs.slice(0, found?.length);
  outputs.forEach((name, i) => {
    if (name === '') return;
    const info = found === undefined ? {} : at(found, i);
    draft.tensors.set(name, info);
    if (behind && info.shape === undefined) draft.unknown.add(name);
  });
  draft.nodes.push({ ...node, outputs });
}

/** The branch that a constant condition takes; the other is not looked at. */
function readBranch(draft: Draft, call: Call, condition: boolean, needed: number): void {
  const graph = branchOf(call, condition);
  const { calls, names } = draft.flattener.ofBranch(call, graph);
  for (const [name, one] of initializersOf(graph, draft.external)) draft.initializers.set(names(name), one);
  readAll(draft, calls, call.outputs.slice(0, needed));
}

function requireOutputs({ tensors }: Draft, outputs: readonly string[]): void {
  if (outputs.length === 0) throw complain('a graph without outputs', undefined, 'export it again');
  const missing = outputs.find((name) => !tensors.has(name));
  if (missing === undefined) return;
  throw new InputError({ where: `output '${missing}'`, found: 'no node makes it', todo: 'export it again' });
}
