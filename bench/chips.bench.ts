/** Instructions, code, constants, RAM and stack of every network on every chip, and whether every byte agrees. */
import { test } from 'vitest';
import { artifactOf, loadArtifact } from '../src/artifact/make.ts';
import { type VerifyOptions, type VerifyRow, verifyArtifact } from '../src/artifact/node-verify.ts';
import type { Compiled } from '../src/compile.ts';
import { chips, type TargetName } from '../src/targets/targets.ts';
import { compiledOf, modelBytes, type Net, nets } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

const targets: readonly TargetName[] = ['host-gcc', 'host-clang', ...chips];

async function rowsOf(
  net: Net,
  compiled: Compiled,
  how: Partial<VerifyOptions> = {},
): Promise<readonly VerifyRow[]> {
  const made = { command: 'bench', version: '0', model: modelBytes(net), preprocessing: {} };
  const files = artifactOf(compiled, made);
  const bytes = new Map([...files].map(([name, text]) => [name, new TextEncoder().encode(text)]));
  const inputs = compiled.examples.slice(0, 2);
  return (await verifyArtifact(loadArtifact(bytes), { inputs, targets, opt: '-O3', form: 'best', ...how }))
    .rows;
}

function cells(net: Net, { program }: Compiled, row: VerifyRow): readonly string[] {
  const { measures: m } = row;
  const figures = m
    ? [
        count(m.instructions?.total ?? Number.NaN),
        count(m.sections.code),
        count(m.sections.constants),
        count(m.stackBytes),
      ]
    : ['', '', '', ''];
  const wrong =
    row.status === 'equal' ? `0 of ${count(row.bytesCompared)}` : `${row.status}: ${row.note ?? ''}`;
  const enlarged = m?.enlarged ? ' (with more memory than the chip has)' : '';
  return [net.title, program.arith, `${row.target}${enlarged}`, ...figures, count(program.arenaBytes), wrong];
}

test('chips', async () => {
  const rows: (readonly string[])[] = [];
  for (const net of nets)
    for (const arith of ['int8', 'float32'] as const) {
      const compiled = compiledOf(net, { arith });
      for (const row of await rowsOf(net, compiled)) rows.push(cells(net, compiled, row));
    }
  const head = [
    'net',
    'type',
    'target',
    'instructions',
    'code B',
    'constants B',
    'stack B',
    'arena B',
    'wrong bytes',
  ];
  writeSection('chips', markdown(head, rows));
});

const percentLess = (a: number, b: number): string => `${(100 - (100 * b) / a).toFixed(0)} %`;

test('dsp', async () => {
  const rows: (readonly string[])[] = [];
  for (const net of nets) {
    const compiled = compiledOf(net);
    const one = { targets: ['cortex-m4'] } as const;
    const [plain, dsp] = [
      ...(await rowsOf(net, compiled, { ...one, form: 'plain' })),
      ...(await rowsOf(net, compiled, { ...one, form: 'DSP' })),
    ].map(({ measures, status }) => {
      if (measures === undefined || status !== 'equal') throw new Error(`${net.title}: ${status}`);
      return measures;
    });
    if (plain === undefined || dsp === undefined) throw new Error('two runs');
    const [a, b] = [plain, dsp].map(({ instructions }) => instructions?.total ?? Number.NaN) as [
      number,
      number,
    ];
    const code = [plain, dsp].map(({ sections }) => count(sections.code));
    const stack = [plain, dsp].map(({ stackBytes }) => count(stackBytes));
    rows.push([net.title, count(a), count(b), percentLess(a, b), code.join(' / '), stack.join(' / ')]);
  }
  const head = ['net, dense int8', 'plain C', 'with DSP', 'fewer', 'code B', 'stack B'];
  writeSection('dsp', markdown(head, rows));
});
