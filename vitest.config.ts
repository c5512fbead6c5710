import { defineConfig } from 'vitest/config';
import { ClosingLine } from './test/support/closing-line.ts';
import { originOfFresh } from './test/support/commit-seed.ts';
import { slowTests } from './test/support/quick.ts';

const root = import.meta.dirname;

/** `--mode quick`: without files that start other programs or run whole commands, data beside the project, and most of the laws' runs. */
export default defineConfig(({ mode }) => {
  const quick = mode === 'quick';
  const leftOut = quick ? slowTests(root) : [];
  const fresh = originOfFresh(root, process.env.THIMBLE_SEED);
  return {
    test: {
      include: ['test/**/*.test.ts'],
      exclude: ['**/node_modules/**', ...leftOut],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // One more than vitest's own choice on two cores: many tests wait for compilers and emulators.
      maxWorkers: 2,
      // Modules are loaded once per worker, not once per file: a third less processor time.
      isolate: false,
      setupFiles: ['test/support/seed.ts'],
      env: { THIMBLE_SEED: String(fresh.seed), THIMBLE_QUICK: quick ? '1' : '0' },
      reporters: ['default', new ClosingLine({ fresh, leftOut })],
    },
  };
});
