/** A program as a small C package. Pure and deterministic: no files, no dates. */
import type { Interval } from '../ir/primitive.ts';
import type { Program } from '../ir/program.ts';
import { arenaOf } from './arena.ts';
import { cmakeFile } from './cmake.ts';
import { headerFile } from './header.ts';
import { checkPackageName } from './identifier.ts';
import { selftestFile } from './selftest.ts';
import { sourceFile } from './source.ts';

/** One inference on record: the bytes of the input and output slots, little-endian. */
export interface Golden {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

/** What the files say about their origin, and what was proved or recorded about the program. */
export interface EmitInfo {
  /** The command line that the user typed. */
  readonly command: string;
  /** Of thimble. */
  readonly version: string;
  /** Of the model, with the method's name: `sha256 ...`. */
  readonly hash: string;
  /** The self-test's cases; without any there is no self-test. */
  readonly golden: readonly Golden[];
  /** Proved bounds by kernel name, then by local. */
  readonly ranges?: ReadonlyMap<string, ReadonlyMap<string, Interval>>;
}

/**
 * File names and contents: `<name>.h`, `<name>.c`, `<name>_selftest.c`, `CMakeLists.txt`.
 * @throws InputError when the program's name is no C identifier.
 */
export function emitC(program: Program, info: EmitInfo): ReadonlyMap<string, string> {
  checkPackageName(program.name, 'the name of the network');
  const arena = arenaOf(program);
  const tested = info.golden.length > 0;
  return new Map([
    [`${program.name}.h`, headerFile(program, arena, info)],
    [`${program.name}.c`, sourceFile(program, arena, info)],
    ...(tested ? [[`${program.name}_selftest.c`, selftestFile(program, info.golden, info)] as const] : []),
    ['CMakeLists.txt', cmakeFile(program, tested)],
  ]);
}
