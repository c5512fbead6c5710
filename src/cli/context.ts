import pc from 'picocolors';
import type { Api } from './api.ts';
import type { ExitCode } from './exit.ts';
import type { Io } from './io.ts';

/** What a command is given besides its options. */
export interface Context {
  readonly api: Api;
  readonly io: Io;
  readonly version: string;
  /** The command line as the user wrote it, for the header of what is made. */
  readonly commandLine: string;
  /** Sets the exit code for an end without an error. */
  finish(code: ExitCode): void;
}

export const paint = ({ io }: Context): ReturnType<typeof pc.createColors> => pc.createColors(io.colours);

/** The one JSON object of a command with --json. */
export function printJson({ io }: Context, value: unknown): void {
  io.out(`${JSON.stringify(value, undefined, 2)}\n`);
}
