/** `<name>_main.c`, compiled and run: what it prints is what the simulator computes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { emitC } from '../../src/emit/package.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { elemBytes } from '../../src/ir/kernel/kernel.ts';
import { inputPorts, outputPorts } from '../../src/program/port.ts';
import type { Program } from '../../src/program/program.ts';
import { inputSlots, outputSlots, partsFor, readElement } from '../../src/program/slots.ts';
import { decodeOutputs, encodeInput } from '../../src/program/values.ts';
import { simulate } from '../../src/runtime/engines.ts';
import { npyFile } from '../support/npy-file.ts';
import { portsBuilt } from '../support/port-ops.ts';
import { each, inputs as inputsOfTwelve, model, one } from '../support/small-artifact.ts';
import { hostTools, testWith } from '../support/toolchain.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-main-'));
afterAll(() => rmSync(folder, { recursive: true }));

const info = { command: '', version: '0', hash: '', golden: [], main: true, package: 'none' } as const;
const strict = '-std=c99 -Wall -Wextra -Wconversion -Wshadow -pedantic -Werror -ffp-contract=off'.split(' ');

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Compiles the program with the sanitizers on; what it returns runs it on files. */
function built(program: Program, compilers: readonly string[] = ['gcc']) {
  const cwd = mkdtempSync(path.join(folder, `${program.name}-`));
  const { name } = program;
  for (const [file, text] of emitC(program, info)) writeFileSync(path.join(cwd, path.basename(file)), text);
  for (const compiler of compilers) {
    const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const args = [...strict, ...sanitizers, `${name}.c`, `${name}_main.c`, '-o', 'main'];
    const { status, stderr } = spawnSync(compiler, args, { cwd, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
  return (args: readonly string[], files: Readonly<Record<string, Uint8Array>> = {}): Ran => {
    for (const [file, bytes] of Object.entries(files)) writeFileSync(path.join(cwd, file), bytes);
    const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
    return spawnSync(path.join(cwd, 'main'), args, { cwd, encoding: 'utf8', env });
  };
}

interface Printed {
  readonly network: string;
  readonly samples: readonly Readonly<Record<string, readonly number[]>>[];
}

const printed = ({ status, stdout, stderr }: Ran): Printed => {
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  // Nine digits are enough to tell float32 numbers apart.
  return JSON.parse(stdout, (_, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Math.fround(value) : value,
  ) as Printed;
};

/** What it has to print for one sample. */
function wanted(program: Program, bytes: Uint8Array, raw: boolean): Record<string, number[]> {
  const { output } = simulate(program, bytes);
  const real = decodeOutputs(program, output);
  const parts = partsFor(outputSlots(program), output);
  return Object.fromEntries(
    outputPorts(program).map(({ name, slot }, i) => [
      name,
      raw
        ? Array.from({ length: slot.length }, (_, e) =>
            readElement(parts[i]!, { ...slot, address: 0 }, e * elemBytes[slot.elem]),
          )
        : [...real[i]!],
    ]),
  );
}

const bytesOf = (array: Float32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const joined = (parts: readonly Float32Array[]): Float32Array =>
  Float32Array.from(parts.flatMap((part) => [...part]));

const twelve = (arith: 'int8' | 'float32', raw?: typeof one): Program => {
  const calibration = { inputs: inputsOfTwelve, ...(raw === undefined ? {} : { raw }) };
  return compile(importOnnx(model, { name: 'twelve' }), { name: 'twelve', arith, calibration }).program;
};

describe('a network of an image', () => {
  testWith(hostTools).each([
    ['int8', twelve('int8')],
    ['float32', twelve('float32')],
    ['int8 of raw pixels', twelve('int8', one)],
    ['int8 of raw pixels, each channel its own', twelve('int8', each)],
  ])('%s: real numbers in the order of the model, elements in that of memory', (_, program) => {
    const run = built(program, hostTools);
    const samples = [...inputsOfTwelve, Float32Array.from({ length: 12 }, (_, i) => 9 * (i % 3) - 9)];
    const real = samples.map((x) => wanted(program, encodeInput(program, x), false));
    const array = joined(samples);
    const args = { 'a.npy': npyFile(array, [samples.length, 3, 2, 2]), 'a.bin': bytesOf(array) };
    expect(printed(run(['a.npy'], args))).toMatchObject({ network: 'twelve', samples: real });
    expect(printed(run(['a.bin'])).samples).toEqual(real);
    const stored = samples.map((x) => encodeInput(program, x));
    const elements = Uint8Array.from(stored.flatMap((bytes) => [...bytes]));
    const raw = stored.map((bytes) => wanted(program, bytes, true));
    expect(printed(run(['--raw', 'b.bin'], { 'b.bin': elements })).samples).toEqual(raw);
  });

  testWith(['gcc'])('what no file of it can be is told, and nothing is printed', () => {
    const run = built(twelve('int8'));
    const numbers = new Float32Array(12);
    const npy = (shape: readonly number[], header?: string) => npyFile(numbers, shape, header);
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ['the shape of its array is not that of the input', npy([2, 2, 3])],
      ['its size is not that of its shape', npy([2, 3, 2, 2])],
      [
        "it is in Fortran's order",
        npy([], "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3, 2, 2), }"),
      ],
      ['of another type', npy([], "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 3, 2, 2), }")],
      ['its .npy header is broken', npy([], "{'shape': (1, 3, 2, 2), }")],
      ['its .npy header is broken', npy([3, 2, 2]).subarray(0, 20)],
      ['44 bytes of numbers; supported: samples of 12 numbers of 4 bytes', new Uint8Array(44)],
      ['0 bytes of numbers', new Uint8Array(0)],
      ['it holds numbers that are not finite', bytesOf(numbers.map((_, i) => (i === 7 ? NaN : 0)))],
    ];
    for (const [message, bytes] of cases) {
      const ran = run(['x'], { x: bytes });
      expect(ran.stderr).toContain('twelve_main: x: ');
      expect(ran.stderr).toContain(message);
      expect(ran).toMatchObject({ status: 2, stdout: '' });
    }
    expect(run(['missing'])).toMatchObject({
      status: 2,
      stderr: 'twelve_main: missing: it cannot be read\n',
    });
    expect(run([])).toMatchObject({ status: 2, stdout: '' });
    expect(run(['a', 'b'])).toMatchObject({ status: 2, stdout: '' });
    expect(run(['--help']).stdout).toContain('  "x" 1x3x2x2\n');
  });

  testWith(['gcc'])('arrays of other types, of one sample and without axes are taken', () => {
    const program = twelve('int8');
    const run = built(program);
    const whole = Float32Array.from({ length: 12 }, (_, i) => (i % 3) - 1);
    const only = [wanted(program, encodeInput(program, whole), false)];
    for (const [array, shape] of [
      [Float64Array.from(whole), [3, 2, 2]],
      [Int8Array.from(whole), [1, 3, 2, 2]],
      [Int32Array.from(whole), [12]],
      [BigInt64Array.from([...whole].map(BigInt)), [1, 1, 3, 2, 2]],
    ] as const)
      expect([shape, printed(run(['x'], { x: npyFile(array, shape) })).samples]).toEqual([shape, only]);
  });
});

testWith(['gcc']).each(['int8', 'float32'] as const)(
  '%s: several inputs and outputs of all types',
  (arith) => {
    const { program, examples } = portsBuilt(arith);
    const run = built(program);
    const ports = inputPorts(program);
    const given = [
      [0.25, -0.5, 0.75, -1],
      [1, 0, 1],
      [1, 0, 1],
      [0.5, 0.25, -0.5, 1 - 2 ** -15],
      [9, 9, 9, 9, 9, 9],
    ];
    const files = Object.fromEntries(
      given.map((numbers, i) => [`${i}.npy`, npyFile(Float32Array.from(numbers), ports[i]!.slot.shape)]),
    );
    const bytes = encodeInput(program, Float32Array.from(given.flat()));
    expect(printed(run(Object.keys(files), files)).samples).toEqual([wanted(program, bytes, false)]);
    const parts = inputSlots(program).map((_, i) =>
      Uint8Array.from(examples.flatMap((example) => [...partsFor(inputSlots(program), example)[i]!])),
    );
    const raw = Object.fromEntries(parts.map((part, i) => [`${i}.bin`, part]));
    expect(printed(run(['--raw', ...Object.keys(raw)], raw)).samples).toEqual(
      examples.map((example) => wanted(program, example, true)),
    );
    const half = npyFile(Float32Array.of(0, 0.5, 1), [3]);
    const refused = run(Object.keys(files), { '1.npy': half });
    expect(refused.stderr).toContain('1.npy: 0.5 at 1; supported: integers of');
    expect(refused.stdout).toBe('');
    const two = npyFile(new Float32Array(6), [2, 3]);
    expect(run(Object.keys(files), { ...files, '2.npy': two }).stderr).toMatch(
      /2\.npy: (it holds another number|the shape)/,
    );
  },
);

testWith(['gcc'])(
  'halves are rounded as the grid of the input says: up, or to even as in the file of a model',
  () => {
    // Where the second output has weights above 0: so many steps show.
    const halves = Float32Array.of(0.25, 0.25, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0, 0, -0.75);
    const gridded = (file: { readonly file?: 'uint8' }): Program => {
      const program = twelve('int8');
      const { slot } = program.inputs[0]!;
      const quant = { scale: 0.5, zeroPoint: 3, ...file };
      return { ...program, slots: program.slots.map((s, i) => (i === slot ? { ...s, quant } : s)) };
    };
    const [up, even] = [gridded({}), gridded({ file: 'uint8' })];
    const results = [up, even].map((program) => wanted(program, encodeInput(program, halves), false));
    expect(results[0]).not.toEqual(results[1]);
    [up, even].forEach((program, i) => {
      expect(printed(built(program)(['x'], { x: bytesOf(halves) })).samples).toEqual([results[i]]);
    });
  },
);

test('it is there only where it is asked for', () => {
  const program = twelve('int8');
  expect([...emitC(program, info).keys()]).toEqual([
    'twelve.h',
    'twelve.c',
    'twelve_trace.inc',
    'extras/twelve_main.c',
  ]);
  expect([...emitC(program, { ...info, main: false }).keys()]).not.toContain('extras/twelve_main.c');
});
