/** All that is asked of one of the networks of models/networks. */
import { InputError } from '../../src/base/errors.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { compareOn } from './native-laws.ts';
import {
  type Compiled,
  checksumOfC,
  compiledNetwork,
  type Judged,
  judged,
  type Listed,
  oneRun,
} from './real-networks.ts';
import { areThere, type Top1, top1Complaints, top1Of } from './trained-networks.ts';

export type Result =
  | { readonly kind: 'refused'; readonly error: InputError }
  /** By a fault of thimble's. */
  | { readonly kind: 'broken' }
  | ({ readonly kind: 'compiled'; readonly c: string; readonly top1?: Top1 } & Judged);

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

export async function studied(one: Listed, targets: readonly TargetName[]): Promise<Studied> {
  try {
    const compiled = compiledNetwork(one);
    const found = judged(one, compiled);
    const wrong = one.refused === undefined ? [] : ['listed as refused, and compiles'];
    const top1 = one.trained !== undefined && areThere(one.trained) ? top1Of(one, one.trained) : undefined;
    const c = checksumOfC(compiled.int8);
    const complaints = [
      ...wrong,
      ...(one.c === c ? [] : [`its C is ${c}, listed ${one.c ?? 'nowhere'}`]),
      ...found.complaints,
      ...(top1 === undefined ? [] : top1Complaints(one, top1)),
      ...(await differing(one, compiled, targets)),
    ];
    return { one, result: { kind: 'compiled', c, ...found, ...(top1 && { top1 }) }, complaints };
  } catch (error) {
    const known = one.refused?.startsWith('a fault: ') === true;
    if (!(error instanceof InputError))
      return { one, result: { kind: 'broken' }, complaints: known ? [] : [String(error)] };
    const complaints = one.refused === undefined ? [error.complaint.found] : [];
    return { one, result: { kind: 'refused', error }, complaints };
  }
}
