/** Which of Debian's tools are here. What is missing skips tests loudly; in CI it fails them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'vitest';

const found = new Map<string, boolean>();

/** A program, or a folder. */
export function isThere(tool: string): boolean {
  const known = found.get(tool) ?? (tool.startsWith('/') ? existsSync(tool) : starts(tool));
  found.set(tool, known);
  return known;
}

/** simavr has no version to tell. */
const starts = (tool: string): boolean =>
  spawnSync(tool, [tool === 'simavr' ? '--list-cores' : '--version']).error === undefined;

export const hostTools = ['gcc', 'clang'] as const;
export const crossTools = [
  'arm-none-eabi-gcc',
  'riscv64-unknown-elf-gcc',
  'qemu-system-arm',
  'qemu-system-riscv32',
  'qemu-arm',
  'qemu-riscv32',
] as const;

/** `test` when all tools are there or CI demands them; otherwise a skip whose name says what to install. */
export function testWith(tools: readonly string[]): typeof test | typeof test.skip {
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return test;
  const advice = `missing: ${missing.join(', ')}; npm run toolchain installs them`;
  if (process.env.CI) {
    test(advice, () => {
      throw new Error(advice);
    });
    return test;
  }
  console.warn(`SKIPPED, ${advice}`);
  return test.skip;
}
