/** A component of ESP-IDF. */
import { gccFlags } from '../flags.ts';
import { type FileTexts, type Library, namesOf, packageVersion, summaryOf } from '../library.ts';
import { definitionLines, kconfigOptions } from './kconfig.ts';

const lines = (...text: readonly string[]): string => [...text, ''].join('\n');

function cmakeLists(library: Library): string {
  const sources = namesOf(library.sources).map((file) => `"src/${file}"`);
  const flags = gccFlags(library.program);
  return lines(
    `idf_component_register(SRCS ${sources.join(' ')} INCLUDE_DIRS "src")`,
    ...(flags.length === 0
      ? []
      : [
          'if(CMAKE_C_COMPILER_ID STREQUAL "GNU")',
          `  target_compile_options(\${COMPONENT_LIB} PRIVATE ${flags.join(' ')})`,
          'endif()',
        ]),
    ...definitionLines(library, (what) => `target_compile_definitions(\${COMPONENT_LIB} PRIVATE ${what})`),
  );
}

export const espIdfFiles = (library: Library): FileTexts =>
  new Map([
    ['CMakeLists.txt', cmakeLists(library)],
    [
      'Kconfig',
      lines(
        `menu "${library.program.name}, a neural network"`,
        '',
        ...kconfigOptions(library),
        '',
        'endmenu',
      ),
    ],
    [
      'idf_component.yml',
      lines(
        `version: "${packageVersion}"`,
        `description: "${summaryOf(library)}"`,
        'license: MIT-0',
        'tags:',
        '  - neural-network',
        '  - tinyml',
        'files:',
        '  exclude:',
        '    - "extras/**/*"',
      ),
    ],
  ]);
