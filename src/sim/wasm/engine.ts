/**
 * Programs in WebAssembly, made of the same Kernel IR as the C and the checking simulator, without any checks.
 * Statement by statement; with SIMD, loops whose passes are independent four passes at a time.
 */

import { checkKernel } from '../../ir/kernel/check.ts';
import type { Kernel } from '../../ir/kernel/kernel.ts';
import { tableBytes, tableLength } from '../../ir/kernel/table-bytes.ts';
import { arenaFill, type Outcome, type Program } from '../../program/program.ts';
import { slotAt } from '../../program/slots.ts';
import { type Func, func, moduleOf } from '../../wasm/code.ts';
import { canRun, instantiate } from '../../wasm/host.ts';
import { zeroLanes } from '../../wasm/instructions.ts';
import { checkPlan, outputIn, placeInputs } from '../simulate.ts';
import type { Addresses, Body } from './body.ts';
import { block } from './stmt.ts';

/** WebAssembly with vectors, or without. */
export type Instructions = 'wasm-simd' | 'wasm';

export interface Engine {
  readonly instructions: Instructions;
  /** Loops of all steps that are taken four passes at a time. */
  readonly widened: number;
  /** One inference, as `Simulator.run`. @throws InputError for an input of another size. */
  run(input: Uint8Array, options?: { readonly keepArenas?: boolean }): Outcome;
}

const probe = (vector: boolean): Uint8Array =>
  moduleOf([func('probe', {}, [], ['v'], ({ v }) => (vector ? [v.set(zeroLanes)] : []))]);

/** Weights are packed in the machine's byte order, which has to be WebAssembly's. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The best that this machine runs; undefined without WebAssembly. */
export function bestInstructions(): Instructions | undefined {
  if (littleEndian && canRun(probe(true))) return 'wasm-simd';
  return canRun(moduleOf([func('probe', {}, ['i'], [], () => [])])) ? 'wasm' : undefined;
}

/** Memory is handed out from 0 on, in vectors. */
class Allotment {
  bytes = 0;
  take(bytes: number): number {
    const at = this.bytes;
    this.bytes += Math.ceil(bytes / 16) * 16;
    return at;
  }
}

interface Placed {
  readonly kernel: Kernel;
  readonly addresses: Addresses;
}

/** The arena lies at 0, then tables, each kernel's once. */
function placeAll(program: Program, memory: Allotment): readonly Placed[] {
  memory.take(program.arenaBytes);
  const known = new Map<Kernel, readonly number[]>();
  return program.steps.map(({ kernel, args }) => {
    const tables = known.get(kernel) ?? kernel.tables.map((table) => memory.take(tableLength(table)));
    known.set(kernel, tables);
    const params = args.map((slot) => slotAt(program, slot).address);
    return { kernel, addresses: { params, tables } };
  });
}

interface Made {
  readonly func: Func;
  readonly widened: number;
}

function functionOf({ kernel, addresses }: Placed, name: string, vectors: boolean): Made {
  const body: Body = {
    kernel,
    arrays: checkKernel(kernel),
    addresses,
    locals: new Map(),
    types: [],
    widened: [],
    vectors,
  };
  const code = block(body, kernel.body);
  return { func: { name, params: [], locals: body.types, body: code }, widened: body.widened.length };
}

function fillTables(placed: readonly Placed[], buffer: ArrayBuffer): void {
  const done = new Set<Kernel>();
  for (const { kernel, addresses } of placed) {
    if (done.has(kernel)) continue;
    done.add(kernel);
    kernel.tables.forEach((table, i) => {
      new Uint8Array(buffer).set(tableBytes(table), addresses.tables[i]);
    });
  }
}

const stepName = (index: number): string => `s${index}`;

/**
 * @throws DefectError for a program that breaks the static rules of Kernel IR; Trap for slots that do not fit the
 * arena; where the machine has no such instructions, what the machine throws.
 */
export function createEngine(program: Program, instructions: Instructions): Engine {
  checkPlan(program);
  const memory = new Allotment();
  const placed = placeAll(program, memory);
  const made = placed.map((p, i) => functionOf(p, stepName(i), instructions === 'wasm-simd'));
  const module = moduleOf(made.map(({ func }) => func));
  const { buffer, exports } = instantiate(module, memory.bytes + 64);
  fillTables(placed, buffer);
  const steps = placed.map((_, i) => (exports as Record<string, () => void>)[stepName(i)] as () => void);
  return {
    instructions,
    widened: made.reduce((n, one) => n + one.widened, 0),
    run: runner(program, steps, new Uint8Array(buffer, 0, program.arenaBytes)),
  };
}

function runner(program: Program, steps: readonly (() => void)[], arena: Uint8Array): Engine['run'] {
  return (bytes, { keepArenas = false } = {}) => {
    arena.fill(arenaFill);
    placeInputs(program, bytes, (slot, _, part) => {
      arena.set(part, slot.address);
    });
    const arenas: Uint8Array[] = [];
    for (const step of steps) {
      step();
      if (keepArenas) arenas.push(arena.slice());
    }
    return { output: outputIn(program, arena), arenas };
  };
}
