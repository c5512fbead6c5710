import type { Compiled } from '../compile.ts';
import { warningText } from '../report/agreement.ts';
import type { Context } from './context.ts';

/** What a build says against itself: on stderr, whatever else is printed. */
export function warn({ io }: Pick<Context, 'io'>, { agreement }: Compiled): void {
  for (const warning of agreement?.warnings ?? [])
    io.err(`thimble: warning: ${warning.kind}: ${warningText(warning)}\n`);
}
