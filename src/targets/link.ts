/** Compiles and links test programs, and reads what compilers say about code. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { at, DefectError, InputError } from '../base/errors.ts';
import { cached, targetsFolder } from './cache.ts';
import { runProcess } from './process.ts';
import type { Machine, MemoryMap, Region, Target } from './targets.ts';
import { requireTool } from './tools.ts';

export interface Build {
  readonly target: Target;
  /** Where the files are and go. */
  readonly folder: string;
  readonly opt: string;
  readonly sanitize: boolean;
}

/** The memory region that is too small, from the linker's error. */
export interface Overflow {
  readonly region: 'ROM' | 'RAM';
  readonly needed: number;
  readonly available: number;
}

const minutes = 60_000;

const common = ['-ffp-contract=off', '-ffunction-sections', '-fdata-sections', '-fno-common'];
// Line numbers are all that reports need.
const sanitizers = ['-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** C libraries supply memcpy and memset. Never -ffreestanding: it would turn small copies into calls. */
function library({ compiler }: Target): string[] {
  if (compiler === 'avr-gcc') return [];
  // Debian has it where the compiler does not look.
  if (compiler === 'xtensa-lx106-elf-gcc') return ['--specs=/usr/lib/xtensa-lx106-elf/picolibc.specs'];
  return compiler === 'arm-none-eabi-gcc' ? ['--specs=nosys.specs'] : ['--specs=picolibc.specs'];
}

const isUser = ({ machine }: Target): boolean => machine?.kind === 'qemu' && machine.user;

function flags({ target, opt, sanitize }: Build): string[] {
  const chip = target.machine ? [...library(target), ...(isUser(target) ? ['-DLAB_USER'] : [])] : [];
  return [...target.flags, ...chip, opt, ...common, ...(sanitize ? sanitizers : [])];
}

/** A compiler without its C library complains about the specs file or the first header. */
function missingLibrary(stderr: string): InputError | undefined {
  if (!/cannot read spec file|stdint\.h: No such file|cannot find -l(asan|ubsan|c_nano|c)\b/.test(stderr))
    return undefined;
  return new InputError({
    where: 'compiler',
    found: at(stderr.split('\n'), 0),
    todo: "install its C library with 'npm run toolchain'",
  });
}

/** An ESP8266's ROM has the functions of float arithmetic, and Debian's compiler has them nowhere. */
function missingRom(stderr: string): InputError | undefined {
  const found = /undefined reference to `(__\w*[sd]f\w*)'/.exec(stderr);
  if (found === null || !stderr.includes('xtensa-lx106')) return undefined;
  return new InputError({
    where: 'esp8266',
    found: `float arithmetic (${found[1]}), which is in the chip's ROM and not in QEMU`,
    supported: 'programs of integers',
    todo: 'run the self-test on the chip',
  });
}

async function compiler(build: Build, args: readonly string[]): Promise<string> {
  const { target, folder } = build;
  await requireTool(target.compiler);
  const ran = await runProcess(target.compiler, args, { cwd: folder, timeoutMs: 10 * minutes });
  if (ran.status === 0) return '';
  if (ran.timedOut) throw new DefectError(`${target.compiler} ${args.join(' ')}: no end after 10 minutes`);
  return ran.stderr || `${target.compiler} ended without a word`;
}

function failed(build: Build, stderr: string): Error {
  return (
    missingLibrary(stderr) ??
    missingRom(stderr) ??
    new DefectError(`${build.target.compiler} does not take the generated C: ${stderr.slice(0, 4000)}`)
  );
}

/** Constants stay in AVR's program memory by an address space, which avr-gcc has in GNU C only. */
const standard = ({ compiler }: Target): string => (compiler === 'avr-gcc' ? '-std=gnu99' : '-std=c99');

/** Generated C to object files, in strict C99 where that is enough. */
export async function compileC99(
  build: Build,
  sources: readonly string[],
  more: readonly string[] = [],
): Promise<void> {
  const args = [standard(build.target), ...flags(build), '-fstack-usage', ...more, '-c', ...sources];
  // clang knows -fstack-usage but warns about it where it has no effect.
  const stderr = await compiler(build, args);
  if (stderr !== '') throw failed(build, stderr);
}

type Named = { readonly name: string };

/** The files of a network to be compiled: its own, and that of its constant arrays where it has one. */
export const sourcesOf = (files: ReadonlyMap<string, string>, { name }: Named): readonly string[] =>
  [name, `${name}_weights`].filter((stem) => files.has(`${stem}.c`)).map((stem) => `${stem}.c`);

/** Compiles each source of a network. @returns the objects, the first of which is `<object>.o` */
export async function compileNetwork(
  build: Build,
  sources: readonly string[],
  options: readonly string[],
  object = 'net',
): Promise<readonly string[]> {
  const objects = sources.map((_, i) => (i === 0 ? `${object}.o` : `${object}_${i}.o`));
  await Promise.all(
    sources.map((source, i) => compileC99(build, [source], [...options, '-o', at(objects, i)])),
  );
  return objects;
}

const hex = (n: number): string => `0x${n.toString(16)}`;
const symbols = (name: string, { origin, bytes }: Region): string =>
  `--defsym=${name}_ORG=${hex(origin)},--defsym=${name}_LEN=${hex(bytes)}`;

/** avr-libc's own script, with the chip's memory. Data addresses begin at 0x800000 for the linker. */
const avrArgs = ({ rom, ram }: MemoryMap): string[] => [
  `-Wl,--defsym=__TEXT_REGION_LENGTH__=${rom.bytes},--defsym=__DATA_REGION_LENGTH__=${ram.bytes}`,
  `-Wl,--defsym=__DATA_REGION_ORIGIN__=${hex(0x80_0000 + ram.origin)},--defsym=__stack=${hex(0x80_0000 + ram.origin + ram.bytes - 1)},--gc-sections`,
];

function machineArgs(machine: Machine, memory: MemoryMap): string[] {
  if (machine.kind === 'simavr') return avrArgs(memory);
  const { start, script } = machine;
  const entry = start === 'start_cm.c' ? 'reset_handler' : '_start';
  const values = [
    symbols('ROM', memory.rom),
    symbols('RAM', memory.ram),
    `--defsym=STACK=${memory.stackBytes}`,
  ];
  const how = ['-nostartfiles', '-T', path.join(targetsFolder, script)];
  return [...how, `-Wl,${values.join(',')},--defsym=ENTRY_POINT=${entry},--gc-sections`];
}

/** What every program of a target shares, compiled once per machine. */
export async function labObject(build: Build, source: string, more: readonly string[] = []): Promise<string> {
  const options = [...flags({ ...build, opt: '-O2' }), ...more];
  const args = ['-std=gnu11', ...options, '-c', path.join(targetsFolder, source)];
  return cached({
    name: `${path.parse(source).name}.o`,
    sources: [source, 'test-lab.h', 'uart.h'],
    how: [build.target.compiler, await requireTool(build.target.compiler), ...args],
    build: async (file) => {
      const stderr = await compiler(build, [...args, '-o', file]);
      if (stderr !== '') throw failed(build, stderr);
    },
  });
}

/** The linker's own words, as numbers. */
function overflowIn(stderr: string, { rom, ram }: MemoryMap): Overflow | undefined {
  const end = /address (0x[0-9a-f]+) of \S+ section \S+ is not within region `data'/.exec(stderr);
  if (end !== null)
    return { region: 'RAM', needed: Number(end[1]) - 0x80_0000 - ram.origin, available: ram.bytes };
  const found = /region `(ROM|RAM|text|data)' overflowed by (\d+) bytes/.exec(stderr);
  if (found === null) return undefined;
  const name = found[1] === 'ROM' || found[1] === 'text' ? 'ROM' : 'RAM';
  const available = name === 'ROM' ? rom.bytes : ram.bytes;
  return { region: name, needed: available + Number(found[2]), available };
}

function labSources({ machine }: Target): readonly string[] {
  if (machine === undefined) return ['host.c'];
  return machine.kind === 'simavr' ? ['lab_avr.c'] : [machine.start, 'lab.c'];
}

/** A driver and objects to a program. @returns what did not fit, if anything. */
export async function link(
  build: Build,
  program: string,
  inputs: readonly string[],
  memory: MemoryMap | undefined,
): Promise<Overflow | undefined> {
  const { machine } = build.target;
  const place = machine && memory ? machineArgs(machine, memory) : [];
  const lab = await Promise.all(labSources(build.target).map((c) => labObject(build, c)));
  const args = [
    '-std=gnu11',
    ...flags(build),
    `-I${targetsFolder}`,
    ...place,
    ...lab,
    ...inputs,
    '-o',
    program,
  ];
  const stderr = await compiler(build, args);
  const overflow = memory && stderr !== '' ? overflowIn(stderr, memory) : undefined;
  if (stderr !== '' && overflow === undefined) throw failed(build, stderr);
  return overflow;
}

async function binutil(
  build: Build,
  tool: 'nm' | 'size' | 'objdump',
  args: readonly string[],
): Promise<string> {
  const name = build.target.compiler.replace(/gcc$/, tool);
  const options = { cwd: build.folder, timeoutMs: minutes, maxOutput: 1e8 };
  const ran = await runProcess(name, args, options);
  if (ran.status !== 0) throw new DefectError(`${name} ${args.join(' ')}: ${ran.notStarted ?? ran.stderr}`);
  return ran.stdout;
}

/** The address of `lab_mark` in a linked program. */
export async function markAddress(build: Build, program: string): Promise<string> {
  const found = /^([0-9a-f]+) [Tt] lab_mark$/m.exec(await binutil(build, 'nm', [program]));
  if (found === null) throw new DefectError(`${program} has no lab_mark`);
  return `0x${found[1]}`;
}

/** The disassembly of a linked program. */
export const listingOf = (build: Build, program: string): Promise<string> =>
  binutil(build, 'objdump', ['-d', program]);

/** Bytes of an object file. */
export interface Sections {
  readonly code: number;
  readonly constants: number;
  /** Of variables: always 0 in what thimble prints. */
  readonly data: number;
}

function sum(lines: readonly (readonly [string, number])[], pattern: RegExp): number {
  return lines.reduce((total, [name, bytes]) => (pattern.test(name) ? total + bytes : total), 0);
}

async function sectionSizes(build: Build, object: string): Promise<(readonly [string, number])[]> {
  const listing = await binutil(build, 'size', ['-A', object]);
  return [...listing.matchAll(/^(\.\S+)\s+(\d+)/gm)].map((m) => [at(m, 1), Number(m[2])] as const);
}

/** Bytes of machine code by function; parts that the compiler split off count with theirs. */
export async function functionsOf(build: Build, object: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const [section, bytes] of await sectionSizes(build, object)) {
    const [, name] = /^\.text\.(?:unlikely\.)?([A-Za-z_0-9]+)/.exec(section) ?? [];
    if (name !== undefined) sizes.set(name, (sizes.get(name) ?? 0) + bytes);
  }
  return sizes;
}

/** Of all objects together. */
export async function sectionsOf(build: Build, objects: readonly string[]): Promise<Sections> {
  const lines = (await Promise.all(objects.map((object) => sectionSizes(build, object)))).flat();
  return {
    code: sum(lines, /^\.text/),
    constants: sum(lines, /^\.(s?rodata|progmem)/),
    data: sum(lines, /^\.s?(data|bss)/),
  };
}

/** Frame sizes by function, from -fstack-usage. */
export async function framesOf(build: Build, file: string): Promise<ReadonlyMap<string, number>> {
  const text = await readFile(path.join(build.folder, file), 'utf8');
  return new Map(
    text.split('\n').flatMap((line) => {
      const [where = '', bytes = ''] = line.split('\t');
      return bytes === '' ? [] : [[where.split(':').at(-1) ?? '', Number(bytes)] as const];
    }),
  );
}
