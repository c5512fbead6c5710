/** The word that was meant, where a known one is near to what was written. */
import { at } from '../base/errors.ts';

/** Letters to change, add or leave out, case and dashes aside. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = at(row, j - 1) + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(changed, at(row, j) + 1, at(next, j - 1) + 1));
    }
    row = next;
  }
  return at(row, b.length);
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, '');

/** `did you mean 'cortex-m4'?`, or undefined where no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const far = known.map((one) => distance(plain(word), plain(one)));
  const best = Math.min(...far);
  const meant = known[far.indexOf(best)];
  return meant === undefined || best > word.length / 3 ? undefined : `did you mean '${meant}'?`;
}
