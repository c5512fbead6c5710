/** All that is asked of one of the networks of models/networks. */
import { InputError } from '../../src/base/errors.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { compareOn } from './native-laws.ts';
import { type Compiled, compiledNetwork, type Judged, judged, type Listed, oneRun } from './real-networks.ts';

export type Result =
  | { readonly kind: 'refused'; readonly error: InputError }
  | ({ readonly kind: 'compiled' } & Judged);

export interface Studied {
  readonly one: Listed;
  readonly result: Result;
  /** What is not as the index says, or not the same on a target. */
  readonly complaints: readonly string[];
}

async function differing(
  one: Listed,
  { float32, int8 }: Compiled,
  targets: readonly TargetName[],
): Promise<string[]> {
  const texts: string[] = [];
  for (const target of targets)
    for (const program of [float32, int8]) {
      const { differences } = await compareOn([oneRun(one, program)], target);
      texts.push(...differences.map(({ text }) => `${target}, ${program.name}: ${text}`));
    }
  return texts.filter((text) => !text.includes(': does not fit'));
}

/** @throws what is no InputError */
export async function studied(one: Listed, targets: readonly TargetName[]): Promise<Studied> {
  try {
    const compiled = compiledNetwork(one);
    const found = judged(one, compiled);
    const wrong = one.refused === undefined ? [] : ['listed as refused, and compiles'];
    const complaints = [...wrong, ...found.complaints, ...(await differing(one, compiled, targets))];
    return { one, result: { kind: 'compiled', ...found }, complaints };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const complaints = one.refused === undefined ? [error.complaint.found] : [];
    return { one, result: { kind: 'refused', error }, complaints };
  }
}
