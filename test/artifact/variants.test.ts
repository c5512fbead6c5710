/** C gets no form of a kernel that is not proved with its own tables. */
import { expect, test } from 'vitest';
import { printedOf } from '../../src/artifact/variants.ts';
import { at, DefectError, must } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { expressionsIn } from '../../src/ir/kernel/walk.ts';
import { plainForm, variantsOf } from '../../src/lower/variants.ts';
import type { Program } from '../../src/program/program.ts';
import { proveForm } from '../../src/prove/forms.ts';
import { proveProgram } from '../../src/prove/prove.ts';
import { layerOf, plainImage, programOf } from '../support/stored-layers.ts';

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
const kernel: Kernel = { ...own, weights: { ...weights, packing } };
const program: Program = programOf(layer, kernel, 'net');
const facts = proveProgram(program);

test('all forms of a layer are proved', () => {
  const { proved, variants } = printedOf(program, facts);
  expect(proved.map(({ form, unproven }) => [form, unproven])).toEqual([
    ['packed', []],
    ['mve', []],
    ['dsp', []],
  ]);
  expect([...variants.values()].flat().map(({ set }) => set)).toEqual(['mve', 'dsp']);
});

/** With a table of its own a number shorter. */
function shortened(form: Kernel, suffix: string): Kernel {
  const tables = form.tables.map((t) =>
    t.name.endsWith(suffix) ? { ...t, data: Array.from(t.data).slice(1) } : t,
  );
  return { ...form, tables };
}

test.each([
  ['dsp', '_words', 'index into layer_words'],
  ['mve', '_bytes', 'end of a stretch of layer_bytes'],
] as const)(
  'a form for some chips (%s) that reads behind its table is left out, and it is said',
  (set, suffix, why) => {
    const found = new Map(
      [...variantsOf(program)].map(([one, forms]) => [
        one,
        forms.map((v) => (v.set === set ? { ...v, kernel: shortened(v.kernel, suffix) } : v)),
      ]),
    );
    const { proved, variants } = printedOf(program, facts, found);
    expect([...variants.values()].flat().map((v) => v.set)).not.toContain(set);
    expect([...variants.values()].flat().length).toBe(1);
    expect(
      must(
        proved.find(({ form }) => form === set),
        'it',
      ).unproven.join(),
    ).toContain(why);
  },
);

const form = plainForm(kernel);

test('two weights a product: a half that reaches the other one is a defect', () => {
  expect(proveForm(form, packing, weights.layout)).toEqual({ complete: true, unproven: [] });
  const tables = form.tables.map((t) =>
    t.name.endsWith('_pairs') ? { ...t, data: Array.from(t.data, (x, i) => (i === 9 ? x + 99 : x)) } : t,
  );
  expect(() => proveForm({ ...form, tables }, packing, weights.layout)).toThrow(DefectError);
  expect(() => proveForm({ ...form, tables }, packing, weights.layout)).toThrow('a half reaches');
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
    proveForm({ ...form, body: JSON.parse(body) as Kernel['body'] }, packing, weights.layout).unproven;
  expect(proved(wider)).toEqual([]);
  expect(at(proved(closer), 0).why).toBe('precondition of the arguments');
});
