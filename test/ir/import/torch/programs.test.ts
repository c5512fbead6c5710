/** Exported programs, held to what PyTorch computed: copies of recorded ones, and all of them where they are at hand. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../../src/compile.ts';
import { readNpy } from '../../../../src/data/npy.ts';
import { evaluate } from '../../../../src/ir/graph/evaluate.ts';
import { importModel } from '../../../../src/ir/import/import-model.ts';
import { supportedAten } from '../../../../src/ir/import/torch/aten-table.ts';
import { Field } from '../../../../src/ir/import/torch/pt2-json.ts';
import { hasSample } from '../../../../src/ir/import/torch/pt2-samples.ts';
import { archiveOf } from '../../../../src/ir/import/torch/pt2-tensors.ts';
import { readZip } from '../../../../src/ir/import/torch/zip.ts';
import { canonicalize } from '../../../../src/passes/canonicalize.ts';
import { decodeOutput, encodeInput } from '../../../../src/program/values.ts';
import { createSimulator } from '../../../../src/sim/simulate.ts';
import { describeWith, root, shared } from '../../../support/shared.ts';

interface Case {
  readonly file: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Words of the refusal. */
  readonly refused?: string;
}

const casesIn = (folder: string): readonly Case[] =>
  JSON.parse(readFileSync(`${folder}/index.json`, 'utf8')) as Case[];

const fileOf = (folder: string, { file }: Case, name: string): Uint8Array =>
  readFileSync(`${folder}/${file.split('/')[0]}/${name}`);

const programOf = (folder: string, one: Case) =>
  importModel(readFileSync(`${folder}/${one.file}`), { name: one.file });

function errors(folder: string, one: Case): readonly string[] {
  const graph = canonicalize.run(programOf(folder, one));
  const inputs = graph.inputs.map(
    (name, i) => [name, readNpy(fileOf(folder, one, one.inputs[i]!), name)] as const,
  );
  const found = [...evaluate(graph, new Map(inputs)).values()];
  expect(found.length).toBe(one.outputs.length);
  return one.outputs.flatMap((name, i) => {
    const [wanted, { dtype, shape, data }] = [readNpy(fileOf(folder, one, name), name), found[i]!];
    expect({ name, dtype, shape }).toEqual({ name, dtype: wanted.dtype, shape: wanted.shape });
    const far = [...wanted.data].findIndex((x, k) => !(Math.abs(x - data[k]!) <= 1e-5 * (1 + Math.abs(x))));
    return far < 0 ? [] : [`${name}[${far}]: ${data[far]}, PyTorch ${wanted.data[far]}`];
  });
}

const fixtures = `${root}/test/fixtures/torch/programs`;

describe('recorded programs', () => {
  for (const one of casesIn(fixtures))
    test(one.file, () => {
      if (one.refused === undefined) expect(errors(fixtures, one)).toEqual([]);
      else expect(() => errors(fixtures, one)).toThrow(one.refused);
    });

  test('a program of training mode is taken as in evaluation, and says so', () => {
    const one = casesIn(fixtures).find(({ file }) => file.startsWith('trainmode'))!;
    expect(programOf(fixtures, one).notes?.join()).toMatch(/training mode/);
  });

  test('a refusal names the line of Python', () => {
    const one = casesIn(fixtures).find(({ file }) => file.startsWith('cond'))!;
    expect(() => canonicalize.run(programOf(fixtures, one))).toThrow(/extra\.py:\d+: .*torch\.cond/);
  });

  test.each(['float32', 'int8'] as const)('an index plus one is compiled, in %s', (arith) => {
    const one = casesIn(fixtures).find(({ file }) => file.startsWith('consts'))!;
    const numbers = (name: string) => Float32Array.from(readNpy(fileOf(fixtures, one, name), name).data);
    const input = numbers('input.npy');
    const near = Array.from({ length: 8 }, (_, i) => input.map((x) => x * (1 - i / 16)));
    const calibration = { inputs: near };
    const { program } = compile(programOf(fixtures, one), { name: 'net', arith, calibration });
    const { output } = createSimulator(program, { mode: 'checked' }).run(encodeInput(program, input));
    const found = decodeOutput(program, output);
    const [real, indices] = one.outputs.map(numbers);
    const far = Array.from(real!, (x, i) => Math.abs(x - found[i]!));
    // A step of 8 bits is 0.0503.
    expect(Math.max(...far)).toBeLessThan(arith === 'int8' ? 0.0503 : 1e-6);
    expect([...found.subarray(far.length)]).toEqual([...indices!]);
  });

  test('a dynamic batch is 1, another size where --axis gives one', () => {
    const one = casesIn(fixtures).find(({ file }) => file.startsWith('dyn_view'))!;
    const bytes = readFileSync(`${fixtures}/${one.file}`);
    const zip = readZip(bytes);
    const text = new TextDecoder().decode(zip.bytes(archiveOf(zip).json));
    const axis = /Symbol\('(\w+)'/.exec(text)![1]!;
    const shapeWith = (axes: Record<string, number>) => {
      const graph = importModel(bytes, { axes });
      return graph.tensors.get(graph.inputs[0]!)!.shape![0];
    };
    expect(shapeWith({})).toBe(1);
    expect(shapeWith({ [axis]: 3 })).toBe(3);
  });
});

/** What the suite does not keep a copy of; those that are refused have tests of their own. */
const known: Readonly<Record<string, RegExp>> = {
  'bad/future-major.pt2': /schema version 9/,
  'bad/truncated.pt2': /without its end/,
  'cond/cond.torch2.15.pt2': /higher_order\.cond/,
  'foreign/aoti.pt2': /AOTInductor/,
};

const everything = `${shared}/data/torch`;
describeWith([everything], 'all recorded programs', () => {
  const all = casesIn(everything).filter(({ file }) => file.endsWith('.pt2'));
  for (const one of all)
    test(one.file, () => {
      const refused = known[one.file];
      if (refused === undefined) expect(errors(everything, one)).toEqual([]);
      else expect(() => errors(everything, one)).toThrow(refused);
    });
});

describe('JSON of programs', () => {
  const numbers = (text: string): readonly number[] =>
    Field.parse(new TextEncoder().encode(text), 'x.json')
      .list()
      .map((field) => field.number());

  test('bare infinities are read, in strings they stay', () => {
    expect(numbers('[-Infinity, Infinity, NaN, 1]')).toEqual([-Infinity, Infinity, Number.NaN, 1]);
    expect(numbers('["-Infinity", 2]')).toEqual([-Infinity, 2]);
    const [word] = Field.parse(new TextEncoder().encode('["a \\" NaN", NaN]'), 'x').list();
    expect(word!.text()).toBe('a " NaN');
  });

  test('what is no JSON is refused', () => {
    expect(() => numbers('[1, ')).toThrow(/no JSON in x\.json/);
  });
});

test('an archive of several programs: refused with their names, without the name of one', () => {
  const names = ['two/models/encoder.json', 'two/models/decoder.json'];
  const archive = { ...readZip(readFileSync(`${fixtures}/lenet/lenet.torch2.8.pt2`)), names };
  expect(() => archiveOf(archive)).toThrow(/2 programs: 'encoder', 'decoder'.*--program encoder/s);
  expect(() => archiveOf(archive, 'both')).toThrow("no program 'both' among 2 programs");
  expect(archiveOf(archive, 'decoder').json).toBe('two/models/decoder.json');
  expect(hasSample(archive)).toBe(false);
});

test('targets are named as PyTorch names them', () => {
  const odd = supportedAten().filter(
    (name) => !/^(aten|quantized_decomposed)\.\w+\.\w+$|^_operator\.\w+$/.test(name),
  );
  expect(odd).toEqual([]);
});
