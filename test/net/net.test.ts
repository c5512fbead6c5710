/** Calling networks from programs: the same bytes as the simulator (and so the C), whatever goes in. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import ndarray from 'ndarray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { padPlanes } from '../../src/data/resized.ts';
import { type Net, type NetInput, netOf } from '../../src/net/net.ts';
import { type LoadedNet, load, withThreads } from '../../src/net/node-load.ts';
import { arrangeInput, decodeSlot } from '../../src/program/values.ts';
import { fastest } from '../../src/runtime/engines.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { runNative } from '../../src/targets/native.ts';
import { bench } from '../support/cli.ts';
import { relaxedFlags } from '../support/relaxed.ts';
import { sampleFiles } from '../support/sample-files.ts';
import { root } from '../support/shared.ts';
import { testWith } from '../support/toolchain.ts';

const files = sampleFiles();
const folder = mkdtempSync(path.join(tmpdir(), 'thimble-net-'));
afterAll(() => {
  files.remove();
  rmSync(folder, { recursive: true });
});
const model = path.join(root, 'models/lenet5.onnx');
const out = path.join(folder, 'out');
const pixels = (digit: number): Uint8Array => padPlanes(drawDigit(digit, 3), [1, 28, 28], 2);
let net: LoadedNet;
beforeAll(async () => {
  await bench().run('compile', model, '--calibrate', files.images, '--pad', '2', '-o', out);
  net = await load(out);
});

const simulated = (input: Uint8Array) =>
  createSimulator(net.program, { mode: 'checked' }).run(arrangeInput(net.program, input), {
    keepArenas: true,
  });

const storedBy = (by: Net, input: Uint8Array) =>
  [...by.run(input, { layers: true }).layers!].map(([name, { stored }]) => [name, [...stored]]);

describe('run', () => {
  test('pixels, in every form, give the bytes of the checking simulator', () => {
    const image = pixels(7);
    const forms: NetInput[] = [
      image,
      new Uint8ClampedArray(image),
      ndarray(image, [1, 1, 32, 32]),
      ndarray(
        Uint8Array.from({ length: 1024 }, (_, i) => image[(i % 32) * 32 + Math.floor(i / 32)]!),
        [32, 32],
      ).transpose(1, 0),
      Float32Array.from(image, (x) => Math.fround(x / 255)),
      ndarray(
        Float64Array.from(image, (x) => x / 255),
        [32, 32],
      ),
    ];
    for (const form of forms) expect(net.run(form).output.stored).toEqual(simulated(image).output);
  });

  test('shapes, real numbers and ndarrays', () => {
    const { output, layers } = net.run(pixels(2));
    expect(layers).toBeUndefined();
    expect(net).toMatchObject({
      name: 'lenet5',
      engine: fastest().engine,
      inputShape: [1, 1, 32, 32],
      outputShape: [1, 10],
    });
    expect(output.real).toEqual(decodeSlot(net.program.slots[net.program.outputs[0]!.slot]!, output.stored));
    expect(output.ndarray.shape).toEqual([1, 10]);
    expect(output.ndarray.get(0, 3)).toBe(output.real[3]);
  });

  test('every layer, as it lies in the arena', () => {
    const { layers } = net.run(pixels(4), { layers: true });
    const { arenas } = simulated(pixels(4));
    expect([...layers!.keys()]).toHaveLength(5);
    net.program.steps.forEach((_, step) => {
      const slot = net.program.slots.find(({ firstStep }) => firstStep === step)!;
      const { stored, shape } = layers!.get(slot.name)!;
      expect(shape).toEqual(slot.shape);
      expect(stored).toEqual(arenas[step]!.slice(slot.address, slot.address + stored.length));
    });
  });

  test.each(['wasm-simd', 'wasm', 'js', 'checked'] as const)('on %s: the same, layer by layer', (engine) => {
    const other = netOf({ program: net.program }, { engine });
    expect(other.engine).toBe(engine);
    for (const digit of [1, 6, 8])
      expect(storedBy(other, pixels(digit))).toEqual(storedBy(net, pixels(digit)));
  });

  /** What a process of its own says of the digit 5. */
  const said = (...flags: readonly string[]): unknown => {
    const script = `
      const { load } = await import(${JSON.stringify(pathToFileURL(path.join(root, 'dist/node.js')))});
      const net = await load(${JSON.stringify(out)});
      const { output } = net.run(Uint8Array.of(${pixels(5)}));
      console.log(JSON.stringify({ engine: net.engine, note: net.note, stored: [...output.stored] }));`;
    const text = execFileSync(process.execPath, [...flags, '--input-type=module', '-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(text);
  };

  test('a machine with relaxed vector instructions: the same with these', () => {
    const { stored } = net.run(pixels(5)).output;
    expect(said(...relaxedFlags)).toEqual({ engine: 'wasm-relaxed', stored: [...stored] });
  });

  test('a machine without WebAssembly: the same in JavaScript, and it says so', () => {
    expect(said('--jitless')).toEqual({
      engine: 'js',
      note: 'this machine has no WebAssembly: inference takes about thirty times as long',
      stored: [...net.run(pixels(5)).output.stored],
    });
    expect(net.note).toBeUndefined();
  });

  test('channels last', async () => {
    const twelve = netOf({ program: await threeChannels() });
    const chw = Float32Array.from({ length: 12 }, (_, i) => i / 12);
    const hwc = Float32Array.from({ length: 12 }, (_, i) => chw[(i % 3) * 4 + Math.floor(i / 3)]!);
    expect(twelve.run(hwc, { layout: 'hwc' }).output.stored).toEqual(twelve.run(chw).output.stored);
    expect(twelve.run(hwc).output.stored).not.toEqual(twelve.run(chw).output.stored);
    expect(() => twelve.run(new Uint8Array(12))).toThrow(
      /pixels \(uint8\); supported: numbers as the network was trained on/,
    );
  });

  test.each<[string, NetInput, RegExp]>([
    ['too short', new Uint8Array(784), /784 numbers; supported: 1024: 1x1x32x32/],
    ['empty', new Float32Array(0), /0 numbers/],
    ['not a number', new Float32Array(1024).fill(Number.NaN), /NaN at 0; supported: finite numbers/],
  ])('an input that is %s', (_, input, says) => {
    expect(() => net.run(input)).toThrow(InputError);
    expect(() => net.run(input)).toThrow(says);
  });

  testWith(['gcc'])('the same bytes as the C', async () => {
    const inputs = [0, 5, 9].map(pixels);
    const sources = new Map(
      ['lenet5.c', 'lenet5.h'].map((name) => [name, readFileSync(path.join(out, name), 'utf8')]),
    );
    const result = await runNative(
      net.program,
      sources,
      'host-gcc',
      inputs.map((x) => arrangeInput(net.program, x)),
    );
    const outputs = result.kind === 'ran' ? result.outcomes.map(({ output }) => output) : [];
    expect(inputs.map((x) => net.run(x).output.stored)).toEqual(outputs);
  });
});

describe('classify', () => {
  test('drawn digits, as pictures of their own size: padded as the calibration was', () => {
    for (let digit = 0; digit < 10; digit++) {
      const picture = { width: 28, height: 28, channels: 1, data: drawDigit(digit, 3) };
      const { index, score, scores } = net.classify(picture);
      expect(index).toBe(digit);
      expect(score).toBe(Math.max(...scores));
      expect(net.classify(pixels(digit)).scores).toEqual(scores);
    }
  });

  test('a picture that does not fit', () => {
    const picture = { width: 20, height: 28, channels: 1, data: new Uint8Array(560) };
    expect(() => net.classify(picture)).toThrow(InputError);
  });
});

describe('load', () => {
  test('a model, compiled in memory', async () => {
    const float = await load(model);
    expect(float.program.arith).toBe('float32');
    const inputs = Array.from({ length: 20 }, (_, i) =>
      Float32Array.from(pixels(i % 10), (x) => Math.fround(x / 255)),
    );
    const int8 = await load(model, { compile: { calibration: { inputs } } });
    expect(int8.program.arith).toBe('int8');
    for (const x of inputs.slice(0, 10)) expect(int8.classify(x).index).toBe(float.classify(x).index);
    expect((await load(model, { engine: 'checked' })).engine).toBe('checked');
  });

  test('what is neither', async () => {
    await expect(load(path.join(folder, 'nothing'))).rejects.toThrow(/no such file/);
    await expect(load(folder)).rejects.toThrow(/a folder without manifest.json/);
    await expect(load(files.labels)).rejects.toThrow(InputError);
  });
});

const worker = path.join(root, 'dist/net/node-worker.js');
describe('runBatch', () => {
  const inputs = Array.from({ length: 23 }, (_, i) => pixels(i % 10));

  test('on this thread: the outputs in order', async () => {
    const outputs = await net.runBatch(inputs, { workers: 0 });
    expect(outputs.map(({ stored }) => stored)).toEqual(inputs.map((x) => net.run(x).output.stored));
    expect(await net.runBatch([])).toEqual([]);
  });

  test.skipIf(!existsSync(worker) && process.env.CI === undefined)('on other threads: the same', async () => {
    const threaded = withThreads(net, pathToFileURL(worker));
    const outputs = await threaded.runBatch(inputs, { workers: 3 });
    const again = await threaded.runBatch(inputs.slice(0, 2), { workers: 3 });
    await threaded.close();
    expect(outputs.map(({ stored }) => stored)).toEqual(inputs.map((x) => net.run(x).output.stored));
    expect(again.map(({ stored }) => stored)).toEqual(
      inputs.slice(0, 2).map((x) => net.run(x).output.stored),
    );
  });

  test('an input that cannot be used is named', async () => {
    await expect(net.runBatch([inputs[0]!, new Uint8Array(3)])).rejects.toThrow(
      /^input 1 of the batch: 3 numbers/,
    );
  });
});

/** 1x3x2x2 through one linear layer, float32. */
async function threeChannels() {
  const { compile } = await import('../../src/compile.ts');
  const { importOnnx } = await import('../../src/ir/import/onnx.ts');
  const { encodeModel, floatTensor, int, valueInfo } = await import('../support/onnx-model.ts');
  const bytes = encodeModel({
    inputs: [valueInfo('x', [1, 3, 2, 2])],
    initializers: [
      floatTensor(
        'w',
        [2, 12],
        Array.from({ length: 24 }, (_, i) => (i % 7) - 3),
      ),
    ],
    nodes: [
      { op: 'Flatten', inputs: ['x'], outputs: ['f'] },
      { op: 'Gemm', inputs: ['f', 'w'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
  });
  return compile(importOnnx(bytes, { name: 'twelve' }), { name: 'twelve', arith: 'float32' }).program;
}
