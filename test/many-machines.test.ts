/** `examples/many-machines/`: GNU parallel truly; of the other jobs the shell, with the variables of their schedulers. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { writeNpy } from '../src/data/npy.ts';
import { bench } from './support/cli.ts';
import { runTool } from './support/run-tool.ts';
import { root } from './support/shared.ts';
import { testWith } from './support/toolchain.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-machines-'));
afterAll(() => rmSync(folder, { recursive: true }));

const example = (name: string): string => path.join(root, 'examples/many-machines', name);
const textOf = (name: string): string => readFileSync(example(name), 'utf8');

/** A folder with programs, for the front of PATH. */
function programs(scripts: Readonly<Record<string, string>>): string {
  const bin = mkdtempSync(path.join(folder, 'bin-'));
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(path.join(bin, name), 0o755);
  }
  return bin;
}

/** Makes the folder behind -o, and prints its words. */
const told = programs({
  thimble: 'echo "$@"\nwhile [ "$1" != -o ]; do shift; done\nmkdir -p "$2"',
  npx: 'exec "$@"',
});

/** What a job's shell asks of thimble, line by line. */
function asked(shell: string): readonly string[] {
  const cwd = mkdtempSync(path.join(folder, 'work-'));
  return runTool('bash', ['-euc', `PATH=${told}:$PATH\n${shell}`], cwd)
    .trim()
    .split('\n');
}

/** Each share once, each in a place of its own, and all of them merged. */
function expectWhole(lines: readonly string[], count: number): void {
  const shares = lines.slice(0, -1).map((line) => / --shard (\S+) -o \S*part-(\d+)$/.exec(line)?.slice(1));
  expect(shares).toEqual(Array.from({ length: count }, (_, i) => [`${i + 1}/${count}`, `${i + 1}`]));
  const [, parts = ''] = /^sweep --merge (.*) -o sweep$/.exec(lines.at(-1) ?? '') ?? [];
  expect(
    parts
      .split(' ')
      .map((part) => part.replace('parts/', ''))
      .sort(),
  ).toEqual(shares.map((share) => `part-${share?.[1]}`).sort());
}

test('Slurm', () => {
  const script = textOf('slurm.sh');
  const count = Number(/^#SBATCH --array=1-(\d+)$/m.exec(script)?.[1]);
  const wrapped = /--wrap '(.*)'/.exec(script)?.[1];
  const array = `for i in $(seq ${count}); do SLURM_ARRAY_TASK_ID=$i bash ${example('slurm.sh')}; done`;
  expectWhole(asked(`${array}\n${wrapped}`), count);
});

interface Job {
  readonly kind: string;
  readonly spec: {
    readonly completionMode?: string;
    readonly completions?: number;
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly command: readonly string[] }[] };
    };
  };
}

test('Kubernetes', () => {
  const documents = parseAllDocuments(textOf('kubernetes.yaml'));
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  const jobs = documents.map((document) => document.toJS() as Job);
  expect(jobs.map(({ kind }) => kind)).toEqual(['Job', 'Job']);
  const [parts, merge] = jobs.map(({ spec }) => spec.template.spec.containers[0]?.command ?? []);
  expect([parts?.slice(0, 2), merge?.slice(0, 2)]).toEqual([
    ['sh', '-euc'],
    ['sh', '-euc'],
  ]);
  // Kubernetes puts values for $(NAME) itself.
  expect(`${parts}${merge}`).not.toContain('$(');
  const count = jobs[0]?.spec.completions ?? 0;
  expect(jobs[0]?.spec.completionMode).toBe('Indexed');
  const pods = `for i in $(seq 0 ${count - 1}); do (export JOB_COMPLETION_INDEX=$i\n${parts?.[2]}); done`;
  expectWhole(asked(`${pods}\n${merge?.[2]}`), count);
});

interface Workflow {
  readonly jobs: Readonly<
    Record<
      'part' | 'merge',
      {
        readonly needs?: string;
        readonly strategy?: { readonly matrix: { readonly share: readonly number[] } };
        readonly steps: readonly { readonly run?: string }[];
      }
    >
  >;
}

test('GitHub Actions', () => {
  const { part, merge } = (parse(textOf('github-actions.yml')) as Workflow).jobs;
  const shares = part.strategy?.matrix.share ?? [];
  const shellOf = ({ steps }: typeof part): string =>
    steps.flatMap(({ run = '' }) => (run.startsWith('npx') ? [run] : [])).join('\n');
  const parts = shares.map((share) =>
    shellOf(part)
      .replaceAll(`\${{ matrix.share }}`, String(share))
      .replaceAll(`\${{ strategy.job-total }}`, String(shares.length)),
  );
  expect(merge.needs).toBe('part');
  expectWhole(asked([...parts, shellOf(merge)].join('\n')), shares.length);
});

testWith(['parallel'])('GNU parallel, truly: the bytes of one process', async () => {
  const data = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(1.3 * i));
  const samples = path.join(folder, 'some samples.npy');
  writeFileSync(samples, writeNpy({ dtype: 'float32', shape: [40, 6], data }));
  const model = path.join(root, 'test/fixtures/torch/kinds/mlp.onnx');
  const words = [
    model,
    '--calibrate',
    samples,
    '--samples',
    '20',
    '--sparsities',
    '0,0.5',
    '--weight-bits',
    '4',
  ];
  const bin = programs({ thimble: `exec '${process.execPath}' '${root}/bin/thimble.js' "$@"` });
  const run = 'PATH=$0:$PATH; exec "$@"';
  runTool('bash', ['-c', run, bin, example('parallel.sh'), '2', path.join(folder, 'out'), ...words], folder);
  expect(await bench().run('sweep', ...words, '-o', path.join(folder, 'alone'))).toMatchObject({ code: 0 });
  for (const file of ['sweep.json', 'sweep.txt', 'sweep.html'])
    expect(readFileSync(path.join(folder, 'out/sweep', file), 'utf8')).toBe(
      readFileSync(path.join(folder, 'alone', file), 'utf8'),
    );
});
