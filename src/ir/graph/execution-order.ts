/** Orders of execution. */
import { at, InputError, nodeLabel } from '../../base/errors.ts';

/** What is put in order: a node's name, its type as messages have it, and the tensors that it reads and makes. */
interface Ordered {
  readonly name: string;
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * The nodes with every tensor made before it is used; otherwise as they stood.
 * @param given names that no node makes: inputs and constants
 * @throws InputError for a tensor that no node makes, one that two make, and cycles
 */
export function inOrder<N extends Ordered>(nodes: readonly N[], given: ReadonlySet<string>): N[] {
  const makers = makersOf(nodes, given);
  const [done, open] = [new Set<N>(), new Set<N>()];
  const visit = (node: N): void => {
    // A stack of our own: chains may be longer than JavaScript's.
    const stack = [node];
    while (stack.length > 0) {
      const top = at(stack, stack.length - 1);
      const next = done.has(top) ? undefined : before(top, makers, given).find((maker) => !done.has(maker));
      if (next === undefined) {
        done.add(top);
        open.delete(top);
        stack.pop();
      } else if (open.has(next) || next === top) throw cycleError(next);
      else {
        open.add(top);
        stack.push(next);
      }
    }
  };
  for (const node of nodes) visit(node);
  return [...done];
}

function makersOf<N extends Ordered>(nodes: readonly N[], given: ReadonlySet<string>): Map<string, N> {
  const makers = new Map<string, N>();
  for (const node of nodes)
    for (const name of node.outputs) {
      if (name === '') continue;
      const other = makers.get(name);
      if (other !== undefined || given.has(name)) throw twiceError(node, name, other);
      makers.set(name, node);
    }
  return makers;
}

/** The nodes that make what `node` reads. */
function before<N extends Ordered>(node: N, makers: ReadonlyMap<string, N>, given: ReadonlySet<string>): N[] {
  return node.inputs.flatMap((name) => {
    const maker = makers.get(name);
    if (maker === undefined && name !== '' && !given.has(name)) throw undefinedError(node, name);
    return maker === undefined ? [] : [maker];
  });
}

const label = (node: Ordered): string => nodeLabel(node.name, node.type);
const damaged = 'the file is damaged, or an initializer is missing: export it again';

const twiceError = (node: Ordered, name: string, other: Ordered | undefined): InputError =>
  new InputError({
    where: label(node),
    found: `its output '${name}' is also ${other === undefined ? 'an input or constant' : `made by ${label(other)}`}`,
    supported: 'each tensor made once',
    todo: damaged,
  });

const undefinedError = (node: Ordered, name: string): InputError =>
  new InputError({
    where: label(node),
    found: `its input '${name}' is not an input, an initializer or a node's output`,
    todo: damaged,
  });

const cycleError = (node: Ordered): InputError =>
  new InputError({
    where: label(node),
    found: 'a cycle: it needs its own output',
    supported: 'networks without feedback',
    todo: damaged,
  });
