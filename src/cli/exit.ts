/** What a command's end means to the shell. */
import { CommanderError } from 'commander';
import { InputError } from '../base/errors.ts';
import type { Io } from './io.ts';

export const exitCodes = {
  ok: 0,
  foundWrong: 1,
  badInput: 2,
  defect: 3,
  /** Nothing is wrong in what was checked, and not everything was. */
  notAllChecked: 4,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The user ended work that can go on later. */
export class Interrupted extends Error {}

function defect(io: Io, error: unknown): ExitCode {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.err(`thimble: this is a defect of thimble, not of your input.\n${stack}\n`);
  io.err('Please report it with the command line and, if you can, the model.\n');
  return exitCodes.defect;
}

/** A sentence on one line, and a list of what was found below it. */
const printed = ({ message, complaint: { lines = [] } }: InputError): string =>
  lines.length > 0 ? message : message.replaceAll(/\s*\n\s*/g, ' ');

/** One line for an error of the input, a stack for a defect of thimble. Returns the exit code. */
export function explain(io: Io, error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.badInput;
  if (error instanceof Interrupted) {
    io.err(`thimble: ${error.message}\n`);
    return exitCodes.interrupted;
  }
  if (!(error instanceof InputError)) return defect(io, error);
  io.err(`thimble: ${printed(error)}\n`);
  return exitCodes.badInput;
}
