/** `--finetune` of the command line: what an interruption leaves, and what going on from it gives. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { identityOf, loadCheckpoint } from '../../../src/cli/checkpoint.ts';
import { Interrupted } from '../../../src/cli/exit.ts';
import { type Keeping, trainedBuild } from '../../../src/cli/flags/finetune.ts';
import type { CompileOptions } from '../../../src/compile.ts';
import type { TrainingData } from '../../../src/compress/train/options.ts';
import { inProcess } from '../../../src/compress/train/shard.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { bench } from '../../support/cli.ts';
import { lenetInput, sampleFiles } from '../../support/sample-files.ts';

const files = sampleFiles(130);
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const inFolder = (name: string): string => path.join(files.folder, name);
const command = (out: string, ...more: readonly string[]): string[] => [
  'compile',
  model,
  '--calibrate',
  files.images,
  '--pad',
  '2',
  '--threads',
  '1',
  '--finetune',
  '2',
  '--weight-bits',
  '4',
  '-o',
  out,
  ...more,
];
const sparse = ['--sparsity', '0.9'];
const programIn = (folder: string): string => readFileSync(path.join(folder, 'lenet5.program.json'), 'utf8');

/** The run of `command` and `sparse`, ended by a signal after its first step. */
async function interrupted(file: string): Promise<unknown> {
  const bytes = new Uint8Array(readFileSync(model));
  const { keeping, options, flags, data } = await asTheCommandDoes(bytes, file);
  const onProgress = (_: string, done: number): void => {
    if (done === 1) process.emit('SIGINT');
  };
  return trainedBuild(importOnnx(bytes, { name: 'lenet5' }), options, flags, {
    data,
    keeping,
    onProgress,
    runner: inProcess,
  });
}

interface Asked {
  readonly keeping: Keeping;
  readonly options: CompileOptions;
  readonly flags: Parameters<typeof trainedBuild>[2];
  readonly data: TrainingData;
}

async function asTheCommandDoes(bytes: Uint8Array, file: string): Promise<Asked> {
  const { readPrepared } = await import('../../../src/cli/flags/model.ts');
  const { calibrationOf, trainingOf } = await import('../../../src/cli/flags/calibrate.ts');
  const prepared = readPrepared([files.images], [lenetInput], { pad: 2 });
  const flags = {
    sparsity: 0.9,
    weightBits: 4,
    finetune: 2,
    seed: 1,
    prune: 'obs',
    pattern: 'none',
    target: 'cortex-m4',
    heldOut: 2000,
  } as const;
  const data = trainingOf(prepared, {});
  return {
    flags,
    data,
    keeping: { file, identity: identityOf(bytes, data, flags), resume: false },
    options: { name: 'lenet5', arith: 'int8', calibration: calibrationOf(prepared, 512) },
  };
}

describe('an interrupted fine-tuning', () => {
  const out = inFolder('out');
  const kept = `${out}.checkpoint`;

  test('leaves a checkpoint and nothing else', async () => {
    await expect(interrupted(kept)).rejects.toThrow(Interrupted);
    await expect(interrupted(kept)).rejects.toThrow(InputError);
    expect(existsSync(kept)).toBe(true);
    expect(existsSync(out)).toBe(false);
  });

  test('is not begun again by mistake', async () => {
    const { code, err } = await bench().run(...command(out, ...sparse));
    expect(code).toBe(2);
    expect(err).toContain('add --resume to continue it, or remove the file');
  });

  test.each([
    ['--sparsity', ['--sparsity', '0.8']],
    ['--sparsity', []],
    ['--seed', [...sparse, '--seed', '2']],
    ['--finetune', [...sparse, '--finetune', '3']],
    ['--weight-bits', [...sparse, '--weight-bits', '8']],
    ['--calibrate', [...sparse, '--pad', '2', '--normalize', '0.5,0.5', '--calibrate', 'OTHER']],
    ['--labels', [...sparse, '--labels', files.labels]],
  ])('does not go on with another %s', async (name, more) => {
    const other = sampleFiles(129);
    const argv = command(out, ...more.map((x) => (x === 'OTHER' ? other.images : x)), '--resume');
    const { code, err } = await bench().run(...argv);
    other.remove();
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`^thimble: ${name}: .* in .*out\\.checkpoint; supported: the options of`));
    expect(existsSync(out)).toBe(false);
  });

  test('goes on to the very program of a run without a pause', async () => {
    const whole = inFolder('whole');
    expect(await bench().run(...command(whole, ...sparse))).toMatchObject({ code: 0, err: '' });
    expect(await bench().run(...command(out, ...sparse, '--resume'))).toMatchObject({ code: 0, err: '' });
    expect(programIn(out)).toBe(programIn(whole));
    expect(existsSync(kept)).toBe(false);
  });

  test('nothing to go on from, and files that are no checkpoint', async () => {
    const missing = await bench().run(...command(inFolder('none'), ...sparse, '--resume'));
    expect(missing).toMatchObject({ code: 2 });
    expect(missing.err).toContain('--resume: no file');
    const file = inFolder('text');
    for (const text of ['', 'hello\n', 'thimble fine-tuning checkpoint 1 {\n']) {
      writeFileSync(file, text);
      expect(() => loadCheckpoint(file, {}, true)).toThrow(InputError);
    }
  });

  test('a checkpoint that was cut is refused', async () => {
    const file = inFolder('cut');
    await expect(interrupted(file)).rejects.toThrow(Interrupted);
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    const { code, err } = await bench().run(
      ...command(inFolder('cut-out'), ...sparse, '--resume', '--checkpoint', file),
    );
    expect(code).toBe(2);
    expect(err).toContain('bytes of numbers instead of');
  });
});

test('over budget: the checkpoint of the finished training stays', async () => {
  const out = inFolder('big');
  const { code, err } = await bench().run(...command(out, ...sparse, '--flash', '100B'));
  expect(code).toBe(1);
  expect(err).toContain('over budget: constants');
  expect(existsSync(out)).toBe(false);
  expect(existsSync(`${out}.checkpoint`)).toBe(true);
  expect((await bench().run(...command(out, ...sparse, '--resume'))).code).toBe(0);
});
