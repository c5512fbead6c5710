/** Which forms of quantized models become which ONNX operators, by the tables of the importers and recorded programs. */
import { readdirSync } from 'node:fs';
import type { Call } from '../../src/ir/import/calls.ts';
import { expanded, expandedTypes } from '../../src/ir/import/quantized-calls.ts';
import { supportedAten } from '../../src/ir/import/torch/aten-table.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { atenNamesIn } from './aten-names.ts';
import { root } from './shared.ts';

/** As inputs that must be in the file: one number, which is a scale, a zero point and a bit width. */
const four: Tensor = { dtype: 'float32', shape: [], data: Float32Array.of(4) };

/** A node with so many inputs that all that is optional is there. */
const callOf = ({ domain, type }: Pick<Call, 'domain' | 'type'>): Call => ({
  ...{ name: 'node', type, domain, outputs: ['y'], captured: [], attributes: [] },
  inputs: Array.from({ length: 9 }, (_, i) => `x${i}`),
  scope: { opset: 21, prefix: '', tensor: (name) => name, attributes: new Map(), within: [] },
  metadata: {} as Call['metadata'],
});

/** The nodes that the data go through, from the output back. */
function path(calls: readonly Call[], tensor: string): readonly string[] {
  const maker = calls.find(({ outputs }) => outputs.includes(tensor));
  return maker === undefined ? [] : [...path(calls, maker.inputs[0]!), maker.type];
}

const folder = `${root}/test/fixtures/quantized`;

/** PT2E's names, by what they become in recorded programs; those of the table that no program has like their kin. */
function pt2eForms(): ReadonlyMap<string, readonly string[]> {
  const programs = readdirSync(folder).filter((file) => file.endsWith('.pt2'));
  const recorded = atenNamesIn(programs.map((file) => `${folder}/${file}`));
  const names = supportedAten()
    .filter((target) => target.startsWith('quantized_decomposed.'))
    .map((target) => target.split('.')[1]!);
  // A Cast is of their zero points.
  return new Map(
    [...recorded].flatMap(([type, found]) => {
      if (type === 'Cast') return [];
      const stems = new Set(found.filter((name) => names.includes(name)).map(stemOf));
      const forms = [...new Set(names)].filter((name) => stems.has(stemOf(name)));
      return forms.length === 0 ? [] : [[type, forms] as const];
    }),
  );
}

/** `quantize` of `quantize_per_channel`. */
const stemOf = (name: string): string => name.split('_')[0]!;

/** By ONNX type: nodes of other forms that become it, alone or with others. */
export function quantizedForms(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  const note = (type: string, form: string): unknown =>
    found.set(type, (found.get(type) ?? new Set()).add(form));
  for (const of of expandedTypes) {
    const types = new Set(
      path(
        expanded(callOf(of), () => four),
        'y',
      ),
    );
    const form = of.domain === 'com.microsoft' ? `com.microsoft.${of.type}` : of.type;
    for (const type of types) note(type, form);
  }
  for (const [type, forms] of pt2eForms()) for (const form of forms) note(type, form);
  return new Map([...found].map(([type, forms]) => [type, [...forms].toSorted()]));
}
