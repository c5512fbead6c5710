/** C gets no form of a kernel that is not proved with its own tables. */
import { expect, test } from 'vitest';
import { printedOf } from '../../src/artifact/variants.ts';
import { at, DefectError, must } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import type { InstructionSet } from '../../src/ir/kernel/primitive.ts';
import { expressionsIn } from '../../src/ir/kernel/walk.ts';
import { plainForm, variantsOf } from '../../src/lower/variants.ts';
import { readPacked } from '../../src/program/paired-rows.ts';
import type { Program } from '../../src/program/program.ts';
import { proveForm } from '../../src/prove/lowered.ts';
import { proveProgram } from '../../src/prove/prove.ts';
import { layerOf, plainImage, programOf } from '../support/stored-layers.ts';

const info = { command: '', version: '', hash: '', golden: [] } as const;
const packing = { pixels: 2, pairs: 2, terms: 4, tableBytes: 0 };
const layer = layerOf({
  seed: 1,
  density: 1,
  bits: 8,
  inputs: 1,
  outputs: 8,
  image: { ...plainImage, channels: 6, kernel: [5, 5] },
});
const own = layer.kernel({});
const weights = must(own.weights, 'weights');
const packings = { v6m: 'none', rv32: { ...packing, pixels: 4 } } as const;
const kernel: Kernel = { ...own, weights: { ...weights, packing, packings } };
const program: Program = programOf(layer, kernel, 'net');
const facts = proveProgram(program);

test('all forms of a layer are proved', () => {
  const { proved, variants } = printedOf(program, facts);
  expect(proved.map(({ form, unproven }) => [form, unproven])).toEqual([
    ['packed', []],
    ['mve', []],
    ['dsp', []],
    ['v6m', []],
    ['rv32', []],
  ]);
  expect([...variants.values()].flat().map(({ set }) => set)).toEqual(['mve', 'dsp', 'v6m', 'rv32']);
});

test('what forms have alike stands in C once', () => {
  const { variants, program: plain } = printedOf(program, facts);
  const form = at([...variants.values()].flat(), 3);
  expect(form.set).toBe('rv32');
  const [step] = plain.steps;
  // Both have pairs of 2 rows and 4 terms, and make several places at once.
  for (const name of ['layer_pairs', 'layer_begin']) {
    const table = must(
      step?.kernel.tables.find((t) => t.name === name),
      name,
    );
    expect(form.kernel.tables).toContain(table);
  }
  const text = must(emitC(plain, { ...info, variants }).get('net.c'), 'net.c');
  expect(text.match(/ int32_t net_layer_pairs\w*\[/g)).toEqual([' int32_t net_layer_pairs[']);
});

/** With a table of its own a number shorter. */
function shortened(form: Kernel, suffix: string): Kernel {
  const tables = form.tables.map((t) =>
    t.name.endsWith(suffix) ? { ...t, data: Array.from(t.data).slice(1) } : t,
  );
  return { ...form, tables };
}

/** The forms with another one in place of that for these instructions. */
const withForm = (set: InstructionSet, damaged: (form: Kernel) => Kernel) =>
  new Map(
    [...variantsOf(program)].map(([one, forms]) => [
      one,
      forms.map((v) => (v.set === set ? { ...v, kernel: damaged(v.kernel) } : v)),
    ]),
  );

test('a form for some chips that reads behind its table is left out, and it is said', () => {
  const found = withForm('dsp', (one) => shortened(one, '_words'));
  const { proved, variants } = printedOf(program, facts, found);
  expect([...variants.values()].flat().map(({ set }) => set)).toEqual(['mve', 'v6m', 'rv32']);
  const { unproven } = must(
    proved.find((one) => one.form === 'dsp'),
    'it',
  );
  expect(unproven.join()).toContain('index into layer_words');
});

test('Helium: sums that do not lie where the code says are not proved; a shorter table is a defect', () => {
  const narrow = (one: Kernel): Kernel => ({
    ...one,
    tables: one.tables.map((t) =>
      t.name.endsWith('_bytes') ? { ...t, data: Array.from(t.data, (x) => (x > 128 ? 255 : x)) } : t,
    ),
  });
  const { proved } = printedOf(program, facts, withForm('mve', narrow));
  expect(proved.filter(({ unproven }) => unproven.length > 0).map((one) => one.form)).toEqual(['mve']);
  const short = withForm('mve', (one) => shortened(one, '_bytes'));
  expect(() => printedOf(program, facts, short)).toThrow(DefectError);
});

const form = plainForm(kernel);
const sums = (one: Kernel) => readPacked(one, weights.layout, packing).sums;

test('two weights a product: a half that reaches the other one is a defect', () => {
  expect(proveForm(form, sums(form))).toEqual({ complete: true, unproven: [] });
  const damaged = (one: Kernel): Kernel => ({
    ...one,
    tables: one.tables.map((t) =>
      t.name.endsWith('_pairs') ? { ...t, data: Array.from(t.data, (x, i) => (i === 9 ? x + 99 : x)) } : t,
    ),
  });
  expect(() => sums(damaged(form))).toThrow(DefectError);
  expect(() => sums(damaged(form))).toThrow('a half reaches');
  expect(() => printedOf(program, facts, withForm('rv32', damaged))).toThrow('a half reaches');
});

test('two weights a product: that a sum lies where it does not lie is not proved', () => {
  const text = JSON.stringify(form.body);
  const claim = [...expressionsIn(form.body)].find(
    (e) => e.kind === 'call' && e.primitive === 'known_within',
  );
  const [, lo, hi] = claim?.kind === 'call' ? claim.args.map((e) => (e.kind === 'int' ? e.value : 0)) : [];
  const closer = text.replaceAll(`"value":${hi}`, `"value":${hi! - 1}`);
  const wider = text.replaceAll(`"value":${lo}`, `"value":${lo! - 1}`);
  const proved = (body: string) =>
    proveForm({ ...form, body: JSON.parse(body) as Kernel['body'] }, sums(form)).unproven;
  expect(proved(wider)).toEqual([]);
  expect(at(proved(closer), 0).why).toBe('precondition of the arguments');
});
