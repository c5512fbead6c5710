/**
 * The networks that people bring (models/networks): held to PyTorch's outputs on record, in int8 to their own float32
 * program, and in C to the simulator, byte by byte. Each commit draws some of them; `npm run networks` takes all.
 */
import { expect, test } from 'vitest';
import { chips } from '../../src/targets/targets.ts';
import { type Compared, compareOn, type Ran } from '../support/native-laws.ts';
import {
  type Compiled,
  checksumOfC,
  compiledNetwork,
  isRefused,
  judged,
  type Listed,
  listed,
  oneRun,
} from '../support/real-networks.ts';
import { freshSeed } from '../support/seeds.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

const compiling = listed.filter(({ refused }) => refused === undefined);
/** A network takes about 2 s, half of it compilers. */
const perCommit = 6;
const turns = Math.ceil(compiling.length / perCommit);
const drawn = compiling.filter((_, i) => i % turns === freshSeed() % turns);
const chip = chips[freshSeed() % chips.length]!;

test('what is refused is refused, and no more: `npm run networks -- --update` takes out of the list what compiles', () => {
  const refused = listed.filter((one) => one.refused !== undefined);
  expect(refused.filter((one) => !isRefused(one)).map(({ name }) => name)).toEqual([]);
});

const made = new Map<Listed, Compiled>();

/** Compiled once, by whichever test is first. */
function programsOf(one: Listed): Compiled {
  const known = made.get(one) ?? compiledNetwork(one);
  made.set(one, known);
  return known;
}

test.each(drawn)(
  '$name is as near to PyTorch as the index says',
  (one) => {
    expect(judged(one, programsOf(one)).complaints).toEqual([]);
  },
  300_000,
);

test('their int8 C is the one on record: `npm run networks -- --update` writes what is meant to change', () => {
  expect(drawn.map((one) => [one.name, checksumOfC(programsOf(one).int8)])).toEqual(
    drawn.map(({ name, c }) => [name, c]),
  );
}, 300_000);

const textsOf = ({ differences }: Compared): readonly string[] => differences.map(({ text }) => text);

testWith([...hostTools, ...crossTools])(
  `they leave the simulator's bytes on the host, and in int8 on ${chip}`,
  async () => {
    const [floats, integers] = (['float32', 'int8'] as const).map((type) =>
      drawn.map((one) => oneRun(one, programsOf(one)[type])),
    ) as [Ran[], Ran[]];
    expect(textsOf(await compareOn([...floats, ...integers], 'host-gcc', '-O0'))).toEqual([]);
    // One by one: a chip has room for most of them, not for all at once.
    for (const run of integers)
      expect(
        textsOf(await compareOn([run], chip)).filter((text) => !text.startsWith('does not fit')),
      ).toEqual([]);
  },
  300_000,
);
