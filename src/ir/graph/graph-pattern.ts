/** Parts of imported networks that stand for one operator: patterns of nodes, and what they become. */
import { must } from '../../base/errors.ts';
import type { Tensor } from '../tensor.ts';
import type { AnyNode, Graph, TensorInfo } from './graph.ts';
import type { OpDef } from './op.ts';

export type Pattern =
  /** Any tensor: the same one wherever the role is named. */
  | { readonly kind: 'tensor'; readonly role: string }
  | { readonly kind: 'constant'; readonly role: string; readonly holds: (tensor: Tensor) => boolean }
  /** The first output of a node of one of these ONNX types; what stands behind the inputs listed is free. */
  | {
      readonly kind: 'node';
      readonly types: readonly string[];
      readonly inputs: readonly Pattern[];
      readonly role?: string;
    }
  | { readonly kind: 'either'; readonly patterns: readonly Pattern[] };

export const tensor = (role: string): Pattern => ({ kind: 'tensor', role });
export const constant = (role: string, holds: (tensor: Tensor) => boolean = () => true): Pattern => ({
  kind: 'constant',
  role,
  holds,
});
/** A constant of one number, or of nothing else. */
export const number = (value: number): Pattern =>
  constant(
    `${value}`,
    ({ data }) => data.length > 0 && data.every((x: number) => Math.abs(x - value) <= 1e-6),
  );
/** `name` is an ONNX type or an operator's kind, or several with `|` between; a role may stand behind a colon. */
export function node(name: string, ...inputs: readonly Pattern[]): Pattern {
  const [types = '', role] = name.split(':');
  return { kind: 'node', types: types.split('|'), inputs, ...(role === undefined ? {} : { role }) };
}
export const either = (...patterns: readonly Pattern[]): Pattern => ({ kind: 'either', patterns });

/** Whose operands may change places. */
const commuting: ReadonlySet<string> = new Set(['Add', 'Mul', 'Max', 'Min']);

/** Tensors and nodes by role, and all nodes that were matched. */
interface Bound {
  readonly tensors: ReadonlyMap<string, string>;
  readonly nodes: ReadonlyMap<string, AnyNode>;
  readonly all: readonly AnyNode[];
}

const nothing: Bound = { tensors: new Map(), nodes: new Map(), all: [] };

/** A graph with the makers of its tensors. */
export interface Made {
  readonly graph: Graph<'imported'>;
  readonly makers: ReadonlyMap<string, AnyNode>;
}

/** By its ONNX type, or its kind where it was recognised. */
const isType = (node: AnyNode, type: string): boolean => node.type === type || node.op.kind === type;

/** The tensor that this one is another name of. */
function original({ makers }: Made, name: string): string {
  let found = name;
  for (
    let maker = makers.get(found);
    maker !== undefined && isType(maker, 'Identity');
    maker = makers.get(found)
  )
    found = maker.inputs[0] ?? '';
  return found;
}

/** Each way in which a tensor is what the pattern says. */
function* matches(made: Made, name: string, pattern: Pattern, bound: Bound): Generator<Bound> {
  const found = original(made, name);
  switch (pattern.kind) {
    case 'tensor': {
      const known = bound.tensors.get(pattern.role);
      if (known === undefined || known === found) yield withTensor(bound, pattern.role, found);
      return;
    }
    case 'constant': {
      const value = made.graph.tensors.get(found)?.constant;
      if (value !== undefined && pattern.holds(value)) yield withTensor(bound, pattern.role, found);
      return;
    }
    case 'either':
      for (const one of pattern.patterns) yield* matches(made, found, one, bound);
      return;
    case 'node':
      yield* nodeMatches(made, made.makers.get(found), pattern, bound);
      return;
    default:
      pattern satisfies never;
  }
}

const withTensor = (bound: Bound, role: string, name: string): Bound => ({
  ...bound,
  tensors: new Map([...bound.tensors, [role, name]]),
});

/** Exporters write one computation several times. */
const isSame = (a: AnyNode, b: AnyNode): boolean =>
  a === b ||
  (a.op === b.op && sameNames(a.inputs, b.inputs) && JSON.stringify(a.attrs) === JSON.stringify(b.attrs));
const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

function* nodeMatches(
  made: Made,
  maker: AnyNode | undefined,
  { types, inputs, role }: Pattern & { readonly kind: 'node' },
  bound: Bound,
): Generator<Bound> {
  const type = maker && types.find((one) => isType(maker, one));
  if (maker === undefined || type === undefined || maker.inputs.length < inputs.length) return;
  const known = role === undefined ? undefined : bound.nodes.get(role);
  if (known !== undefined && !isSame(known, maker)) return;
  const own: Bound = {
    ...bound,
    nodes: role === undefined ? bound.nodes : new Map([...bound.nodes, [role, maker]]),
    all: bound.all.includes(maker) ? bound.all : [...bound.all, maker],
  };
  yield* inputMatches(made, maker.inputs, inputs, own);
  if (commuting.has(type) && inputs.length === 2)
    yield* inputMatches(made, maker.inputs.toReversed(), inputs, own);
}

function* inputMatches(
  made: Made,
  names: readonly string[],
  [first, ...others]: readonly Pattern[],
  bound: Bound,
): Generator<Bound> {
  if (first === undefined) {
    yield bound;
    return;
  }
  for (const next of matches(made, names[0] ?? '', first, bound))
    yield* inputMatches(made, names.slice(1), others, next);
}

/** What a rule may see of what was matched. */
export interface Found {
  name(role: string): string;
  /** The same of a role that not every way has. */
  optional(role: string): string | undefined;
  info(role: string): TensorInfo<'imported'>;
  constant(role: string): Tensor;
  node(role: string): AnyNode;
  /** Of a role that not every way has. */
  hasNode(role: string): boolean;
  /** Of the tensor that is made. */
  readonly output: TensorInfo<'imported'>;
  /** Of any tensor. */
  tensor(name: string): TensorInfo<'imported'> | undefined;
}

/** What stands in the place of a pattern's last node. */
export interface Recognised {
  readonly op: OpDef;
  readonly attrs: unknown;
  /** Names of tensors, or new constants. */
  readonly inputs: readonly (string | Tensor | undefined)[];
}

export interface Recognition {
  readonly pattern: Pattern;
  /** Undefined where it is not meant after all. */
  make(found: Found): Recognised | undefined;
}

/** The first rule that knows what makes a tensor. */
export function recognisedAt(
  made: Made,
  last: AnyNode,
  rules: readonly Recognition[],
): (Recognised & { readonly nodes: readonly AnyNode[] }) | undefined {
  const [output = ''] = last.outputs;
  const { tensors } = made.graph;
  for (const { pattern, make } of rules)
    for (const bound of matches(made, output, pattern, nothing)) {
      const name = (role: string) => must(bound.tensors.get(role), `a tensor is called ${role}`);
      const info = (role: string) => must(tensors.get(name(role)), 'names are of tensors');
      const recognised = make({
        name,
        optional: (role) => bound.tensors.get(role),
        info,
        constant: (role) => must(info(role).constant, `${role} is constant`),
        hasNode: (role) => bound.nodes.has(role),
        node: (role) => must(bound.nodes.get(role), `a node is called ${role}`),
        output: must(tensors.get(output), 'outputs are tensors'),
        tensor: (of) => tensors.get(of),
      });
      if (recognised !== undefined) return { ...recognised, nodes: bound.all };
    }
  return undefined;
}
