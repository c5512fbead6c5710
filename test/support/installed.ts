/** The package as a user has it: packed, and installed in an empty folder, from nothing but its own file. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './shared.ts';

const run = promisify(execFile);

export interface Installed {
  /** The user's folder. */
  readonly folder: string;
  /** A program, in it. @returns what it prints. */
  run(program: string, args: readonly string[]): Promise<string>;
  remove(): void;
}

/** No network, and an empty cache: whatever the package asks for besides itself is not to be had. */
export async function installed(): Promise<Installed> {
  if (!existsSync(join(root, 'dist/node.js'))) throw new Error('npm run build, first');
  const place = mkdtempSync(join(tmpdir(), 'thimble-package-'));
  const folder = join(place, 'user');
  mkdirSync(folder);
  const env = { ...process.env, npm_config_cache: join(place, 'cache'), npm_config_offline: 'true' };
  const inFolder = async (program: string, args: readonly string[]): Promise<string> =>
    (await run(program, args, { cwd: folder, env, maxBuffer: 2 ** 26 })).stdout;
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', place], { cwd: root, env });
  const packed = readdirSync(place).find((name) => name.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await inFolder('npm', ['install', '--no-audit', '--no-fund', join(place, String(packed))]);
  return { folder, run: inFolder, remove: () => rmSync(place, { recursive: true, force: true }) };
}

export const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** On a disk that gives out blocks of 4 KB. */
export const diskBytes = (folder: string): number =>
  filesIn(folder).reduce((sum, file) => sum + Math.ceil(statSync(file).size / 4096) * 4096, 0);
