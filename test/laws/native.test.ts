/** Random networks on the host with sanitizers, and on every chip under QEMU. */
import { afterAll, expect } from 'vitest';
import { chips, type TargetName } from '../../src/emit/native-targets.ts';
import { compareOn, member } from '../support/native-laws.ts';
import { failure, recipesOf } from '../support/property.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

const perBatch = 50;
const batches = 20;
/** Another one with every run; failures print it. */
const first = Math.floor(Math.random() * 2 ** 30);

const totals = { networks: 0, bytes: 0 };
afterAll(() => {
  console.log(`${totals.networks} random networks, ${totals.bytes} bytes compared`);
});

/** Every batch runs on gcc with sanitizers and on one chip; every fifth with clang too. */
function targetsOf(batch: number): readonly TargetName[] {
  const chip = chips[batch % chips.length]!;
  return batch % 5 === 0 ? ['host-gcc', chip, 'host-clang'] : ['host-gcc', chip];
}

testWith([...hostTools, ...crossTools])(
  `${batches * perBatch} networks leave the simulator's bytes on the host and on chips`,
  async () => {
    expect(new Set(Array.from({ length: batches }, (_, i) => targetsOf(i)).flat()).size).toBe(
      chips.length + 2,
    );
    for (let batch = 0; batch < batches; batch++) {
      const seed = first + batch;
      const members = recipesOf(seed, perBatch).map((recipe, i) => member(recipe, `net${i}`));
      const found = await Promise.all(targetsOf(batch).map((target) => compareOn(members, target)));
      found.forEach(({ bytes, differences }, i) => {
        totals.bytes += bytes;
        const [worst] = differences;
        if (worst === undefined) return;
        const error = `${targetsOf(batch)[i]}: ${worst.text}`;
        throw failure(members[worst.index]!.recipe, seed, String(worst.index), error);
      });
      totals.networks += members.length;
    }
  },
  600_000,
);
