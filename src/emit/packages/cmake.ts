/** `CMakeLists.txt`: a static library that can be installed and found, and the self-test as a test of CMake's. */
import { hasFloats } from '../../program/slots.ts';
import { contractionFlags } from '../flags.ts';
import { choices } from '../instruction-sets.ts';
import { type Library, namesOf, packageVersion } from '../library.ts';

/** Names of targets that CMake or its generators keep for themselves. */
const kept = new Set(
  'all clean depend edit_cache help install list_install_components package rebuild_cache test'.split(' '),
);

/** What CMake calls the library. */
export const cmakeTarget = ({ program: { name } }: Library): string =>
  kept.has(name.toLowerCase()) ? `${name}_net` : name;

const flagsFor = (target: string, compilers: string, flags: readonly string[]): readonly string[] => [
  `if(CMAKE_C_COMPILER_ID ${compilers})`,
  `  target_compile_options(${target} PRIVATE ${flags.join(' ')})`,
  'endif()',
];

/** avr-gcc keeps constants in program memory only with GNU extensions. */
const standardOf = (target: string): string =>
  `set_target_properties(${target} PROPERTIES C_STANDARD 99 C_EXTENSIONS \${${target}_extensions})`;

function optionsOf({ program, info }: Library, target: string): readonly string[] {
  const upper = program.name.toUpperCase();
  return [
    `set(${upper}_TRACE 0 CACHE STRING "print every layer: 0 nothing, 1 checksums, 2 all bytes")`,
    `set_property(CACHE ${upper}_TRACE PROPERTY STRINGS 0 1 2)`,
    `if(${upper}_TRACE)`,
    `  target_compile_definitions(${target} PRIVATE ${upper}_TRACE=\${${upper}_TRACE})`,
    'endif()',
    ...choices(program, info).flatMap(({ set, without, title }) => {
      const option = `${upper}_${set.toUpperCase()}`;
      return [
        `option(${option} "use ${title}" ON)`,
        `if(NOT ${option})`,
        `  target_compile_definitions(${target} PRIVATE ${without})`,
        'endif()',
      ];
    }),
  ];
}

function installOf({ program, headers }: Library, target: string): readonly string[] {
  const upper = program.name.toUpperCase();
  const folder = `\${CMAKE_INSTALL_LIBDIR}/cmake/${target}`;
  return [
    `option(${upper}_INSTALL "make install installs ${target}" \${${target}_alone})`,
    `if(${upper}_INSTALL)`,
    '  include(GNUInstallDirs)',
    '  include(CMakePackageConfigHelpers)',
    `  install(TARGETS ${target} EXPORT ${target}Targets ARCHIVE DESTINATION \${CMAKE_INSTALL_LIBDIR}`,
    `    INCLUDES DESTINATION \${CMAKE_INSTALL_INCLUDEDIR})`,
    `  install(FILES ${namesOf(headers).join(' ')} DESTINATION \${CMAKE_INSTALL_INCLUDEDIR})`,
    `  install(EXPORT ${target}Targets NAMESPACE ${target}:: FILE ${target}Config.cmake DESTINATION ${folder})`,
    `  set(version_file \${CMAKE_CURRENT_BINARY_DIR}/${target}ConfigVersion.cmake)`,
    `  write_basic_package_version_file(\${version_file} VERSION ${packageVersion} COMPATIBILITY SameMajorVersion)`,
    `  install(FILES \${version_file} DESTINATION ${folder})`,
    'endif()',
  ];
}

/** With the trace on, the library needs a function of the user's, and for a bare chip one of its startup code. */
function programsOf({ program, programs }: Library, target: string): readonly string[] {
  if (programs.size === 0) return [];
  const tests = namesOf(programs).filter((file) => file.endsWith('_selftest.c'));
  return [
    '',
    `if(${target}_alone AND NOT ${program.name.toUpperCase()}_TRACE AND (NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR))`,
    '  enable_testing()',
    ...namesOf(programs).flatMap((file) => {
      const built = target + file.slice(program.name.length, -'.c'.length);
      return [
        `  add_executable(${built} ${file})`,
        `  target_link_libraries(${built} PRIVATE ${target})`,
        `  set_target_properties(${built} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)`,
        ...(tests.includes(file) ? [`  add_test(NAME ${built} COMMAND ${built})`] : []),
      ];
    }),
    'endif()',
  ];
}

export function cmakeFile(library: Library): string {
  const { program, sources, headers } = library;
  const target = cmakeTarget(library);
  return [
    'cmake_minimum_required(VERSION 3.10)',
    `project(${target} VERSION ${packageVersion} LANGUAGES C)`,
    '',
    `set(${target}_alone OFF)`,
    'if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)',
    `  set(${target}_alone ON)`,
    'endif()',
    `set(${target}_extensions OFF)`,
    'if(CMAKE_SYSTEM_PROCESSOR STREQUAL "avr")',
    `  set(${target}_extensions ON)`,
    'endif()',
    '',
    `add_library(${target} STATIC ${namesOf(sources).join(' ')} ${namesOf(headers).join(' ')})`,
    `add_library(${target}::${target} ALIAS ${target})`,
    `target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:\${CMAKE_CURRENT_SOURCE_DIR}>)`,
    standardOf(target),
    ...(hasFloats(program) ? flagsFor(target, 'MATCHES "GNU|Clang"', contractionFlags) : []),
    '',
    ...optionsOf(library, target),
    '',
    ...installOf(library, target),
    ...programsOf(library, target),
    '',
  ].join('\n');
}
