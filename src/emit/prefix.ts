/** What all names begin with that a network's C defines, so that files of several networks may be one. */
import type { Program } from '../program/program.ts';

type Named = Pick<Program, 'name'>;

export const prefixOf = ({ name }: Named): string => `${name}_`;

/** Macros that say where things lie; a user may define each on the command line. */
export function placementMacros({ name }: Named) {
  const macro = (what: string): string => `${name.toUpperCase()}_${what}`;
  return {
    /** Attributes of a layer's function. */
    kernel: macro('KERNEL'),
    /** Before layers' functions and the run. */
    code: macro('CODE'),
    /** Before constant arrays. */
    constant: macro('CONST'),
    /** The address space of constant arrays, also of what points to them. */
    space: macro('FLASH'),
    /** Copies bytes out of constant arrays, as memcpy. */
    copyTable: macro('COPY_CONST'),
    /** Copies multiples of four bytes, as memcpy. */
    copy: macro('COPY'),
    /** Sets multiples of four bytes, as memset. */
    fill: macro('FILL'),
    /** Before loops that stay loops. */
    rolled: macro('ROLLED'),
    /** Before the user's `struct <name>`. */
    arena: macro('ARENA'),
  } as const;
}
