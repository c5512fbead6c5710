/**
 * Parts of an int8 network that stay float32: the nodes that are named, with what only moves their numbers. One
 * conversion stands at each border; none at an input that such nodes alone read, nor at an output that one makes.
 */
import { InputError, must } from '../base/errors.ts';
import { type FloatPart, freshIn, type Graph, type Node, staysFloat } from '../ir/graph/graph.ts';
import type { RequantMode } from '../ir/graph/op.ts';
import { toReal, toStored } from '../ir/ops/borders.ts';
import type { Pass } from './pass.ts';
import { handsOn, withNodes } from './rewrite.ts';

/** The reason why a node stays float32, by its name. */
export type Reasons = ReadonlyMap<string, string>;

/**
 * Nodes of the model by name, ONNX type or operator.
 * @throws InputError for a name that is none of these
 */
export function askedFor({ nodes }: Graph<'imported'>, names: readonly string[]): Reasons {
  return new Map(
    names.flatMap((wanted) => {
      const found = nodes.filter(({ name, type, op }) => [name, type, op.kind].includes(wanted));
      if (found.length > 0) return found.map(({ name }) => [name, `asked for: ${wanted}`] as const);
      const types = new Set(nodes.map(({ type, op }) => type ?? op.kind));
      throw new InputError({
        where: '--float',
        found: `no node '${wanted}'`,
        supported: `names of the model's nodes, and types: ${[...types].sort().join(', ')}`,
        todo: 'list the names with thimble inspect MODEL',
      });
    }),
  );
}

/** Those nodes of a later graph that stand for one of them. */
export const keptIn = ({ nodes }: Graph<'float'>, asked: Reasons): Reasons =>
  new Map(
    nodes.flatMap(({ name, origin }) => {
      const reason = [name, ...origin].map((one) => asked.get(one)).find((found) => found !== undefined);
      return reason === undefined ? [] : [[name, reason] as const];
    }),
  );

const activations = ({ tensors }: Graph<'float'>, names: readonly string[]): readonly string[] =>
  names.filter((name) => {
    const info = tensors.get(name);
    return info?.dtype === 'float32' && info.constant === undefined;
  });

/** Whether all that read a tensor, behind what only moves it, stay float32. */
function isReadReal(graph: Graph<'float'>, kept: Reasons, name: string): boolean {
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  if (readers.length === 0 || graph.outputs.includes(name)) return false;
  return readers.every(
    (node) =>
      kept.has(node.name) ||
      (handsOn(node) &&
        activations(graph, node.inputs).length === 1 &&
        node.outputs.every((made) => made === '' || isReadReal(graph, kept, made))),
  );
}

/** Inputs that are float32. Those that the model rounds to a grid come as its bytes. */
const realInputs = (graph: Graph<'float'>, kept: Reasons, storedInputs: boolean): readonly string[] =>
  storedInputs
    ? []
    : activations(graph, graph.inputs).filter(
        (name) => graph.tensors.get(name)?.grid === undefined && isReadReal(graph, kept, name),
      );

/** Whether a node makes float32: it is kept so, or only moves such numbers. */
function makesReal(graph: Graph<'float'>, kept: Reasons, real: ReadonlySet<string>, node: Node): boolean {
  const read = activations(graph, node.inputs);
  return kept.has(node.name) || (handsOn(node) && read.length > 0 && read.every((name) => real.has(name)));
}

/** The tensors that are float32. */
function realIn(graph: Graph<'float'>, kept: Reasons, inputs: readonly string[]): ReadonlySet<string> {
  const real = new Set(inputs);
  for (const node of graph.nodes)
    if (makesReal(graph, kept, real, node))
      for (const name of activations(graph, node.outputs)) real.add(name);
  return real;
}

/** Nodes with a conversion before the first that needs a tensor the other way. */
function converted(graph: Graph<'float'>, kept: Reasons, real: ReadonlySet<string>): Graph<'float'> {
  const taken = new Set([...graph.tensors.keys(), ...graph.nodes.map(({ name }) => name)]);
  const others = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node) => {
    const made = activations(graph, node.outputs);
    const isFloat = made.length === 0 ? kept.has(node.name) : made.some((name) => real.has(name));
    const isBorder = node.op === toStored;
    const wrong = isBorder
      ? []
      : activations(graph, node.inputs).filter((name) => real.has(name) !== isFloat);
    const first = [...new Set(wrong)].filter((name) => !others.has(name));
    const borders = first.map((source): Node => {
      const name = freshIn(taken, `${source}.${isFloat ? 'real' : 'stored'}`);
      taken.add(name);
      others.set(source, name);
      const op = isFloat ? toReal : toStored;
      return { name, op, attrs: {}, inputs: [source], outputs: [name], origin: [] };
    });
    const inputs = node.inputs.map((name) => (wrong.includes(name) ? (others.get(name) ?? name) : name));
    return [...borders, wrong.length === 0 ? node : { ...node, inputs }];
  });
  const made = withNodes(graph, nodes);
  const tensors = new Map(made.tensors);
  const flags = [...real, ...[...others].flatMap(([source, name]) => (real.has(source) ? [] : [name]))];
  for (const name of flags) tensors.set(name, { ...must(tensors.get(name), 'a tensor'), real: true });
  return { ...made, tensors };
}

/**
 * What a quantized model leaves in float32: nodes that make or read tensors to which its file gives no grid, and
 * whose operators have none of their own under a rounding of sums.
 */
export function leftInFloat(graph: Graph<'float'>, mode: RequantMode): Reasons {
  const makerOf = (name: string): Node | undefined =>
    graph.nodes.find(({ outputs }) => outputs.includes(name));
  const isLeft = (name: string): boolean => {
    const maker = makerOf(name);
    if (graph.tensors.get(name)?.grid !== undefined || maker?.op.fixedGrid?.(mode) === true) return false;
    if (maker === undefined || !handsOn(maker)) return true;
    return activations(graph, maker.inputs).some(isLeft);
  };
  return new Map(
    graph.nodes.flatMap((node) => {
      const beside = activations(graph, [...node.inputs, ...node.outputs]);
      const left = handsOn(node) ? undefined : beside.find(isLeft);
      return left === undefined ? [] : [[node.name, `the model has no grid for '${left}'`] as const];
    }),
  );
}

/** What is float32 and has a grid in the file is rounded to that behind the node that makes it. */
function behindGrids(graph: Graph<'float'>, kept: Reasons, inputs: readonly string[]): Graph<'float'> {
  const taken = new Set([...graph.tensors.keys(), ...graph.nodes.map(({ name }) => name)]);
  const tensors = new Map(graph.tensors);
  const real = new Set(inputs);
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!makesReal(graph, kept, real, node)) return [node];
    const borders: Node[] = [];
    const outputs = node.outputs.map((output) => {
      const info = tensors.get(output);
      if (info?.grid === undefined) {
        real.add(output);
        return output;
      }
      const name = freshIn(taken, `${output}.float`);
      taken.add(name);
      const { grid: _, ...plain } = info;
      tensors.set(name, plain);
      borders.push({ name, op: toStored, attrs: {}, inputs: [name], outputs: [output], origin: [] });
      return name;
    });
    return borders.length === 0 ? [node] : [{ ...node, outputs }, ...borders];
  });
  return { ...graph, tensors, nodes };
}

const partsOf = (graph: Graph<'float'>, kept: Reasons): readonly FloatPart[] =>
  graph.nodes.flatMap((node) => {
    const reason = kept.get(node.name);
    if (reason === undefined || !staysFloat(graph, node)) return [];
    return [{ node: node.name, kind: node.op.kind, origin: node.origin, reason }];
  });

/** @param storedInputs inputs are bytes for every reader: raw pixels, or a grid for each channel */
export const floatParts = (kept: Reasons, storedInputs: boolean): Pass<'float', 'float'> => ({
  name: 'float-parts',
  doc: 'named nodes stay float32, with a conversion at each border; their numbers are those of the float network on what they are given',
  run(graph) {
    const inputs = realInputs(graph, kept, storedInputs);
    const prepared = behindGrids(graph, kept, inputs);
    const made = converted(prepared, kept, realIn(prepared, kept, inputs));
    return { ...made, floatParts: partsOf(made, kept) };
  },
});
