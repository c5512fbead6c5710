/**
 * Programs in WebAssembly, made of the same Kernel IR as the C and the checking simulator, without any checks.
 * Statement by statement. Vectors are values like others, for machines that have them.
 */

import { checkKernel } from '../../ir/kernel/check.ts';
import type { Kernel, Table } from '../../ir/kernel/kernel.ts';
import { tableBytes, tableLength } from '../../ir/kernel/table-bytes.ts';
import { arenaFill, type Outcome, type Program } from '../../program/program.ts';
import { slotAt } from '../../program/slots.ts';
import { type Code, deeper, type Func, func, moduleOf } from '../../wasm/code.ts';
import { canRun, instantiate } from '../../wasm/host.ts';
import { f64x2, zeroLanes } from '../../wasm/instructions.ts';
import { checkPlan, outputIn, placeInputs } from '../simulate.ts';
import type { Addresses, Body } from './body.ts';
import { block } from './stmt.ts';

/** WebAssembly with vectors and relaxed instructions for them, with vectors, or without. */
export type Instructions = 'wasm-relaxed' | 'wasm-simd' | 'wasm';

export interface Engine {
  /** One inference, as `Simulator.run`. @throws InputError for an input of another size. */
  run(input: Uint8Array, options?: { readonly keepArenas?: boolean }): Outcome;
}

interface EngineOptions {
  /** Whether the machine has relaxed vector instructions; default false. */
  readonly relaxed?: boolean;
  /** Bytes of the arena that runs begin with and return; behind them is only scratch. Default: all. */
  readonly kept?: number;
}

const probe = (...vector: Code): Uint8Array =>
  moduleOf([func('probe', {}, [], ['v'], ({ v }) => (vector.length > 0 ? [v.set(vector)] : []))]);
const relaxedProbe = f64x2.relaxedMultiplyAdd(zeroLanes, zeroLanes, zeroLanes);

/** Weights are packed in the machine's byte order, which has to be WebAssembly's. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The best that this machine runs; undefined without WebAssembly. */
export function bestInstructions(): Instructions | undefined {
  if (littleEndian && canRun(probe(relaxedProbe))) return 'wasm-relaxed';
  if (littleEndian && canRun(probe(zeroLanes))) return 'wasm-simd';
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

interface Layout {
  readonly placed: readonly Placed[];
  readonly tables: ReadonlyMap<Table, number>;
}

/** The arena lies at 0, then tables, each once for all kernels that have it. */
function placeAll(program: Program, memory: Allotment): Layout {
  memory.take(program.arenaBytes);
  const known = new Map<Table, number>();
  const placed = program.steps.map(({ kernel, args }) => {
    const tables = kernel.tables.map((table) => {
      const address = known.get(table) ?? memory.take(tableLength(table));
      known.set(table, address);
      return address;
    });
    const params = args.map((slot) => slotAt(program, slot).address);
    return { kernel, addresses: { params, tables } };
  });
  return { placed, tables: known };
}

function functionOf({ kernel, addresses }: Placed, name: string, relaxed: boolean): Func {
  const body: Body = { arrays: checkKernel(kernel), addresses, relaxed, locals: new Map(), types: [] };
  // DS-CNN's products of 1x1 take 4 % less time so.
  const code = deeper(block(body, kernel.body));
  return { name, params: [], locals: body.types, body: code };
}

function fillTables(tables: Layout['tables'], buffer: ArrayBuffer): void {
  for (const [table, address] of tables) new Uint8Array(buffer).set(tableBytes(table), address);
}

const stepName = (index: number): string => `s${index}`;

/**
 * @throws DefectError for a program that breaks the static rules of Kernel IR; Trap for slots that do not fit the
 * arena; where the machine has no such instructions, what the machine throws.
 */
export function createEngine(
  program: Program,
  { relaxed = false, kept = program.arenaBytes }: EngineOptions = {},
): Engine {
  checkPlan(program);
  const memory = new Allotment();
  const { placed, tables } = placeAll(program, memory);
  const module = moduleOf(placed.map((p, i) => functionOf(p, stepName(i), relaxed)));
  const { buffer, exports } = instantiate(module, memory.bytes + 64);
  fillTables(tables, buffer);
  const steps = placed.map((_, i) => (exports as Record<string, () => void>)[stepName(i)] as () => void);
  return { run: runner(program, steps, new Uint8Array(buffer, 0, kept)) };
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
