import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { sampleFiles } from '../support/sample-files.ts';

const root = path.resolve(import.meta.dirname, '../..');
const built = existsSync(path.join(root, 'dist/cli/main.js'));
if (!built && process.env.CI !== undefined) throw new Error('dist/ is missing: npm run build comes first');
if (!built) console.warn('SKIPPED: Ctrl-C of the real process: dist/ is missing, npm run build makes it');

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-interrupt-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Runs node, sends SIGINT after `delay` ms unless it has ended by then. */
function run(argv: readonly string[], delay?: number): Promise<End> {
  const child = spawn(process.execPath, argv, { cwd: root, stdio: 'ignore' });
  const timer = delay === undefined ? undefined : setTimeout(() => child.kill('SIGINT'), delay);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal });
    });
  });
}

describe.skipIf(!built)('Ctrl-C', () => {
  test.each([50, 300, 700, 1200])(
    '%d ms into a compilation: an end by SIGINT, and all files or none',
    async (delay) => {
      const out = path.join(folder, `out-${delay}`);
      const end = await run(
        ['bin/thimble.js', 'compile', 'models/lenet5.onnx', '--type', 'float32', '-o', out],
        delay,
      );
      expect(end.signal === 'SIGINT' || end.code === 130 || end.code === 0).toBe(true);
      if (end.code === 0) expect(readdirSync(out)).toContain('manifest.json');
      if (!existsSync(out)) return;
      const names = readdirSync(out);
      expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(names).toEqual(expect.arrayContaining(['lenet5.c', 'lenet5.h', 'manifest.json']));
    },
  );

  test('of a fine-tuning on all cores: the same command with --resume ends it', async () => {
    const count = 640;
    const samples = sampleFiles(count);
    const out = path.join(samples.folder, 'out');
    const command = ['bin/thimble.js', 'compile', 'models/lenet5.onnx', '--calibrate', samples.images];
    command.push('--pad', '2', '--samples', '40', '--finetune', '10', '--sparsity', '0.8', '-o', out);
    const end = await run(command, 2000);
    if (end.code !== 0) {
      // Before training begins and after its end a signal simply ends the process.
      const trained = existsSync(`${out}.checkpoint`);
      expect(end.signal === 'SIGINT' || (end.code === 130 && trained)).toBe(true);
      expect(existsSync(out)).toBe(false);
      expect(await run([...command, ...(trained ? ['--resume'] : [])])).toEqual({ code: 0, signal: null });
    }
    expect(readdirSync(out)).toContain('manifest.json');
    expect(existsSync(`${out}.checkpoint`)).toBe(false);
    samples.remove();
  }, 120_000);
});
