/** The nodes of a file as one flat list: calls of the file's own functions and branches are replaced by their bodies. */
import { InputError, nodeLabel } from '../../base/errors.ts';
import { freshIn } from '../graph/graph.ts';
import type { NodeMetadata } from './metadata.ts';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  isDefaultDomain,
  listOf,
  type NodeProto,
  numberOf,
  textOf,
} from './proto.ts';

/** What the names of a list of nodes mean. */
interface Scope {
  /** Of the default domain. */
  readonly opset: number;
  /** In front of the names of its nodes and tensors. */
  readonly prefix: string;
  /** The tensor of the flat network that a name means. */
  readonly tensor: (name: string) => string;
  /** Of the call of the function whose body it is. */
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  /** The functions in whose bodies it is. */
  readonly within: readonly string[];
}

/** A node of the flat network. */
export interface Call {
  /** Unique. */
  readonly name: string;
  readonly type: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What its subgraphs read of the tensors around them. */
  readonly captured: readonly string[];
  /** Without references to attributes of a function. */
  readonly attributes: readonly AttributeProto[];
  readonly scope: Scope;
  readonly metadata: NodeMetadata;
}

export interface LocalFunction {
  readonly proto: FunctionProto;
  /** Attributes with their values where a call does not give them. */
  readonly defaults: readonly AttributeProto[];
}

const functionKey = (domain: string | null | undefined, name: string | null | undefined): string =>
  JSON.stringify([isDefaultDomain(domain) ? '' : textOf(domain), textOf(name)]);

/** The nodes or body that take the place of a call, and the tensors that they are to make. */
interface Body {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly string[];
  readonly outputs: readonly string[];
}

/** Functions that call functions several times grow beyond all memory. */
const mostNodes = 2 ** 16;

const nothingKnown: NodeMetadata = { scopes: [] };

/** Makes flat lists of one file's nodes; all names that it gives are new. */
export class Flattener {
  readonly #functions: ReadonlyMap<string, LocalFunction>;
  readonly #nodeNames = new Set<string>();
  readonly #tensorNames: Set<string>;

  /** @throws InputError for two functions of one name */
  constructor(functions: readonly LocalFunction[], graph: GraphProto) {
    this.#functions = new Map(functions.map((f) => [functionKey(f.proto.domain, f.proto.name), f]));
    if (this.#functions.size < functions.length)
      throw new InputError({ found: 'two functions of one name', supported: 'functions without overloads' });
    this.#tensorNames = namesIn(graph);
  }

  /** The nodes of the whole network. */
  ofModel({ node }: GraphProto, opset: number, metadata: readonly NodeMetadata[]): readonly Call[] {
    const scope: Scope = { opset, prefix: '', tensor: (name) => name, attributes: new Map(), within: [] };
    return this.#flat(listOf(node), scope, (i) => metadata[i] ?? nothingKnown);
  }

  /** The nodes of a branch in the place of `call`, and what its initializers are called there. */
  ofBranch(call: Call, graph: GraphProto): { calls: readonly Call[]; names: (name: string) => string } {
    const initializers = listOf(graph.initializer).map((tensor) => textOf(tensor.name));
    const outputs = listOf(graph.output).map((info) => textOf(info.name));
    const body: Body = { nodes: listOf(graph.node), initializers, outputs };
    const scope = this.#inner(call, body, call.scope.tensor, call.scope);
    return { calls: this.#placed(call, body, scope), names: scope.tensor };
  }

  #flat(protos: readonly NodeProto[], scope: Scope, metadata: (i: number) => NodeMetadata): readonly Call[] {
    const taken = new Set(protos.map((proto) => scope.prefix + textOf(proto.name)));
    return protos.flatMap((proto, i) => {
      const given = scope.prefix + (textOf(proto.name) || `${textOf(proto.opType)}_${i}`);
      const own = textOf(proto.name) !== '' && !this.#nodeNames.has(given);
      const name = own ? given : freshIn({ has: (n) => taken.has(n) || this.#nodeNames.has(n) }, given);
      this.#nodeNames.add(name);
      if (this.#nodeNames.size > mostNodes)
        throw new InputError({ found: `more than ${mostNodes} nodes, with functions in their places` });
      const call = callOf(name, proto, scope, metadata(i));
      const called = this.#functions.get(functionKey(proto.domain, proto.opType));
      return called === undefined ? [call] : this.#ofFunction(call, called);
    });
  }

  #ofFunction(call: Call, { proto, defaults }: LocalFunction): readonly Call[] {
    const key = functionKey(proto.domain, proto.name);
    if (call.scope.within.includes(key))
      throw new InputError({ where: nodeLabel(call.name, call.type), found: 'a function that calls itself' });
    const inputs = new Map(listOf(proto.input).map((name, i) => [name, call.inputs[i] ?? '']));
    const body: Body = { nodes: listOf(proto.node), initializers: [], outputs: listOf(proto.output) };
    const version = listOf(proto.opsetImport).find(({ domain }) => isDefaultDomain(domain))?.version;
    const scope = this.#inner(call, body, (name) => inputs.get(name) ?? `${call.name}/${name}`, {
      opset: version === undefined ? call.scope.opset : numberOf(version),
      attributes: new Map([...defaults, ...call.attributes].map((given) => [textOf(given.name), given])),
      within: [...call.scope.within, key],
    });
    return this.#placed(call, body, scope);
  }

  /** What it makes gets a new name, or that of the call's output. */
  #inner(
    call: Call,
    { nodes, initializers, outputs }: Body,
    outer: Scope['tensor'],
    rest: Pick<Scope, 'opset' | 'attributes' | 'within'>,
  ): Scope {
    const prefix = `${call.name}/`;
    const names = new Map<string, string>();
    const isMade = new Set(nodes.flatMap((node) => listOf(node.output)));
    outputs.forEach((name, i) => {
      if (isMade.has(name) && !names.has(name) && call.outputs[i]) names.set(name, call.outputs[i]);
    });
    for (const name of [...isMade, ...initializers])
      if (name !== '' && !names.has(name)) {
        const fresh = freshIn(this.#tensorNames, prefix + name);
        this.#tensorNames.add(fresh);
        names.set(name, fresh);
      }
    const { opset, attributes, within } = rest;
    return {
      ...{ opset, attributes, within, prefix },
      tensor: (name) => (name === '' ? '' : (names.get(name) ?? outer(name))),
    };
  }

  /** The body's nodes, and copies where an output is made outside or comes twice. */
  #placed(call: Call, { nodes, outputs }: Body, scope: Scope): readonly Call[] {
    const copies = call.outputs.flatMap((name, i): NodeProto[] => {
      const inner = outputs[i] ?? '';
      return name === '' || scope.tensor(inner) === name
        ? []
        : [{ opType: 'Identity', input: [inner], output: [name] }];
    });
    return [
      ...this.#flat(nodes, scope, () => call.metadata),
      ...copies.map((proto, i) => {
        const name = freshIn(this.#nodeNames, `${scope.prefix}Identity_${i}`);
        this.#nodeNames.add(name);
        return { ...callOf(name, proto, scope, call.metadata), outputs: listOf(proto.output) };
      }),
    ];
  }
}

function callOf(name: string, proto: NodeProto, scope: Scope, metadata: NodeMetadata): Call {
  const attributes = resolved(listOf(proto.attribute), scope);
  return {
    name,
    type: textOf(proto.opType),
    domain: isDefaultDomain(proto.domain) ? '' : textOf(proto.domain),
    inputs: trimmed(listOf(proto.input)).map(scope.tensor),
    outputs: trimmed(listOf(proto.output)).map(scope.tensor),
    captured: attributes.flatMap(graphsIn).flatMap((graph) => [...freeNames(graph)].map(scope.tensor)),
    attributes,
    scope,
    metadata,
  };
}

/** Without the omitted ones at the end. */
const trimmed = (names: readonly string[]): readonly string[] =>
  names.slice(0, names.findLastIndex((name) => name !== '') + 1);

/** References to a function's attributes become those; without one the operator's own default holds. */
const resolved = (attributes: readonly AttributeProto[], scope: Scope): readonly AttributeProto[] =>
  attributes.flatMap((attribute) => {
    const reference = textOf(attribute.refAttrName);
    if (reference === '') return [attribute];
    const found = scope.attributes.get(reference);
    return found === undefined ? [] : [{ ...found, name: textOf(attribute.name) }];
  });

const graphsIn = ({ g, graphs }: AttributeProto): readonly GraphProto[] => [
  ...(g === null || g === undefined ? [] : [g]),
  ...listOf(graphs),
];

const subgraphsOf = (node: NodeProto): readonly GraphProto[] => listOf(node.attribute).flatMap(graphsIn);

const deepest = 100;

/** What a subgraph reads and does not make. @throws InputError for subgraphs in each other beyond all need */
function freeNames(graph: GraphProto, depth = 0): Set<string> {
  if (depth > deepest)
    throw new InputError({ found: `subgraphs nested ${depth} deep`, supported: `up to ${deepest}` });
  const own = new Set([
    ...[...listOf(graph.input), ...listOf(graph.initializer)].map(({ name }) => textOf(name)),
    ...listOf(graph.node).flatMap((node) => listOf(node.output)),
  ]);
  const read = [
    ...listOf(graph.output).map(({ name }) => textOf(name)),
    ...listOf(graph.node).flatMap((node) => [
      ...listOf(node.input),
      ...subgraphsOf(node).flatMap((inner) => [...freeNames(inner, depth + 1)]),
    ]),
  ];
  return new Set(read.filter((name) => name !== '' && !own.has(name)));
}

/** All tensors that a network names. */
const namesIn = (graph: GraphProto): Set<string> =>
  new Set([
    ...[...listOf(graph.input), ...listOf(graph.initializer)].map(({ name }) => textOf(name)),
    ...listOf(graph.node).flatMap((node) => [...listOf(node.input), ...listOf(node.output)]),
  ]);

/** The branch of an If that a condition takes. @throws InputError where it has none */
export function branchOf(call: Call, condition: boolean): GraphProto {
  const name = condition ? 'then_branch' : 'else_branch';
  const found = call.attributes.find((attribute) => textOf(attribute.name) === name)?.g;
  if (found !== null && found !== undefined) return found;
  throw new InputError({ where: nodeLabel(call.name, call.type), found: `no attribute '${name}'` });
}
