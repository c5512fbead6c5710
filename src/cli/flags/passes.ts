/** The compiler stopped after a pass, for looking at what it has made so far. */

import { InputError } from '../../base/errors.ts';
import type { CompileOptions } from '../../compile.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { didYouMean } from '../../text/nearest.ts';
import type { Api } from '../api.ts';

/** Ends a compilation from inside of its callback. */
class Stop extends Error {
  readonly text: string;
  constructor(text: string) {
    super('stopped');
    this.text = text;
  }
}

/**
 * The text of the graph after the pass.
 * @throws InputError when no such pass runs with these options.
 */
export function textAfterPass(
  api: Api,
  graph: Graph<'imported'>,
  options: CompileOptions,
  pass: string,
  option: string,
): string {
  try {
    const onPass = (name: string, text: string): void => {
      if (name === pass) throw new Stop(text.endsWith('\n') ? text : `${text}\n`);
    };
    api.compile(graph, { ...options, onPass });
  } catch (error) {
    if (error instanceof Stop) return error.text;
    throw error;
  }
  const known = api.passNames.includes(pass);
  throw new InputError({
    where: `${option} ${pass}`,
    found: known ? `a pass that does not run for ${options.arith}, or not on this input` : 'no such pass',
    supported: api.passNames.join(', '),
    todo: (known ? undefined : didYouMean(pass, api.passNames)) ?? 'choose one of these',
  });
}
