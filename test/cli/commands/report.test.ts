/** `thimble report`: what it asks targets for, and what it says of those that are not there. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureTargets } from '../../../src/artifact/node-target-costs.ts';
import type { MeasuredTarget } from '../../../src/program/measured.ts';
import { bench } from '../../support/cli.ts';
import { sampleFiles } from '../../support/sample-files.ts';
import { testWith } from '../../support/toolchain.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const [build, page] = ['build', 'report.html'].map((name) => path.join(files.folder, name)) as [
  string,
  string,
];
beforeAll(async () => {
  const made = await bench().run(
    'compile',
    model,
    '--calibrate',
    files.images,
    '--pad',
    '2',
    '--activation-bits',
    '8',
    '-o',
    build,
  );
  expect(made.err).toBe('');
});

/** The rows of a section's table, the last line of all rows too. */
function rowsOf(title: string): string[][] {
  const { document } = parseHTML(readFileSync(page, 'utf8'));
  const section = [...document.querySelectorAll('section')].find(
    (s) => s.querySelector('h2')?.textContent === title,
  );
  return [...(section?.querySelectorAll('tr') ?? [])].map((row) =>
    [...row.children].map((cell) => cell.textContent!),
  );
}

const equal = { status: 'equal', bytesCompared: 10, mismatches: 0 } as const;
const rowsFor: Readonly<Record<string, MeasuredTarget>> = {
  'host-gcc': { target: 'host-gcc', ...equal },
  'cortex-m4': {
    target: 'cortex-m4',
    ...equal,
    instructions: 1234,
    layers: [
      { kernel: 'conv1', instructions: 1000 },
      { kernel: 'linear3', instructions: 234 },
    ],
    stackBytes: 96,
    sizes: [
      { opt: '-O3', code: 2222, constants: 61000 },
      { opt: '-Os', code: 1111, constants: 61000 },
    ],
  },
  'cortex-m0': { target: 'cortex-m0', status: 'skipped', note: 'no gcc', bytesCompared: 0, mismatches: 0 },
  fe310: { target: 'fe310', status: 'differs', note: 'input 0', bytesCompared: 10, mismatches: 3 },
};
const faked = bench({ rowFor: (target) => rowsFor[target]! });

describe('thimble report --targets', () => {
  test('counted where that was possible, modelled where not; the page and stderr say which', async () => {
    const list = 'host,cortex-m4,cortex-m0';
    const { code, out, err } = await faked.run('report', build, '--targets', list, '-o', page, '--json');
    expect(code).toBe(0);
    expect(err).toBe('thimble: cortex-m0: skipped: no gcc\n');
    const json = JSON.parse(out) as { targets: MeasuredTarget[] };
    expect(Object.keys(json)).toEqual(['command', 'file', 'bytes', 'targets']);
    expect(json.targets).toEqual(['host-gcc', 'cortex-m4', 'cortex-m0'].map((name) => rowsFor[name]));
    const costs = rowsOf('Instructions by layer');
    expect(costs[0]).toEqual([
      'layer',
      'MAC',
      'cortex-m4, counted',
      'cortex-m4, modelled',
      'cortex-m0, modelled',
      'cortex-m4, form',
      'cortex-m0, form',
    ]);
    expect(costs.at(-1)![2]).toBe('1,234');
    expect(costs.find(([name]) => name === 'linear3')![2]).toBe('234');
    const [, host, m4, m0] = rowsOf('On targets');
    expect(host!.slice(0, 4)).toEqual(['host-gcc', 'equal, 10 bytes', '', '']);
    expect(m4!.slice(2, 7)).toEqual(['1,234', '96 B', '2,222 B', '1,111 B', '61,000 B']);
    expect(m0!.slice(0, 2)).toEqual(['cortex-m0', 'skipped']);
    expect(m0!.at(-1)).toBe('no gcc; its instructions are modelled instead');
  });

  test('C that differs from the simulator ends with 1, and the page is there', async () => {
    const { code, err } = await faked.run('report', build, '--targets', 'fe310', '-o', page);
    expect({ code, err }).toEqual({ code: 1, err: 'thimble: fe310: differs: input 0\n' });
    expect(rowsOf('On targets')[1]!.slice(0, 2)).toEqual(['fe310', 'differs']);
    expect(rowsOf('Instructions by layer')[0]).toContain('cortex-m4, modelled');
  });

  test('without it nothing is compiled, and the four models are there', async () => {
    const cli = bench();
    const { code, out } = await cli.run('report', build, '-o', page, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ targets: [] });
    expect(cli.seen.verified).toEqual([]);
    expect(rowsOf('Instructions by layer')[0]!.slice(2)).toEqual([
      'cortex-m0, modelled',
      'cortex-m4, modelled',
      'cortex-m55, modelled',
      'rv32imc, modelled',
      ...['cortex-m0', 'cortex-m4', 'cortex-m55', 'rv32imc'].map((chip) => `${chip}, form`),
    ]);
    expect(rowsOf('On targets')).toEqual([]);
  });

  test('samples alone show what layers put out; a model alone has nothing to run on', async () => {
    const { code } = await bench().run('report', build, '--input', files.images, '-o', page);
    expect(code).toBe(0);
    expect(rowsOf('Activations').length).toBeGreaterThan(5);
    expect(rowsOf('Error by layer')).toEqual([]);
    const alone = await bench().run('report', build, '--model', model, '-o', page);
    expect(alone.code).toBe(2);
    expect(alone.err).toContain('--input');
  });

  testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
    'with the real toolchain: whole and layers agree, -Os is smaller',
    async () => {
      const cli = bench({ api: { measureTargets } });
      const { out, err } = await cli.run('report', build, '--targets', 'cortex-m4', '-o', page, '--json');
      expect(err).toBe('');
      const [m4] = (JSON.parse(out) as { targets: MeasuredTarget[] }).targets;
      const sum = m4!.layers!.reduce((n, { instructions }) => n + instructions!, 0);
      expect(Math.abs(sum / m4!.instructions! - 1)).toBeLessThan(0.02);
      const [fast, small] = m4!.sizes!;
      expect(small!.opt).toBe('-Os');
      expect(small!.code).toBeLessThan(fast!.code);
      expect(m4!.stackBytes).toBeGreaterThan(0);
      expect(m4).toMatchObject({ status: 'equal', mismatches: 0 });
    },
    60_000,
  );
});
