/** Folders for build systems: what is in them, their metadata, and the C in them compiled as they would compile it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { gccFlags } from '../../src/emit/flags.ts';
import { type PackageKind, packageKinds } from '../../src/emit/info.ts';
import { emitC } from '../../src/emit/package.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import type { Program } from '../../src/program/program.ts';
import { infoOf } from '../support/golden.ts';
import { encodeModel, floatTensor, valueInfo } from '../support/onnx-model.ts';
import { runTool } from '../support/run-tool.ts';
import { int8Sample, samples } from '../support/sample-programs.ts';
import { testWith } from '../support/toolchain.ts';

const root = mkdtempSync(path.join(tmpdir(), 'thimble-packages-'));
afterAll(() => rmSync(root, { recursive: true }));

const sampleOf = (program: Program) => samples.find((sample) => sample.program === program)!;
const infoFor = (program: Program) => ({ ...infoOf(sampleOf(program)), main: true });
const filesFor = (kind: PackageKind, program: Program = int8Sample) =>
  emitC(program, { ...infoFor(program), package: kind });

/** The folder, written. */
function folderOf(files: ReadonlyMap<string, string>, name: string): string {
  const folder = path.join(mkdtempSync(path.join(root, 'p-')), name);
  for (const [file, text] of files) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

const run = (command: string, args: readonly string[], cwd = root): string => runTool(command, args, cwd);

const floatSample = samples.find(({ program }) => program.arith === 'float32')!.program;
const name = int8Sample.name;
const library = [`src/${name}.h`, `src/${name}.c`, `src/${name}_trace.inc`];
const programs = [`extras/${name}_selftest.c`, `extras/${name}_main.c`];

describe('what is in the folder', () => {
  const wanted: Readonly<Record<PackageKind, readonly string[]>> = {
    cmake: [...[...library, ...programs].map((file) => path.basename(file)), 'CMakeLists.txt', 'README.md'],
    none: [...library.map((file) => path.basename(file)), programs[1]!],
    arduino: [
      ...library,
      ...programs,
      'library.properties',
      `examples/${name}_sample/${name}_sample.ino`,
      'README.md',
    ],
    platformio: [...library, ...programs, 'library.json', 'README.md'],
    zephyr: [
      ...library,
      ...programs,
      'zephyr/module.yml',
      'CMakeLists.txt',
      'Kconfig',
      'west.yml',
      'README.md',
    ],
    'esp-idf': [...library, ...programs, 'CMakeLists.txt', 'Kconfig', 'idf_component.yml', 'README.md'],
    'cmsis-pack': [...library, ...programs, `thimble.${name}.pdsc`, 'README.md'],
  };

  test.each(packageKinds)('%s', (kind) => {
    expect([...filesFor(kind).keys()]).toEqual(wanted[kind]);
  });

  test('the C is the same in all of them, and no file that is compiled has a main', () => {
    const plain = filesFor('cmake');
    for (const kind of packageKinds.filter((k) => k !== 'cmake')) {
      const files = filesFor(kind);
      for (const [file, text] of files) {
        if (!/\.([ch]|inc)$/.test(file)) continue;
        expect(text).toBe(plain.get(path.basename(file)));
        if (!file.startsWith('extras/')) expect(text).not.toMatch(/\bmain\(/);
      }
    }
  });

  test('a README says in five lines what to type', () => {
    for (const kind of packageKinds)
      if (kind !== 'none') expect(filesFor(kind).get('README.md')!.match(/^- /gm)).toHaveLength(5);
  });
});

/** YAML of block mappings, sequences and plain or quoted strings: all that the packages use. */
function yaml(text: string): unknown {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const depth = (line: string) => line.search(/\S/);
  const scalar = (value: string): string => value.replace(/^"(.*)"$/, '$1');
  const block = (indent: number): unknown => {
    if (lines[0]!.trim().startsWith('- ')) {
      const list: unknown[] = [];
      while (lines.length > 0 && depth(lines[0]!) === indent && lines[0]!.trim().startsWith('- ')) {
        lines[0] = lines[0]!.replace('- ', '  ');
        list.push(/^\s*[\w-]+: /.test(lines[0]) ? block(indent + 2) : scalar(lines.shift()!.trim()));
      }
      return list;
    }
    const map: Record<string, unknown> = {};
    while (lines.length > 0 && depth(lines[0]!) === indent) {
      const [, key, value] = /^\s*([\w-]+):(?: (.+))?$/.exec(lines.shift()!)!;
      map[key!] = value === undefined ? block(depth(lines[0]!)) : scalar(value);
    }
    expect(lines.every((line) => depth(line) <= indent)).toBe(true);
    return map;
  };
  return block(0);
}

const semantic = /^\d+\.\d+\.\d+$/;

test('library.properties has what the specification of Arduino libraries asks for', () => {
  const lines = filesFor('arduino').get('library.properties')!.trim().split('\n');
  const fields = Object.fromEntries(lines.map((line) => /^(\w+)=(.*)$/.exec(line)!.slice(1)));
  expect(fields).toMatchObject({
    name: expect.stringMatching(/^[A-Za-z][\w .-]{0,62}$/),
    version: expect.stringMatching(semantic),
    author: expect.stringMatching(/./),
    maintainer: expect.stringMatching(/./),
    sentence: expect.stringMatching(/./),
    paragraph: expect.stringMatching(/./),
    category: 'Data Processing',
    url: expect.stringMatching(/^https:/),
    architectures: '*',
    includes: `${name}.h`,
  });
});

test('library.json has the fields and types that PlatformIO documents', () => {
  const manifest = JSON.parse(filesFor('platformio', floatSample).get('library.json')!) as Record<
    string,
    string
  >;
  expect(manifest).toEqual({
    name: expect.stringMatching(/^[a-z0-9][a-z0-9-]*[a-z0-9]$/),
    version: expect.stringMatching(semantic),
    description: expect.any(String),
    keywords: expect.arrayContaining([expect.any(String)]),
    license: 'MIT-0',
    frameworks: '*',
    platforms: '*',
    headers: [`${floatSample.name}.h`],
    build: { srcDir: 'src', includeDir: 'src', flags: ['-ffp-contract=off'] },
  });
  expect(manifest.description!.length).toBeLessThanOrEqual(255);
});

test('the module of Zephyr: module.yml, west.yml, Kconfig', () => {
  const files = filesFor('zephyr');
  expect(yaml(files.get('zephyr/module.yml')!)).toEqual({ name, build: { cmake: '.', kconfig: 'Kconfig' } });
  expect(yaml(files.get('west.yml')!)).toEqual({
    manifest: {
      projects: [
        { name, url: `https://example.com/${name}`, revision: 'v1.0.0', path: `modules/lib/${name}` },
      ],
    },
  });
  const symbols = [...files.get('Kconfig')!.matchAll(/^(?:menu)?config (\w+)$/gm)].map((match) => match[1]);
  const upper = name.toUpperCase();
  expect(symbols).toEqual([`THIMBLE_${upper}`, `THIMBLE_${upper}_TRACE`]);
  for (const [, used] of files.get('CMakeLists.txt')!.matchAll(/CONFIG_(\w+)/g))
    expect(symbols).toContain(used);
});

test('the component of ESP-IDF: idf_component.yml, Kconfig', () => {
  const files = filesFor('esp-idf');
  expect(yaml(files.get('idf_component.yml')!)).toEqual({
    version: expect.stringMatching(semantic),
    description: expect.any(String),
    license: 'MIT-0',
    tags: [expect.stringMatching(/^[\w-]{3,32}$/), 'tinyml'],
    files: { exclude: ['extras/**/*'] },
  });
  const symbols = [...files.get('Kconfig')!.matchAll(/^config (\w+)$/gm)].map((match) => match[1]);
  for (const [, used] of files.get('CMakeLists.txt')!.matchAll(/CONFIG_(\w+)/g))
    expect(symbols).toContain(used);
});

testWith(['xmllint'])('the .pdsc keeps the rules of its schema, and is called after vendor and name', () => {
  const schema = path.join(import.meta.dirname, 'pdsc.xsd');
  for (const program of [int8Sample, { ...int8Sample, name: 'n'.repeat(63) }]) {
    const files = emitC(program, { ...infoFor(int8Sample), package: 'cmsis-pack' });
    const text = files.get(`thimble.${program.name}.pdsc`)!;
    const folder = folderOf(files, program.name);
    run('xmllint', ['--noout', '--schema', schema, `thimble.${program.name}.pdsc`], folder);
    const named = [...text.matchAll(/ name="(src\/[^"]+)"/g)].map((match) => match[1]!);
    expect(named).toEqual([...files.keys()].filter((file) => file.startsWith('src/')));
    const broken = text.replace(/Cversion="[^"]*"/, '');
    writeFileSync(path.join(folder, 'broken.pdsc'), broken);
    expect(() => run('xmllint', ['--noout', '--schema', schema, 'broken.pdsc'], folder)).toThrow('Cversion');
  }
});

/** What each build system compiles for a chip that it knows, with the flags that the package gives it. */
testWith(['avr-gcc', 'arm-none-eabi-gcc', 'riscv64-unknown-elf-gcc'])(
  'the C of each package compiles with its flags, as C for its chips',
  () => {
    const idf = [
      'riscv64-unknown-elf-gcc',
      '-march=rv32imc',
      '-mabi=ilp32',
      '--specs=picolibc.specs',
      '-std=gnu17',
    ];
    const arm = ['arm-none-eabi-gcc', '-mthumb', '-mcpu=cortex-m4', '-std=gnu11'];
    const chips: readonly (readonly [PackageKind, readonly string[]])[] = [
      ['arduino', ['avr-gcc', '-mmcu=atmega328p', '-std=gnu11', '-Os', '-flto']],
      ['arduino', ['arm-none-eabi-gcc', '-mthumb', '-mcpu=cortex-m0plus', '-std=gnu11', '-Os']],
      ['platformio', arm],
      ['zephyr', ['arm-none-eabi-gcc', '-mthumb', '-mcpu=cortex-m4', '-std=c99']],
      ['esp-idf', idf],
      ['cmsis-pack', arm],
    ];
    for (const [kind, [compiler, ...flags]] of chips)
      for (const program of [int8Sample, floatSample]) {
        const folder = folderOf(filesFor(kind, program), program.name);
        // Arduino and CMSIS packs have no flags of their own.
        const own = kind === 'arduino' || kind === 'cmsis-pack' ? [] : gccFlags(program);
        const sources = readdirSync(path.join(folder, 'src')).filter((file) => file.endsWith('.c'));
        for (const source of sources)
          run(compiler!, [...flags, ...own, '-Wall', '-Werror', '-c', `src/${source}`, '-o', 'x.o'], folder);
      }
  },
);

/** A program with DSP instructions and without. */
const dense = compile(
  importOnnx(
    encodeModel({
      inputs: [valueInfo('x', [1, 4, 6, 6])],
      initializers: [
        floatTensor(
          'w',
          [4, 4, 3, 3],
          Array.from({ length: 144 }, (_, i) => (i % 7) - 3),
        ),
      ],
      nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }],
    }),
    { name: 'dense' },
  ),
  {
    name: 'dense',
    arith: 'int8',
    calibration: { inputs: [Float32Array.from({ length: 144 }, (_, i) => Math.sin(i))] },
  },
).program;
const plain = { command: '', version: '0', hash: '', golden: [] };

/** Commands of Zephyr and ESP-IDF as plain CMake: which arguments a package gives them. */
const stand = `
function(zephyr_library_named target)
  add_library(\${target} STATIC)
  set(library \${target} PARENT_SCOPE)
endfunction()
macro(zephyr_library_sources)
  target_sources(\${library} PRIVATE \${ARGV})
endmacro()
macro(zephyr_include_directories)
  target_include_directories(\${library} PRIVATE \${ARGV})
endmacro()
macro(zephyr_library_cc_option)
  target_compile_options(\${library} PRIVATE \${ARGV})
endmacro()
macro(zephyr_library_compile_definitions)
  target_compile_definitions(\${library} PRIVATE \${ARGV})
endmacro()
macro(idf_component_register)
  cmake_parse_arguments(IDF "" "" "SRCS;INCLUDE_DIRS" \${ARGN})
  set(COMPONENT_LIB component)
  add_library(component STATIC \${IDF_SRCS})
  target_include_directories(component PRIVATE \${IDF_INCLUDE_DIRS})
endmacro()
`;

testWith(['cmake', 'gcc']).each(['zephyr', 'esp-idf'] as const)(
  '%s: CMake compiles the sources that are named, with the options that Kconfig sets',
  (kind) => {
    const { name } = dense;
    const folder = folderOf(emitC(dense, { ...plain, variants: variantsOf(dense), package: kind }), name);
    const project = path.dirname(folder);
    const symbol = `CONFIG_THIMBLE_${name.toUpperCase()}`;
    writeFileSync(
      path.join(project, 'CMakeLists.txt'),
      `cmake_minimum_required(VERSION 3.20)\nproject(p C)\n${stand}\nset(${symbol} y)\nset(${symbol}_TRACE 1)\nadd_subdirectory(${name})\n`,
    );
    run('cmake', ['-S', '.', '-B', 'build', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON'], project);
    run('cmake', ['--build', 'build'], project);
    const [only, ...more] = JSON.parse(run('cat', ['build/compile_commands.json'], project)) as {
      command: string;
    }[];
    expect(more).toEqual([]);
    expect(only!.command).toContain(`src/${name}.c`);
    expect(only!.command).toContain(`-D${name.toUpperCase()}_TRACE=1`);
    // CONFIG_..._DSP is not set.
    expect(only!.command).toContain(`-D${name.toUpperCase()}_NO_DSP`);
    for (const flag of gccFlags(dense)) expect(only!.command).toContain(flag);
  },
);

testWith(['cmake', 'gcc'])(
  'CMake: installed, found by another project, with options; two in one project',
  () => {
    const folder = folderOf(filesFor('cmake'), name);
    const place = path.dirname(folder);
    const main = `#include "${name}.h"\nstatic struct ${name} net;\nvoid ${name}_trace_putc(char c) { (void)c; }\nint main(void) { return ${name}_run(&net) == 0; }\n`;
    run('cmake', ['-S', folder, '-B', 'own', `-D${name.toUpperCase()}_TRACE=2`], place);
    run('cmake', ['--build', 'own'], place);
    run('cmake', ['--install', 'own', '--prefix', 'there'], place);
    expect(run('nm', [`there/lib/lib${name}.a`], place)).toContain(`U ${name}_trace_putc`);
    const project = (body: string): string => {
      const at = mkdtempSync(path.join(place, 'user-'));
      writeFileSync(path.join(at, 'main.c'), main);
      const head = 'cmake_minimum_required(VERSION 3.10)\nproject(user C)\nadd_executable(app main.c)\n';
      writeFileSync(path.join(at, 'CMakeLists.txt'), head + body);
      run('cmake', ['-S', '.', '-B', 'build', `-DCMAKE_PREFIX_PATH=${path.join(place, 'there')}`], at);
      run('cmake', ['--build', 'build'], at);
      return run('cmake', ['--build', 'build', '--target', 'help'], at);
    };
    const link = `target_link_libraries(app PRIVATE ${name}::${name}`;
    project(`find_package(${name} 1.0 REQUIRED)\n${link})\n`);
    const other = floatSample.name;
    const second = folderOf(filesFor('cmake', floatSample), other);
    const targets = project(
      `add_subdirectory(${folder} a)\nadd_subdirectory(${second} b)\n${link} ${other}::${other})\n`,
    );
    expect(targets).not.toContain('selftest');
  },
);

testWith(['cmake', 'gcc'])('CMake: <NAME>_DSP is an option where there are two forms', () => {
  const folder = folderOf(
    emitC(dense, { ...plain, variants: variantsOf(dense), package: 'cmake' }),
    dense.name,
  );
  const commands = (dsp: string): string => {
    run('cmake', ['-S', '.', '-B', dsp, `-DDENSE_DSP=${dsp}`, '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON'], folder);
    return run('cat', [`${dsp}/compile_commands.json`], folder);
  };
  expect(commands('ON')).not.toContain('NO_DSP');
  expect(commands('OFF')).toContain('-DDENSE_NO_DSP');
  expect(filesFor('cmake', floatSample).get('CMakeLists.txt')).not.toContain('DSP');
});
