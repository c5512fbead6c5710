import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    // One more than vitest's own choice on two cores: many tests wait for compilers and emulators.
    maxWorkers: 2,
    setupFiles: ['test/support/seed.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
  },
});
