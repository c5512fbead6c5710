import { expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import { arenaChecksum, type BatchItem, runNativeBatch } from '../../src/targets/batch.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { filesOf } from '../support/golden.ts';
import { type Sample, samples } from '../support/sample-programs.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

/** The samples again and again, each time under another name. */
const many: readonly BatchItem[] = Array.from({ length: 9 }, (_, i) => {
  const sample = samples[i % samples.length]!;
  const program = { ...sample.program, name: `${sample.program.name}_${i}` };
  const named: Sample = { ...sample, program };
  return { ...named, files: filesOf(named) };
});
const expected = many.map(({ program, inputs }) => inputs.map((input) => evaluate(program, input)));
const slow = { timeout: 120_000 };

const hosts: readonly TargetName[] = ['host-gcc', 'host-clang'];
testWith(hostTools).each(hosts)('%s: whole arenas', slow, async (target) => {
  expect(await runNativeBatch(many, target)).toEqual(expected);
});

const some: readonly TargetName[] = ['host-gcc', 'cortex-m0', 'cortex-m55', 'rv32imac-user'];
testWith([...hostTools, ...crossTools]).each(some)('%s: checksums', slow, async (target) => {
  const summed = expected.map((outcomes) =>
    outcomes.map((o) => ({ output: o.output, arenas: o.arenas.map(arenaChecksum) })),
  );
  expect(await runNativeBatch(many, target, { checksums: true })).toEqual(summed);
});

test('checksums are FNV-1a', () => {
  const sum = (text: string): number =>
    new DataView(arenaChecksum(new TextEncoder().encode(text)).buffer).getUint32(0, true);
  // Test vectors of the algorithm's authors.
  expect([sum(''), sum('a'), sum('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
});

testWith(hostTools)('names of parts of the batch', slow, async () => {
  const named = ['batch', 'hooks', 'lab', 'member_0', 'fixed'].map((name): BatchItem => {
    const sample: Sample = { ...samples[0]!, program: { ...samples[0]!.program, name } };
    return { ...sample, files: filesOf(sample) };
  });
  expect(await runNativeBatch(named, 'host-gcc', { opt: '-O0' })).toEqual(named.map(() => expected[0]));
});

test('nothing to do', async () => {
  expect(await runNativeBatch([], 'host-gcc')).toEqual([]);
});

test('two of one name', async () => {
  await expect(runNativeBatch([many[0]!, many[0]!], 'host-gcc')).rejects.toThrow(DefectError);
});
