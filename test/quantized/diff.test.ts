/** `thimble diff` against quantized models: in their own integers, on programs as they are and with faults in them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Artifact, loadArtifact } from '../../src/artifact/make.ts';
import { largestSize } from '../../src/base/extremes.ts';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import type { Table } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import { bench } from '../support/cli.ts';
import { root } from '../support/shared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-quantized-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): string => path.join(root, 'test/fixtures/quantized', name);

/** Without the axis of batches that recorded inputs have. */
function inputOf(name: string): string {
  const file = path.join(folder, `${name}.npy`);
  const { shape, data } = readNpy(new Uint8Array(readFileSync(fixture(`${name}.input.npy`))), name);
  const [count = 1, one, ...rest] = shape;
  const sizes = one === 1 && rest.length > 0 ? [count, ...rest] : shape;
  writeFileSync(file, writeNpy({ dtype: 'float32', shape: sizes, data }));
  return file;
}

type Fault = (table: Table) => Table['data'];

/** The program with one table of a step changed. */
function withFault(program: Program, ending: RegExp, fault: Fault): Program {
  const step = program.steps.findIndex(({ kernel }) => kernel.tables.some(({ name }) => ending.test(name)));
  expect(step).toBeGreaterThanOrEqual(0);
  const steps = program.steps.map((each, s) => {
    if (s !== step) return each;
    const tables = each.kernel.tables.map((table) =>
      ending.test(table.name) ? { ...table, data: fault(table) } : table,
    );
    return { ...each, kernel: { ...each.kernel, tables } };
  });
  return { ...program, steps };
}

const changed = (data: Table['data'], change: (x: number, i: number) => number): Table['data'] =>
  data.map(change) as Table['data'];

const faults: Readonly<Record<string, readonly [RegExp, Fault]>> = {
  'the largest weight has another sign': [
    /_weights$/,
    ({ data }) => {
      const most = largestSize(data);
      const place = Array.from(data).findIndex((x) => Math.abs(x) === most);
      return changed(data, (x, i) => (i === place ? -x : x));
    },
  ],
  'a bias is off': [/_bias$/, ({ data }) => changed(data, (x, i) => (i === 0 ? x + 3000 : x))],
  'a scale is a quarter larger': [/_mult/, ({ data }) => changed(data, (x) => Math.round(x * 0.8))],
};

const models: readonly (readonly [string, string])[] = [
  ['QDQ', 'conv_relu-qdq-u8s8-pc-op13.onnx'],
  ['QOperator', 'gap_fc-qop-s8s8-pc.onnx'],
  ['QONNX', 'qonnx-small.onnx'],
  ['PT2E', 'q_xnn.pt2'],
];

describe.each(models)('%s', (_, file) => {
  const name = file.replace(/\.\w+$/, '');
  const out = path.join(folder, name);
  const against = async (program?: (program: Program) => Program) => {
    const load = (files: ReadonlyMap<string, Uint8Array>): Artifact => {
      const artifact = loadArtifact(files);
      return program === undefined ? artifact : { ...artifact, program: program(artifact.program) };
    };
    const made = bench({ api: { loadArtifact: load } });
    return made.run('diff', out, '--against', fixture(file), '--input', inputOf(name), '--limit', '4');
  };

  test('is right in every layer', async () => {
    expect(await bench().run('compile', fixture(file), '-o', out)).toMatchObject({ code: 0, err: '' });
    const { code, out: said, err } = await against();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(said).toContain('No layer is wrong, compared with the quantized model.');
  });

  test.each(Object.keys(faults))('%s', async (which) => {
    const [ending, fault] = faults[which]!;
    const { code, out: said } = await against((program) => withFault(program, ending, fault));
    expect(said).toContain('The first wrong layer is');
    expect(code).toBe(1);
  });
});

test('C that was edited is not what is compared, and that is said', async () => {
  const out = path.join(folder, 'qonnx-small');
  const c = path.join(out, 'qonnx_small.c');
  const text = readFileSync(c, 'utf8');
  writeFileSync(c, text.replace(/\b1, /, '2, '));
  const { code, err } = await bench().run(
    ...['diff', out, '--against', fixture('qonnx-small.onnx'), '--input', inputOf('qonnx-small')],
  );
  writeFileSync(c, text);
  expect(code).toBe(0);
  expect(err).toContain('qonnx_small.c is not what compile wrote; the program is compared, not the C');
});
