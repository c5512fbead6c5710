import { at, InputError, locate, nodeLabel, tensorLabel } from '../base/errors.ts';
import { type AnyNode, freshIn, type Graph, type Node, type TensorInfo } from '../ir/graph/graph.ts';
import { type Obstacle, refusal } from '../ir/graph/obstacles.ts';
import { type InputType, isCanonical, type NodeView, type Replacement } from '../ir/graph/op.ts';
import { elemOfType } from '../ir/kernel/stored.ts';
import { reshape } from '../ir/ops/reshape.ts';
import { countOf, floats, sameShape, showShape, type Tensor, type TensorType } from '../ir/tensor.ts';
import { composedFrom } from './compose.ts';
import { requireFiniteFile } from './finite.ts';
import { liftQuantized } from './lift-quantized.ts';
import { withChosenMasks, withHiding } from './masks.ts';
import { recognised } from './recognise.ts';

/** What has been rewritten so far. */
interface Draft {
  readonly imported: Graph<'imported'>;
  readonly tensors: Map<string, TensorInfo<'float'>>;
  readonly nodes: Node[];
  readonly nodeNames: Set<string>;
  /** Tensors that are another one by another name: outputs of Identity and the like. */
  readonly aliases: Map<string, string>;
  /** Names that a node reads, or that are outputs of the network. */
  readonly read: ReadonlySet<string>;
  /** Weights that are refused, and what nodes make that are refused, where only those would tell its type. */
  readonly unknown: Set<string>;
}

/**
 * ONNX operators to canonical ones: every shape known, every attribute explicit, no Identity or Dropout, nothing that
 * no output needs.
 * @throws InputError for networks that have no such form
 */
export const canonicalize = {
  name: 'canonicalize',
  doc: 'canonical operators on known shapes; numbers move within float32 rounding',
  run(given: Graph<'imported'>): Graph<'float'> {
    const graph = recognised(liftQuantized(given));
    if (graph.inputs.length === 0) throw withoutInputs();
    if (graph.obstacles?.some(({ kind }) => kind === 'input')) throw refusal(graph.name, graph.obstacles);
    const live = liveNodes(graph);
    const draft = draftOf(graph, live);
    const obstacles = [...(graph.obstacles ?? []), ...live.flatMap((node) => tried(draft, node))];
    if (obstacles.length > 0) throw refusal(graph.name, obstacles);
    const outputs = finish(draft, graph.inputs, graph.outputs);
    const { obstacles: _, ...rest } = graph;
    return composedFrom(
      finished({ ...rest, stage: 'float', tensors: draft.tensors, nodes: draft.nodes, outputs }),
    );
  },
} as const;

const withoutInputs = (): InputError =>
  new InputError({
    found: 'no inputs',
    supported: 'one or more',
    todo: 'export a module whose forward takes a tensor',
  });

function draftOf(imported: Graph<'imported'>, live: readonly AnyNode[]): Draft {
  const tensors = new Map<string, TensorInfo<'float'>>();
  for (const [name, info] of imported.tensors)
    if (info.constant !== undefined) {
      const constant = inFloat32(info.constant);
      tensors.set(name, { dtype: constant.dtype, shape: constant.shape, constant });
    }
  for (const input of imported.inputs) tensors.set(input, inputType(input, imported.tensors.get(input)));
  const nodeNames = new Set(imported.nodes.map((node) => node.name));
  const read = new Set([...imported.outputs, ...live.flatMap(({ inputs }) => inputs)]);
  const made = new Set(imported.nodes.flatMap((node) => node.outputs));
  const unknown = new Set([...read].filter((name) => name !== '' && !made.has(name) && !tensors.has(name)));
  return { imported, tensors, nodes: [], nodeNames, aliases: new Map(), read, unknown };
}

/** Networks of float64 are compiled as float32 ones. */
const inFloat32 = (tensor: Tensor): Tensor =>
  tensor.dtype === 'float64' ? floats(tensor.shape, Float32Array.from(tensor.data)) : tensor;

function inputType(name: string, info: TensorInfo<'imported'> | undefined): TensorType {
  const where = `input '${name}'`;
  if (info?.shape === undefined)
    throw new InputError({ where, found: 'no shape', supported: 'fixed sizes; the batch may be dynamic' });
  const dtype = info.dtype === 'float64' ? 'float32' : info.dtype;
  if (dtype === undefined || elemOfType(dtype) === undefined)
    throw new InputError({
      where,
      found: `elements of type ${info.dtype}`,
      supported: 'float32, integers, bool',
      todo: 'export with example inputs of one of these',
    });
  return { dtype, shape: info.shape };
}

const isConstant = (draft: Draft, name: string): boolean =>
  name === '' || draft.imported.tensors.get(name)?.constant !== undefined;

/** `rewrite`, or what is in its way; what follows is tried with the types that the file's nodes have. */
function tried(draft: Draft, node: AnyNode): readonly Obstacle[] {
  const { imported, unknown } = draft;
  const refused = imported.obstacles?.some((obstacle) => obstacle.node?.name === node.name) === true;
  const error = refused || node.inputs.some((name) => unknown.has(name)) ? undefined : errorIn(draft, node);
  if (error === 'none') return [];
  for (const name of node.outputs) {
    const { dtype, shape } = imported.tensors.get(name) ?? {};
    if (dtype === undefined || shape === undefined) unknown.add(name);
    else draft.tensors.set(name, { dtype: dtype === 'float64' ? 'float32' : dtype, shape });
  }
  const { name, type = node.op.kind, source } = node;
  const place = { node: { name, type }, ...(source === undefined ? {} : { source }) };
  return error === undefined ? [] : [{ kind: 'use', error, ...place }];
}

function errorIn(draft: Draft, node: AnyNode): InputError | 'none' {
  try {
    rewrite(draft, node);
    return 'none';
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** Adds what `node` becomes; nodes that were folded become nothing. */
function rewrite(draft: Draft, node: AnyNode): void {
  if (node.outputs.every((name) => isConstant(draft, name))) return;
  const inputs = node.inputs.map((name) => draft.aliases.get(name) ?? name);
  const where = nodeLabel(node.name, node.type ?? node.op.kind);
  const { op } = node;
  locate(where, () => {
    if (isCanonical(op)) return emit(draft, { ...node, op, inputs });
    const outputs = node.outputs.map((name) => (draft.read.has(name) ? name : ''));
    const replacements = op.canonicalize(viewOf(draft, { ...node, inputs, outputs }));
    if (replacements.length === 0) draft.aliases.set(at(node.outputs, 0), at(inputs, 0));
    replacements.forEach((part, i) => {
      addConstants(draft, part);
      const name =
        i === replacements.length - 1 ? node.name : freshName(draft, `${node.name}~${part.op.kind}`);
      emit(draft, { ...part, name, origin: node.origin });
    });
  });
}

function freshName({ nodeNames }: Draft, stem: string): string {
  const name = freshIn(nodeNames, stem);
  nodeNames.add(name);
  return name;
}

function viewOf(draft: Draft, node: AnyNode): NodeView<unknown> {
  const inputTypes = node.inputs.map((name) => typeOf(draft, name));
  return { ...node, inputTypes, outputTypes: node.op.infer(node.attrs, inputTypes) };
}

function typeOf(draft: Draft, name: string): InputType | undefined {
  if (name === '') return undefined;
  const found = draft.tensors.get(name);
  if (found !== undefined) return found;
  throw new InputError({
    found: `its input ${tensorLabel(name)} has no canonical form`,
    supported: 'the first output of each node',
  });
}

function addConstants(draft: Draft, { constants }: Replacement): void {
  for (const [name, constant] of constants ?? []) {
    requireFree(draft, name);
    draft.tensors.set(name, { dtype: constant.dtype, shape: constant.shape, constant });
  }
}

/** Names that rewriting makes up hold a `~`, which no exporter writes. */
function requireFree(draft: Draft, name: string): void {
  if (!draft.tensors.has(name)) return;
  throw new InputError({ found: `the name of ${tensorLabel(name)} is taken`, todo: 'rename that tensor' });
}

function requireElements(types: readonly (TensorType | undefined)[]): void {
  const empty = types.find((type) => type?.shape.includes(0));
  if (empty === undefined) return;
  throw new InputError({
    found: `a tensor of shape ${showShape(empty.shape)}, without elements`,
    supported: 'sizes of 1 or more',
    todo: 'export the model again with an example input of its real size',
  });
}

/**
 * The node on an activation with all axes of its output: a constant with more axes adds some of size 1, and what is
 * computed element by element moves past a view.
 */
function withAllAxes(draft: Draft, node: Node): Node {
  const [activation, another] = node.inputs.filter((name) => typeOf(draft, name)?.constant === undefined);
  if (!node.op.elementwise || activation === undefined || another !== undefined) return node;
  const types = node.inputs.map((name) => typeOf(draft, name));
  const [from, to] = [
    typeOf(draft, activation)?.shape ?? [],
    node.op.infer(node.attrs, types)[0]?.shape ?? [],
  ];
  if (sameShape(from, to) || countOf(from) !== countOf(to)) return node;
  const name = freshName(draft, `${node.name}~reshape`);
  const grown = `${node.outputs[0]}~axes`;
  emit(draft, { ...node, name, op: reshape, attrs: { shape: to }, inputs: [activation], outputs: [grown] });
  return { ...node, inputs: node.inputs.map((input) => (input === activation ? grown : input)) };
}

/** Adds a canonical node, with explicit attributes and its outputs' types. */
function emit(draft: Draft, given: Node): void {
  const node = withAllAxes(draft, given);
  const inputTypes = node.inputs.map((name) => typeOf(draft, name));
  const attrs = node.op.explicit?.(node.attrs, inputTypes) ?? node.attrs;
  const types = node.op.infer(attrs, inputTypes);
  requireElements([...inputTypes, ...types]);
  const outputs = node.outputs.slice(0, types.length);
  const { name, op, inputs, origin } = node;
  draft.nodes.push({ name, op, attrs, inputs, outputs, origin });
  outputs.forEach((output, i) => {
    const type = types[i];
    if (output === '' || type === undefined) return;
    requireFree(draft, output);
    requireTypes(op, type);
    draft.tensors.set(output, type);
  });
  for (const input of inputs) {
    const type = typeOf(draft, input);
    if (type !== undefined && type.constant === undefined) requireTypes(op, type);
  }
}

/** @throws InputError for an activation of a type that the operator's kernels do not have */
function requireTypes(op: Node['op'], { dtype }: TensorType): void {
  const known = op.alias || op.ownTypes ? elemOfType(dtype) !== undefined : dtype === 'float32';
  if (known) return;
  const todo = 'make them float32 before this node: x.to(torch.float32)';
  throw new InputError({ found: `activations of type ${dtype}`, supported: 'float32', todo });
}

/**
 * The nodes, with every output under its own name where it was an alias; what is an input too, or another output,
 * as a reshape of that.
 * @returns the graph's outputs, by name
 */
function finish(draft: Draft, inputs: readonly string[], outputs: readonly string[]): readonly string[] {
  const made = outputs.map((output) => draft.aliases.get(output) ?? output);
  outputs.forEach((output, i) => {
    requireComputed(draft, output, at(made, i));
  });
  if (outputs.every((output) => inputs.includes(output))) throw withoutLayers(at(outputs, 0));
  const known = new Set([...inputs, ...made.filter((name, i) => name === outputs[i])]);
  const names = new Map([...known].map((name) => [name, name]));
  const seen = new Set<string>();
  const taken = {
    has: (name: string) => seen.has(name) || outputs.includes(name) || draft.tensors.has(name),
  };
  return outputs.map((output, i) => {
    const from = at(made, i);
    const name = seen.has(output) ? freshIn(taken, output) : output;
    seen.add(name);
    const now = names.get(from);
    if (now === undefined) {
      names.set(from, name);
      rename(draft, from, name);
    } else if (now !== name) copied(draft, now, name);
    return name;
  });
}

function requireComputed(draft: Draft, output: string, made: string): void {
  if (!isConstant(draft, made)) return;
  throw new InputError({
    where: `output '${output}'`,
    found: 'a constant: it does not depend on the input',
    supported: 'outputs that are computed',
    todo: 'remove it from the results of forward',
  });
}

const withoutLayers = (output: string): InputError =>
  new InputError({
    where: `output '${output}'`,
    found: 'the input itself: a network without layers',
  });

/** The same memory under a name of its own. */
function copied(draft: Draft, from: string, to: string): void {
  const attrs = { shape: draft.tensors.get(from)?.shape ?? [] };
  emit(draft, {
    name: freshName(draft, to),
    op: reshape,
    attrs,
    inputs: [from],
    outputs: [to],
    origin: [],
  });
}

function rename(draft: Draft, from: string, to: string): void {
  const info = draft.tensors.get(from);
  if (info !== undefined) draft.tensors.set(to, info);
  const change = (names: readonly string[]) => names.map((name) => (name === from ? to : name));
  draft.nodes.forEach((node, i) => {
    draft.nodes[i] = { ...node, inputs: change(node.inputs), outputs: change(node.outputs) };
  });
}

/** The nodes that some names need, of those that are in an order of execution. */
function neededBy<N extends Pick<AnyNode, 'inputs' | 'outputs'>>(
  outputs: readonly string[],
  nodes: readonly N[],
): readonly N[] {
  const needed = new Set(outputs);
  const live = nodes.toReversed().filter((node) => {
    const used = node.outputs.some((name) => name !== '' && needed.has(name));
    if (used) for (const name of node.inputs) needed.add(name);
    return used;
  });
  return live.toReversed();
}

/** The nodes that the outputs need: the others need have no canonical form, nor what only shapes are asked of. */
function liveNodes({ nodes, outputs, tensors }: Graph<'imported'>): readonly AnyNode[] {
  const made = (name: string): boolean => tensors.get(name)?.constant === undefined;
  return neededBy(
    outputs,
    nodes.filter((node) => node.outputs.some(made)),
  );
}

/** With what the outputs need, all of it finite. */
function finished({ nodes: all, ...graph }: Graph<'float'>): Graph<'float'> {
  const masked = withChosenMasks({ ...graph, nodes: neededBy(graph.outputs, all) });
  const live = neededBy(graph.outputs, masked.nodes);
  const read = new Set(live.flatMap((node) => node.inputs));
  const kept = new Set([...graph.inputs, ...graph.outputs, ...read]);
  const tensors = new Map([...masked.tensors].filter(([name]) => kept.has(name)));
  const named = (outputs: readonly string[]) => outputs.map((name) => (kept.has(name) ? name : ''));
  const nodes = live.map((node) =>
    node.outputs.every((name) => kept.has(name)) ? node : { ...node, outputs: named(node.outputs) },
  );
  const made = withHiding({ ...graph, tensors, nodes });
  requireFiniteFile(made);
  return made;
}
