/** `README.md` of a package: what to type. */
import type { PackageKind } from '../info.ts';
import { type Library, packageVersion, summaryOf } from '../library.ts';
import { cmakeTarget } from './cmake.ts';
import { symbolOf } from './kconfig.ts';

/** What to do, a line each. */
function stepsFor(kind: Exclude<PackageKind, 'none'>, library: Library): readonly string[] {
  const { name } = library.program;
  const target = cmakeTarget(library);
  switch (kind) {
    case 'cmake':
      return [
        `In your CMakeLists.txt: \`add_subdirectory(${name})\`, then \`target_link_libraries(app PRIVATE ${target}::${target})\`.`,
        `Installed: \`cmake -S . -B build && cmake --install build --prefix PLACE\`, then \`find_package(${target} REQUIRED)\`.`,
      ];
    case 'arduino':
      return [
        'Copy this folder to `libraries/` of your sketchbook, or zip it: Sketch > Include Library > Add .ZIP Library.',
        `Open File > Examples > ${name} > ${name}_sample, and upload it.`,
      ];
    case 'platformio':
      return [
        'Copy this folder to `lib/` of your project: PlatformIO finds it by its `library.json`.',
        'Then `pio run`.',
      ];
    case 'zephyr':
      return [
        'Add this folder to the build: `west build -b BOARD app -- -DZEPHYR_EXTRA_MODULES=/path/to/this/folder`.',
        `In \`prj.conf\`: \`CONFIG_${symbolOf(library)}=y\`.`,
      ];
    case 'esp-idf':
      return [
        `Copy this folder to \`components/${name}\` of your project.`,
        `In \`main/CMakeLists.txt\`: \`idf_component_register(SRCS "main.c" REQUIRES ${name})\`; then \`idf.py build\`.`,
      ];
    case 'cmsis-pack':
      return [
        `Zip the content of this folder as \`thimble.${name}.${packageVersion}.pack\`: \`zip -r ../thimble.${name}.${packageVersion}.pack .\`.`,
        `Then \`cpackget add\` it, and choose the component Machine Learning:Network:${name}.`,
      ];
    default:
      return kind satisfies never;
  }
}

export function readmeFile(kind: Exclude<PackageKind, 'none'>, library: Library): string {
  const { name } = library.program;
  const steps = [
    ...stepsFor(kind, library),
    `In your code: \`#include "${name}.h"\`, \`static struct ${name} net;\`, write the input, call \`${name}_run(&net)\`.`,
    `\`${name}.h\` says what the inputs and outputs are, \`report.md\` how near the build is to the float network.`,
    'Check the C against the simulator, byte for byte: `thimble verify` with this folder.',
  ];
  return [`# ${name}`, '', `${summaryOf(library)}.`, '', ...steps.map((step) => `- ${step}`), ''].join('\n');
}
