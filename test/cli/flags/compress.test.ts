/** The flags that make a network smaller, on a model of which a build takes a moment. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { mulberry32 } from '../../../src/base/random.ts';
import { parseCodebook } from '../../../src/cli/flags/compress.ts';
import { writeNpy } from '../../../src/data/npy.ts';
import { bench } from '../../support/cli.ts';
import { encodeModel, floatTensor, int, ints, valueInfo } from '../../support/onnx-model.ts';
import { sampleFiles } from '../../support/sample-files.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-compress-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

const random = mulberry32(5);
const numbers = (count: number, scale: number): number[] =>
  Array.from({ length: count }, () => scale * (2 * random() - 1));
/** Three of four are 0, as torch.nn.utils.prune leaves them: once multiplied out, once as weight times mask. */
const mask = (count: number): number[] => Array.from({ length: count }, (_, i) => (i % 4 === 0 ? 1 : 0));
const masked = (weights: readonly number[]): number[] => weights.map((w, i) => (i % 4 === 0 ? w : 0));

const w2 = numbers(12 * 36, 0.3);
const w3 = numbers(4 * 12, 0.5);

/** 1x8x8 -> conv 4, ReLU, max-pool -> linear 12, ReLU -> linear 4. */
const modelWith = (middle: readonly number[], product: boolean): Uint8Array =>
  encodeModel({
    inputs: [valueInfo('x', [1, 1, 8, 8])],
    outputs: ['y'],
    initializers: [
      floatTensor('w1', [4, 1, 3, 3], numbers(36, 0.5)),
      floatTensor(product ? 'w2_orig' : 'w2', [12, 36], middle),
      floatTensor('w2_mask', [12, 36], mask(12 * 36)),
      floatTensor('w3', [4, 12], w3),
    ],
    nodes: [
      { op: 'Conv', name: 'conv', inputs: ['x', 'w1'], outputs: ['c'] },
      { op: 'Relu', inputs: ['c'], outputs: ['r'] },
      {
        op: 'MaxPool',
        inputs: ['r'],
        outputs: ['p'],
        attributes: [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])],
      },
      { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
      ...(product ? [{ op: 'Mul', inputs: ['w2_orig', 'w2_mask'], outputs: ['w2'] }] : []),
      { op: 'Gemm', name: 'fc1', inputs: ['f', 'w2'], outputs: ['g'], attributes: [int('transB', 1)] },
      { op: 'Relu', inputs: ['g'], outputs: ['h'] },
      { op: 'Gemm', name: 'fc2', inputs: ['h', 'w3'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
  });

const file = (name: string, content: Uint8Array | string): string => {
  writeFileSync(inFolder(name), content);
  return inFolder(name);
};
const samplesFile = (name: string, count: number): string =>
  file(
    name,
    writeNpy({ dtype: 'float32', shape: [count, 1, 8, 8], data: Float32Array.from(numbers(count * 64, 1)) }),
  );

const model = file('net.onnx', modelWith(w2, false));
const samples = samplesFile('samples.npy', 90);
const one = samplesFile('one.npy', 1);
const labels = file('labels.txt', Array.from({ length: 90 }, (_, i) => `${i % 4}\n`).join(''));
const base = ['--calibrate', samples, '--samples', '40', '--held-out', '30'];

interface Layer {
  readonly node: string;
  readonly density: number;
  readonly bits: number;
  readonly bytes: number;
  readonly why: string;
}
interface Json {
  readonly tableBytes: number;
  readonly arenaBytes: number;
  readonly macs: number;
  readonly formats: readonly Layer[];
  readonly steps: readonly { readonly macs: number }[];
  readonly tried: readonly object[];
  readonly overBudget: readonly string[];
  readonly accuracy: object | null;
  readonly folder: string | null;
}

async function compiled(...flags: readonly string[]): Promise<Json> {
  const { code, out, err } = await bench().run('compile', model, ...base, ...flags, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Json;
}

const plain = await compiled();
/** Of the 516 weights of the model; the convolution is computed at 36 places. */
const densityOf = ({ formats, steps }: Json): number =>
  formats.reduce((sum, { density }, i) => sum + (density * (steps[i]?.macs ?? 0)) / (i === 0 ? 36 : 1), 0) /
  516;

describe('what goes', () => {
  test.each(['obs', 'magnitude'])('--prune %s: the share of weights asked for', async (method) => {
    const built = await compiled('--sparsity', '0.75', '--prune', method);
    expect(densityOf(built)).toBeLessThanOrEqual(0.251);
    expect(built.tableBytes).toBeLessThan(plain.tableBytes);
    for (const { why } of built.formats) expect(why).toMatch(/density .* bytes .* instructions/);
  });

  test('--prune channel: shapes shrink, and so do multiplications', async () => {
    const built = await compiled('--sparsity', '0.5', '--prune', 'channel');
    expect(built.macs).toBeLessThan(plain.macs);
    expect(built.tableBytes).toBeLessThan(plain.tableBytes);
  });

  test.each([
    ['2:4', 0.5],
    ['1x4', 0.5],
  ])('--pattern %s', async (pattern, share) => {
    const built = await compiled('--sparsity', String(share), '--pattern', pattern);
    expect(densityOf(built)).toBeLessThanOrEqual(1);
    expect(densityOf(built)).toBeGreaterThan(0.2);
    expect(built.tableBytes).toBeLessThan(plain.tableBytes);
  });

  test('--sparsity 0 is the build without it', async () => {
    const built = await compiled('--sparsity', '0');
    expect(built).toMatchObject({ tableBytes: plain.tableBytes, macs: plain.macs });
  });

  test('--sparsity 1: nothing is left but constants', async () => {
    const out = inFolder('nothing');
    const built = await compiled('--sparsity', '1', '-o', out);
    expect(built.tableBytes).toBeLessThan(100);
    expect((await bench().run('run', out, '--input', one)).code).toBe(0);
  });

  test('one calibration image is enough to prune with', async () => {
    const { code, err } = await bench().run('compile', model, '--calibrate', one, '--sparsity', '0.6');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});

test.each([
  ['8', 127],
  ['5', 15],
  ['4', 7],
  ['3', 3],
  ['2', 1],
])('--weight-bits %s: smaller with fewer', async (bits, largest) => {
  const built = await compiled('--weight-bits', bits, '--optimize', 'flash');
  for (const layer of built.formats) expect(layer.bits).toBeLessThanOrEqual(Math.log2(largest + 1) + 1);
  if (Number(bits) <= 4) expect(built.tableBytes).toBeLessThan(plain.tableBytes);
});

describe('models that were pruned elsewhere', () => {
  test.each([
    ['zeros', file('zeros.onnx', modelWith(masked(w2), false))],
    ['weights times a mask', file('mask.onnx', modelWith(w2, true))],
  ])('%s stay zero, and are not stored', async (_, onnx) => {
    const { code, out } = await bench().run('compile', onnx, ...base, '--optimize', 'flash', '--json');
    expect(code).toBe(0);
    const layer = (JSON.parse(out) as Json).formats.find(({ node }) => node === 'fc1');
    expect(layer?.density).toBeLessThanOrEqual(0.25);
    expect(layer?.bytes).toBeLessThan(300);
  });
});

describe('budgets', () => {
  test('that can be kept: found, within them, and with the list of what was tried', async () => {
    const flash = Math.floor(plain.tableBytes * 0.6);
    const built = await compiled('--flash', `${flash}B`, '-o', inFolder('fits'));
    expect(built.tableBytes).toBeLessThanOrEqual(flash);
    expect(built.tried.length).toBeGreaterThan(1);
    expect(built.folder).toBe(inFolder('fits'));
  });

  test('the text says which of those tried it is', async () => {
    const flash = Math.floor(plain.tableBytes * 0.6);
    const { out } = await bench().run('compile', model, ...base, '--flash', `${flash}B`);
    const [, sparsity = ''] = /\nchosen: ([0-9.]+ %) zeros, [48] bits\n/.exec(out) ?? [];
    expect(sparsity).not.toBe('');
    expect(out).toMatch(new RegExp(`\n +${sparsity} `));
  });

  test('--instructions counts on the target', async () => {
    const { tried } = await compiled('--instructions', '1M', '--target', 'rv32imc');
    expect(tried).toContainEqual(expect.objectContaining({ instructions: expect.any(Number) }));
  });

  test('--max-loss 100 allows the smallest; with labels the report says top-1', async () => {
    const out = inFolder('lossy');
    const built = await compiled('--max-loss', '100', '--labels', labels, '-o', out);
    expect(built.tableBytes).toBeLessThan(plain.tableBytes / 2);
    expect(built.accuracy).toMatchObject({ samples: 30, labelled: true });
    expect(readFileSync(path.join(out, 'report.md'), 'utf8')).toMatch(
      /top-1 on held-out samples: float .*interval/,
    );
  });

  test.each([
    ['--flash', '20B', 'constants'],
    ['--ram', '10B', 'RAM'],
    ['--instructions', '50', 'instructions'],
  ])('%s that nothing reaches: exit 1, the nearest, nothing written', async (flag, limit, named) => {
    const out = inFolder('never');
    const { code, err, out: text } = await bench().run('compile', model, ...base, flag, limit, '-o', out);
    expect(code).toBe(1);
    expect(err).toContain('over budget: the nearest build has');
    expect(err).toContain(named);
    expect(text).toContain('points lost');
    expect(text).toMatch(/\nnearest: [0-9.]+ % zeros, [48] bits\n/);
    expect(existsSync(out)).toBe(false);
  });

  test('samples that all calibrate leave none to judge by', async () => {
    const { code, err } = await bench().run('compile', model, '--calibrate', samples, '--flash', '1KB');
    expect(code).toBe(2);
    expect(err).toContain(
      '90 samples; all of them calibrate (--samples 512), none is left to judge builds by',
    );
    expect(err).toContain('calibrate with fewer: --samples 45');
  });

  test('a limit beside --sparsity is only checked', async () => {
    const { code, err } = await bench().run('compile', model, ...base, '--sparsity', '0.5', '--flash', '50B');
    expect(code).toBe(1);
    expect(err).toMatch(/over budget: constants [0-9,]+ B, [0-9,]+ B over the limit of 50 B/);
  });
});

describe('sweep', () => {
  test('every build, judged; the front; files', async () => {
    const out = inFolder('sweep');
    const flags = ['--sparsities', '0,0.8', '--labels', labels, '-o', out];
    const { code, out: text } = await bench().run('sweep', model, ...base, ...flags);
    expect(code).toBe(0);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const json = JSON.parse(readFileSync(path.join(out, 'sweep.json'), 'utf8')) as {
      readonly builds: readonly { readonly pareto: boolean; readonly right: number }[];
      readonly floatRight: number;
    };
    expect(json.builds).toHaveLength(4);
    expect(json.builds.some(({ pareto }) => pareto)).toBe(true);
    expect(json.floatRight).toBeLessThanOrEqual(30);
    expect(readFileSync(path.join(out, 'sweep.txt'), 'utf8')).toBe(text);
  });
});

describe('bad input', () => {
  const failing = async (...flags: readonly string[]): Promise<string> => {
    const { code, err } = await bench().run('compile', model, ...base, ...flags);
    expect(code).toBe(2);
    return err;
  };

  test('labels of another number of samples', async () => {
    const few = file('few.txt', '1\n2\n');
    expect(await failing('--max-loss', '1', '--labels', few)).toContain('2 labels for 90 samples');
  });

  test('a class that the outputs do not have', async () => {
    const wide = file('wide.txt', Array.from({ length: 90 }, (_, i) => `${i % 5}\n`).join(''));
    expect(await failing('--max-loss', '1', '--labels', wide)).toMatch(/label [0-9]+ is 4, but .* 4 outputs/);
    expect(await failing('--finetune', '1', '--threads', '1', '--labels', wide)).toMatch(
      /label [0-9]+ is 4, but .* 4 outputs/,
    );
  });

  test.each([
    ['--sparsity', '1.5'],
    ['--sparsity', 'half'],
    ['--weight-bits', '1'],
    ['--weight-bits', '4.5'],
    ['--pattern', '4:2x'],
    ['--prune', 'luck'],
    ['--flash', '0'],
    ['--flash', '12 parsecs'],
    ['--max-loss', '-1'],
    ['--finetune', '0'],
    ['--held-out', '-5'],
  ])('%s %s', async (flag, value) => {
    expect(await failing(flag, value)).toContain(flag);
  });
});

const files = sampleFiles();
afterAll(files.remove);
const int8 = ['compile', 'models/lenet5.onnx', '--calibrate', files.images, '--pad', '2'];

describe('--codebook', () => {
  test('of all layers, or of layers by name', () => {
    expect(parseCodebook('16')).toBe(16);
    expect(parseCodebook('4')).toBe(4);
    expect(parseCodebook('/3/Conv=16,a=b=4')).toEqual(
      new Map([
        ['/3/Conv', 16],
        ['a=b', 4],
      ]),
    );
    for (const wrong of ['', '8', 'x=', 'x=8', '=16', '16,4', 'x=16,4'])
      expect(() => parseCodebook(wrong)).toThrow(/16, 4, or layers with one of them/);
  });

  test('one layer shares values, is stored as indices, and says so', async () => {
    const out = path.join(files.folder, 'shared');
    const result = await bench().run(
      ...int8,
      '--codebook',
      '/0/Conv=4',
      '--optimize',
      'tables',
      '--json',
      '-o',
      out,
    );
    expect(result).toMatchObject({ code: 0, err: '' });
    const { formats } = JSON.parse(result.out) as { formats: readonly Record<string, unknown>[] };
    expect(formats[0]).toMatchObject({ node: '/0/Conv', format: 'dense2', codebook: 4 });
    expect(formats[0]!.why).toMatch(/^dense2 codebook/);
    const report = readFileSync(path.join(out, 'report.md'), 'utf8');
    expect(report).toContain(`: ${formats[0]!.why}\n`);
    expect(formats.slice(1).map(({ codebook }) => codebook)).toEqual([null, null, null, null]);
  });

  test.each([
    [['--codebook', '16', '--weight-bits', '4'], 'codebook: weights of fewer than 8 bits in the same layers'],
    [['--codebook', 'nobody=16'], "codebook of 'nobody': no such node; supported: /0/Conv, /3/Conv"],
    [['--codebook', '--requant', 'pow2'], "codebook: requantization 'pow2'"],
    [['--codebook', '--finetune', '1'], '--finetune: --codebook; supported: --weight-bits'],
  ])('%j is refused with exit code 2', async (flags, message) => {
    const result = await bench().run(...int8, ...flags);
    expect(result).toMatchObject({ code: 2, out: '' });
    expect(result.err).toContain(message);
    expect(result.err).toMatch(/^thimble: [^\n]+\n$/);
  });
});
