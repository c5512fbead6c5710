/** Orders of execution. */
import { at, InputError, nodeLabel } from '../../base/errors.ts';
import type { AnyNode } from './graph.ts';

/**
 * The nodes with every tensor made before it is used; otherwise as they stood.
 * @param given names that no node makes: inputs and constants
 * @throws InputError for a tensor that no node makes, one that two make, and cycles
 */
export function inOrder(nodes: readonly AnyNode[], given: ReadonlySet<string>): AnyNode[] {
  const makers = makersOf(nodes, given);
  const [done, open] = [new Set<AnyNode>(), new Set<AnyNode>()];
  const visit = (node: AnyNode): void => {
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

function makersOf(nodes: readonly AnyNode[], given: ReadonlySet<string>): Map<string, AnyNode> {
  const makers = new Map<string, AnyNode>();
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
function before(node: AnyNode, makers: ReadonlyMap<string, AnyNode>, given: ReadonlySet<string>): AnyNode[] {
  return node.inputs.flatMap((name) => {
    const maker = makers.get(name);
    if (maker === undefined && name !== '' && !given.has(name)) throw undefinedError(node, name);
    return maker === undefined ? [] : [maker];
  });
}

const label = (node: AnyNode): string => nodeLabel(node.name, node.op.kind);
const damaged = 'the file is damaged, or an initializer is missing: export it again';

const twiceError = (node: AnyNode, name: string, other: AnyNode | undefined): InputError =>
  new InputError({
    where: label(node),
    found: `its output '${name}' is also ${other === undefined ? 'an input or constant' : `made by ${label(other)}`}`,
    supported: 'each tensor made once',
    todo: damaged,
  });

const undefinedError = (node: AnyNode, name: string): InputError =>
  new InputError({
    where: label(node),
    found: `its input '${name}' is no input, no initializer and no node's output`,
    todo: damaged,
  });

const cycleError = (node: AnyNode): InputError =>
  new InputError({
    where: label(node),
    found: 'a cycle: it needs its own output',
    supported: 'networks without feedback',
    todo: damaged,
  });
