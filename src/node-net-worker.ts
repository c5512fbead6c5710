/** A thread of `runBatch`: input slots in, output slots out. */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from './ir/errors.ts';
import type { Program } from './ir/program.ts';
import { createSimulator } from './sim/simulate.ts';
import type { Mode } from './sim/to-js.ts';

export interface BatchSetup {
  readonly program: Program;
  readonly engine: Mode;
}

/** Bytes of input slots; the answer has the bytes of the output slots, in the same order. */
export type BatchOrder = readonly Uint8Array[];

const port = must(parentPort, 'this file is the entry of a thread');
const { program, engine } = workerData as BatchSetup;
const simulator = createSimulator(program, { mode: engine });

port.on('message', (inputs: BatchOrder) => {
  port.postMessage(inputs.map((input) => simulator.run(input).output));
});
