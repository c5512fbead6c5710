import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limiter, runProcess } from '../../src/targets/process.ts';

const node = (script: string, options: { timeoutMs?: number; maxOutput?: number } = {}) =>
  runProcess(process.execPath, ['-e', script], { timeoutMs: 20_000, ...options });

test('status and output', async () => {
  const ran = await node('console.log("out"); console.error("err"); process.exitCode = 3');
  expect(ran).toMatchObject({ status: 3, stdout: 'out\n', stderr: 'err\n', timedOut: false });
});

test('what does not start says why', async () => {
  const ran = await runProcess('/nowhere/at-all', [], { timeoutMs: 1000 });
  expect(ran).toMatchObject({ status: undefined, notStarted: 'ENOENT' });
});

test('what does not end is ended', async () => {
  const ran = await node('setInterval(() => {}, 1000)', { timeoutMs: 200 });
  expect(ran).toMatchObject({ status: undefined, signal: 'SIGKILL', timedOut: true });
});

test('what prints without end is ended, and cut off', async () => {
  const ran = await node('for (;;) require("fs").writeSync(1, "x".repeat(1000))', { maxOutput: 5000 });
  expect(ran.status).toBeUndefined();
  expect(ran.stdout).toBe('x'.repeat(5000));
});

test('as many at once as the limit', async () => {
  const limited = limiter(2);
  let running = 0;
  let free = (): void => {};
  const both = new Promise<void>((resolve) => {
    free = resolve;
  });
  // Each waits until two run.
  const task = async (): Promise<void> => {
    if (++running === 2) free();
    await both;
  };
  await Promise.all([limited(task), limited(task), limited(task)]);
  expect(running).toBe(3);
});

test('never more at once than the limit, all in the end, failures too', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean()), { maxLength: 20 }),
      async (limit, tasks) => {
        const limited = limiter(limit);
        let running = 0;
        let most = 0;
        const results = tasks.map(([ticks, fails], i) =>
          limited(async () => {
            most = Math.max(most, ++running);
            for (let t = 0; t < ticks; t++) await Promise.resolve();
            running--;
            if (fails) throw new Error(String(i));
            return i;
          }),
        );
        const settled = await Promise.allSettled(results);
        expect(most).toBeLessThanOrEqual(limit);
        expect(settled.map((s) => s.status === 'rejected')).toEqual(tasks.map(([, fails]) => fails));
      },
    ),
  );
});
