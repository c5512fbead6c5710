/** The whole road on real networks: memory, proofs, agreement with the float model, errors. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { artifactOf, loadArtifact } from '../src/artifact/make.ts';
import { InputError } from '../src/base/errors.ts';
import { type CompileOptions, compile, passNames } from '../src/compile.ts';
import { drawDigit } from '../src/data/digits.ts';
import { readLabels, readSamples } from '../src/data/node-files.ts';
import { prepare } from '../src/data/prepare.ts';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import { floats } from '../src/ir/tensor.ts';
import { arrangeInput, decodeOutput, encodeInput } from '../src/program/values.ts';
import { proveProgram } from '../src/prove/prove.ts';
import { inference } from '../src/runtime/engines.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { readNpy } from './support/npy.ts';
import { encodeModel, valueInfo } from './support/onnx-model.ts';
import { describeWith, readBytes, root, shared } from './support/shared.ts';

const bytes = readBytes(`${root}/models/lenet5.onnx`);
const model = importOnnx(bytes, { name: 'lenet5' });

/** A drawn 28x28 digit with two pixels of padding, scaled to 0..1. */
function digit(i: number): Float32Array {
  const small = drawDigit(i % 10, i);
  return Float32Array.from({ length: 1024 }, (_, at) => {
    const [y, x] = [Math.floor(at / 32) - 2, (at % 32) - 2];
    return y >= 0 && y < 28 && x >= 0 && x < 28 ? (small[y * 28 + x] ?? 0) / 255 : 0;
  });
}
const inputs = Array.from({ length: 30 }, (_, i) => digit(i));
const raw = { mean: [0], std: [255] };
const int8: CompileOptions = { name: 'lenet5', arith: 'int8', calibration: { inputs, raw } };
const argmax = (x: ArrayLike<number>): number => Array.from(x).indexOf(Math.max(...Array.from(x)));

/** Compiled once for the tests that only look at it. */
const compiledInt8 = compile(model, int8);

describe('LeNet-5', () => {
  test('int8 needs at most 2,200 bytes of RAM, float32 8,800: the formula of Unlu 2020', () => {
    expect(compiledInt8.program.arenaBytes).toBeLessThanOrEqual(2200);
    expect(compile(model, { name: 'lenet5', arith: 'float32' }).program.arenaBytes).toBeLessThanOrEqual(8800);
    expect(compile(model, { ...int8, plan: 'disjoint' }).program.arenaBytes).toBe(2200);
  });

  test('everything is proven for all inputs', () => {
    for (const [kernel, facts] of proveProgram(compiledInt8.program)) {
      expect(facts.unproven, kernel.name).toEqual([]);
      expect(facts.complete).toBe(true);
    }
  });

  test('every layer is close to the float network', () => {
    for (const { kernel, sqnr } of compiledInt8.agreement!.layers) expect(sqnr, kernel).toBeGreaterThan(30);
  });

  test('drawn digits: the int8 program says what the float model says', () => {
    const { program, floatGraph } = compiledInt8;
    const simulator = createSimulator(program, { mode: 'checked', facts: proveProgram(program) });
    let same = 0;
    for (let i = 100; i < 300; i++) {
      const x = floats([1, 1, 32, 32], digit(i));
      const real = evaluate(floatGraph, new Map([['input', x]])).get('output');
      const stored = decodeOutput(
        program,
        simulator.run(encodeInput(program, x.data as Float32Array)).output,
      );
      same += Number(argmax(real!.data) === argmax(stored));
    }
    expect(same).toBeGreaterThanOrEqual(198);
  });

  test('every requantization mode, calibration and plan computes nearly the same', () => {
    const reference = compiledInt8;
    const run = (o: Partial<CompileOptions>): Float32Array => {
      const { program } = compile(model, { ...int8, ...o });
      const { output } = createSimulator(program, { mode: 'checked' }).run(encodeInput(program, digit(7)));
      return decodeOutput(program, output);
    };
    const [a] = [run({})];
    const scale = reference.program.slots[reference.program.outputs[0]!.slot]!.quant!.scale;
    for (const requant of ['tfl-double', 'ort-float'] as const)
      for (const [i, x] of run({ requant }).entries())
        expect(Math.abs(x - a[i]!)).toBeLessThanOrEqual(3 * scale);
    for (const calibrationMethod of ['percentile', 'mse'] as const)
      expect(argmax(run({ calibrationMethod }))).toBe(argmax(a));
    for (const plan of ['disjoint', 'separate'] as const) expect(run({ plan })).toEqual(a);
    expect(argmax(run({ requant: 'pow2' }))).toBe(argmax(a));
  });

  test('the passes report themselves in order', () => {
    const seen: string[] = [];
    compile(model, { ...int8, onPass: (name) => seen.push(name) });
    expect(passNames.filter((name) => seen.includes(name))).toEqual(seen);
    expect(seen).toContain('quantize');
  });

  test('int8 without calibration is refused, with what to do', () => {
    expect(() => compile(model, { name: 'lenet5', arith: 'int8' })).toThrow(InputError);
    expect(() => compile(model, { name: 'lenet5', arith: 'int8' })).toThrow(/--calibrate FILE/);
  });
});

describe('artifacts', () => {
  const compiled = compiledInt8;
  const made = { command: 'thimble compile', version: '0', model: bytes, preprocessing: { pad: 2 } };
  const files = artifactOf(compiled, made);
  const folder = (): Map<string, Uint8Array> =>
    new Map([...files].map(([name, text]) => [name, new TextEncoder().encode(text)]));

  test('come back as the same program, which computes the same', () => {
    const { program, manifest } = loadArtifact(folder());
    expect(program.steps.map((s) => s.kernel.body)).toEqual(compiled.program.steps.map((s) => s.kernel.body));
    expect(manifest.memory.arenaBytes).toBe(compiled.program.arenaBytes);
    expect(manifest.preprocessing).toEqual({ pad: 2 });
    const input = encodeInput(program, digit(3));
    const run = (p: typeof program) =>
      createSimulator(p, { mode: 'checked' }).run(input, { keepArenas: true });
    expect(run(program)).toEqual(run(compiled.program));
  });

  test('are the same every time', () => {
    expect([...artifactOf(compile(model, int8), made)]).toEqual([...files]);
  });

  type Damage = (f: Map<string, Uint8Array>) => unknown;
  test.each<readonly [string, Damage, RegExp]>([
    ['no manifest', (f) => f.delete('manifest.json'), /manifest.json: no such file/],
    ['a manifest that is not JSON', (f) => f.set('manifest.json', Uint8Array.of(123)), /not JSON/],
    [
      'a manifest of something else',
      (f) => f.set('manifest.json', new TextEncoder().encode('{}')),
      /generator/,
    ],
    ['no program', (f) => f.delete('lenet5.program.json'), /lenet5.program.json: no such file/],
    ['a program that was changed', (f) => f.set('lenet5.program.json', Uint8Array.of(1)), /not the file/],
  ])('%s', (_, damage, message) => {
    const damaged = folder();
    damage(damaged);
    expect(() => loadArtifact(damaged)).toThrow(InputError);
    expect(() => loadArtifact(damaged)).toThrow(message);
  });
});

const mnist = ['train-images-idx3-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(
  (name) => `${shared}/data/mnist/${name}.gz`,
) as [string, string, string];
describeWith(mnist, 'MNIST', () => {
  test('int8 loses at most 0.1 point on 3,000 test digits', () => {
    const [train, images] = [mnist[0], mnist[1]].map((file) =>
      prepare(readSamples(file), [1, 32, 32], { pad: 2 }),
    );
    const calibration = { inputs: Array.from({ length: 256 }, (_, i) => train!.real(i * 200)), raw };
    const { program, floatGraph } = compile(model, { ...int8, calibration });
    const run = inference(program);
    const labels = readLabels(mnist[2]);
    let [float, stored] = [0, 0];
    for (let i = 0; i < 3000; i++) {
      const x = floats([1, 1, 32, 32], images!.real(i));
      float += Number(
        argmax(evaluate(floatGraph, new Map([['input', x]])).get('output')!.data) === labels[i],
      );
      const { output } = run(arrangeInput(program, images!.pixels!.raw(i)));
      stored += Number(argmax(output) === labels[i]);
    }
    expect(stored).toBeGreaterThanOrEqual(float - 3);
  });
});

describe.each(['cifarnet', 'resnet8', 'dscnn'])('%s', (name) => {
  const folder = `${shared}/models/${name}`;
  const file = `${folder}/${name}.opset13.onnx`;
  describeWith([file], 'recorded inputs', () => {
    test('int8 agrees with the logits that PyTorch recorded', () => {
      const images = readNpy(`${folder}/${name}.first100.input.npy`);
      const logits = readNpy(`${folder}/${name}.first100.output.npy`);
      const [size, classes] = [images.data.length / 100, logits.data.length / 100];
      const image = (i: number): Float32Array =>
        Float32Array.from(images.data.subarray(i * size, (i + 1) * size));
      const calibration = { inputs: Array.from({ length: 40 }, (_, i) => image(60 + i)) };
      const { program } = compile(importOnnx(readBytes(file), { name }), {
        name,
        arith: 'int8',
        calibration,
      });
      const run = inference(program);
      let same = 0;
      for (let i = 0; i < 60; i++) {
        const output = decodeOutput(program, run(encodeInput(program, image(i))).output);
        same += Number(argmax(output) === argmax(logits.data.subarray(i * classes, (i + 1) * classes)));
      }
      expect(same).toBeGreaterThanOrEqual(57);
    });
  });
});

test('the shipped model is there', () => {
  expect(existsSync(`${root}/models/lenet5.onnx`)).toBe(true);
});

test('the library: from the file to the output in four calls', async () => {
  const {
    compile: compiling,
    decodeOutput: decode,
    emitC,
    encodeInput: encode,
    loadOnnx,
    simulate,
  } = await import('../src/index.ts');
  const { program } = compiling(loadOnnx(bytes, { name: 'lenet5' }), int8);
  const { output } = simulate(program, encode(program, digit(4)));
  expect(argmax(decode(program, output))).toBe(4);
  const files = emitC(program, { command: '', version: '0', hash: '', golden: [] });
  expect([...files.keys()]).toEqual([
    'lenet5.h',
    'lenet5.c',
    'lenet5_trace.inc',
    'CMakeLists.txt',
    'README.md',
  ]);
});

test('what the file cannot mean is refused before any rule of graphs is checked, in both arithmetics', () => {
  const float8 = 17;
  const odd = importOnnx(
    encodeModel({
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: [{ name: 'w', dims: [2], dataType: float8, rawData: Uint8Array.of(1, 2) }],
      inputs: [valueInfo('x', [1, 2])],
    }),
  );
  for (const arith of ['float32', 'int8'] as const)
    expect(() =>
      compile(odd, { name: 'odd', arith, calibration: { inputs: [new Float32Array(2)] } }),
    ).toThrow(InputError);
});
