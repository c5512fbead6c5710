/** Runs many small programs as one: one link, one process. For properties over random programs. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DefectError } from '../base/errors.ts';
import { formFlags } from '../emit/instruction-sets.ts';
import type { Form } from '../program/measured.ts';
import type { Outcome, Program } from '../program/program.ts';
import { type BatchMember, batchDriver, batchHooks, driverFiles } from './drivers.ts';
import { execute } from './execute.ts';
import { type Build, compileC99, link, type Overflow, sourcesOf } from './link.ts';
import { inFolder, writeAll } from './native.ts';
import { joinInputs, outcomesIn } from './results.ts';
import { isHost, type Target, type TargetName, targets } from './targets.ts';

export interface BatchItem {
  /** Its name differs from every other in the batch. */
  readonly program: Program;
  /** What `emitC` printed. */
  readonly files: ReadonlyMap<string, string>;
  readonly inputs: readonly Uint8Array[];
}

export interface BatchOptions {
  readonly opt?: string;
  readonly sanitize?: boolean;
  /** Instead of each arena its `arenaChecksum`, four bytes. */
  readonly checksums?: boolean;
  readonly timeoutMs?: number;
  /** Default: the best that the chip has. */
  readonly form?: Form;
}

/** FNV-1a, 32 bits, of an arena: little-endian, as the batch driver writes it. */
export function arenaChecksum(arena: Uint8Array): Uint8Array {
  let hash = 0x811c9dc5;
  for (const byte of arena) hash = Math.imul(hash ^ byte, 0x01000193);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, hash, true);
  return bytes;
}

/** Equal names would be equal symbols for the linker, and equal macros for the compiler. */
function checkUnique(items: readonly BatchItem[]): void {
  const names = new Set(items.map(({ program }) => program.name.toUpperCase()));
  if (names.size !== items.length) throw new DefectError('two programs of a batch have the same name');
}

async function writeBatch(folder: string, items: readonly BatchItem[], checksums: boolean): Promise<void> {
  const members: BatchMember[] = items.map(({ program, inputs }) => ({ program, inputs: inputs.length }));
  for (const { files } of items)
    await writeAll(
      folder,
      [...files].filter(([name]) => !name.endsWith('_selftest.c') && name !== 'CMakeLists.txt'),
    );
  await writeAll(folder, [
    ['the-driver.c', batchDriver(members, checksums)],
    ['batch-hooks.h', batchHooks(members)],
    [driverFiles.input, Buffer.concat(items.map(({ program, inputs }) => joinInputs(program, inputs)))],
  ]);
}

/**
 * Two units of half of the programs each, compiled at the same time. Names begin with their network's, so that
 * programs share a unit; measured on 25 networks, it takes two thirds of the time that a unit for each takes.
 * @returns the object files.
 */
async function compileAll(
  build: Build,
  items: readonly BatchItem[],
  options: readonly string[],
): Promise<readonly string[]> {
  const half = Math.ceil(items.length / 2);
  const halves = [items.slice(0, half), items.slice(half)].filter((part) => part.length > 0);
  return Promise.all(
    halves.map(async (part, i) => {
      const unit = `half-${i}`;
      await writeAll(build.folder, [
        [
          `${unit}.c`,
          part
            .flatMap(({ program, files }) => sourcesOf(files, program))
            .map((source) => `#include "${source}"\n`)
            .join(''),
        ],
      ]);
      await compileC99(build, [`${unit}.c`], [...options, '-include', 'batch-hooks.h']);
      return `${unit}.o`;
    }),
  );
}

/** A batch may need more memory than a chip has: it takes the larger machine where there is one. */
async function linkBatch(build: Build, objects: readonly string[]) {
  const memory = build.target.machine?.enlarged ?? build.target.machine?.memory;
  const overflow = await link(build, 'run', ['the-driver.c', ...objects], memory);
  if (overflow) throw new DefectError(tooBig(overflow));
  return memory;
}

const tooBig = ({ region, needed, available }: Overflow): string =>
  `the batch needs ${needed} bytes of ${region}, there are ${available}; run fewer programs at once`;

/**
 * Per program and input: the output, and after every step the arena or its checksum.
 * @throws InputError and DefectError as `runNative` does.
 */
export async function runNativeBatch(
  items: readonly BatchItem[],
  targetName: TargetName,
  options: BatchOptions = {},
): Promise<readonly (readonly Outcome[])[]> {
  if (items.length === 0) return [];
  checkUnique(items);
  const target: Target = targets[targetName];
  const { opt = '-O1', checksums = false, timeoutMs = 120_000, form } = options;
  const sanitize = isHost(target) && (options.sanitize ?? true);
  return inFolder(async (folder) => {
    const build: Build = { target, folder, opt, sanitize };
    await writeBatch(folder, items, checksums);
    const flags = form === undefined ? [] : items.flatMap(({ program }) => formFlags(program, form));
    const memory = await linkBatch(build, await compileAll(build, items, flags));
    await execute(build, 'run', { memory, timeoutMs, counted: false });
    return outcomesIn(await readFile(path.join(folder, driverFiles.output)), expectedOf(items, checksums));
  });
}

const expectedOf = (items: readonly BatchItem[], checksums: boolean) =>
  items.map(({ program, inputs }) => ({
    program,
    inputs: inputs.length,
    perStep: checksums ? 4 : program.arenaBytes,
  }));
