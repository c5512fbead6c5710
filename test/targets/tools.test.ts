import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { requireTool, type ToolName, versionFault } from '../../src/targets/tools.ts';
import { hostTools, testWith } from '../support/toolchain.ts';

describe('versions', () => {
  test.each<[ToolName, string]>([
    ['gcc', '12.2.0\n'],
    ['gcc', '10.0'],
    ['clang', '14.0.6\n'],
    ['qemu-system-arm', 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n'],
    ['qemu-arm', 'qemu-arm version 10.0.2\n'],
  ])('%s %s will do', (name, answer) => {
    expect(versionFault(name, answer)).toBeUndefined();
  });

  test.each<[ToolName, string, RegExp]>([
    ['gcc', '9.4.0', /^gcc: version 9\.4; supported: version 10\.0 or newer; .*'gcc'/],
    [
      'qemu-system-riscv32',
      'QEMU emulator version 7.1.0',
      /version 7\.1; .*7\.2 or newer; .*qemu-system-misc/,
    ],
    ['qemu-arm', 'hello', /no version in its output/],
  ])('%s %s will not', (name, answer, message) => {
    expect(versionFault(name, answer)?.message).toMatch(message);
  });
});

describe('tools on the PATH', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-test-'));
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  testWith(hostTools)('the one that is installed will do, and stands for no other PATH', async () => {
    expect(versionFault('clang', await requireTool('clang'))).toBeUndefined();
  });

  test('a missing one is an input error with the package and the script', async () => {
    vi.stubEnv('PATH', folder);
    await expect(requireTool('arm-none-eabi-gcc')).rejects.toThrow(InputError);
    await expect(requireTool('arm-none-eabi-gcc')).rejects.toThrow(/'gcc-arm-none-eabi'.*npm run toolchain/);
  });

  test('an old one too', async () => {
    writeFileSync(path.join(folder, 'clang'), '#!/bin/sh\necho 3.9.1\n', { mode: 0o755 });
    vi.stubEnv('PATH', `${folder}:/bin:/usr/bin`);
    await expect(requireTool('clang')).rejects.toThrow(/version 3\.9; .*11\.0 or newer/);
    rmSync(folder, { recursive: true });
  });
});
