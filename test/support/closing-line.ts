import type { Reporter, TestModule } from 'vitest/node';
import type { Origin } from './commit-seed.ts';
import { fixedSeed } from './seeds.ts';

export interface Choices {
  readonly fresh: Origin;
  /** Files that `npm run test:quick` leaves out; empty for whole runs. */
  readonly leftOut: readonly string[];
}

function choicesText({ fresh, leftOut }: Choices): string {
  const seeds = `random cases: half from seed ${fixedSeed}, half from ${fresh.seed} (${fresh.from}); THIMBLE_SEED=${fresh.seed} draws them again`;
  if (leftOut.length === 0) return seeds;
  return [
    seeds,
    `left out: nine tenths of the runs of long properties, suites on data beside the project, and ${leftOut.length} files that start other programs or run whole commands:`,
    ...leftOut.map((file) => `  ${file}`),
  ].join('\n');
}

/** Says what was drawn and left out, then 'N passed, N failed' (and how many were skipped) as a run's last line. */
export class ClosingLine implements Reporter {
  readonly #choices: Choices;

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state !== 'pending') count[state]++;
      }
      // A file that could not be loaded has no tests, and has failed.
      if (module.state() === 'failed' && tests.every((t) => t.result().state !== 'failed')) count.failed++;
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    process.stdout.write(
      `\n${choicesText(this.#choices)}\n\n${count.passed} passed, ${count.failed} failed${skipped}\n`,
    );
  }
}
