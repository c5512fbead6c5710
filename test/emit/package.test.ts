import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DefectError, InputError } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Program } from '../../src/program/program.ts';
import { filesOf, infoOf } from '../support/golden.ts';
import { compare, int, kernel, load, param, slot, store } from '../support/ir.ts';
import { int8Sample, samples } from '../support/sample-programs.ts';
import { crossTools, hostTools, isThere, testWith } from '../support/toolchain.ts';

const info = { command: '', version: '', hash: '', golden: [] };
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'thimble-test-'));
  for (const sample of samples) {
    mkdirSync(path.join(folder, sample.program.name));
    for (const [name, text] of filesOf(sample))
      writeFileSync(path.join(folder, sample.program.name, name), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a command prints; it has to succeed. */
function run(command: string, args: readonly string[], cwd: string): string {
  const ran = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}

const strict = '-Wall -Wextra -Wconversion -Wshadow -pedantic -Werror'.split(' ');
const arm = ['arm-none-eabi-gcc', '-mthumb'];
const riscv = ['riscv64-unknown-elf-gcc', '-march=rv32imac', '-mabi=ilp32', '--specs=picolibc.specs'];
const compilers = [
  ['gcc'],
  ['clang'],
  [...arm, '-mcpu=cortex-m0'],
  [...arm, '-mcpu=cortex-m4', '-mfloat-abi=hard', '-mfpu=fpv4-sp-d16'],
  [...arm, '-mcpu=cortex-m55', '-mfloat-abi=hard'],
  riscv,
];

/** All samples in one unit, by which no file's warnings change: most of a small file's time is the compiler's start. */
testWith([...hostTools, ...crossTools])('no compiler warns, with and without the hook and the trace', () => {
  const names = samples.map(({ program }) => program.name);
  const each = (macro: string) => names.map((name) => `-D${name.toUpperCase()}_${macro}`);
  const hooks = names.map((name) => `-D${name.toUpperCase()}_HOOK=hooked_${name}`);
  const include = names.map((name) => `#include "${name}/${name}.c"\n`).join('');
  writeFileSync(path.join(folder, 'warned.c'), include);
  for (const [command = '', ...flags] of compilers)
    for (const extra of [
      ['-O0'],
      ['-O3'],
      ['-O2', '-flto', ...hooks],
      ['-Os', ...each('TRACE')],
      ['-O3', ...hooks, ...each('TRACE=2')],
    ])
      run(command, [...flags, '-std=c99', ...strict, ...extra, '-c', 'warned.c', '-o', 'x.o'], folder);
  for (const name of names)
    for (const command of hostTools)
      for (const file of [name, `${name}_selftest`])
        run(command, ['-std=c99', ...strict, '-c', `${file}.c`, '-o', 'x.o'], path.join(folder, name));
});

describe.each(samples.map((s) => s.program.name))('%s', (name) => {
  testWith(['g++'])('the header is C++ too', () => {
    const cwd = path.join(folder, name);
    const call = `${name}_run(&net)`;
    writeFileSync(
      path.join(cwd, 'user.cpp'),
      `#include "${name}.h"\n#include "${name}.h"\nstatic struct ${name} net;\nint main() { ${name}_input(&net)[0] = 0; ` +
        `return ${call}[0] == ${call}[0] ? 0 : 1; }\n`,
    );
    run('gcc', ['-std=c99', '-c', `${name}.c`, '-o', 'net.o'], cwd);
    run('g++', ['-std=c++11', ...strict, 'user.cpp', 'net.o', '-o', 'user'], cwd);
    run(path.join(cwd, 'user'), [], cwd);
  });

  testWith(hostTools)('the self-test passes, and fails when a recorded byte is another', () => {
    const cwd = path.join(folder, name);
    const build = (source: string): void => {
      run('gcc', ['-std=c99', `${name}.c`, source, '-o', 'selftest'], cwd);
    };
    build(`${name}_selftest.c`);
    expect(run(path.join(cwd, 'selftest'), [], cwd)).toMatch(/: (\d) of \1 outputs as recorded/);
    const sample = samples.find((s) => s.program.name === name)!;
    const golden = infoOf(sample).golden.map(({ input, output }) => ({
      input,
      output: output.map((byte, i) => (i === output.length - 1 ? byte ^ 1 : byte)),
    }));
    const wrong = emitC(sample.program, { ...info, golden }).get(`${name}_selftest.c`)!;
    writeFileSync(path.join(cwd, 'wrong.c'), wrong);
    build('wrong.c');
    const ran = spawnSync(path.join(cwd, 'selftest'), { cwd, encoding: 'utf8' });
    expect(ran.status).toBe(1);
    expect(ran.stdout).toContain(`0 of ${golden.length} outputs`);
    run(
      'gcc',
      ['-std=c99', `-D${name.toUpperCase()}_SELFTEST_QUIET`, `${name}.c`, 'wrong.c', '-o', 'quiet'],
      cwd,
    );
    expect(spawnSync(path.join(cwd, 'quiet'), { cwd, encoding: 'utf8' })).toMatchObject({
      status: 1,
      stdout: '',
    });
  });

  test('only memcpy and memset are called', () => {
    const text = filesOf(samples.find((s) => s.program.name === name)!).get(`${name}.c`)!;
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^#.*$/gm, '');
    const defined = new Set([...code.matchAll(/(\w+)\([^;{]*\)\n\{/g)].map((m) => m[1]));
    // What a compiler itself knows, and the macros for memcpy and memset of words.
    const known =
      /_AFTER$|_BEGIN$|_HOOK$|_ASSERT$|_COPY$|_FILL$|^__builtin_assume_aligned$|^optimize$|^UINT32_C$/;
    const called = [...code.matchAll(/(\w+)\(/g)].map((m) => m[1]!);
    const keywords = new Set(['for', 'if', 'sizeof', 'return', 'memcpy', 'memset']);
    const other = called.filter((f) => !defined.has(f) && !keywords.has(f) && !known.test(f));
    expect(other).toEqual([]);
  });
});

testWith(['cmake', 'gcc'])('the CMake project builds and its test passes', () => {
  // The first sample's is installed in packages.test.ts.
  for (const { program } of samples.slice(1)) {
    const source = path.join(folder, program.name);
    const build = path.join(folder, `${program.name}-build`);
    run('cmake', ['-S', source, '-B', build], folder);
    run('cmake', ['--build', build], folder);
    expect(run('ctest', ['--test-dir', build], folder)).toContain('100% tests passed');
  }
});

testWith(['powerpc-linux-gnu-gcc', 'qemu-ppc'])(
  'the self-tests pass where numbers begin with the highest byte',
  () => {
    for (const { program } of samples) {
      const cwd = path.join(folder, program.name);
      const sources = [`${program.name}.c`, `${program.name}_selftest.c`];
      const flags = ['-static', '-std=c99', '-O2', '-ffp-contract=off', '-o', 'powerpc'];
      run('powerpc-linux-gnu-gcc', [...flags, ...sources], cwd);
      expect(run('qemu-ppc', ['powerpc'], cwd)).toMatch(/: (\d) of \1 outputs as recorded/);
    }
  },
);

/** Not of the toolchain, which they would make 300 MB larger: they are run where they are installed. */
const newerClangs = ['clang-15', 'clang-16'].filter(isThere);

testWith([...hostTools, 'g++'])('files of several networks are one translation unit, in C and in C++', () => {
  const cwd = mkdtempSync(path.join(folder, 'unity-'));
  for (const sample of samples)
    for (const [name, text] of filesOf(sample)) writeFileSync(path.join(cwd, name), text);
  const names = samples.map(({ program }) => program.name);
  writeFileSync(path.join(cwd, 'all.c'), names.map((name) => `#include "${name}.c"\n`).join(''));
  const traced = names.map((name) => `-D${name.toUpperCase()}_TRACE=2`);
  const levels = [['-O0'], ['-Os'], ['-O2', ...traced], ['-O3', '-flto']];
  const cpp = ['-std=c++11', '-xc++', ...strict, '-c', 'all.c'];
  for (const compiler of ['g++', 'clang']) for (const more of levels) run(compiler, [...more, ...cpp], cwd);
  for (const compiler of newerClangs)
    for (const more of levels.slice(2))
      for (const how of [cpp, ['-std=c99', ...strict, '-c', 'all.c']]) run(compiler, [...more, ...how], cwd);
});

testWith(hostTools)('C89 and a compiler without C99 are told so', () => {
  for (const compiler of hostTools) {
    const cwd = path.join(folder, int8Sample.name);
    const ran = spawnSync(compiler, ['-std=c89', '-c', `${int8Sample.name}.c`], { cwd, encoding: 'utf8' });
    expect(ran.stderr).toContain('needs C99 or newer: compile with -std=c99');
  }
});

testWith(['gcc'])('macros place functions, constants and the arena', () => {
  const { name } = int8Sample;
  const cwd = path.join(folder, name);
  const section = (what: string, where: string) =>
    `-D${name.toUpperCase()}_${what}=__attribute__((section("${where}")))`;
  const places = [section('CODE', '.itcm'), section('CONST', '.ext'), section('ARENA', '.dtcm')];
  run('gcc', ['-std=c99', ...strict, ...places, '-c', `${name}.c`, '-o', 'placed.o'], cwd);
  run('gcc', ['-std=c99', ...strict, ...places, '-c', `${name}_selftest.c`, '-o', 'selftest.o'], cwd);
  const inSection = (object: string, where: string) =>
    [...run('objdump', ['-t', object], cwd).matchAll(/^\S+ .{7} (\S+)\s+\S+ (\w+)$/gm)]
      .filter(([, found]) => found === where)
      .map(([, , symbol]) => symbol);
  expect(inSection('placed.o', '.itcm')).toEqual(
    expect.arrayContaining([`${name}_pad`, `${name}_conv`, `${name}_sign`, `${name}_run`]),
  );
  expect(inSection('placed.o', '.ext')).toHaveLength(4);
  expect(inSection('selftest.o', '.dtcm')).toContain('net');
});

testWith([...hostTools, 'g++', 'cmake', 'objdump'])('constant arrays in a file of their own', () => {
  const { name } = int8Sample;
  const cwd = mkdtempSync(path.join(folder, 'weights-'));
  const golden = infoOf(samples.find(({ program }) => program === int8Sample)!);
  const files = emitC(int8Sample, { ...golden, weightsFile: true });
  for (const [file, text] of files) writeFileSync(path.join(cwd, file), text);
  expect(files.get(`${name}.c`)).not.toContain('] = {');
  const sources = [`${name}.c`, `${name}_weights.c`];
  const [more, all] = [`-D${name.toUpperCase()}_TRACE=2`, 'all.c'];
  writeFileSync(path.join(cwd, all), sources.map((source) => `#include "${source}"\n`).join(''));
  for (const one of [...sources, all]) {
    for (const compiler of hostTools) run(compiler, ['-std=c99', ...strict, more, '-c', one], cwd);
    run('g++', ['-std=c++11', '-xc++', ...strict, more, '-c', one], cwd);
  }
  const place = `-D${name.toUpperCase()}_CONST=__attribute__((section(".ext")))`;
  for (const one of sources) run('gcc', ['-std=c99', ...strict, place, '-c', one], cwd);
  const symbols = run('objdump', ['-t', `${name}_weights.o`], cwd).match(/ \.ext\s+\S+ sample_int8_conv_/g);
  expect(symbols).toHaveLength(4);
  run('cmake', ['-S', '.', '-B', 'build'], cwd);
  run('cmake', ['--build', 'build'], cwd);
  expect(run('ctest', ['--test-dir', 'build'], cwd)).toContain('100% tests passed');
});

testWith(['gcc', 'g++'])('a run checks what it relies on, and may return a status', () => {
  const { name } = samples.find(({ program }) => program !== int8Sample)!.program;
  const cwd = path.join(folder, name);
  const status = `-D${name.toUpperCase()}_STATUS`;
  const checks = ['-include', 'assert.h', `-D${name.toUpperCase()}_ASSERT=assert`];
  const build = (to: string, args: readonly string[]) =>
    run('gcc', ['-std=c99', ...strict, ...args, '-o', to], cwd);
  run('g++', ['-std=c++11', '-xc++', ...strict, status, '-c', `${name}.c`, '-o', 'x.o'], cwd);
  build('plain.o', [status, '-c', `${name}.c`]);
  build('status.o', [status, ...checks, '-c', `${name}.c`]);
  build('checked.o', [...checks, '-c', `${name}.c`]);
  build('selftest', [status, 'status.o', `${name}_selftest.c`]);
  expect(run(path.join(cwd, 'selftest'), [], cwd)).toMatch(/: (\d) of \1 outputs/);
  const ended = (call: string, args: readonly string[]) => {
    const net = `union { struct ${name} net; unsigned char byte[sizeof(struct ${name}) + 1]; } u`;
    const main = `int main(void) { static ${net}; (void)u; return ${call}; }`;
    writeFileSync(path.join(cwd, 'call.c'), `#include "${name}.h"\n${main}\n`);
    build('call', [...args, 'call.c']);
    return spawnSync(path.join(cwd, 'call'), { cwd, encoding: 'utf8' });
  };
  const odd = `${name}_run((struct ${name} *)(void *)(u.byte + 1))`;
  expect(ended(`${name}_run(0)`, [status, 'plain.o']).status).toBe(1);
  expect(ended(odd, [status, 'plain.o']).status).toBe(2);
  expect(ended(odd, [status, 'status.o']).stderr).toContain('_ALIGNMENT == 0u');
  expect(ended(`${name}_run(0) == 0`, ['checked.o']).stderr).toContain('net != NULL');
  expect(() => ended(`${name}_run(&u.net) == 0`, ['plain.o'])).toThrow(`${name}_run`);
});

testWith(['gcc'])('the class and the real number of an output', () => {
  const { name } = int8Sample;
  const cwd = path.join(folder, name);
  const output = Array.from({ length: 64 }, (_, i) => (i === 9 || i === 40 ? 100 : i - 60));
  writeFileSync(
    path.join(cwd, 'helpers.c'),
    `#include "${name}.h"\nint main(void) { static const int8_t q[64] = { ${output} };\n` +
      `return !(${name}_classify(q) == 9 && ${name}_real(-3) == 0.0f && ${name}_real(7) == 1.0f); }\n`,
  );
  run('gcc', ['-std=c99', ...strict, 'helpers.c', '-o', 'helpers'], cwd);
  run(path.join(cwd, 'helpers'), [], cwd);
});

/** One kernel of this name, with a table of that one. */
const tiny = (kernelName: string, tableName: string, more: Partial<Program> = {}): Program => ({
  name: 'tiny',
  arith: 'int8',
  arenaBytes: 2,
  slots: [
    slot({ name: 'x', address: 0, elem: 'u8', length: 1 }),
    slot({ name: 'y', address: 1, elem: 'u8', length: 1 }),
  ],
  steps: [
    {
      kernel: kernel(
        kernelName,
        [param('in', 'in', 'u8', 1), param('out', 'out', 'u8', 1)],
        [store('out', 'u8', int(0), load(tableName, 'u8', load('in', 'u8', int(0))))],
        [{ name: tableName, elem: 'u8', data: [1, 2] }],
      ),
      args: [0, 1],
      origin: ['a */ #error "x" /*'],
    },
  ],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 1 }],
  ...more,
});

describe('names that clash', () => {
  testWith(hostTools).each([
    ['tiny', 'tiny_run'],
    ['tiny_input', 'net'],
    ['clamp', 'clamp'],
    ['main', 'printf'],
    ['exp', 'roundf'],
    ['index', 'y1'],
    ['memcpy', 'uint8_t'],
    ['same', 'same'],
  ])('kernel %s, table %s', (kernelName, tableName) => {
    const program = tiny(kernelName, tableName);
    const cwd = mkdtempSync(path.join(folder, 'clash-'));
    for (const [name, text] of emitC(program, info)) writeFileSync(path.join(cwd, name), text);
    for (const compiler of hostTools)
      for (const std of ['-std=c99', '-std=gnu17']) run(compiler, [std, ...strict, '-c', 'tiny.c'], cwd);
  });
});

testWith(hostTools)('the longest name that is accepted, hooked and traced', () => {
  const name = 'n'.repeat(63);
  const cwd = mkdtempSync(path.join(folder, 'long-'));
  for (const [file, text] of emitC({ ...int8Sample, name }, info)) writeFileSync(path.join(cwd, file), text);
  const on = [`-D${name.toUpperCase()}_TRACE=2`, `-D${name.toUpperCase()}_HOOK=hooked`];
  for (const compiler of hostTools) run(compiler, ['-std=c99', ...strict, ...on, '-c', `${name}.c`], cwd);
});

testWith(['avr-gcc'])(
  'constants beyond the reach of AVR are refused where they stay in program memory',
  () => {
    const large = tiny('k', 't');
    const [step] = large.steps;
    const tables = [0, 1].map(
      (i) => ({ name: i === 0 ? 't' : 'u', elem: 'u8', data: Array(31_000).fill(i) }) as const,
    );
    const body = [...step!.kernel.body, store('out', 'u8', int(0), load('u', 'u8', int(0)))];
    const program = { ...large, steps: [{ ...step!, kernel: { ...step!.kernel, tables, body } }] };
    const cwd = mkdtempSync(path.join(folder, 'far-'));
    for (const [name, text] of emitC(program, info)) writeFileSync(path.join(cwd, name), text);
    const compiled = (flags: readonly string[]) =>
      spawnSync('avr-gcc', ['-mmcu=atmega2560', ...flags, '-c', 'tiny.c'], { cwd, encoding: 'utf8' });
    expect(compiled(['-std=gnu99']).stderr).toContain('tiny.c has 62000 bytes of constants');
    expect(compiled(['-std=gnu99', '-DTINY_FLASH=']).status).toBe(0);
  },
);

describe('what is refused', () => {
  test.each(['lenet-5', 'int', '_net', '9', 'string', 'Math'])('the name %s', (name) => {
    expect(() => emitC({ ...int8Sample, name }, info)).toThrow(InputError);
  });

  test.each<[string, Partial<Program>]>([
    ['a slot beyond the arena', { arenaBytes: 1 }],
    ['an output that is no slot', { outputs: [{ name: 'output', slot: 7 }] }],
    ['a call with an argument missing', { steps: [{ ...tiny('k', 't').steps[0]!, args: [0] }] }],
    [
      'a slot that is not aligned',
      {
        arenaBytes: 9,
        slots: [...tiny('k', 't').slots, slot({ name: 'z', address: 5, elem: 'f32', length: 1 })],
        outputs: [{ name: 'output', slot: 2 }],
      },
    ],
  ])('%s', (_, more) => {
    expect(() => emitC(tiny('k', 't', more), info)).toThrow(DefectError);
  });

  test('golden bytes of another size', () => {
    const golden = [{ input: new Uint8Array(3), output: new Uint8Array(1) }];
    expect(() => emitC(tiny('k', 't'), { ...info, golden })).toThrow('3, expected 1');
  });
});

test('without golden inputs there is no self-test', () => {
  const files = emitC(tiny('k', 't'), info);
  expect([...files.keys()]).toEqual(['tiny.h', 'tiny.c', 'tiny_trace.inc', 'CMakeLists.txt', 'README.md']);
  expect(files.get('CMakeLists.txt')).not.toContain('selftest');
});

testWith(['gcc'])('infinities in tables have their header', () => {
  const [step] = tiny('k', 't').steps;
  const tables = [{ name: 't', elem: 'f32', data: [-Infinity, 1] }] as const;
  const body = [
    store('out', 'u8', int(0), compare('lt', load('t', 'f32', int(0)), load('t', 'f32', int(1)))),
  ];
  const program = tiny('k', 't', { steps: [{ ...step!, kernel: { ...step!.kernel, tables, body } }] });
  const cwd = mkdtempSync(path.join(folder, 'infinity-'));
  for (const [name, text] of emitC(program, info)) writeFileSync(path.join(cwd, name), text);
  run('gcc', ['-std=c99', ...strict, '-Wno-unused-parameter', '-c', 'tiny.c'], cwd);
});

test('a kernel of two steps is printed once', () => {
  const once = tiny('k', 't');
  const twice = { ...once, steps: [once.steps[0]!, once.steps[0]!] };
  const text = emitC(twice, info).get('tiny.c')!;
  expect(text.match(/_CODE void tiny_k\(/g)).toHaveLength(1);
  expect(text.match(/ uint8_t tiny_t\[/g)).toHaveLength(1);
  expect(text.match(/^ {4}tiny_k\(/gm)).toHaveLength(2);
});
