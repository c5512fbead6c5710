/** `CMakeLists.txt`: a static library, and the self-test as a test of CMake's. */
import type { Program } from '../program/program.ts';
import { hasFloats } from '../program/slots.ts';
import { contractionFlags, integerFlags } from './flags.ts';

/** Names of targets that CMake or its generators keep for themselves. */
const kept = new Set(
  'all clean depend edit_cache help install list_install_components package rebuild_cache test'.split(' '),
);

const selftest = (name: string, target: string): string[] => [
  '',
  'if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)',
  '  enable_testing()',
  `  add_executable(${target}_selftest ${name}_selftest.c)`,
  `  target_link_libraries(${target}_selftest PRIVATE ${target})`,
  `  set_target_properties(${target}_selftest PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)`,
  `  add_test(NAME ${target}_selftest COMMAND ${target}_selftest)`,
  'endif()',
];

const flagsFor = (target: string, compilers: string, flags: readonly string[]): readonly string[] => [
  `if(CMAKE_C_COMPILER_ID ${compilers})`,
  `  target_compile_options(${target} PRIVATE ${flags.join(' ')})`,
  'endif()',
];

export function cmakeFile(program: Program, hasSelftest: boolean): string {
  const { name, arith } = program;
  const target = kept.has(name.toLowerCase()) ? `${name}_net` : name;
  return [
    'cmake_minimum_required(VERSION 3.10)',
    `project(${target} C)`,
    '',
    `add_library(${target} STATIC ${name}.c ${name}.h)`,
    `target_include_directories(${target} PUBLIC \${CMAKE_CURRENT_SOURCE_DIR})`,
    `set_target_properties(${target} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)`,
    ...(arith === 'int8' ? flagsFor(target, 'STREQUAL "GNU"', integerFlags) : []),
    ...(hasFloats(program) ? flagsFor(target, 'MATCHES "GNU|Clang"', contractionFlags) : []),
    ...(hasSelftest ? selftest(name, target) : []),
    '',
  ].join('\n');
}
