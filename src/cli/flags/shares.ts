/** --shard: one of several shares of work, for one of several machines; and whether the shares that came back are all. */
import { InvalidArgumentError } from 'commander';
import { InputError } from '../../base/errors.ts';
import type { Identity } from '../checkpoint.ts';

/** Share `index` of `count`; the first is 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** `3/16`. */
export function parseShard(text: string): Shard {
  const [, index, count] = /^([1-9][0-9]{0,5})\/([1-9][0-9]{0,5})$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index <= shard.count) return shard;
  throw new InvalidArgumentError('It has to be a share and how many there are: 1/16 is the first of 16.');
}

export const shardText = ({ index, count }: Shard): string => `${index}/${count}`;

/**
 * Neighbours stay together. Shares are the same on every machine and differ by one item at most; some are empty where
 * there are more shares than items.
 */
export function shareOf<T>(items: readonly T[], { index, count }: Shard): readonly T[] {
  const end = (shares: number): number => Math.floor((shares * items.length) / count);
  return items.slice(end(index - 1), end(index));
}

/** What one machine did of the work. */
export interface Part {
  /** Its file or folder. */
  readonly where: string;
  readonly shard: Shard;
  /** What all parts of one work have in common, by what the user calls it. */
  readonly made: Identity;
  readonly commandLine: string;
}

/**
 * The parts in the order of their shares.
 * @throws InputError where one belongs to other work, two are the same share, or one is missing
 */
export function requireWhole<P extends Part>(parts: readonly P[]): readonly P[] {
  const [first, ...others] = parts.toSorted((a, b) => a.shard.index - b.shard.index);
  if (first === undefined)
    throw new InputError({ where: '--merge', found: 'no parts', todo: 'name them all' });
  for (const part of others) requireAlike(first, part);
  const whole = [first, ...others];
  whole.forEach((part, i) => {
    requireOther(whole[i - 1], part);
  });
  requireAll(first, whole);
  return whole;
}

/** SHA-256 says nothing to a reader. */
const isHash = (value: string | number | undefined): boolean => String(value).length === 64;

const again = ({ commandLine }: Part, shards: string): string =>
  `run ${shards} as this one was, with another -o: ${commandLine}`;

function requireAlike(first: Part, part: Part): void {
  const { where } = part;
  if (part.shard.count !== first.shard.count)
    throw new InputError({
      where,
      found: `it is one of ${part.shard.count} shares, and ${first.where} one of ${first.shard.count}`,
      supported: 'parts of one split',
      todo: 'merge those of each split by themselves',
    });
  const names = [...new Set([...Object.keys(first.made), ...Object.keys(part.made)])];
  const other = names.find((name) => part.made[name] !== first.made[name]);
  if (other === undefined) return;
  const [here, there] = [part.made[other], first.made[other]];
  throw new InputError({
    where,
    found: isHash(here)
      ? `${other} is another than in ${first.where}`
      : `${other} is ${here}, and ${there} in ${first.where}`,
    supported: 'parts of the same work',
    todo: `leave it out, or ${again(first, `--shard ${shardText(part.shard)}`)}`,
  });
}

function requireOther(before: Part | undefined, part: Part): void {
  if (before?.shard.index !== part.shard.index) return;
  throw new InputError({
    where: part.where,
    found: `it is share ${shardText(part.shard)}, as is ${before.where}`,
    supported: 'each share once',
    todo: 'leave one of them out',
  });
}

/** How many missing shares a message lists. */
const listed = 8;

function requireAll(first: Part, parts: readonly Part[]): void {
  const { count } = first.shard;
  const here = new Set(parts.map(({ shard }) => shard.index));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !here.has(index));
  if (missing.length === 0) return;
  const names = missing.slice(0, listed).map((index) => shardText({ index, count }));
  const more = missing.length > listed ? ` and ${missing.length - listed} more` : '';
  throw new InputError({
    where: '--merge',
    found: `${parts.length} of ${count} parts; missing: ${names.join(', ')}${more}`,
    todo: `name them too, or ${again(first, `--shard ${names[0]}${missing.length > 1 ? ' and so on' : ''}`)}`,
  });
}
