/** Sizes of a program's C as an object file, without running it. */
import type { Program } from '../program/program.ts';
import { compileNetwork, type Sections, sectionsOf, sourcesOf } from './link.ts';
import { flagsFor, inFolder, writeAll } from './native.ts';
import { type TargetName, targets } from './targets.ts';

/**
 * Bytes of code, constants and variables of the network's own object files; nothing is linked, so it need not fit.
 * @param opt the compiler's optimization, for example `-Os`
 * @throws InputError when the compiler is missing or too old; DefectError when it does not take the C.
 */
export const sizesOf = (
  program: Program,
  files: ReadonlyMap<string, string>,
  target: TargetName,
  opt: string,
): Promise<Sections> =>
  inFolder(async (folder) => {
    await writeAll(folder, files);
    const build = { target: targets[target], folder, opt, sanitize: false };
    const flags = flagsFor(program, targets[target]);
    return sectionsOf(build, await compileNetwork(build, sourcesOf(files, program), flags));
  });
