/** A program as a small C package. Pure and deterministic: no files, no dates. */
import type { Program } from '../program/program.ts';
import { arenaOf } from './arena.ts';
import { checkPackageName } from './c/identifier.ts';
import { cmakeFile } from './cmake.ts';
import { headerFile } from './header.ts';
import type { EmitInfo } from './info.ts';
import { selftestFile } from './selftest.ts';
import { sourceFile } from './source.ts';
import { traceFile, traceHeader } from './trace-header.ts';

/**
 * File names and contents: `<name>.h`, `<name>.c`, `<name>_trace.inc`, `<name>_selftest.c`, `CMakeLists.txt`.
 * @throws InputError when the program's name is no C identifier.
 */
export function emitC(program: Program, info: EmitInfo): ReadonlyMap<string, string> {
  checkPackageName(program.name, 'the name of the network');
  const arena = arenaOf(program);
  const tested = info.golden.length > 0;
  return new Map([
    [`${program.name}.h`, headerFile(program, arena, info)],
    [`${program.name}.c`, sourceFile(program, arena, info)],
    [traceFile(program), traceHeader(program, info)],
    ...(tested ? [[`${program.name}_selftest.c`, selftestFile(program, info.golden, info)] as const] : []),
    ['CMakeLists.txt', cmakeFile(program, tested)],
  ]);
}
