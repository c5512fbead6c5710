import { at } from '../base/errors.ts';

/** Out of generated C, the functions by name: what the printer writes begins and ends in column 0. */

const opening = /^(?:\w+ )*void (\w+)\(.*\)$/;

/** Each function of a network's source with the comment right above it, by its name without the network's. */
export function cFunctions(source: string, network: string): ReadonlyMap<string, string> {
  const functions = new Map<string, string>();
  const lines = source.split('\n');
  let comment = -1;
  for (let i = 0; i < lines.length; i++) {
    const line = at(lines, i);
    if (line.startsWith('/*')) comment = i;
    else if (line === '') comment = -1;
    const name = opening.exec(line)?.[1];
    const end = name === undefined ? -1 : lines.indexOf('}', i);
    if (name === undefined || end < 0) continue;
    functions.set(
      name.startsWith(`${network}_`) ? name.slice(network.length + 1) : name,
      lines.slice(comment < 0 ? i : comment, end + 1).join('\n'),
    );
    i = end;
  }
  return functions;
}
