/** A program as a small C package. Pure and deterministic: no files, no dates. */
import type { Program } from '../program/program.ts';
import { checkPackageName } from './c/identifier.ts';
import type { EmitInfo, PackageKind } from './info.ts';
import { type FileTexts, inFolder, type Library, libraryFiles, libraryOf } from './library.ts';
import { arduinoFiles } from './packages/arduino.ts';
import { cmakeFile } from './packages/cmake.ts';
import { cmsisPackFiles } from './packages/cmsis-pack.ts';
import { espIdfFiles } from './packages/esp-idf.ts';
import { platformioFiles } from './packages/platformio.ts';
import { readmeFile } from './packages/readme.ts';
import { zephyrFiles } from './packages/zephyr.ts';

/** The C in `src/`; what has a `main` in `extras/`, which none of these build systems compiles. */
const nested = (library: Library, described: FileTexts): FileTexts =>
  new Map([...inFolder('src', libraryFiles(library)), ...inFolder('extras', library.programs), ...described]);

function filesFor(kind: PackageKind, library: Library): FileTexts {
  const { program } = library;
  switch (kind) {
    case 'cmake':
      return new Map([...libraryFiles(library), ...library.programs, ['CMakeLists.txt', cmakeFile(library)]]);
    case 'none': {
      const main = [...library.programs].filter(([name]) => name === `${program.name}_main.c`);
      return new Map([...libraryFiles(library), ...inFolder('extras', new Map(main))]);
    }
    case 'arduino':
      return nested(library, arduinoFiles(library));
    case 'platformio':
      return nested(library, platformioFiles(library));
    case 'zephyr':
      return nested(library, zephyrFiles(library));
    case 'esp-idf':
      return nested(library, espIdfFiles(library));
    case 'cmsis-pack':
      return nested(library, cmsisPackFiles(library));
    default:
      return kind satisfies never;
  }
}

/**
 * File names (with `/` where they are in a folder) and contents. For CMake: `<name>.h`, `<name>.c`,
 * `<name>_weights.c` and `.h` where asked for, `<name>_trace.inc`, `<name>_selftest.c`, `CMakeLists.txt`, `README.md`; docs/packages.md lists the others.
 * @throws InputError when the program's name is no C identifier.
 */
export function emitC(program: Program, info: EmitInfo): ReadonlyMap<string, string> {
  checkPackageName(program.name, 'the name of the network');
  const library = libraryOf(program, info);
  const kind = info.package ?? 'cmake';
  const files = filesFor(kind, library);
  return kind === 'none' ? files : new Map([...files, ['README.md', readmeFile(kind, library)]]);
}
