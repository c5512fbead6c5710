/** The C of a network, by what a build system does with each file. */
import type { Program } from '../program/program.ts';
import { arenaOf } from './arena.ts';
import { weightsFiles } from './constants.ts';
import { constantBytes, headerFile } from './header.ts';
import { type EmitInfo, noBuild } from './info.ts';
import { mainFile } from './main-program.ts';
import { selftestFile } from './selftest.ts';
import { sourceFile } from './source.ts';
import { traceFile, traceHeader } from './trace-header.ts';

/** Contents by name. */
export type FileTexts = ReadonlyMap<string, string>;

export interface Library {
  readonly program: Program;
  readonly info: EmitInfo;
  /** What is compiled. */
  readonly sources: FileTexts;
  /** What users include. */
  readonly headers: FileTexts;
  /** What only the sources include. */
  readonly parts: FileTexts;
  /** Each has a `main`, so no build system may compile them together with a user's. */
  readonly programs: FileTexts;
}

export function libraryOf(program: Program, info: EmitInfo): Library {
  const { name } = program;
  const arena = arenaOf(program);
  const programs = new Map<string, string>();
  if (info.golden.length > 0) programs.set(`${name}_selftest.c`, selftestFile(program, info.golden, info));
  if (info.main === true) programs.set(`${name}_main.c`, mainFile(program, info));
  const weights = info.weightsFile === true ? weightsFiles(program, info) : { sources: [], parts: [] };
  return {
    program,
    info,
    sources: new Map([[`${name}.c`, sourceFile(program, arena, info)], ...weights.sources]),
    headers: new Map([[`${name}.h`, headerFile(program, arena, info)]]),
    parts: new Map([[traceFile(program), traceHeader(program, info)], ...weights.parts]),
    programs,
  };
}

/** The files that a user's build needs, headers first. */
export const libraryFiles = ({ headers, sources, parts }: Library): FileTexts =>
  new Map([...headers, ...sources, ...parts]);

/** The same files in a folder. */
export const inFolder = (folder: string, files: FileTexts): FileTexts =>
  new Map([...files].map(([name, text]) => [`${folder}/${name}`, text]));

/** What the packages call their version: a user counts on from here. */
export const packageVersion = '1.0.0';

/** One sentence for catalogues. */
export function summaryOf({ program, info }: Library): string {
  const macs = program.steps.reduce((sum, step) => sum + step.kernel.macs, 0);
  const count = (n: number): string => n.toLocaleString('en-US');
  const sizes = `${count(constantBytes(program))} bytes of constants, ${count(arenaOf(program).bytes)} of RAM`;
  return `Neural network ${program.name} (${program.arith}): ${count(macs)} multiply-accumulates, ${sizes}; thimble ${info.version}, build ${info.build ?? noBuild}`;
}

/** Names of files, in their order. */
export const namesOf = (files: FileTexts): readonly string[] => [...files.keys()];
