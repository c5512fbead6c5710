/** Options of a network for Kconfig, which Zephyr and ESP-IDF have. */
import { choices } from '../instruction-sets.ts';
import type { Library } from '../library.ts';

/** Zephyr has symbols called NET and more; the prefix keeps a network's apart from all of them. */
export const symbolOf = ({ program: { name } }: Library): string => `THIMBLE_${name.toUpperCase()}`;

/** Entries below the network's own, without a menu around them. */
export function kconfigOptions(library: Library): readonly string[] {
  const { program, info } = library;
  const symbol = symbolOf(library);
  return [
    `config ${symbol}_TRACE`,
    '\tint "Print every layer: 0 nothing, 1 checksums, 2 all bytes"',
    '\trange 0 2',
    '\tdefault 0',
    '\thelp',
    `\t  Where it is not 0, the application defines void ${program.name}_trace_putc(char c).`,
    ...choices(program, info).flatMap(({ set, title }) => [
      '',
      `config ${symbol}_${set.toUpperCase()}`,
      `\tbool "Use ${title}"`,
      '\tdefault y',
    ]),
  ];
}

/** What the options define when the library is compiled, as lines of CMake. */
export function definitionLines(library: Library, define: (definition: string) => string): readonly string[] {
  const upper = library.program.name.toUpperCase();
  const symbol = symbolOf(library);
  return [
    `if(CONFIG_${symbol}_TRACE)`,
    `  ${define(`${upper}_TRACE=\${CONFIG_${symbol}_TRACE}`)}`,
    'endif()',
    ...choices(library.program, library.info).flatMap(({ set, without }) => [
      `if(NOT CONFIG_${symbol}_${set.toUpperCase()})`,
      `  ${define(without)}`,
      'endif()',
    ]),
  ];
}
