/** From ATen calls to a graph of ONNX operators. */
import { at, complain, InputError, must } from '../../../base/errors.ts';
import type { AnyNode, Graph } from '../../graph/graph.ts';
import { newestOpset } from '../../ops/common/inputs.ts';
import { AtenCall } from './aten-call.ts';
import { Draft, UnknownOperatorError } from './aten-draft.ts';
import { Memory, operatorOf, scopeOf, turns } from './aten-memory.ts';
import type { AtenArg, AtenNode, AtenProgram } from './aten-program.ts';
import { type Meaning, meaningOf } from './aten-table.ts';

/**
 * The graph of a program, as `importOnnx` gives it: nothing in it says that it came from PyTorch but the names, modules
 * and lines of Python. Whatever the calls write into tensors is in the tensors that are read behind; what no output
 * needs is left out; what cannot be used is in `obstacles`.
 * @throws InputError for a program without outputs
 */
export function graphOfAten(program: AtenProgram): Graph<'imported'> {
  const reader = new Reader(program);
  for (const node of program.nodes) reader.read(node);
  return reader.graph();
}

const namesOf = (arg: AtenArg): readonly string[] => {
  if (arg.kind === 'tensor' || arg.kind === 'symbol') return [arg.name];
  if (arg.kind === 'tensors') return arg.names.filter((name) => name !== undefined);
  return [];
};

class Reader {
  readonly #program: AtenProgram;
  readonly #draft = new Draft();
  readonly #numbers = new Map<string, number>();
  readonly #memory: Memory;

  constructor(program: AtenProgram) {
    this.#program = program;
    this.#memory = new Memory(program, (node, self) => this.#translate(node, self));
    for (const { name, dtype, shape } of program.inputs) {
      this.#draft.tensors.set(name, { dtype, shape });
      this.#memory.define(name, name);
    }
    for (const [name, constant] of program.constants)
      this.#memory.define(name, this.#draft.constant(name, constant));
  }

  read(node: AtenNode): void {
    const inputs = this.#tensorsOf(node);
    const isBehind = inputs.some((name) => !this.#draft.isKnown(name));
    if (isBehind) this.#define(node, this.#draft.standIn(node, inputs));
    else this.#tryToRead(node, inputs);
  }

  #tryToRead(node: AtenNode, inputs: readonly string[]): void {
    try {
      this.#readKnown(node, meaningOf(node.target));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const kind = error instanceof UnknownOperatorError ? 'operator' : 'attribute';
      this.#define(node, this.#draft.standIn(node, inputs, { kind, error }));
    }
  }

  #readKnown(node: AtenNode, meaning: Meaning): void {
    if (meaning.kind === 'nothing') return;
    if (meaning.kind === 'number') this.#numbers.set(at(node.outputs, 0), meaning.number(this.#call(node)));
    else if (meaning.kind === 'write') this.#write(node);
    else this.#define(node, this.#translate(node));
  }

  #tensorsOf({ args }: AtenNode): readonly string[] {
    return [...args.values()]
      .flatMap(namesOf)
      .flatMap((name) => (this.#memory.has(name) ? [this.#memory.read(name)] : []));
  }

  /** @param self in the place of the argument of that name */
  #call(node: AtenNode, self?: string): AtenCall {
    const scope = scopeOf(this.#memory, this.#numbers);
    if (self === undefined) return new AtenCall(node, this.#draft, scope);
    const first = node.args.has('self') ? 'self' : 'input';
    const args = new Map([...node.args, [first, { kind: 'tensor', name: self }] as const]);
    const tensorOf = (name: string): string => (name === self ? self : scope.tensorOf(name));
    return new AtenCall({ ...node, args }, this.#draft, { ...scope, tensorOf });
  }

  #translate(node: AtenNode, self?: string): readonly string[] {
    const meaning = meaningOf(node.target);
    if (meaning.kind !== 'tensors' && meaning.kind !== 'write')
      throw complain(`${node.target} makes no tensors`);
    const call = this.#call(node, self);
    const made = meaning.translate(call);
    call.requireAllRead();
    return typeof made === 'string' ? [made] : made;
  }

  #define(node: AtenNode, tensors: readonly string[]): void {
    node.outputs.forEach((name, i) => {
      const tensor = name === '' ? undefined : tensors[i];
      if (tensor !== undefined) this.#memory.defineOutput(name, tensor, node, i);
    });
  }

  #write(node: AtenNode): void {
    const self = must(node.args.get('self'), 'a tensor to write');
    if (self.kind !== 'tensor') throw complain('it writes into something that is not a tensor');
    const made = must(this.#translate(node)[0], 'a result');
    if (turns.has(operatorOf(node.target))) this.#memory.turn(self.name, made, node);
    else this.#memory.write(self.name, made, this.#call(node));
    const [name] = node.outputs;
    if (name !== undefined && name !== '') this.#memory.defineAlias(name, self.name, node);
  }

  graph(): Graph<'imported'> {
    const { name, inputs, notes = [] } = this.#program;
    const { tensors, nodes, obstacles } = this.#draft;
    const outputs = this.#outputs();
    const live = living(nodes, outputs);
    const made = new Set([...inputs.map((input) => input.name), ...live.flatMap((node) => node.outputs)]);
    const kept = [...tensors].filter(([tensor, { constant }]) => constant !== undefined || made.has(tensor));
    return named(
      {
        ...{ stage: 'imported', name, opset: newestOpset },
        ...{ inputs: inputs.map((input) => input.name), outputs, tensors: new Map(kept), nodes: live },
        notes: [...notes, ...this.#draft.notes],
        obstacles: live.flatMap((node) => obstacles.get(node.name) ?? []),
      },
      this.#program.outputs.map(({ value, label }) => label ?? value),
    );
  }

  /** Each a tensor of its own, which is neither input nor constant. */
  #outputs(): readonly string[] {
    const { inputs, outputs } = this.#program;
    if (outputs.length === 0) throw complain('a program without outputs', undefined, 'return a tensor');
    const taken = new Set(inputs.map(({ name }) => name));
    return outputs.map(({ value, label }) => {
      const tensor = this.#memory.read(value);
      const isOwn = !taken.has(tensor) && this.#draft.constantOf(tensor) === undefined;
      const output = isOwn ? tensor : this.#copied(tensor, label ?? value);
      taken.add(output);
      return output;
    });
  }

  #copied(tensor: string, name: string): string {
    const call = { target: 'aten.clone.default', args: new Map(), outputs: [`${name}_copy`], scopes: [] };
    return at(this.#draft.add(call, 'Identity', [tensor], {}, 1), 0);
  }
}

/** The nodes that outputs need. */
function living(nodes: readonly AnyNode[], outputs: readonly string[]): readonly AnyNode[] {
  const needed = new Set(outputs);
  const live = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => needed.has(name))) return false;
    for (const name of node.inputs) needed.add(name);
    return true;
  });
  return live.toReversed();
}

/** Its outputs under other names, where those are free. */
function named(graph: Graph<'imported'>, names: readonly string[]): Graph<'imported'> {
  const renamed = new Map<string, string>();
  const taken = new Set([...graph.inputs, ...graph.outputs]);
  graph.outputs.forEach((output, i) => {
    const name = at(names, i);
    if (taken.has(name)) return;
    taken.add(name);
    renamed.set(output, name);
  });
  const current = new Set(renamed.values());
  // What has such a name already, inside, takes the name that the output gives up.
  for (const [output, name] of renamed) if (graph.tensors.has(name)) renamed.set(name, output);
  if (current.size === 0) return graph;
  const of = (name: string): string => renamed.get(name) ?? name;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(of),
    outputs: node.outputs.map(of),
  }));
  const tensors = new Map([...graph.tensors].map(([name, info]) => [of(name), info]));
  return { ...graph, nodes, tensors, outputs: graph.outputs.map(of) };
}
