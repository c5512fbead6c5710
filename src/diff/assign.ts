/**
 * Which arrays of a capture are which tensors of a model. A module's array is what its last node makes. What an
 * exporter removed (a batch normalization folded into the convolution before it, a dropout) has an array and no
 * node: it follows the array of the module that it was folded into, and is what that node makes now.
 */
import { at, must } from '../base/errors.ts';
import type { Shape, Tensor } from '../ir/tensor.ts';
import { sameShape } from '../ir/tensor.ts';
import type { Gap } from './capture.ts';
import { calledModule, hasOtherWeights, type NamedNode, saysModules, scopesOf } from './modules.ts';

/** Arrays that are all this tensor, the innermost module's first; or why none can be taken. */
export type Assigned = readonly string[] | Gap;

interface PortName {
  /** The model's name. */
  readonly name: string;
  /** The name of the tensor that it is. */
  readonly tensor: string;
}

export interface Ports {
  readonly inputs: readonly PortName[];
  readonly outputs: readonly PortName[];
}

/** What an only input or output may be called besides. */
const inputNames = ['input', 'x'];
const outputNames = ['output', 'y', 'logits'];

const namesOf = (ports: readonly PortName[], usual: readonly string[]): readonly (readonly string[])[] =>
  ports.map(({ tensor, name }) => [tensor, name, ...(ports.length === 1 ? usual : [])]);

/** A module's array and the node that makes it. */
interface Claim {
  readonly array: string;
  readonly node: NamedNode;
  /** Of the node in the order of execution. */
  readonly at: number;
  /** Whether the node was called by this module, not by one inside of it. */
  readonly leaf: boolean;
}

/** In the file's order. */
function claimsOf(nodes: readonly NamedNode[], arrays: ReadonlyMap<string, Tensor>): readonly Claim[] {
  const prefixes = new Set(
    [...arrays.keys()].flatMap((name) => name.split('.').map((_, i, all) => all.slice(0, i + 1).join('.'))),
  );
  const last = new Map<string, Omit<Claim, 'array'>>();
  for (const [at, node] of nodes.entries()) {
    const scopes = scopesOf(node);
    for (const [i, scope] of scopes.entries()) {
      const module = calledModule(scope, (path) => prefixes.has(path));
      last.set(module, { node, at, leaf: i === scopes.length - 1 });
    }
  }
  return [...arrays.keys()].flatMap((array) => {
    const found = last.get(array);
    return found === undefined ? [] : [{ array, ...found }];
  });
}

const parentOf = (module: string): string => module.split('.').slice(0, -1).join('.');

/** Forward hooks write a module's array when it has ended: layers as they are done, containers after their layers. */
function isInOrder(claims: readonly Claim[]): boolean {
  const layers = claims.filter(({ node, leaf }) => leaf && node.weighted);
  const ascending = layers.every(({ at }, i) => i === 0 || at >= (layers[i - 1]?.at ?? at));
  const place = new Map(claims.map(({ array }, i) => [array, i]));
  const containersLast = layers.every(({ array }) => {
    const outer = place.get(parentOf(array));
    return outer === undefined || outer > must(place.get(array), 'a place of each claim');
  });
  return ascending && containersLast;
}

/** Arrays without a node that may stand for what was folded into a layer. */
class Followers {
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #names: readonly string[];
  readonly #free: ReadonlySet<string>;
  readonly #inOrder: boolean;

  constructor(arrays: ReadonlyMap<string, Tensor>, taken: ReadonlySet<string>, inOrder: boolean) {
    this.#shapes = new Map([...arrays].map(([name, { shape }]) => [name, shape]));
    this.#names = [...arrays.keys()];
    this.#free = new Set(this.#names.filter((name) => !taken.has(name)));
    this.#inOrder = inOrder;
  }

  #fits(name: string, array: string): boolean {
    return this.#free.has(name) && this.isAlike(name, array);
  }

  /** Right behind it in the file, where that is the order of execution. */
  behind(array: string): readonly string[] {
    if (!this.#inOrder) return [];
    const from = this.#names.indexOf(array) + 1;
    const end = this.#names.findIndex((name, i) => i >= from && !this.#fits(name, array));
    return this.#names.slice(from, end < 0 ? undefined : end);
  }

  isAlike(array: string, other: string): boolean {
    const [a, b] = [this.#shapes.get(array), this.#shapes.get(other)];
    return a !== undefined && b !== undefined && sameShape(a, b);
  }

  /** Of modules beside it. */
  beside(array: string): readonly string[] {
    return this.#names.filter((name) => this.#fits(name, array) && parentOf(name) === parentOf(array));
  }
}

const ambiguous = (why: string): Gap => ({ kind: 'ambiguous', why });

const numberOf = (module: string): string | undefined => /\d+$/.exec(module)?.[0];

/** `bn1` belongs to `conv1`, where no other module beside them has that number. */
function ofItsNumber(
  array: string,
  left: readonly string[],
  siblings: readonly string[],
): string | undefined {
  const number = numberOf(array);
  const same = (names: readonly string[]) => names.filter((name) => numberOf(name) === number);
  const [found, ...more] = number === undefined ? [] : same(left);
  return more.length === 0 && same(siblings).length === 1 ? found : undefined;
}

/** What names tell of a file: whether weights have their modules' names, and lose them where something is folded. */
interface Naming {
  readonly weights: boolean;
  readonly renamed: boolean;
}

/** What stands for a layer with weights: its own array, or that of what was folded into it. */
function resolved(
  claim: Claim,
  followers: Followers,
  layers: readonly Claim[],
  naming: Naming,
): string | Gap {
  const { array, node } = claim;
  if (!saysModules(node)) return array;
  const besides = followers.beside(array);
  const siblings = layers.filter(
    (other) => parentOf(other.array) === parentOf(array) && followers.isAlike(other.array, array),
  );
  const other = naming.weights && hasOtherWeights(node, array);
  const followed = siblings.map((other) => followers.behind(other.array));
  const others = besides.join(', ');
  if (naming.renamed && !other && followers.behind(array).length === 0) return array;
  if (
    followed.some((names) => names.length === 0) &&
    followed.some((names) => names.length > 1) &&
    besides.length > 0
  )
    return ambiguous(`${array} or one of ${others}: something was folded into it, or not`);
  const taken = new Set(followed.flat());
  const behind = followers.behind(array).at(-1);
  if (behind !== undefined) return behind;
  const left = besides.filter((name) => !taken.has(name));
  if (left.length === 1 && siblings.length === 1) return at(left, 0);
  const numbered = ofItsNumber(
    array,
    left,
    siblings.map((sibling) => sibling.array),
  );
  if (numbered !== undefined) return numbered;
  if (left.length > 0) return ambiguous(`${array}, or what was folded into it: ${left.join(', ')}`);
  if (other) return ambiguous(`${array} is before what was folded into it, which was not captured`);
  return array;
}

/** Innermost first; of a layer with weights only the outermost, which nothing that was folded comes after. */
function chosen(claims: readonly Claim[], resolve: (claim: Claim) => string | Gap): Assigned {
  const inner = claims.toSorted((a, b) => b.array.split('.').length - a.array.split('.').length);
  const containers = inner.filter(({ leaf }) => !leaf);
  const weighted = inner.some(({ node }) => node.weighted);
  if (weighted && containers.length > 0) return containers.map(({ array }) => array);
  const found = inner.map((claim) => (claim.leaf && claim.node.weighted ? resolve(claim) : claim.array));
  const arrays = found.filter((name) => typeof name === 'string');
  return arrays.length > 0 ? arrays : (found.find((name) => typeof name !== 'string') ?? []);
}

/** Arrays by the names of tensors and nodes; modules go before where most of the file's names are modules. */
function byName(nodes: readonly NamedNode[], arrays: ReadonlyMap<string, Tensor>): Map<string, string> {
  const tensors = new Set(nodes.flatMap(({ inputs, output }) => [...inputs, output]));
  const found = new Map<string, string>();
  for (const { name, output } of nodes) if (arrays.has(name)) found.set(output, name);
  for (const name of arrays.keys()) if (tensors.has(name)) found.set(name, name);
  return found;
}

/** @returns by the name of a tensor. */
function assigned(
  nodes: readonly NamedNode[],
  arrays: ReadonlyMap<string, Tensor>,
  { inputs, outputs }: Ports,
): ReadonlyMap<string, Assigned> {
  const claims = claimsOf(nodes, arrays);
  const modules = new Set(claims.map(({ array }) => array));
  const named = byName(nodes, arrays);
  const tensorsFirst = [...named.values()].filter((name) => !modules.has(name)).length > modules.size;
  const exact = [...named].filter(([, name]) => tensorsFirst || !modules.has(name));
  const exactly = new Set(exact.map(([, name]) => name));
  const own = claims.filter(({ array }) => !exactly.has(array));
  const [given, results] = [namesOf(inputs, inputNames), namesOf(outputs, outputNames)];
  const ports = [...given, ...results].flat();
  const followers = new Followers(arrays, new Set([...modules, ...exactly, ...ports]), isInOrder(own));
  const layers = own.filter(({ node, leaf }) => leaf && node.weighted);
  const naming = {
    weights: layers.some(({ node, array }) => node.inputs[1] === `${array}.weight`),
    renamed: layers.some(({ node }) => node.inputs[1]?.startsWith('onnx::') === true),
  };
  const made = new Map<string, Assigned>();
  for (const tensor of new Set(own.map(({ node }) => node.output))) {
    const all = own.filter(({ node }) => node.output === tensor);
    made.set(
      tensor,
      chosen(all, (claim) => resolved(claim, followers, layers, naming)),
    );
  }
  for (const [tensor, name] of exact) addName(made, tensor, [name], arrays);
  for (const names of [...given, ...results]) addName(made, at(names, 0), names, arrays);
  return made;
}

/** A tensor may have a name of its own, besides its module's: each of both arrays has to be right. */
function addName(
  made: Map<string, Assigned>,
  tensor: string,
  names: readonly string[],
  arrays: ReadonlyMap<string, Tensor>,
): void {
  const found = made.get(tensor);
  const name = names.find((candidate) => arrays.has(candidate));
  if (name === undefined) return;
  const before = found === undefined || 'why' in found ? [] : found;
  made.set(tensor, [...new Set([...before, name])]);
}

type Renaming = (name: string) => string;

/** Wrappers put a module in front: the capture's (`module.` of DataParallel), or the exported model's. */
function renamings(nodes: readonly NamedNode[]): readonly Renaming[] {
  const outer = new Set(nodes.flatMap((node) => scopesOf(node)[0]?.split('.')[0] ?? []));
  return [
    (name) => name,
    (name) => name.split('.').slice(1).join('.') || name,
    ...(outer.size === 1 ? [(name: string) => `${[...outer][0]}.${name}`] : []),
  ];
}

/**
 * @param nodes in the order of execution
 * @returns the arrays of each tensor that has any; those that may be several tensors are gaps
 */
export function assign(
  nodes: readonly NamedNode[],
  arrays: ReadonlyMap<string, Tensor>,
  ports: Ports,
): ReadonlyMap<string, Assigned> {
  const tries = renamings(nodes).map((rename) => {
    const original = new Map([...arrays.keys()].map((name) => [rename(name), name]));
    const renamed = new Map([...arrays].map(([name, array]) => [rename(name), array]));
    return { original, made: assigned(nodes, renamed, ports) };
  });
  const best = tries.reduce((most, one) => (one.made.size > most.made.size ? one : most));
  return new Map(
    [...best.made].map(([tensor, names]) => [
      tensor,
      'why' in names ? names : names.map((name) => must(best.original.get(name), 'an array of the file')),
    ]),
  );
}
