/** Cuts a driver's result file into outcomes. */
import { at, DefectError } from '../base/errors.ts';
import type { Outcome, Program } from '../program/program.ts';
import { inputBytesOf, outputBytesOf } from '../program/slots.ts';

/** Reads a file of bytes piece by piece. */
class Pieces {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Not a Buffer, whose slices share memory.
    this.#bytes = new Uint8Array(bytes);
  }

  take(count: number): Uint8Array {
    const piece = this.#bytes.slice(this.#at, this.#at + count);
    this.#at += count;
    return piece;
  }

  end(): void {
    if (this.#at === this.#bytes.length) return;
    throw new DefectError(`the result file has ${this.#bytes.length} bytes, expected ${this.#at}`);
  }
}

/** What stands in the file for one program: `inputs` times `perStep` bytes after each step, then the output. */
export interface Expected {
  readonly program: Program;
  readonly inputs: number;
  readonly perStep: number;
}

function outcome({ program, perStep }: Expected, pieces: Pieces): Outcome {
  const steps = perStep === 0 ? [] : program.steps;
  const arenas = steps.map(() => pieces.take(perStep));
  return { arenas, output: pieces.take(outputBytesOf(program)) };
}

export function outcomesIn(file: Uint8Array, expected: readonly Expected[]): Outcome[][] {
  const pieces = new Pieces(file);
  const all = expected.map((e) => Array.from({ length: e.inputs }, () => outcome(e, pieces)));
  pieces.end();
  return all;
}

/** The inputs one after the other. @throws DefectError when one has not the size of the inputs' slots. */
export function joinInputs(program: Program, inputs: readonly Uint8Array[]): Uint8Array {
  const bytes = inputBytesOf(program);
  for (const input of inputs)
    if (input.length !== bytes)
      throw new DefectError(`an input of '${program.name}' has ${input.length} bytes, expected ${bytes}`);
  const joined = new Uint8Array(bytes * inputs.length);
  for (const [i, input] of inputs.entries()) joined.set(input, i * bytes);
  return joined;
}

/** Instructions, or cycles. */
export interface Counts {
  /** Of one call of `<name>_run`: of the first input. Without hooks. */
  readonly total: number;
  /** The most for any of the inputs. */
  readonly most: number;
  /**
   * Of each step for the first input, from a run with the hook on, less what the hook costs. The hook stands
   * in the way of some optimizations and its call site varies by an instruction or two, so that the sum differs
   * a little from the total.
   */
  readonly perStep: readonly number[];
}

const between = (marks: readonly number[], i: number): number => at(marks, i + 1) - at(marks, i);

/**
 * `plain`: two marks around one return, then two around each run. See the drivers.
 * @param one what the return counts as: 1 instruction, or its cycles
 */
export function countsIn(
  plain: readonly number[],
  hooked: readonly number[],
  { inputs, steps, one = 1 }: { readonly inputs: number; readonly steps: number; readonly one?: number },
): Counts {
  const call = between(plain, 0) - one;
  const totals = Array.from({ length: inputs }, (_, i) => between(plain, 2 * i + 2) - call);
  // Marks 1 and 2 lie between two calls of the hook; 5 is the end of the one before the first step.
  const hook = between(hooked, 1);
  const perStep = Array.from({ length: steps }, (_, i) => between(hooked, 2 * i + 5) - hook);
  return { total: at(totals, 0), most: totals.reduce((a, b) => (a > b ? a : b), 0), perStep };
}
