import { at, InputError, locate, nodeLabel, tensorLabel } from '../base/errors.ts';
import { type AnyNode, freshIn, type Graph, type Node, type TensorInfo } from '../ir/graph/graph.ts';
import { type InputType, isCanonical, type NodeView, type Replacement } from '../ir/graph/op.ts';
import { reshape } from '../ir/ops/reshape.ts';
import { countOf, sameShape, showShape, type TensorType } from '../ir/tensor.ts';
import { recognised } from './compose.ts';
import { requireFiniteFile } from './finite.ts';

/** What has been rewritten so far. */
interface Draft {
  readonly imported: Graph<'imported'>;
  readonly tensors: Map<string, TensorInfo<'float'>>;
  readonly nodes: Node[];
  readonly nodeNames: Set<string>;
  /** Tensors that are another one by another name: outputs of Identity and the like. */
  readonly aliases: Map<string, string>;
}

/**
 * ONNX operators to canonical ones: one float32 input of batch 1 and one output, every shape known, every
 * attribute explicit, no Identity or Dropout, nothing that the output does not need.
 * @throws InputError for networks that have no such form
 */
export const canonicalize = {
  name: 'canonicalize',
  doc: 'canonical operators on known shapes, batch 1; numbers move within float32 rounding',
  run(graph: Graph<'imported'>): Graph<'float'> {
    const [input, output] = [onlyOne(graph.inputs, 'input'), onlyOne(graph.outputs, 'output')];
    const draft = draftOf(graph, input);
    for (const node of liveNodes(graph)) rewrite(draft, node);
    const made = finish(draft, input, output);
    return recognised(
      finished({ ...graph, stage: 'float', tensors: draft.tensors, nodes: made, outputs: [output] }),
    );
  },
} as const;

function onlyOne(names: readonly string[], what: string): string {
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw new InputError({
    found: `${names.length} ${what}s${names.length > 0 ? ` (${names.join(', ')})` : ''}`,
    supported: `one ${what}`,
    todo: `export a module whose forward has one ${what}`,
  });
}

function draftOf(imported: Graph<'imported'>, input: string): Draft {
  const tensors = new Map<string, TensorInfo<'float'>>();
  for (const [name, info] of imported.tensors)
    if (info.constant !== undefined)
      tensors.set(name, { dtype: info.constant.dtype, shape: info.constant.shape, constant: info.constant });
  tensors.set(input, inputType(input, imported.tensors.get(input)));
  const nodeNames = new Set(imported.nodes.map((node) => node.name));
  return { imported, tensors, nodes: [], nodeNames, aliases: new Map() };
}

function inputType(name: string, info: TensorInfo<'imported'> | undefined): TensorType {
  const where = `input '${name}'`;
  if (info?.shape === undefined)
    throw new InputError({ where, found: 'no shape', supported: 'fixed sizes; the batch may be dynamic' });
  if (info.dtype !== 'float32')
    throw new InputError({ where, found: `elements of type ${info.dtype}`, supported: 'float32' });
  if (info.shape[0] !== 1)
    throw new InputError({
      where,
      found: `shape ${showShape(info.shape)}: a batch of ${info.shape[0] ?? 'no size'}`,
      supported: 'batch 1, or a dynamic batch',
      todo: `export with an example input of batch 1, or with dynamic_axes={'${name}': {0: 'batch'}}`,
    });
  return { dtype: info.dtype, shape: info.shape };
}

const isConstant = (draft: Draft, name: string): boolean =>
  name === '' || draft.imported.tensors.get(name)?.constant !== undefined;

/** Adds what `node` becomes; nodes that were folded become nothing. */
function rewrite(draft: Draft, node: AnyNode): void {
  if (node.outputs.every((name) => isConstant(draft, name))) return;
  const inputs = node.inputs.map((name) => draft.aliases.get(name) ?? name);
  const where = nodeLabel(node.name, node.op.kind);
  const { op } = node;
  locate(where, () => {
    if (isCanonical(op)) return emit(draft, { ...node, op, inputs });
    const replacements = op.canonicalize(viewOf(draft, { ...node, inputs }));
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
    requireFree(draft, output);
    if (type?.dtype !== 'float32')
      throw new InputError({ found: `activations of type ${type?.dtype}`, supported: 'float32' });
    draft.tensors.set(output, type);
  });
}

/** The nodes, with the network's output under its own name even where it was an alias. */
function finish(draft: Draft, input: string, output: string): readonly Node[] {
  const made = draft.aliases.get(output) ?? output;
  if (isConstant(draft, made))
    throw new InputError({
      where: `output '${output}'`,
      found: 'a constant: it does not depend on the input',
    });
  if (made === output && made !== input) return draft.nodes;
  return made === input ? passedThrough(draft, input, output) : renamed(draft, made, output);
}

function passedThrough(draft: Draft, input: string, output: string): readonly Node[] {
  if (input === output)
    throw new InputError({
      where: `output '${output}'`,
      found: 'the input itself: a network without layers',
    });
  const attrs = { shape: draft.tensors.get(input)?.shape ?? [] };
  const [name, origin] = [freshName(draft, output), [] as readonly string[]];
  emit(draft, { name, op: reshape, attrs, inputs: [input], outputs: [output], origin });
  return draft.nodes;
}

function renamed(draft: Draft, from: string, to: string): readonly Node[] {
  const info = draft.tensors.get(from);
  if (info !== undefined) draft.tensors.set(to, info);
  const change = (names: readonly string[]) => names.map((name) => (name === from ? to : name));
  return draft.nodes.map((node) => ({ ...node, inputs: change(node.inputs), outputs: change(node.outputs) }));
}

/** The nodes that the outputs need: the others need have no canonical form. */
function liveNodes(graph: Graph<'imported'>): readonly AnyNode[] {
  const needed = new Set<string>(graph.outputs);
  const live = graph.nodes.toReversed().filter((node) => {
    const used = node.outputs.some((name) => needed.has(name));
    if (used) for (const name of node.inputs) needed.add(name);
    return used;
  });
  return live.toReversed();
}

/** With the tensors that are left, all of them finite. */
function finished(graph: Graph<'float'>): Graph<'float'> {
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  const kept = new Set([...graph.inputs, ...graph.outputs, ...read]);
  const tensors = new Map([...graph.tensors].filter(([name]) => kept.has(name)));
  const made = { ...graph, tensors };
  requireFiniteFile(made);
  return made;
}
