/** `thimble diff`: what it compares with what, and what it says. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Artifact, loadArtifact } from '../../../src/artifact/make.ts';
import { mulberry32 } from '../../../src/base/random.ts';
import { readPrepared } from '../../../src/cli/flags/model.ts';
import { writeNpy } from '../../../src/data/npy.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { arrangeInput } from '../../../src/program/values.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { createTrace } from '../../../src/trace/write.ts';
import { bench } from '../../support/cli.ts';
import { oneByteOff, slotsOfRun, traceOfSlots } from '../../support/devices.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';
import { lenetInput, sampleFiles } from '../../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const inFolder = (name: string): string => path.join(files.folder, name);
const [whole, pruned, small, doubled, half] = ['whole', 'pruned', 'small', 'doubled', 'float'].map(
  inFolder,
) as [string, string, string, string, string];

beforeAll(async () => {
  const compile = async (out: string, ...more: readonly string[]): Promise<void> => {
    const { code, err } = await bench().run(
      'compile',
      model,
      '--calibrate',
      files.images,
      '--pad',
      '2',
      '-o',
      out,
      ...more,
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
  };
  await compile(whole);
  await compile(pruned, '--sparsity', '0.9', '--prune', 'magnitude');
  // Its weights are rounded one by one, as under that rounding of sums.
  await compile(small, '--optimize', 'flash');
  await compile(doubled, '--requant', 'tfl-double');
  await compile(half, '--type', 'float32');
}, 120_000);

const artifactIn = (folder: string): Artifact => {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as {
    files: string[];
  };
  const read = (name: string) => [name, new Uint8Array(readFileSync(path.join(folder, name)))] as const;
  return loadArtifact(new Map(['manifest.json', ...manifest.files].map(read)));
};

interface Json {
  readonly verdict: string;
  readonly coverage: Readonly<Record<string, number>>;
  readonly layers: readonly {
    readonly kernel: string;
    readonly wrong: boolean;
    readonly exact: boolean;
    readonly note?: string;
    readonly gaps: readonly { readonly kind: string; readonly why: string; readonly inferences: number }[];
    readonly unchecked: readonly string[];
    readonly checksums?: { readonly compared: number; readonly different: number };
    readonly measures?: { readonly equal: number; readonly elements: number; readonly sqnr: number | null };
  }[];
  readonly firstWrong: string | null;
  readonly causes: readonly { readonly cause: string; readonly text: string }[];
  readonly flips: number;
  readonly inferences: number;
  readonly mode: string;
  readonly warnings: readonly string[];
}

async function compared(
  folder: string,
  against: string,
  ...more: readonly string[]
): Promise<Json & { code: number }> {
  const { code, out, err } = await bench().run('diff', folder, '--against', against, ...more, '--json');
  expect(out, err).not.toBe('');
  return { ...(JSON.parse(out) as Json), code };
}
const input = ['--input', files.images];

/** What a device that computes right prints for the first samples. */
function traceOf(folder: string, count: number, level: 1 | 2): string {
  const { program, manifest } = artifactIn(folder);
  const prepared = readPrepared([files.images], [lenetInput], { pad: 2 });
  const simulator = createSimulator(program, { mode: 'fast' });
  const build = manifest.sha256[`${program.name}.program.json`]!.slice(0, 16);
  return Array.from({ length: count }, (_, i) => {
    const bytes = arrangeInput(program, prepared.pixels!.raw(i));
    const outcome = simulator.run(bytes, { keepArenas: true });
    return `boot ${i}\r\n${createTrace(program, { input: bytes, outcome }, { level, build })}`;
  }).join('');
}

const npzOf = (arrays: Record<string, Tensor>): Uint8Array =>
  zipSync(
    Object.fromEntries(
      Object.entries(arrays).map(([name, { shape, data }]) => [
        `${name.replaceAll('/', '%')}.npy`.replaceAll('%', '/'),
        writeNpy({ dtype: 'float32', shape, data: Float32Array.from(data as Float32Array) }),
      ]),
    ),
  );

const fileWith = (name: string, content: string | Uint8Array): string => {
  writeFileSync(inFolder(name), content);
  return inFolder(name);
};

describe('against the float model', () => {
  test('isolated: no layer is wrong, and every one is compared', async () => {
    const found = await compared(whole, model, ...input);
    expect(found).toMatchObject({ code: 0, firstWrong: null, causes: [], inferences: 20, mode: 'isolated' });
    expect(found.layers.map(({ kernel }) => kernel)).toEqual([
      'input',
      'conv1',
      'conv2',
      'linear1',
      'linear2',
      'linear3',
    ]);
    for (const { measures, exact } of found.layers) {
      expect(exact).toBe(false);
      expect(measures!.sqnr ?? 99).toBeGreaterThan(30);
    }
  });

  test('a layer below --min-sqnr is wrong; the first one is named', async () => {
    const found = await compared(whole, model, ...input, '--min-sqnr', '60');
    expect(found).toMatchObject({ code: 1, firstWrong: 'conv1' });
  });

  test('the channels of a pruned build are found in the model', async () => {
    const found = await compared(pruned, model, ...input, '--cumulative');
    for (const { measures } of found.layers) expect(measures).toBeDefined();
    const { program } = artifactIn(pruned);
    expect(program.slots.some(({ kept }) => kept !== undefined)).toBe(true);
  });

  test('float32 programs', async () => {
    const found = await compared(half, model, ...input);
    expect(found.code).toBe(0);
    for (const { measures } of found.layers) expect(measures!.sqnr ?? 999).toBeGreaterThan(100);
  });

  test('in words, in 80 columns', async () => {
    const { code, out } = await bench().run('diff', whole, '--against', model, ...input);
    expect(code).toBe(0);
    expect(out).toContain('20 inferences, isolated, against the float model');
    expect(out).toContain('No layer is wrong');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('against another build', () => {
  test('itself: every byte', async () => {
    const found = await compared(whole, whole, ...input);
    expect(found).toMatchObject({ code: 0, flips: 0 });
    for (const { measures, exact } of found.layers) {
      expect(exact).toBe(true);
      expect(measures!.equal).toBe(measures!.elements);
    }
  });

  test('another rounding: the first layer that rounds otherwise, and that it does', async () => {
    const found = await compared(small, doubled, ...input);
    expect(found.code).toBe(1);
    expect(found.firstWrong).toBe('conv1');
    expect(found.causes).toEqual([{ cause: 'rounding', text: expect.stringContaining("TensorFlow Lite's") }]);
  });

  test('before and after pruning, either way', async () => {
    const after = await compared(pruned, whole, ...input);
    for (const { measures } of after.layers) expect(measures).toBeDefined();
    const before = await compared(whole, pruned, ...input);
    expect(before.layers.filter(({ note }) => note !== undefined).length).toBeGreaterThan(0);
    expect(before.layers.at(-1)!.measures).toBeDefined();
  });
});

describe('against a device', () => {
  test('that computes right, with and without the inputs', async () => {
    const log = fileWith('good.log', traceOf(whole, 3, 2));
    for (const more of [[], input]) {
      const found = await compared(whole, log, ...more);
      expect(found).toMatchObject({ code: 0, firstWrong: null, causes: [], inferences: 3, warnings: [] });
    }
  });

  test('of which only checksums are known', async () => {
    const log = fileWith('sums.log', traceOf(whole, 2, 1));
    const found = await compared(whole, log, ...input);
    expect(found).toMatchObject({ code: 0, mode: 'cumulative' });
    for (const { checksums } of found.layers) expect(checksums).toEqual({ compared: 2, different: 0 });
    const other = await compared(doubled, fileWith('other.log', traceOf(doubled, 2, 1)), ...input);
    expect(other.code).toBe(0);
    const wrong = await compared(doubled, log, ...input);
    expect(wrong).toMatchObject({ code: 1, firstWrong: null, causes: [{ cause: 'wrong build' }] });
  });

  test('whose log lost a line: said, and the rest is compared', async () => {
    const lines = traceOf(whole, 1, 2).split('\n');
    const at = lines.findIndex((line) => line.startsWith('~o'));
    const found = await compared(whole, fileWith('lost.log', lines.toSpliced(at, 1).join('\n')));
    expect(found.code).toBe(4);
    expect(found.warnings.join()).toMatch(/lost/);
    expect(found.layers.filter(({ measures }) => measures !== undefined).length).toBeGreaterThan(2);
  });
});

describe('against activations from elsewhere', () => {
  function activations(rename: (name: string) => string): Record<string, Tensor> {
    const graph = canonicalize.run(importOnnx(new Uint8Array(readFileSync(model)), { name: 'net' }));
    const real = readPrepared([files.images], [lenetInput], { pad: 2 }).real(0);
    const made: Record<string, Tensor> = { input: floats([1, 1, 32, 32], real) };
    const outputs = evaluate(graph, new Map([[graph.inputs[0]!, made.input!]]), (name, tensor) => {
      made[rename(name)] = tensor;
    });
    for (const [name, tensor] of outputs) made[rename(name)] = tensor;
    return made;
  }
  test("by the model's names, and by PyTorch's modules", async () => {
    const byTensor = fileWith('tensors.npz', npzOf(activations((name) => name)));
    // '/2/MaxPool_output_0' is the output of the module '2'.
    const byModule = fileWith(
      'modules.npz',
      npzOf(activations((name) => /^\/([^/]+)\//.exec(name)?.[1] ?? name)),
    );
    for (const file of [byTensor, byModule]) {
      const found = await compared(whole, file);
      expect(found).toMatchObject({ code: 0, inferences: 1 });
      for (const { measures } of found.layers) expect(measures!.sqnr ?? 99).toBeGreaterThan(25);
    }
  });

  test('as forward hooks of PyTorch 1.13 captured them', async () => {
    const found = await compared(whole, 'test/fixtures/lenet5-pytorch-1.13.npz');
    expect(found).toMatchObject({ code: 0, firstWrong: null, inferences: 1 });
    for (const { measures } of found.layers) expect(measures!.sqnr ?? 99).toBeGreaterThan(30);
  });

  test('an input that was normalized otherwise', async () => {
    const arrays = activations((name) => name);
    const moved = Float32Array.from(arrays.input!.data as Float32Array, (x) => (x - 0.1307) / 0.3081);
    const file = fileWith('moved.npz', npzOf({ ...arrays, input: floats([1, 1, 32, 32], moved) }));
    const found = await compared(whole, file, ...input, '--limit', '1');
    expect(found).toMatchObject({ code: 1, firstWrong: 'input', causes: [{ cause: 'input preprocessing' }] });
    expect(found.causes[0]!.text).toMatch(/^the input is 3\.246 x \+ -0\.42/);
  });
});

/** A small net of nested modules with functional activations, as the first exporter names it. */
describe('against a capture of nested and functional modules', () => {
  const random = mulberry32(5);
  const numbers = (count: number, scale: number) =>
    Array.from({ length: count }, () => scale * (2 * random() - 1));
  const norm = (name: string): Record<string, readonly number[]> => ({
    [`${name}.weight`]: numbers(4, 1).map((x) => x + 2),
    [`${name}.bias`]: numbers(4, 1),
    [`${name}.running_mean`]: numbers(4, 1),
    [`${name}.running_var`]: numbers(4, 1).map((x) => 2 + x),
  });
  const parameters: Record<string, readonly number[]> = {
    'stem.weight': numbers(4 * 9, 0.5),
    ...norm('norm'),
    'blocks.0.c1.weight': numbers(16 * 9, 0.2),
    ...norm('blocks.0.n1'),
    'f.weight': numbers(3 * 64, 0.2),
    'f.bias': numbers(3, 0.5),
  };
  const dims: Readonly<Record<string, readonly number[]>> = {
    'stem.weight': [4, 1, 3, 3],
    'blocks.0.c1.weight': [4, 4, 3, 3],
    'f.weight': [3, 64],
  };
  /** w' = w g and b' = beta - g mean, as the exporter folds it. */
  function foldedInto(conv: string, bn: string): readonly [readonly number[], readonly number[]] {
    const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
      (what) => parameters[`${bn}.${what}`]!,
    ) as [readonly number[], readonly number[], readonly number[], readonly number[]];
    const gain = gamma.map((g, c) => g / Math.sqrt(variance[c]! + 1e-5));
    const w = parameters[`${conv}.weight`]!;
    return [
      w.map((x, i) => x * gain[Math.floor((i * 4) / w.length)]!),
      beta.map((b, c) => b - gain[c]! * mean[c]!),
    ];
  }
  const folds: readonly (readonly [string, string])[] = [
    ['stem', 'norm'],
    ['blocks.0.c1', 'blocks.0.n1'],
  ];
  const convolution = (name: string, x: string, w: readonly string[], outputs: readonly string[]) => ({
    op: 'Conv',
    name,
    inputs: [x, ...w],
    outputs,
    attributes: [ints('kernel_shape', [3, 3]), ints('pads', [1, 1, 1, 1])],
  });
  const rest = (first: string, second: string): readonly NodeSpec[] => [
    { op: 'Add', name: '/blocks/blocks.0/Add', inputs: [second, first], outputs: ['sum'] },
    { op: 'Relu', name: '/blocks/blocks.0/Relu', inputs: ['sum'], outputs: ['block'] },
    {
      op: 'MaxPool',
      name: '/MaxPool',
      inputs: ['block'],
      outputs: ['pooled'],
      attributes: [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])],
    },
    { op: 'Flatten', name: '/Flatten', inputs: ['pooled'], outputs: ['flat'] },
    {
      op: 'Gemm',
      name: '/f/Gemm',
      inputs: ['flat', 'f.weight', 'f.bias'],
      outputs: ['output'],
      attributes: [int('transB', 1)],
    },
  ];
  const tensorsOf = (names: readonly string[]) =>
    names.map((name) => floatTensor(name, dims[name] ?? [parameters[name]!.length], parameters[name]!));
  const [input, outputs] = [[valueInfo('input', [1, 1, 8, 8])], ['output']];
  const exported = encodeModel({
    inputs: input,
    outputs,
    initializers: [
      ...tensorsOf(['f.weight', 'f.bias']),
      ...folds.flatMap(([conv, bn], i) => {
        const [w, b] = foldedInto(conv, bn);
        return [
          floatTensor(`onnx::Conv_${2 * i}`, dims[`${conv}.weight`]!, w),
          floatTensor(`onnx::Conv_${2 * i + 1}`, [4], b),
        ];
      }),
    ],
    nodes: [
      convolution('/stem/Conv', 'input', ['onnx::Conv_0', 'onnx::Conv_1'], ['a']),
      { op: 'Relu', name: '/Relu', inputs: ['a'], outputs: ['b'] },
      convolution('/blocks/blocks.0/c1/Conv', 'b', ['onnx::Conv_2', 'onnx::Conv_3'], ['c']),
      ...rest('b', 'c'),
    ],
  });
  /** What hooks keep, from the model before folding: `[tensor, module]` in the order of execution. */
  const hooks: readonly (readonly [string, string])[] = [
    ['a', 'stem'],
    ['an', 'norm'],
    ['c', 'blocks.0.c1'],
    ['cn', 'blocks.0.n1'],
    ['block', 'blocks.0'],
    ['block', 'blocks'],
    ['output', 'f'],
  ];
  const trained = encodeModel({
    inputs: input,
    outputs,
    initializers: tensorsOf(Object.keys(parameters)),
    nodes: [
      convolution('c0', 'input', ['stem.weight'], ['a']),
      bnNode('n0', 'a', 'norm', 'an'),
      { op: 'Relu', name: 'r0', inputs: ['an'], outputs: ['b'] },
      convolution('c1', 'b', ['blocks.0.c1.weight'], ['c']),
      bnNode('n1', 'c', 'blocks.0.n1', 'cn'),
      ...rest('b', 'cn'),
    ],
  });
  function bnNode(name: string, x: string, module: string, y: string): NodeSpec {
    const inputs = [x, ...['weight', 'bias', 'running_mean', 'running_var'].map((p) => `${module}.${p}`)];
    return { op: 'BatchNormalization', name, inputs, outputs: [y] };
  }
  const count = 6;
  const samples = numbers(count * 64, 1);
  const folder = inFolder('nested');

  function captured(): Record<string, Tensor> {
    const graph = importOnnx(trained);
    const made = new Map<string, number[]>();
    for (let i = 0; i < count; i++) {
      const given = floats([1, 1, 8, 8], Float32Array.from(samples.slice(64 * i, 64 * (i + 1))));
      evaluate(graph, new Map([['input', given]]), (name, { data }) => {
        made.set(name, [...(made.get(name) ?? []), ...Array.from(data as Float32Array)]);
      });
    }
    const arrayOf = (name: string): Tensor => {
      const data = made.get(name)!;
      const shape = name === 'output' ? [count, 3] : [count, name === 'input' ? 1 : 4, 8, 8];
      return floats(shape, Float32Array.from(data));
    };
    return {
      input: arrayOf('input'),
      ...Object.fromEntries(hooks.map(([name, module]) => [module, arrayOf(name)])),
      output: arrayOf('output'),
    };
  }
  const falsified = ({ shape, data }: Tensor): Tensor =>
    floats(
      shape,
      Float32Array.from(data as Float32Array, (x, i) => (i % 7 === 0 ? 3 - 2 * x : x)),
    );
  const file = (name: string, arrays: Record<string, Tensor>): string =>
    fileWith(`${name}.npz`, npzOf(arrays));

  beforeAll(async () => {
    const data = writeNpy(floats([count, 1, 8, 8], Float32Array.from(samples)));
    const [onnx, calibration] = [fileWith('nested.onnx', exported), fileWith('nested.npy', data)];
    const { code, err } = await bench().run('compile', onnx, '--calibrate', calibration, '-o', folder, '-q');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('every layer is compared: with what was folded in, and through functional activations', async () => {
    const found = await compared(folder, file('modules', captured()));
    expect(found).toMatchObject({ code: 0, verdict: 'right', firstWrong: null });
    expect(found.coverage).toEqual({ layers: 5, compared: 5, partly: 0, notCompared: 0, lost: 0 });
    for (const { measures } of found.layers) expect(measures!.sqnr ?? 99).toBeGreaterThan(25);
  });

  test.each([
    ['norm', 'conv1'],
    ['blocks.0.n1', 'conv2'],
    ['blocks.0', 'add1'],
    ['blocks', 'add1'],
    ['f', 'linear1'],
    ['output', 'linear1'],
  ])('a falsified %s is found in %s', async (module, kernel) => {
    const arrays = captured();
    const found = await compared(folder, file('false', { ...arrays, [module]: falsified(arrays[module]!) }));
    expect(found).toMatchObject({ code: 1, verdict: 'wrong', firstWrong: kernel, causes: [] });
  });

  test('without what was folded in, the convolutions are not compared: they are not what was captured', async () => {
    const { norm: _, 'blocks.0.n1': __, ...arrays } = captured();
    const found = await compared(folder, file('raw', arrays));
    expect(found).toMatchObject({ code: 4, verdict: 'unknown', firstWrong: null });
    expect(found.coverage).toMatchObject({ layers: 5, notCompared: 2 });
    expect(found.layers[1]!.gaps).toEqual([
      { kind: 'ambiguous', why: expect.stringContaining('stem'), inferences: count },
    ]);
    const { out } = await bench().run('diff', folder, '--against', inFolder('raw.npz'));
    expect(out).toContain('No compared layer is wrong; 2 of 5 layers were not compared');
    expect(out).not.toContain('No layer is wrong');
    expect((await compared(folder, inFolder('raw.npz'), '--partial')).code).toBe(4);
  });

  test('what was not captured on purpose is accepted with --partial, wrong layers are not', async () => {
    const { input: given, 'blocks.0': block, output } = captured();
    const few = { input: given!, 'blocks.0': block!, output: output! };
    expect(await compared(folder, file('few', few))).toMatchObject({ code: 4, coverage: { notCompared: 2 } });
    expect(await compared(folder, inFolder('few.npz'), '--partial')).toMatchObject({
      code: 0,
      verdict: 'right',
    });
    const wrong = { ...few, 'blocks.0': falsified(block!) };
    const found = await compared(folder, file('fewwrong', wrong), '--partial');
    expect(found).toMatchObject({ code: 1, firstWrong: 'add1' });
    expect(found.layers.find(({ kernel }) => kernel === 'add1')!.unchecked).toEqual(['conv1', 'conv2']);
  });

  test('without the model what is no module is said to need it; with it all is compared', async () => {
    const model = inFolder('nested.onnx');
    const bytes = readFileSync(model);
    writeFileSync(model, 'another file by now');
    const modules = file('modules', captured());
    const found = await compared(folder, modules);
    expect(found).toMatchObject({ code: 4, firstWrong: null, coverage: { notCompared: 2 } });
    expect(found.layers[1]!.note).toContain('give --model');
    const moved = fileWith('moved.onnx', bytes);
    expect(await compared(folder, modules, '--model', moved)).toMatchObject({ code: 0 });
    const { code, err } = await bench().run('diff', folder, '--against', modules, '--model', model);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('not the model') });
    writeFileSync(model, bytes);
  });
});

test('a mean over space is no module and has a name of its own in the program: it is compared', async () => {
  const shape = [1, 1, 4, 4];
  const onnx = encodeModel({
    inputs: [valueInfo('x', shape)],
    initializers: [
      floatTensor('c.weight', [2, 1, 1, 1], [1, -2]),
      floatTensor('f.weight', [2, 2], [1, 2, 3, -1]),
    ],
    nodes: [
      {
        op: 'Conv',
        name: '/c/Conv',
        inputs: ['x', 'c.weight'],
        outputs: ['c'],
        attributes: [ints('kernel_shape', [1, 1])],
      },
      {
        op: 'ReduceMean',
        name: '/ReduceMean',
        inputs: ['c'],
        outputs: ['m'],
        attributes: [ints('axes', [2, 3]), int('keepdims', 0)],
      },
      { op: 'Gemm', name: '/f/Gemm', inputs: ['m', 'f.weight'], attributes: [int('transB', 1)] },
    ],
  });
  const data = Float32Array.from({ length: 8 * 16 }, (_, i) => ((i * 29) % 64) / 64 - Math.floor(i / 16) / 8);
  const made: Record<string, number[]> = { c: [], m: [], y: [] };
  for (let i = 0; i < 8; i++) {
    const given = floats(shape, data.slice(16 * i, 16 * (i + 1)));
    evaluate(importOnnx(onnx), new Map([['x', given]]), (name, t) =>
      made[name]?.push(...Array.from(t.data as Float32Array)),
    );
  }
  const arrays = {
    x: floats([8, 1, 4, 4], data),
    c: floats([8, 2, 4, 4], Float32Array.from(made.c!)),
    f: floats([8, 2], Float32Array.from(made.y!)),
  };
  const [model, samples] = [fileWith('mean.onnx', onnx), fileWith('mean.npy', writeNpy(arrays.x))];
  await bench().run('compile', model, '--calibrate', samples, '-o', inFolder('mean'), '-q');
  const found = await compared(inFolder('mean'), fileWith('mean.npz', npzOf(arrays)));
  expect(found).toMatchObject({ code: 0, coverage: { layers: 3, compared: 3 } });
});

describe('a log that is not whole', () => {
  /** A device that is wrong in one step, which all after it read. */
  function faulty(folder: string, step: number): readonly string[] {
    const { program, manifest } = artifactIn(folder);
    const build = manifest.sha256[`${program.name}.program.json`]!.slice(0, 16);
    const bytes = arrangeInput(
      program,
      readPrepared([files.images], [lenetInput], { pad: 2 }).pixels!.raw(0),
    );
    const held = slotsOfRun(program, bytes, (at, made) => (at === step ? oneByteOff(made, 7) : made));
    return traceOfSlots(program, held, { level: 2, build }).split('\n');
  }
  const ofStep = (step: number) => (line: string) =>
    new RegExp(`^~[Oo] \\S+ \\S+ ${step.toString(16)} `).test(line);

  test('lines of a wrong layer were lost: unknown, and the right layer after it is not called wrong', async () => {
    for (const step of [0, 1, 2, 3]) {
      const lines = faulty(whole, step);
      const all = await compared(whole, fileWith('wrong.log', lines.join('\n')));
      expect(all).toMatchObject({ code: 1, verdict: 'wrong' });
      const left = lines.filter((line) => !ofStep(step)(line));
      const found = await compared(whole, fileWith('left.log', left.join('\n')));
      expect(found).toMatchObject({ code: 4, verdict: 'unknown', firstWrong: null, causes: [] });
      expect(found.layers[step + 1]!.gaps).toMatchObject([{ kind: 'lost', inferences: 1 }]);
      expect(found.coverage.lost).toBeGreaterThan(0);
    }
  });

  test('lines of a right layer were lost: the layer after it agrees with what it should have read', async () => {
    const left = traceOf(whole, 1, 2)
      .split('\n')
      .filter((line) => !ofStep(1)(line));
    const found = await compared(whole, fileWith('right.log', left.join('\n')));
    expect(found).toMatchObject({ code: 4, coverage: { layers: 5, compared: 4, notCompared: 1, lost: 1 } });
    expect((await compared(whole, inFolder('right.log'), '--partial')).code).toBe(4);
  });

  test.each([900, 2000, 5000])('cut after %d bytes: nothing of it is called right', async (length) => {
    const found = await compared(whole, fileWith('cut.log', traceOf(whole, 1, 2).slice(0, length)));
    expect(found).toMatchObject({ code: 4, verdict: 'unknown' });
    const { out, code } = await bench().run('diff', whole, '--against', inFolder('cut.log'));
    expect(code).toBe(4);
    expect(out).not.toContain('No layer is wrong');
    expect(out).toMatch(/of 5 layers were not compared/);
  });

  test('of another build: it is named, and nothing else is said', async () => {
    const log = fileWith('stale.log', traceOf(pruned, 1, 2));
    const found = await compared(whole, log, ...input);
    expect(found).toMatchObject({ code: 1, firstWrong: null, causes: [{ cause: 'wrong build' }] });
    expect(found.coverage).toMatchObject({ layers: 5, notCompared: 5 });
    const both = fileWith('both.log', traceOf(whole, 1, 2) + traceOf(pruned, 1, 2));
    expect(await compared(whole, both, ...input)).toMatchObject({ code: 0, causes: [] });
  });

  test.each([1, 2] as const)(
    'whole runs were lost: each other one has the input that it ran on, level %d',
    async (level) => {
      const runs = traceOf(whole, 4, level).split(/(?=boot )/);
      for (const left of [runs.slice(1), runs.toSpliced(1, 2), [...runs.slice(2), runs[2]!]])
        expect(await compared(whole, fileWith('runs.log', left.join('')), ...input)).toMatchObject({
          code: 0,
          inferences: left.length,
        });
    },
  );

  test('a run without its first and last lines belongs to the only network of the log', async () => {
    const one = traceOf(whole, 1, 2);
    const lines = one.split('\n');
    const middle = lines.filter((line) => !/^~[BTE]/.test(line)).join('\n');
    const found = await compared(whole, fileWith('middle.log', `${one}${middle}\n`), ...input);
    expect(found).toMatchObject({ code: 0, inferences: 2 });
    const cut = await compared(whole, fileWith('half.log', one + middle.slice(0, 4000)), ...input);
    expect(cut).toMatchObject({ code: 4, inferences: 2, coverage: { layers: 5 } });
    expect(cut.coverage.partly).toBeGreaterThan(0);
  });

  test("in UTF-16, as PowerShell's > writes it", async () => {
    const log = traceOf(whole, 2, 2).replaceAll('\n', '\r\n');
    for (const bytes of [
      Buffer.from(`\ufeff${log}`, 'utf16le'),
      Buffer.from(`\ufeff${log}`, 'utf16le').swap16(),
      Buffer.from(log, 'utf16le'),
      Buffer.from(`\ufeff${log}`),
    ])
      expect(await compared(whole, fileWith('shell.log', bytes), ...input)).toMatchObject({
        code: 0,
        inferences: 2,
        warnings: [],
      });
  });

  test('an input of zeros is said to be zeros', async () => {
    const { program, manifest } = artifactIn(whole);
    const build = manifest.sha256[`${program.name}.program.json`]!.slice(0, 16);
    const held = slotsOfRun(program, new Uint8Array(1024), (_, made) => made);
    const log = fileWith('zeros.log', traceOfSlots(program, held, { level: 2, build }));
    const found = await compared(whole, log, ...input);
    expect(found).toMatchObject({ code: 1, firstWrong: 'input', causes: [{ cause: 'input preprocessing' }] });
    expect(found.causes[0]!.text).toMatch(/^the input is 0 everywhere/);
  });
});

describe('bad input', () => {
  test.each([
    [[whole, '--against', model], 'no inputs to compute on; give --input FILE'],
    [[whole, '--against', 'nowhere.log'], 'no such file'],
    [[whole, '--against', files.labels], 'a file without the trace of a network'],
    [[whole, '--against', 'qemu:cortex-z80', '--input', files.images], 'cortex-z80'],
    [[model, '--against', model], model],
    [[whole], '--against'],
    [[whole, '--against', model, ...input, '--min-sqnr', 'loud'], '--min-sqnr'],
  ])('%s', async (argv, says) => {
    const { code, err } = await bench().run('diff', ...argv);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });

  test('an archive without any array of the model', async () => {
    const file = fileWith(
      'none.npz',
      zipSync({ 'a.npy': writeNpy({ dtype: 'float32', shape: [1], data: new Float32Array(1) }) }),
    );
    const { code, err } = await bench().run('diff', whole, '--against', file);
    expect(code).toBe(2);
    expect(err).toContain('arrays called a; supported: names of tensors, nodes or PyTorch modules');
  });
});
