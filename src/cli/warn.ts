import type { Compiled } from '../compile.ts';
import { warningText } from '../judge/text.ts';
import type { Context } from './context.ts';

export const warningLines = ({ agreement }: Compiled): readonly string[] =>
  (agreement?.warnings ?? []).map((warning) => `warning: ${warning.kind}: ${warningText(warning)}`);

/** On stderr, for commands whose output is about something else. */
export function warn({ io }: Pick<Context, 'io'>, compiled: Compiled): void {
  for (const line of warningLines(compiled)) io.err(`thimble: ${line}\n`);
}
