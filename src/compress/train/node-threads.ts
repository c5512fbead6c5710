/** Shards of a step on several threads of Node. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DefectError } from '../../base/errors.ts';
import type { Terms } from '../gradient/network.ts';
import { inProcess, type Runner, type RunnerKind, type ShardSetup } from './shard.ts';

/** What the coordinator tells its threads. Messages arrive in the order in which they were sent. */
export type Order =
  | { readonly kind: 'terms'; readonly terms: readonly Terms[] }
  | { readonly kind: 'run'; readonly half: 0 | 1 };

const entry = new URL('./node-worker.js', import.meta.url);

/**
 * Threads that compute the gradients of `finetune`.
 * @param count of threads; all cores when absent. One thread computes here, without any other.
 * @param workerFile the URL of the compiled `node-worker`, where this module does not run from beside it
 */
export function onThreads(
  count = availableParallelism(),
  workerFile: { readonly href: string } = entry,
): RunnerKind {
  if (count <= 1) return inProcess;
  return { memory: SharedArrayBuffer, start: (setup) => start(setup, count, workerFile) };
}

async function start(
  setup: ShardSetup,
  count: number,
  workerFile: { readonly href: string },
): Promise<Runner> {
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL(workerFile.href), { workerData: setup }),
  );
  const runner = new Threads(workers, setup.shared.next);
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
  } catch (error) {
    await runner.close();
    throw error;
  }
  return runner;
}

class Threads implements Runner {
  readonly #workers: readonly Worker[];
  readonly #next: Int32Array;

  constructor(workers: readonly Worker[], next: Int32Array) {
    this.#workers = workers;
    this.#next = next;
  }

  #tell(order: Order): void {
    for (const worker of this.#workers) worker.postMessage(order);
  }

  setTerms(terms: readonly Terms[]): void {
    this.#tell({ kind: 'terms', terms });
  }

  async run(half: 0 | 1): Promise<void> {
    Atomics.store(this.#next, 0, 0);
    const answers = this.#workers.map(async (worker) => {
      const [answer] = (await once(worker, 'message')) as [unknown];
      if (answer !== 'done') throw new DefectError(`a training thread answers ${String(answer)}`);
    });
    this.#tell({ kind: 'run', half });
    await Promise.all(answers);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
