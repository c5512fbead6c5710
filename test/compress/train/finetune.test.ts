import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { type Finetuned, finetune } from '../../../src/compress/train/finetune.ts';
import { onThreads } from '../../../src/compress/train/node-threads.ts';
import type { FinetuneOptions } from '../../../src/compress/train/options.ts';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { weightBits } from '../../../src/ir/graph/op.ts';
import { quantizeMac } from '../../../src/ir/integers/mac.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { floatGraph, layer, withConstant } from '../../support/float-graph.ts';
import { randomTensor } from '../../support/float-tensors.ts';
import { describeWith, root } from '../../support/shared.ts';
import {
  learnedNumbers,
  tinyData,
  tinyStudent,
  tinyTeacher,
  weightNames,
  weightsOf,
} from '../../support/tiny-training.ts';

const options: FinetuneOptions = { epochs: 6, batch: 40, learningRate: 1e-2, shift: 1, seed: 3 };
const run = (more: Partial<FinetuneOptions> = {}): Promise<Finetuned> =>
  finetune(tinyStudent, tinyTeacher, tinyData, { ...options, ...more });

const zeros = (graph: Finetuned['graph']): number[][] =>
  weightNames.map((name) => [...weightsOf(graph, name).entries()].filter(([, w]) => w === 0).map(([i]) => i));

describe('a pruned network', () => {
  test('learns its teacher, and its zeros stay', async () => {
    const { graph, history, finished } = await run({ epochs: 20 });
    verifyGraph(graph);
    expect(finished).toBe(true);
    expect(history.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(history.at(-1)!.loss).toBeLessThan(0.75 * history[0]!.loss);
    expect(history.at(-1)!.agreement).toBeGreaterThan(history[0]!.agreement);
    expect(zeros(graph)).toEqual(zeros(tinyStudent));
    for (const name of weightNames) expect(weightsOf(graph, name)).not.toEqual(weightsOf(tinyStudent, name));
  });

  test('is the same again from the same seed, and another from another', async () => {
    const [a, b, c] = [await run(), await run(), await run({ seed: 4 })];
    expect(learnedNumbers(b.graph)).toEqual(learnedNumbers(a.graph));
    expect(learnedNumbers(c.graph)).not.toEqual(learnedNumbers(a.graph));
  });

  test('of raw pixels learns what one of small numbers learns, to the bit', async () => {
    // The root mean square of 256 x is near 128: x is seen twice as large. Of 2 x nothing is changed.
    const scaled = (graph: typeof tinyStudent, by: number) =>
      withConstant(
        graph,
        weightNames[0],
        weightsOf(graph, weightNames[0]).map((w) => w / by),
      );
    const of = (by: number): Promise<Finetuned> => {
      const data = { ...tinyData, input: (i: number) => tinyData.input(i).map((x) => x * by) };
      return finetune(scaled(tinyStudent, by), scaled(tinyTeacher, by), data, options);
    };
    const [small, raw] = [await of(2), await of(256)];
    const [first, ...others] = weightNames;
    expect(weightsOf(raw.graph, first)).toEqual(weightsOf(small.graph, first).map((w) => w / 128));
    for (const name of others) expect(weightsOf(raw.graph, name)).toEqual(weightsOf(small.graph, name));
  });

  test('labels pull where the teacher says nothing', async () => {
    const data = { ...tinyData, label: () => 2 };
    const { graph } = await finetune(tinyStudent, tinyTeacher, data, { ...options, labelsWeight: 1 });
    const bias = graph.tensors.get('c3_1')!.constant!.data;
    const before = tinyStudent.tensors.get('c3_1')!.constant!.data;
    const moved = bias.map((b: number, i: number) => b - before[i]!);
    expect([...moved].indexOf(Math.max(...moved))).toBe(2);
  });

  test('progress tells the epoch, the steps and what is left', async () => {
    const seen: number[] = [];
    await run({
      epochs: 2,
      onProgress: ({ epoch, step, steps, secondsLeft }) => {
        expect(steps).toBe(10);
        expect(epoch).toBe(Math.ceil(step / 5));
        expect(secondsLeft >= 0).toBe(true);
        seen.push(step);
      },
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

describe('pruning while learning', () => {
  const pruning = { epochs: 20, sparsity: 0.8, pruneEvery: 3 } as const;
  for (const regrow of [true, false])
    for (const importance of ['damage', 'magnitude'] as const)
      test(`${importance}, ${regrow ? 'with' : 'without'} regrowth: at least the sparsity asked for, no old zero back`, async () => {
        const { graph, history } = await run({ ...pruning, regrow, importance });
        const total = weightNames.reduce((n, name) => n + weightsOf(graph, name).length, 0);
        const kept = Math.round(0.2 * total);
        // What pruning leaves without effect goes too.
        const gone = zeros(graph).flat().length;
        expect(gone).toBeGreaterThanOrEqual(total - kept);
        expect(gone).toBeLessThan(total - kept / 2);
        zeros(tinyStudent).forEach((old, l) => {
          expect(zeros(graph)[l]).toEqual(expect.arrayContaining(old));
        });
        expect(history.at(-1)!.sparsity).toBeCloseTo(gone / total, 12);
        expect(history[4]!.sparsity).toBeLessThan(0.79);
      });
});

describe('weights on a grid', () => {
  for (const bits of weightBits)
    test(`${bits} bits: the quantizer finds the same weights`, async () => {
      const { graph } = await run({ weightBits: bits, roundFrom: 0.3 });
      for (const name of weightNames) {
        const weight = weightsOf(graph, name);
        const channels = graph.tensors.get(name)!.shape[0]!;
        const { weights, weightScales } = quantizeMac({
          name,
          mode: 'single',
          bits,
          weight,
          channels,
          bias: undefined,
          input: { scale: 0.01, zeroPoint: 3 },
          output: { scale: 0.1, zeroPoint: 0 },
          clamp: undefined,
          meanOf: undefined,
        });
        const terms = weight.length / channels;
        weight.forEach((w, i) => {
          const back = weights[i]! * weightScales[Math.floor(i / terms)]!;
          // One rounding to float32 of the weight, and one of the row's largest.
          expect(Math.abs(back - w)).toBeLessThanOrEqual(2 ** -22 * Math.abs(w));
        });
        expect(new Set(weights).size).toBeGreaterThan(2);
      }
    });

  test('bits by layer: the others stay float', async () => {
    const { graph } = await run({ weightBits: new Map([['node2', 2]]) });
    const magnitudes = (name: string) => new Set(weightsOf(graph, name).subarray(0, 36).map(Math.abs));
    expect(magnitudes('c2_0').size).toBeLessThanOrEqual(2);
    expect(magnitudes('c0_0').size).toBeGreaterThan(10);
  });
});

describe('an interrupted run', () => {
  const all = { sparsity: 0.7, pruneEvery: 2, weightBits: 4, roundFrom: 0.5 } as const;
  for (const stop of [1, 7, 14, 20, 29])
    test(`goes on after step ${stop} as if nothing had happened`, async () => {
      const whole = await run(all);
      const controller = new AbortController();
      const part = await run({
        ...all,
        signal: controller.signal,
        onProgress: ({ step }) => {
          if (step === stop) controller.abort();
        },
      });
      expect(part.finished).toBe(false);
      const rest = await run({ ...all, checkpoint: part.checkpoint });
      expect(rest.finished).toBe(true);
      expect(learnedNumbers(rest.graph)).toEqual(learnedNumbers(whole.graph));
      expect(rest.history).toEqual(whole.history);
      expect(rest.checkpoint).toEqual(whole.checkpoint);
    });

  test('is refused with other options, another network, or damage', async () => {
    const { checkpoint } = await run({ epochs: 1 });
    const again = (more: Partial<FinetuneOptions>) => run({ epochs: 1, checkpoint, ...more });
    await expect(again({ learningRate: 1 / 8 })).rejects.toThrow(
      /^option learningRate: 0.125, and 0.01 in the checkpoint; supported: the options/,
    );
    await expect(again({ weightBits: new Map([['node0', 4]]) })).rejects.toThrow(/^option weightBits/);
    await expect(again({ checkpoint: checkpoint.subarray(0, 3) })).rejects.toThrow(/^checkpoint: 3 bytes/);
    await expect(again({ checkpoint: checkpoint.subarray(0, 60) })).rejects.toThrow(/cut/);
    await expect(again({ checkpoint: checkpoint.subarray(0, -1) })).rejects.toThrow(/bytes of numbers/);
    await expect(again({ checkpoint: Uint8Array.from([2, 0, 0, 0, 123, 125]) })).rejects.toThrow(
      /another kind/,
    );
    const small = floatGraph(
      [1, 64],
      [layer(linear, {}, { constants: [randomTensor([5, 64], 1), randomTensor([5], 2)] })],
    );
    await expect(finetune(small, small, tinyData, { ...options, epochs: 1, checkpoint })).rejects.toThrow(
      /layers of another network/,
    );
  });
});

describe('bad input', () => {
  const refused: readonly (readonly [Partial<FinetuneOptions>, RegExp])[] = [
    [{ epochs: 0 }, /^option epochs: 0; supported: an integer from 1/],
    [{ batch: 1.5 }, /^option batch: 1.5/],
    [{ learningRate: Number.NaN }, /^option learningRate: NaN/],
    [{ weightBits: 9 as 8 }, /^option weightBits: 9; supported: weights of 2 to 8 bits/],
    [{ weightBits: new Map([['fc', 4]]) }, /^option weightBits: node 'fc'; supported: node0, node2, node3/],
    [{ price: 'flash' as 'bytes' }, /price 'flash'; supported: weights, bytes, macs/],
    [{ price: new Map([['fc', 2]]) }, /no node 'fc'; supported: node0/],
    [{ sparsity: 1 }, /^option sparsity: 1/],
    [{ sparsity: 0.2 }, /^option sparsity: 0.2 for a network that has 0\.[45]/],
    [{ pruneBegin: 0.7 }, /^option pruneEnd: 0.6; supported: more than pruneBegin, 0.7/],
    [{ temperature: 0 }, /^option temperature: 0/],
    [{ labelsWeight: 2 }, /^option labelsWeight: 2/],
  ];
  for (const [more, message] of refused)
    test(String(message), async () => {
      const failure = run(more);
      await expect(failure).rejects.toThrow(message);
      await expect(failure).rejects.toBeInstanceOf(InputError);
    });

  test('weights that two layers share', async () => {
    const twice = floatGraph(
      [1, 64],
      [
        layer(linear, {}, { constants: [randomTensor([64, 64], 1)] }),
        layer(linear, {}, { reads: ['y0', 'c0_0'] }),
      ],
    );
    await expect(finetune(twice, twice, tinyData, options)).rejects.toThrow(
      /^node 'node1': weights 'c0_0' shared with another layer/,
    );
  });

  test('no samples, samples of another size, another teacher', async () => {
    const tune = (data: typeof tinyData, teacher = tinyTeacher) =>
      finetune(tinyStudent, teacher, data, options);
    await expect(tune({ ...tinyData, count: 0 })).rejects.toThrow(/^training data: 0 samples/);
    await expect(tune({ ...tinyData, input: () => new Float32Array(3) })).rejects.toThrow(
      /^training sample \d+: 3 numbers; supported: 64/,
    );
    const other = floatGraph([1, 64], [layer(linear, {}, { constants: [randomTensor([4, 64], 1)] })]);
    await expect(tune(tinyData, other)).rejects.toThrow(
      /^teacher: 1x64 to 4 outputs; supported: 1x1x8x8 to 5/,
    );
  });
});

const workerFile = resolve(root, 'dist/compress/train/node-worker.js');
describeWith([workerFile], 'threads', () => {
  const more = { ...options, batch: 72, epochs: 4, sparsity: 0.7, pruneEvery: 2, weightBits: 4 } as const;
  test('1, 2 and 3 of them learn the same bits', async () => {
    const results = [];
    for (const threads of [1, 2, 3]) {
      const kind = onThreads(threads, pathToFileURL(workerFile));
      results.push(await finetune(tinyStudent, tinyTeacher, tinyData, more, kind));
    }
    for (const { graph, history } of results) {
      expect(learnedNumbers(graph)).toEqual(learnedNumbers(results[0]!.graph));
      expect(history).toEqual(results[0]!.history);
    }
  });

  test('one that cannot start is an error, not a wait for ever', async () => {
    const kind = onThreads(2, pathToFileURL(resolve(root, 'dist/compress/train/missing.js')));
    await expect(finetune(tinyStudent, tinyTeacher, tinyData, more, kind)).rejects.toThrow(/missing.js/);
  });
});
