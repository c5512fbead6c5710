import type { Compiled } from '../compile.ts';
import { warningText } from '../judge/text.ts';
import { unreadWarnings } from '../judge/warnings/unread.ts';
import type { Warning } from '../judge/warnings/warning.ts';
import type { Context } from './context.ts';

/** Of int8 builds all that was found; of others what needs no samples. */
export const warningsOf = ({ agreement, program }: Compiled): readonly Warning[] =>
  agreement?.warnings ?? unreadWarnings(program);

export const warningLines = (compiled: Compiled): readonly string[] =>
  warningsOf(compiled).map((warning) => `warning: ${warning.kind}: ${warningText(warning)}`);

/** On stderr, for commands whose output is about something else. */
export function warn({ io }: Pick<Context, 'io'>, compiled: Compiled): void {
  for (const line of warningLines(compiled)) io.err(`thimble: ${line}\n`);
}
