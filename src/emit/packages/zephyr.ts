/** A Zephyr module: `zephyr/module.yml` says where its CMake and Kconfig files are. */
import { gccFlags } from '../flags.ts';
import { type FileTexts, type Library, namesOf, packageVersion, summaryOf } from '../library.ts';
import { definitionLines, kconfigOptions, symbolOf } from './kconfig.ts';

const lines = (...text: readonly string[]): string => [...text, ''].join('\n');

function cmakeLists(library: Library): string {
  const options = gccFlags(library.program).map((flag) => `  zephyr_library_cc_option(${flag})`);
  const define = (definition: string): string => `zephyr_library_compile_definitions(${definition})`;
  return lines(
    `if(CONFIG_${symbolOf(library)})`,
    `  zephyr_library_named(thimble_${library.program.name})`,
    `  zephyr_library_sources(${namesOf(library.sources)
      .map((file) => `src/${file}`)
      .join(' ')})`,
    '  zephyr_include_directories(src)',
    ...options,
    ...definitionLines(library, define).map((line) => `  ${line}`),
    'endif()',
  );
}

const kconfig = (library: Library): string =>
  lines(
    `menuconfig ${symbolOf(library)}`,
    `\tbool "${library.program.name}, a neural network"`,
    '\thelp',
    `\t  ${summaryOf(library)}.`,
    '',
    `if ${symbolOf(library)}`,
    '',
    ...kconfigOptions(library),
    '',
    'endif',
  );

/** A manifest to put below `submanifests/` of a workspace, once the module is in a repository of its own. */
const west = ({ program: { name } }: Library): string =>
  lines(
    '# west imports this where it stands in submanifests/ of Zephyr; the address is to be filled in.',
    'manifest:',
    '  projects:',
    `    - name: ${name}`,
    `      url: https://example.com/${name}`,
    `      revision: v${packageVersion}`,
    `      path: modules/lib/${name}`,
  );

export const zephyrFiles = (library: Library): FileTexts =>
  new Map([
    [
      'zephyr/module.yml',
      lines(`name: ${library.program.name}`, 'build:', '  cmake: .', '  kconfig: Kconfig'),
    ],
    ['CMakeLists.txt', cmakeLists(library)],
    ['Kconfig', kconfig(library)],
    ['west.yml', west(library)],
  ]);
