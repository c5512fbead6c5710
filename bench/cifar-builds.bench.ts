/**
 * Whole builds of the CIFAR net, each made, verified and judged by the command line: compile, verify, eval. A build
 * has two rows: its C at -Os and at -O3. BUILDS=name,name makes some of them and replaces their rows.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { test } from 'vitest';
import type { VerifyRow } from '../src/artifact/node-verify.ts';
import { formatPercent } from '../src/text/numbers.ts';
import { root, shared } from './models.ts';
import { count, markdown, standingRows, writeSection } from './page.ts';

const builds = [
  ['dense', ''],
  ['dense 4 bits', '--weight-bits 4 --requant compact'],
  ['pruned for speed', '--sparsity 0.5 --optimize speed --requant compact'],
  ['pruned', '--sparsity 0.6 --weight-bits 4 --requant compact'],
  ['trained', '--finetune 12 --sparsity 0.6 --weight-bits 4 --requant compact'],
  ['trained smaller', '--finetune 12 --sparsity 0.75 --weight-bits 4 --requant compact'],
] as const;

const model = path.join(shared, 'models/cifarnet/cifarnet.opset13.onnx');
const train = path.join(shared, 'data/cifar10/train-5000.bin.gz');
const images = path.join(shared, 'data/cifar10/test-2000.bin.gz');
const command = path.join(root, 'bin/thimble.js');

async function thimble(...args: readonly string[]): Promise<unknown> {
  const options = { maxBuffer: 2 ** 28 };
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args, '--json'], options);
  return JSON.parse(stdout);
}

interface Built {
  readonly tableBytes: number;
  readonly arenaBytes: number;
}

interface Judged {
  readonly engines: readonly {
    readonly top1: { readonly share: number; readonly low: number; readonly high: number };
  }[];
}

/** What holds for the build however its C is compiled. */
async function made(flags: string, folder: string): Promise<Built & { readonly seconds: number }> {
  const options = [...flags.split(' ').filter(Boolean), '--normalize', '0.5,0.5', '-o', folder];
  const started = performance.now();
  const built = (await thimble('compile', model, '--calibrate', train, ...options)) as Built;
  return { ...built, seconds: (performance.now() - started) / 1000 };
}

async function accuracy(folder: string): Promise<readonly string[]> {
  const { engines } = (await thimble('eval', folder, '--against', model, '--input', images)) as Judged;
  const [float, program] = engines.map(({ top1 }) => top1);
  const { share, low, high } = program!;
  return [
    `${formatPercent(share)} (${formatPercent(low)} to ${formatPercent(high)})`,
    (100 * (float!.share - share)).toFixed(2),
  ];
}

const chips = ['cortex-m4', 'cortex-m0', 'rv32imc'];

/** On all targets at -O3, on three chips at -Os; two test images each. */
async function verified(folder: string, opt: 'Os' | 'O3'): Promise<readonly VerifyRow[]> {
  const targets = opt === 'O3' ? [] : ['--targets', chips.join()];
  const options = ['--input', images, '--samples', '2', '--opt', opt, ...targets];
  const { rows } = (await thimble('verify', folder, ...options)) as { readonly rows: readonly VerifyRow[] };
  return rows;
}

function nativeCells(rows: readonly VerifyRow[]): readonly string[] {
  const [m4] = rows.filter(({ target }) => target === 'cortex-m4');
  const counts = chips.map((chip) => count(rows.find(({ target }) => target === chip)?.instructions ?? 0));
  return [count(m4?.measures?.sections.code ?? 0), count(m4?.stackBytes ?? 0), ...counts];
}

function verdict(rows: readonly VerifyRow[]): string {
  const wrong = rows.filter(({ status }) => status !== 'equal').map((r) => `${r.target}: ${r.status}`);
  return wrong.length === 0
    ? `0 on ${new Set(rows.map(({ target }) => target)).size} targets`
    : wrong.join(', ');
}

async function rowsOf(name: string, flags: string): Promise<readonly (readonly string[])[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-build-'));
  try {
    const { tableBytes, arenaBytes, seconds } = await made(flags, folder);
    const judged = await accuracy(folder);
    const rows: string[][] = [];
    for (const opt of ['Os', 'O3'] as const) {
      const verify = await verified(folder, opt);
      const sizes = [count(tableBytes), count(arenaBytes)];
      const how = [`${name}, -${opt}`, `\`${flags || '(none)'}\``];
      rows.push([...how, ...sizes, ...nativeCells(verify), ...judged, verdict(verify), seconds.toFixed(0)]);
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const head = [
  'build',
  'options of compile',
  'constants B',
  'RAM B',
  'code B (M4)',
  'stack B (M4)',
  'M4',
  'M0',
  'rv32imc',
  'top-1, 2,000 images (95 % interval)',
  'points lost',
  'wrong bytes',
  'seconds to build',
];

const wanted = process.env.BUILDS?.split(',');

test('builds of the CIFAR net', async () => {
  for (const [name, flags] of builds) {
    if (!(wanted?.includes(name) ?? true)) continue;
    const rows = standingRows('cifar builds');
    for (const row of await rowsOf(name, flags)) rows.set(row[0]!, row);
    const names = builds.flatMap(([build]) => [`${build}, -Os`, `${build}, -O3`]);
    const ordered = names.flatMap((each) => (rows.has(each) ? [rows.get(each)!] : []));
    writeSection('cifar builds', markdown(head, ordered));
  }
});
