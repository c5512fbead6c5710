/** A training thread: takes shards until none is left. */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/errors.ts';
import type { Order } from './node-threads.ts';
import { type ShardSetup, ShardWorker, shardCount } from './shard.ts';

const port = must(parentPort, 'this file is the entry of a thread');
const setup = workerData as ShardSetup;
const worker = new ShardWorker(setup);
const shards = shardCount(setup.batch);

function runAll(half: 0 | 1): void {
  worker.begin();
  for (;;) {
    const shard = Atomics.add(setup.shared.next, 0, 1);
    if (shard >= shards) return;
    worker.run(shard, half);
  }
}

port.on('message', (order: Order) => {
  switch (order.kind) {
    case 'terms':
      worker.setTerms(order.terms);
      break;
    case 'run':
      runAll(order.half);
      port.postMessage('done');
      break;
    default:
      order satisfies never;
  }
});
port.postMessage('ready');
