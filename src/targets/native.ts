/** Compiles a program's C, runs it on the host or a simulated microcontroller, and measures it. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DefectError } from '../base/errors.ts';
import { gccFlags } from '../emit/flags.ts';
import { formFlags } from '../emit/instruction-sets.ts';
import { fileNames } from '../emit/names.ts';
import { outputFunctions, portStems } from '../emit/port-names.ts';
import { formsOf } from '../emit/printed-forms.ts';
import type { Form } from '../program/measured.ts';
import type { Outcome, Program } from '../program/program.ts';
import { aliveTurned, turnedInput } from './byte-order.ts';
import { removingAfter } from './cleanup.ts';
import type { Marks } from './counter.ts';
import { returnCycles } from './cycle-model.ts';
import { countedDriver, driverFiles, hookedDriver, plainDriver } from './drivers.ts';
import { execute } from './execute.ts';
import {
  type Build,
  compileNetwork,
  framesOf,
  link,
  type Overflow,
  type Sections,
  sectionsOf,
  sourcesOf,
} from './link.ts';
import { type Counts, countsIn, joinInputs, outcomesIn } from './results.ts';
import { isHost, type MemoryMap, type Target, type TargetName, targets } from './targets.ts';

/** How the C is built and run. */
export interface NativeOptions {
  /** The compiler's optimization, for example `-Os`; `-O1` on the host, `-O3` elsewhere. */
  readonly opt?: string;
  /** Keep the whole arena after every step. */
  readonly keepArenas?: boolean;
  /** Address and undefined-behaviour sanitizers; on the host only, and on by default there. */
  readonly sanitize?: boolean;
  /** For each run of the compiled program. Default: 2 minutes. */
  readonly timeoutMs?: number;
  /** Default: the best that the chip has. */
  readonly form?: Form;
}

export interface Cycles extends Counts {
  readonly by: 'simulator' | 'model';
}

/** Measurements of a target besides the outcomes. */
export interface Measures {
  /** Exact; absent for AVR, whose simulator counts only cycles. */
  readonly instructions?: Counts;
  /** As the simulator takes them, or modelled, where there is a model. */
  readonly cycles?: Cycles;
  /** Of `<name>_run` and all that it calls: the deeper of the paint's mark and the compiler's frames. */
  readonly stackBytes: number;
  /** Of the network's own object file. */
  readonly sections: Sections;
  /** Set when the program ran on the chip with more memory than it has. */
  readonly enlarged?: Overflow;
}

/** The result of a run: `does not fit` if the linker found too little memory. */
export type NativeResult =
  | { readonly kind: 'ran'; readonly outcomes: readonly Outcome[]; readonly measures?: Measures }
  | { readonly kind: 'does not fit'; readonly overflow: Overflow };

/** Runs `work` in a temporary folder, which is removed in any case. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'thimble-'));
  return removingAfter(folder, () => work(folder));
}

export async function writeAll(folder: string, files: Iterable<readonly [string, string | Uint8Array]>) {
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
}

interface Job {
  readonly program: Program;
  readonly build: Build;
  readonly inputs: number;
  /** `sourcesOf` the network. */
  readonly sources: readonly string[];
  readonly keep: boolean;
  readonly timeoutMs: number;
  /** Options of the compiler for the network's own file. */
  readonly options: readonly string[];
}

/** What the generated build files tell this compiler. */
export const flagsFor = (program: Program, { compiler }: Target): readonly string[] =>
  compiler === 'clang' ? [] : gccFlags(program);

const hookOn = ({ name }: Program): string => `-D${name.toUpperCase()}_HOOK=native_hook`;

async function outcomes({ program, build, inputs }: Job, perStep: number): Promise<Outcome[]> {
  const file = await readFile(path.join(build.folder, driverFiles.output));
  const found = outcomesIn(file, [{ program, inputs, perStep }])[0] ?? [];
  return build.target.bigEndian ? found.map((one) => aliveTurned(program, one)) : found;
}

/** A process, on the host or emulated: one build, hooked only when the arenas are wanted. */
async function runHost(job: Job): Promise<NativeResult> {
  const { program, build, inputs, keep, options } = job;
  const text = keep ? hookedDriver(program, inputs, true) : plainDriver(program, inputs);
  await writeAll(build.folder, [['the-driver.c', text]]);
  const objects = await compileNetwork(build, job.sources, [...options, ...(keep ? [hookOn(program)] : [])]);
  await link(build, 'run', ['the-driver.c', ...objects], undefined);
  await execute(build, 'run', { memory: undefined, timeoutMs: job.timeoutMs, counted: false });
  return { kind: 'ran', outcomes: await outcomes(job, keep ? program.arenaBytes : 0) };
}

/** Two programs of the same network, without and with the hook. */
async function compileBoth({ program, build, inputs, keep, options, sources }: Job): Promise<Objects> {
  await writeAll(build.folder, [
    ['plain-driver.c', countedDriver(program, inputs)],
    ['hooked-driver.c', hookedDriver(program, inputs, keep)],
  ]);
  const [plain, hooked] = await Promise.all([
    compileNetwork(build, sources, options),
    compileNetwork(build, sources, [...options, hookOn(program)], 'net_hooked'),
  ]);
  return { plain, hooked };
}

interface Objects {
  readonly plain: readonly string[];
  readonly hooked: readonly string[];
}

async function linkBoth(build: Build, objects: Objects, memory: MemoryMap): Promise<Overflow | undefined> {
  const [plain, hooked] = await Promise.all([
    link(build, 'plain', ['plain-driver.c', ...objects.plain], memory),
    link(build, 'hooked', ['hooked-driver.c', ...objects.hooked], memory),
  ]);
  return plain ?? hooked;
}

/** Calls go from `run` to a kernel to a primitive, where they are not inlined. */
function frameDepth(frames: ReadonlyMap<string, number>, program: Program): number {
  const kernels = new Set(fileNames(formsOf(program, {})).kernels.values());
  const run = `${program.name}_run`;
  const deepest = (wanted: (name: string) => boolean): number =>
    [...frames].reduce((most, [name, bytes]) => (wanted(name) && bytes > most ? bytes : most), 0);
  const own = new Set([run, ...portStems(program, 'input'), ...outputFunctions(program)]);
  const inner = deepest((name) => !kernels.has(name) && !own.has(name));
  return (frames.get(run) ?? 0) + deepest((name) => kernels.has(name)) + inner;
}

async function stackOf({ build, program }: Job): Promise<number> {
  const painted = (await readFile(path.join(build.folder, driverFiles.stack))).readUInt32LE();
  return Math.max(painted, frameDepth(await framesOf(build, 'net.su'), program));
}

function sameOutputs(a: readonly Outcome[], b: readonly Outcome[]): void {
  const differs = a.findIndex((one, i) => Buffer.compare(one.output, b[i]?.output ?? new Uint8Array()) !== 0);
  if (differs >= 0) throw new DefectError(`input ${differs} gives another output when the hook is on`);
}

/** What the marks of both programs say of a run. */
function countsOf(
  { build: { target }, program, inputs }: Job,
  plain: Marks,
  hooked: Marks,
): Pick<Measures, 'instructions' | 'cycles'> {
  const { machine, core } = target;
  const size = { inputs, steps: program.steps.length };
  if (machine?.kind === 'simavr') {
    const counts = countsIn(plain.totals, hooked.totals, { ...size, one: machine.returnCycles });
    return { cycles: { ...counts, by: 'simulator' } };
  }
  const instructions = countsIn(plain.totals, hooked.totals, size);
  if (core === undefined) return { instructions };
  const counts = countsIn(plain.cycles, hooked.cycles, { ...size, one: returnCycles(core) });
  return { instructions, cycles: { ...counts, by: 'model' } };
}

async function runMachine(
  job: Job,
  objects: Objects,
  memory: MemoryMap,
  enlarged?: Overflow,
): Promise<NativeResult> {
  const { build, program, keep } = job;
  const how = { memory, timeoutMs: job.timeoutMs, counted: true };
  const plainMarks = await execute(build, 'plain', how);
  const plain = await outcomes(job, 0);
  const stackBytes = await stackOf(job);
  const hookedMarks = await execute(build, 'hooked', how);
  const hooked = await outcomes(job, keep ? program.arenaBytes : 0);
  sameOutputs(plain, hooked);
  const measures: Measures = {
    ...countsOf(job, plainMarks, hookedMarks),
    stackBytes,
    sections: await sectionsOf(build, objects.plain),
    ...(enlarged ? { enlarged } : {}),
  };
  return { kind: 'ran', outcomes: hooked, measures };
}

/** On the chip as it is; else with more memory where such a machine is known. */
async function runChip(
  job: Job,
  { memory, enlarged }: NonNullable<Target['machine']>,
): Promise<NativeResult> {
  const objects = await compileBoth(job);
  const overflow = await linkBoth(job.build, objects, memory);
  if (overflow === undefined) return runMachine(job, objects, memory);
  if (enlarged === undefined || (await linkBoth(job.build, objects, enlarged)) !== undefined)
    return { kind: 'does not fit', overflow };
  return runMachine(job, objects, enlarged, overflow);
}

/** @throws DefectError without inputs: there would be nothing to run or count. */
function checkInputs(inputs: readonly Uint8Array[]): void {
  if (inputs.length === 0) throw new DefectError('a program is run on at least one input');
}

/**
 * Compiles what `emitC` printed and runs it on every input, each beginning with an arena of `arenaFill`. Of
 * big-endian targets all is given back in little-endian order, and arenas have nothing but tensors that are alive.
 * @throws InputError when a compiler or emulator is missing or too old; DefectError when the C does not compile,
 * or stops at run time (a sanitizer's report, a fault), with what was printed.
 */
export async function runNative(
  program: Program,
  files: ReadonlyMap<string, string>,
  targetName: TargetName,
  inputs: readonly Uint8Array[],
  options: NativeOptions = {},
): Promise<NativeResult> {
  checkInputs(inputs);
  const target: Target = targets[targetName];
  const { keepArenas: keep = false, timeoutMs = 120_000 } = options;
  return inFolder(async (folder) => {
    const fed = target.bigEndian ? inputs.map((one) => turnedInput(program, one)) : inputs;
    await writeAll(folder, [...files, [driverFiles.input, joinInputs(program, fed)]]);
    const sanitize = isHost(target) && (options.sanitize ?? true);
    const opt = options.opt ?? (isHost(target) ? '-O1' : '-O3');
    const build: Build = { target, folder, opt, sanitize };
    const form = [
      ...flagsFor(program, target),
      ...(options.form === undefined ? [] : formFlags(program, options.form)),
    ];
    const sources = sourcesOf(files, program);
    const job: Job = { program, build, inputs: inputs.length, sources, keep, timeoutMs, options: form };
    return target.machine ? runChip(job, target.machine) : runHost(job);
  });
}
