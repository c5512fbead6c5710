/** A thread of `runBatch`: input slots in, output slots out. */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type EngineName, inference } from '../runtime/engines.ts';

export interface BatchSetup {
  readonly program: Program;
  readonly engine: EngineName;
}

/** Bytes of input slots; the answer has the bytes of the output slots, in the same order. */
export type BatchOrder = readonly Uint8Array[];

const port = must(parentPort, 'this file is the entry of a thread');
const { program, engine } = workerData as BatchSetup;
const run = inference(program, engine);

port.on('message', (inputs: BatchOrder) => {
  port.postMessage(inputs.map((input) => run(input).output));
});
