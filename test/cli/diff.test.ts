/** `thimble diff`: what it compares with what, and what it says. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Artifact, loadArtifact } from '../../src/artifact.ts';
import { readPrepared } from '../../src/cli/model.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { arrangeInput } from '../../src/run.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { createTrace } from '../../src/trace/write.ts';
import { bench } from '../support/cli.ts';
import { sampleFiles } from '../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const inFolder = (name: string): string => path.join(files.folder, name);
const [whole, pruned, doubled, half] = ['whole', 'pruned', 'doubled', 'float'].map(inFolder) as [
  string,
  string,
  string,
  string,
];

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
  readonly layers: readonly {
    readonly kernel: string;
    readonly wrong: boolean;
    readonly exact: boolean;
    readonly note?: string;
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
  const prepared = readPrepared(files.images, [1, 32, 32], { pad: 2 });
  const simulator = createSimulator(program, { mode: 'fast' });
  const build = manifest.sha256[`${program.name}.program.json`]!.slice(0, 16);
  return Array.from({ length: count }, (_, i) => {
    const bytes = arrangeInput(program, prepared.pixels!.raw(i));
    const outcome = simulator.run(bytes, { keepArenas: true });
    return `boot ${i}\r\n${createTrace(program, { input: bytes, outcome }, { level, build })}`;
  }).join('');
}

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
    const found = await compared(whole, doubled, ...input);
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
    const real = readPrepared(files.images, [1, 32, 32], { pad: 2 }).real(0);
    const made: Record<string, Tensor> = { input: floats([1, 1, 32, 32], real) };
    const outputs = evaluate(graph, new Map([[graph.inputs[0]!, made.input!]]), (name, tensor) => {
      made[rename(name)] = tensor;
    });
    for (const [name, tensor] of outputs) made[rename(name)] = tensor;
    return made;
  }
  const npz = (arrays: Record<string, Tensor>): Uint8Array =>
    zipSync(
      Object.fromEntries(
        Object.entries(arrays).map(([name, { shape, data }]) => [
          `${name.replaceAll('/', '%')}.npy`.replaceAll('%', '/'),
          writeNpy({ dtype: 'float32', shape, data: Float32Array.from(data as Float32Array) }),
        ]),
      ),
    );

  test("by the model's names, and by PyTorch's modules", async () => {
    const byTensor = fileWith('tensors.npz', npz(activations((name) => name)));
    // '/2/MaxPool_output_0' is the output of the module '2'.
    const byModule = fileWith(
      'modules.npz',
      npz(activations((name) => /^\/([^/]+)\//.exec(name)?.[1] ?? name)),
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
    const file = fileWith('moved.npz', npz({ ...arrays, input: floats([1, 1, 32, 32], moved) }));
    const found = await compared(whole, file, ...input, '--limit', '1');
    expect(found).toMatchObject({ code: 1, firstWrong: 'input', causes: [{ cause: 'input preprocessing' }] });
    expect(found.causes[0]!.text).toMatch(/^the input is 3\.246 x \+ -0\.42/);
  });
});

describe('bad input', () => {
  test.each([
    [[whole, '--against', model], 'no inputs to compute on; give --input FILE'],
    [[whole, '--against', 'nowhere.log'], 'no such file'],
    [[whole, '--against', files.labels], 'no trace of a network in it'],
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
