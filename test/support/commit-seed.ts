/** Where the fresh seed (seeds.ts) comes from: the environment, the commit, or the version outside of git. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Origin {
  readonly seed: number;
  /** In words: what the seed was made of. */
  readonly from: string;
}

/** FNV-1a; below 2^31, since fast-check's seeds are int32. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash & 0x7fff_ffff;
}

function commitOf(folder: string): string | undefined {
  try {
    return execFileSync('git', ['-C', folder, 'rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    // No git, or not within it.
    return undefined;
  }
}

/** @param folder the project's, with package.json; @param asked THIMBLE_SEED. @throws for one that is no integer */
export function originOfFresh(folder: string, asked: string | undefined): Origin {
  if (asked !== undefined) {
    const seed = Number(asked);
    if (!Number.isInteger(seed)) throw new Error(`THIMBLE_SEED is '${asked}', and should be an integer`);
    return { seed, from: 'THIMBLE_SEED' };
  }
  const commit = commitOf(folder);
  if (commit !== undefined) return { seed: seedOf(commit), from: `commit ${commit.slice(0, 12)}` };
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string };
  return { seed: seedOf(version), from: `version ${version}` };
}
