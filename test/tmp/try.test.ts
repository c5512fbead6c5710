import fc from 'fast-check';
import { test } from 'vitest';
import { built } from '../support/pipeline.ts';
import { recipes } from '../support/recipes.ts';

test('try', () => {
  const errors = new Map<string, [number, unknown]>();
  const kinds = new Map<string, number>();
  const t0 = Date.now();
  let macs = 0,
    steps = 0;
  const n = Number(process.env.N ?? 2000);
  let bytes = 0;
  for (const r of fc.sample(recipes(), { numRuns: n, seed: Number(process.env.S ?? 1) })) {
    try {
      const { program } = built(r, 'net');
      bytes += program.arenaBytes;
      for (const s of program.steps) {
        macs += s.kernel.macs;
        steps++;
        const k = s.kernel.name.replace(/\d+$/, '');
        kinds.set(k, (kinds.get(k) ?? 0) + 1);
      }
    } catch (e) {
      const m = String(e)
        .slice(0, 240)
        .replace(/\d+(\.\d+)?(e-?\d+)?/g, '#');
      const [c] = errors.get(m) ?? [0];
      errors.set(m, [
        c + 1,
        (e as Error).name.includes('Input') ? JSON.stringify(r) : (e as Error).stack + JSON.stringify(r),
      ]);
    }
  }
  console.log((Date.now() - t0) / n, 'ms per net', macs / n, steps / n, bytes / n, [...kinds]);
  for (const [m, [c, r]] of errors) console.log(c, m, r);
});
