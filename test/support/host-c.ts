/** Compiles kernels with the host's gcc and its sanitizers, for tests of what C leaves undefined. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { printKernel, printPrimitive } from '../../src/emit/c/kernel.ts';
import { cType } from '../../src/emit/c/lines.ts';
import { printTable } from '../../src/emit/c/tables.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { primitiveOf } from '../../src/ir/kernel/prims/index.ts';
import { primitivesUsed } from '../../src/ir/kernel/walk.ts';

const hasGcc = spawnSync('gcc', ['--version']).status === 0;

/** Whether to run; where gcc is missing says so, and in continuous integration fails. */
export function gccOrSkip(): boolean {
  if (hasGcc) return true;
  if (process.env.CI !== undefined) throw new Error('gcc is missing: npm run toolchain');
  console.warn('SKIPPED: gcc is missing (npm run toolchain)');
  return false;
}

// Optimizing folds some overflows away before they are instrumented.
const flags = ['-std=c99', '-O0', '-ffp-contract=off', '-fno-sanitize-recover=all'];
const sanitizers = '-fsanitize=address,undefined,float-cast-overflow';

const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };

export interface Executable {
  /** Runs `main` with these arguments. */
  run(...args: readonly string[]): { readonly status: number | null; readonly stderr: string };
  remove(): void;
}

export function compileSanitized(source: string): Executable {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'thimble-test-'));
  const file = path.join(folder, 'main.c');
  const binary = path.join(folder, 'main');
  writeFileSync(file, source);
  execFileSync('gcc', [...flags, sanitizers, file, '-o', binary], { stdio: 'pipe' });
  return {
    run: (...args) => {
      const { status, stderr } = spawnSync(binary, args, { encoding: 'utf8', timeout: 20_000, env });
      return { status, stderr };
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Calls kernel i on exactly sized heap blocks when run with the argument i; every byte of inputs is `filler`. */
export function sourceOfKernels(kernels: readonly Kernel[], filler: number): string {
  const used = new Set(kernels.flatMap((k) => [...primitivesUsed(k.body)]));
  return [
    '#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>',
    ...[...used].map((name) => printPrimitive(primitiveOf(name))),
    ...kernels.flatMap((k) => [...k.tables.map((t) => printTable(t)), printKernel(k)]),
    'static void *block(size_t n) {',
    `    void *p = malloc(n); if (p == NULL) abort(); memset(p, ${filler}, n); return p;`,
    '}',
    'int main(int argc, char **argv) {',
    '    switch (argc > 1 ? atoi(argv[1]) : -1) {',
    ...kernels.map((k, i) => `    case ${i}: ${k.name}(${k.params.map(argument).join(', ')}); return 0;`),
    '    default: return 2;',
    '    }',
    '}',
    '',
  ].join('\n');
}

const argument = ({ elem, length }: Kernel['params'][number]): string =>
  `(${cType[elem]} *)block(${length} * sizeof(${cType[elem]}))`;
