import { defineConfig } from 'vitest/config';

/** Benchmarks are TypeScript, which Node 20 does not run by itself. */
export default defineConfig({
  test: { include: ['bench/**/*.bench.ts'], testTimeout: 3_600_000, fileParallelism: false },
});
