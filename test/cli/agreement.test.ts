/** What every int8 compile says of itself: how near float it stays, and what speaks against it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Artifact, loadArtifact } from '../../src/artifact/make.ts';
import { mulberry32 } from '../../src/base/random.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { reportHtml } from '../../src/report/report.ts';
import { bench } from '../support/cli.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../support/onnx-model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-agreement-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: Uint8Array): string => {
  writeFileSync(path.join(folder, name), content);
  return path.join(folder, name);
};

const random = mulberry32(11);
const numbers = (count: number, scale: number): number[] =>
  Array.from({ length: count }, () => scale * (2 * random() - 1));
const samplesOf = (
  name: string,
  features: number,
  count: number,
  at: (i: number, f: number) => number,
): string =>
  file(
    name,
    writeNpy({
      dtype: 'float32',
      shape: [count, features],
      data: Float32Array.from({ length: count * features }, (_, i) =>
        at(Math.floor(i / features), i % features),
      ),
    }),
  );

/** Linear layers of these sizes, ReLU between them. */
function linears(
  name: string,
  sizes: readonly number[],
  weights: (layer: number, count: number) => readonly number[],
  bias?: readonly number[],
): string {
  const last = sizes.length - 2;
  return file(
    name,
    encodeModel({
      inputs: [valueInfo('x', [1, sizes[0]!])],
      outputs: [`y${last}`],
      initializers: [
        ...sizes
          .slice(1)
          .map((out, i) => floatTensor(`w${i}`, [out, sizes[i]!], weights(i, out * sizes[i]!))),
        ...(bias === undefined ? [] : [floatTensor('b', [bias.length], bias)]),
      ],
      nodes: sizes.slice(1).flatMap((_, i) => [
        {
          op: 'Gemm',
          name: `fc${i}`,
          inputs: [i === 0 ? 'x' : `r${i - 1}`, `w${i}`, ...(i === last && bias !== undefined ? ['b'] : [])],
          outputs: [`y${i}`],
          attributes: [int('transB', 1)],
        },
        ...(i < last ? [{ op: 'Relu', inputs: [`y${i}`], outputs: [`r${i}`] }] : []),
      ]),
    }),
  );
}

const model = linears('net.onnx', [6, 16, 4], (_, count) => numbers(count, 1));
const noise = numbers(100 * 6, 1);
const varied = samplesOf('varied.npy', 6, 100, (i, f) => noise[6 * i + f]!);

interface Said {
  readonly agreement: {
    samples: number;
    heldBack: boolean;
    sqnr: number;
    text: string;
    calibration: { odd: string | null };
  };
  readonly warnings: readonly { kind: string; text: string; channels: number[]; kernel: string | null }[];
  readonly sparsity: { asked: number | null; reached: number } | null;
  readonly overBudget: readonly string[];
  readonly formats: readonly { node: string; format: string; bytes: number }[];
  readonly tableBytes: number;
}
async function said(...argv: readonly string[]): Promise<Said & { code: number; err: string }> {
  const { out, err, code } = await bench().run('compile', ...argv, '--json');
  return { ...(JSON.parse(out) as Said), err, code };
}

const artifactIn = (out: string): Artifact =>
  loadArtifact(new Map(readdirSync(out).map((name) => [name, readFileSync(path.join(out, name))])));
const pageOf = (out: string): Promise<string> => reportHtml({ artifact: artifactIn(out) });

describe('the line', () => {
  test('a good build: in output, JSON, manifest and both reports, without a warning', async () => {
    const out = path.join(folder, 'good');
    const result = await bench().run('compile', model, '--calibrate', varied, '-o', out);
    expect(result).toMatchObject({ code: 0, err: '' });
    const line = /^int8 against float: [\d.]+ dB, same class [\d.]+ %; worst layer linear\d [\d.]+ dB$/m.exec(
      result.out,
    )![0];
    expect(result.out).toContain('calibrated on 90 samples; compared on 10 held back');
    const report = readFileSync(path.join(out, 'report.md'), 'utf8');
    expect(report).toContain(line);
    const artifact = artifactIn(out);
    expect(artifact.manifest.agreement?.text).toBe(line);
    expect(artifact.manifest.warnings).toEqual([]);
    expect(await pageOf(out)).toContain(`${artifact.manifest.agreement!.sqnr!.toFixed(1)} dB`);
  });

  test('samples that --samples leaves over judge, and all of those asked for calibrate', async () => {
    const { agreement } = await said(model, '--calibrate', varied, '--samples', '40');
    expect(agreement).toMatchObject({ samples: 40, heldBack: true, calibration: { count: 40, odd: null } });
  });

  test('too few samples: none is held back, and that is said', async () => {
    const few = samplesOf('few.npy', 6, 5, (i, f) => noise[6 * i + f]!);
    const result = await bench().run('compile', model, '--calibrate', few);
    expect(result.out).toContain('calibrated on 5 samples; compared on the same');
  });

  test('one output is no class', async () => {
    const one = linears('one.onnx', [6, 8, 1], (_, count) => numbers(count, 1));
    const { out } = await bench().run('compile', one, '--calibrate', varied);
    expect(out).toMatch(/^int8 against float: [\d.]+ dB; worst layer/m);
  });
});

describe('--min-sqnr', () => {
  test('below: exit code 1, nothing written, and both numbers named', async () => {
    const out = path.join(folder, 'strict');
    const result = await bench().run('compile', model, '--calibrate', varied, '--min-sqnr', '90', '-o', out);
    expect(result.code).toBe(1);
    expect(result.err).toMatch(
      /^thimble: int8 against float: .* below --min-sqnr 90; nothing was written\n$/,
    );
    expect(existsSync(out)).toBe(false);
  });

  test('above: exit code 0', async () => {
    expect((await said(model, '--calibrate', varied, '--min-sqnr', '20')).code).toBe(0);
  });

  test.each([['abc'], ['']])('%j is refused', async (text) => {
    expect(await bench().run('compile', model, '--calibrate', varied, '--min-sqnr', text)).toMatchObject({
      code: 2,
    });
  });

  test('means nothing for float32', async () => {
    const result = await bench().run('compile', model, '--type', 'float32', '--min-sqnr', '20');
    expect(result).toMatchObject({ code: 2, err: expect.stringContaining('--min-sqnr: --type float32') });
  });
});

describe('calibration that says little', () => {
  const cases: readonly (readonly [string, number, (i: number, f: number) => number, string])[] = [
    ['zeros', 20, () => 0, 'all of them zeros'],
    ['mostly-zeros', 20, (i, f) => (i < 3 ? noise[6 * i + f]! : 0), 'of them zeros'],
    ['one-repeated', 20, (_, f) => noise[f]!, 'all of them the same'],
    ['constant', 20, (i) => i / 10 + 0.1, 'all of them one constant value throughout'],
    ['single', 1, (_, f) => noise[f]!, 'a single one'],
    ['two-repeated', 20, (i, f) => noise[6 * (i % 2) + f]!, 'only 2 of them different'],
  ];
  test.each(cases)('%s', async (name, count, at, odd) => {
    const calibrate = samplesOf(`${name}.npy`, 6, count, at);
    const out = path.join(folder, name);
    const result = await bench().run('compile', model, '--calibrate', calibrate, '-o', out);
    expect(result.out.split('\n')[0]).toContain(odd);
    expect(result.out).toMatch(/^warning: calibration: calibrated on /m);
    expect(result.err).toBe('');
    expect(await pageOf(out)).toContain(
      `<li><strong>calibration</strong>: calibrated on ${count === 1 ? '1 sample' : ''}`,
    );
    expect(readFileSync(path.join(out, 'report.md'), 'utf8')).toMatch(/^- calibration: calibrated on/m);
    const json = await said(model, '--calibrate', calibrate);
    expect(json.agreement.calibration.odd).toContain(odd);
    expect(json.warnings[0]).toMatchObject({ kind: 'calibration', text: expect.stringContaining(odd) });
  });

  test('samples of one class', async () => {
    // Four outputs, of which the first is far above the others for every positive input.
    const biased = linears('biased.onnx', [6, 4], (_, count) => numbers(count, 0.1), [9, 0, 0, 0]);
    const { warnings } = await said(biased, '--calibrate', varied);
    expect(warnings.map(({ text }) => text).join()).toContain('samples of one class');
    expect((await said(model, '--calibrate', varied)).warnings).toEqual([]);
  });

  test('ranges that other samples leave by far', async () => {
    const grown = samplesOf('grown.npy', 6, 100, (i, f) => noise[6 * i + f]! * (i % 2 === 0 ? 1 : 10));
    const { warnings } = await said(model, '--calibrate', grown, '--samples', '50');
    expect(warnings[0]).toMatchObject({
      kind: 'calibration',
      text: expect.stringContaining("tensor 'x' was calibrated to"),
    });
  });
});

describe('layers that are too far from float', () => {
  const kindsOf = ({ warnings }: Said): readonly string[] => warnings.map(({ kind }) => kind);

  test('values beyond what was calibrated: calibration, by layer', async () => {
    const grown = samplesOf('beyond.npy', 6, 100, (i, f) => noise[6 * i + f]! * (i % 2 === 0 ? 1 : 100));
    const { warnings } = await said(model, '--calibrate', grown, '--samples', '50');
    expect(
      warnings
        .slice(1)
        .map(({ text }) => text)
        .join(),
    ).toMatch(/linear\d \(.*below 20 dB/);
    expect(kindsOf({ warnings } as Said)).not.toContain('bits');
  });

  test('too few bits', async () => {
    const far = await said(model, '--calibrate', varied, '--weight-bits', '2', '--min-sqnr', '15');
    expect(far.code).toBe(1);
    expect((await said(model, '--calibrate', varied)).warnings).toEqual([]);
  });

  test('too much pruned', async () => {
    const { warnings } = await said(model, '--calibrate', varied, '--sparsity', '0.95');
    expect(warnings).toContainEqual(expect.objectContaining({ kind: 'pruning', kernel: expect.any(String) }));
  });

  test('an output that varies by less than a step beside a large one', async () => {
    const rows = (_: number, count: number): number[] =>
      numbers(count, 1).map((w, i) => (i < count / 2 ? 1e4 * w : w));
    const two = linears('two.onnx', [6, 2], rows, [1e6, 0]);
    const { warnings, code } = await said(two, '--calibrate', varied, '--min-sqnr', '20');
    expect(warnings).toContainEqual(expect.objectContaining({ kind: 'range', tensor: 'y0', channels: [1] }));
    expect(code).toBe(1);
  });
});

describe('sparsity that is not reached', () => {
  // 6 inputs and 4 outputs stay whatever happens: of 6x4 weights nothing can go by channels.
  const shallow = linears('shallow.onnx', [6, 4], (_, count) => numbers(count, 1));
  const prune = ['--calibrate', varied, '--prune', 'channel', '--sparsity', '0.9'];

  test('is said in output, JSON and report', async () => {
    const out = path.join(folder, 'short');
    const result = await bench().run('compile', shallow, ...prune, '-o', out);
    expect(result.code).toBe(0);
    expect(result.out).toContain('warning: pruning: asked for 90 % zeros, reached 0 %: ');
    expect(readFileSync(path.join(out, 'report.md'), 'utf8')).toContain('asked for 90 % zeros, reached 0 %');
    expect((await said(shallow, ...prune)).sparsity).toEqual({ asked: 0.9, reached: 0 });
  });

  test('with a budget it is exit code 1', async () => {
    const { code, overBudget } = await said(shallow, ...prune, '--flash', '1MB');
    expect(code).toBe(1);
    expect(overBudget.join()).toContain('reached 0 %');
  });

  test('one that is reached is no warning, with a budget either', async () => {
    const asked = ['--calibrate', varied, '--sparsity', '0.5', '--flash', '1MB'];
    const { code, warnings, sparsity } = await said(model, ...asked);
    expect(code).toBe(0);
    expect(warnings.filter(({ text }) => text.includes('asked for'))).toEqual([]);
    expect(sparsity!.reached).toBeCloseTo(0.5, 1);
  });
});

describe('zeros that are in the file already', () => {
  const zeros = (_: number, count: number): number[] =>
    numbers(count, 1).map((w, i) => (i % 10 === 0 ? w : 0));
  const wide = samplesOf('wide.npy', 100, 40, (i, f) => noise[(7 * i + 3 * f) % noise.length]!);

  test('are stored sparse by default, and both sizes are said', async () => {
    const sparse = linears('sparse.onnx', [100, 120, 4], zeros);
    const result = await bench().run('compile', sparse, '--calibrate', wide);
    expect(result.out).toMatch(/most weights are zeros: stored sparse, [\d,]+ B; one byte each [\d,]+ B/);
    const { tableBytes } = await said(sparse, '--calibrate', wide);
    const flash = await said(sparse, '--calibrate', wide, '--optimize', 'flash');
    expect(tableBytes).toBeLessThan(1.05 * flash.tableBytes);
  });

  test('a layer without them stays as it is', async () => {
    const half = linears('half.onnx', [100, 120, 40], (layer, count) =>
      layer === 0 ? zeros(0, count) : numbers(count, 1),
    );
    const { formats } = await said(half, '--calibrate', wide);
    expect(formats.map(({ format }) => format === 'dense8')).toEqual([false, true]);
    const none = await said(
      linears('none.onnx', [100, 40], (_, count) => numbers(count, 1)),
      '--calibrate',
      wide,
    );
    expect(none.formats).toEqual([]);
  });
});
