/** Samples that say little about what the network will see. */
import { oneOfEach } from '../../data/held-back.ts';
import type { Warning } from './warning.ts';

/** Statistics of samples: how similar they are. */
export interface SampleFacts {
  readonly count: number;
  readonly distinct: number;
  readonly zeros: number;
  /** Of samples of more than one number: those in which all are the same. */
  readonly constant: number;
}

/** FNV-1a of the bits, twice with other offsets: 64 bits, enough to tell some thousand samples apart. */
function keyOf(sample: Float32Array): string {
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (const word of new Uint32Array(sample.slice().buffer)) {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ (word >>> 7) ^ (word << 25), 0x85ebca6b);
  }
  return `${a} ${b}`;
}

export function sampleFacts(samples: readonly Float32Array[]): SampleFacts {
  const keys = new Set<string>();
  let [zeros, constant] = [0, 0];
  for (const sample of samples) {
    keys.add(keyOf(sample));
    const same = sample.every((x) => x === sample[0]);
    if (same && sample[0] === 0) zeros++;
    if (same && sample.length > 1) constant++;
  }
  return { count: samples.length, distinct: keys.size, zeros, constant };
}

/** Most of so many. */
const most = (part: number, { count }: SampleFacts): boolean => part > count / 2;

const share = (part: number, { count }: SampleFacts): string =>
  part === count ? 'all of them' : `${part} of them`;

/** What is odd about samples, for 'calibrated on 20 samples, ...'; undefined where nothing is. */
export function oddity(facts: SampleFacts): string | undefined {
  const { count, distinct, zeros, constant } = facts;
  if (count === 1) return `a single one${zeros === 1 ? ', all zeros' : ''}`;
  if (most(zeros, facts)) return `${share(zeros, facts)} zeros`;
  if (distinct === 1) return 'all of them the same';
  if (most(constant, facts)) return `${share(constant, facts)} one constant value throughout`;
  if (most(count - distinct, facts)) return `only ${distinct} of them different`;
  return undefined;
}

const todo = 'give --calibrate some hundred different samples as the network will see them';

export function sampleWarnings(facts: SampleFacts): readonly Warning[] {
  const odd = oddity(facts);
  if (odd === undefined) return [];
  const found = facts.count === 1 ? `1 sample, ${odd}` : `${facts.count} samples, ${odd}`;
  return [{ kind: 'calibration', text: `calibrated on ${found}: the ranges are unreliable`, todo }];
}

/** Fewer samples are often of one class by chance. */
const enough = 10;

/**
 * Whether the float network gives one answer to all samples. It is asked until it gives a second one.
 * @param classOf undefined for outputs that are no classes
 */
export function oneClass(
  samples: readonly Float32Array[],
  classOf: (sample: Float32Array) => number | undefined,
): readonly Warning[] {
  if (samples.length < enough) return [];
  let first: number | undefined;
  for (const i of oneOfEach(samples.length)) {
    const answer = classOf(samples[i] ?? new Float32Array());
    first ??= answer;
    if (answer === undefined || answer !== first) return [];
  }
  return [
    {
      kind: 'calibration',
      text: `calibrated on ${samples.length} samples of one class: the float network's largest output is number ${first} for all of them`,
      todo: 'if the outputs are classes, give --calibrate samples of every class',
    },
  ];
}
