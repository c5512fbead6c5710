/** docs/operators.md: what becomes of each ONNX operator, by the operators themselves and by the tests that hold them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import proto, { type onnx } from 'onnx-proto';
import { isCanonical, type OpDef } from '../../src/ir/graph/op.ts';
import { adviceOfDomain, adviceOfType } from '../../src/ir/import/advice.ts';
import { expandedTypes } from '../../src/ir/import/quantized-calls.ts';
import { supportedAten } from '../../src/ir/import/torch/aten-table.ts';
import { ops, opsetsOf } from '../../src/ir/ops/index.ts';
import { atenNames } from './aten-names.ts';
import type { OnnxCase, Outcome } from './onnx-cases.ts';
import { quantizedForms } from './quantized-forms.ts';
import { listed } from './real-networks.ts';

export interface Run {
  readonly one: OnnxCase;
  readonly outcome: Outcome;
}

/** The types of all nodes, those of subgraphs and functions among them; of other domains with these before them. */
function typesIn(bytes: Uint8Array): ReadonlySet<string> {
  const { graph, functions } = proto.onnx.ModelProto.decode(bytes);
  const found = new Set<string>();
  const visit = (nodes: readonly onnx.INodeProto[]): void => {
    for (const { opType, domain, attribute } of nodes) {
      found.add(['', 'ai.onnx'].includes(domain ?? '') ? opType! : `${domain}.${opType}`);
      for (const { g } of attribute ?? []) if (g) visit(g.node ?? []);
    }
  };
  visit(graph?.node ?? []);
  for (const { node } of functions ?? []) visit(node ?? []);
  return found;
}

interface Held {
  /** Recorded tests that hold the type, and those of them that agree. */
  readonly tests: number;
  readonly agree: number;
  /** Networks of models/networks that compile and hold the type. */
  readonly networks: number;
}

type ByType = ReadonlyMap<string, Held>;

function heldBy(runs: readonly Run[]): ByType {
  const held = new Map<string, Held>();
  const count = (types: ReadonlySet<string>, more: (held: Held) => Held): void => {
    for (const type of types) held.set(type, more(held.get(type) ?? { tests: 0, agree: 0, networks: 0 }));
  };
  for (const { one, outcome } of runs)
    count(typesIn(one.files('model.onnx') ?? new Uint8Array()), (found) => ({
      ...found,
      tests: found.tests + 1,
      agree: found.agree + Number(outcome.kind === 'agrees'),
    }));
  const folder = path.resolve('models/networks');
  for (const { name, refused } of listed)
    if (refused === undefined)
      count(typesIn(gunzipSync(readFileSync(`${folder}/${name}.onnx.gz`))), (found) => ({
        ...found,
        networks: found.networks + 1,
      }));
  return held;
}

const byType: ReadonlyMap<string, readonly OpDef[]> = new Map(
  ops
    .flatMap((op) => Object.keys(op.onnx ?? {}))
    .toSorted()
    .map((type) => [type, ops.filter(({ onnx: rules }) => rules?.[type] !== undefined)]),
);

const folds = (op: OpDef): boolean => !isCanonical(op) && op.folds === true;

/** Of the operators that have kernels, those that lack one of a kind. */
const other = (arith: 'float32' | 'int8') => (arith === 'int8' ? 'float32' : 'int8');

const lacking = (arith: 'float32' | 'int8'): readonly string[] =>
  ops
    .filter(isCanonical)
    .filter(
      (op) => op.only !== other(arith) && (op.float32 ?? op.int8) !== undefined && op[arith] === undefined,
    )
    .map(({ kind }) => kind);

/** What every type of the first table does: no operator may lack a kernel that others have. */
export const lackingKernels = (): readonly string[] => [...lacking('float32'), ...lacking('int8')];

const kernelOf = (of: readonly OpDef[], arith: 'float32' | 'int8'): string =>
  of.some((op) => op.only === other(arith) || lacking(arith).includes(op.kind)) ? '' : '✓';

const restrictionsOf = (of: readonly OpDef[], type: string): string =>
  [...new Set(of.flatMap(({ restrictions }) => restrictions?.split('; ') ?? []))]
    .filter((text) => !/^[A-Z]\w+: /.test(text) || text.startsWith(`${type}: `))
    .map((text) => text.replace(`${type}: `, ''))
    .join('; ');

const countsOf = (type: string, held: ByType): readonly string[] => {
  const { tests, agree, networks } = held.get(type) ?? { tests: 0, agree: 0, networks: 0 };
  return [tests === 0 ? '' : `${agree} of ${tests}`, networks === 0 ? '' : `${networks}`];
};

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => [
  row(head),
  row(head.map(() => '---')),
  ...rows.map(row),
  '',
];

const compiled = (held: ByType): readonly string[] => {
  const [aten, forms] = [atenNames(), quantizedForms()];
  const rows = [...byType].filter(([, of]) => !of.every(folds));
  return table(
    [
      'operator',
      'opsets',
      'float32',
      'int8',
      'restrictions',
      'ATen',
      'quantized forms',
      'recorded tests',
      'networks',
    ],
    rows.map(([type, of]) => [
      type,
      opsetsOf(type)!,
      kernelOf(of, 'float32'),
      kernelOf(of, 'int8'),
      restrictionsOf(of, type),
      (aten.get(type) ?? []).join(', '),
      (forms.get(type) ?? []).join(', '),
      ...countsOf(type, held),
    ]),
  );
};

/** Overloads behind their operator: `add.Tensor, .Scalar`. */
function atenList(): string {
  const overloads = new Map<string, string[]>();
  for (const target of supportedAten()) {
    const dot = target.lastIndexOf('.');
    const [name, overload] = [target.slice(0, dot), target.slice(dot)];
    overloads.set(name, [...(overloads.get(name) ?? []), overload]);
  }
  return [...overloads].map(([name, all]) => name + all.join(', ')).join('; ');
}

const folded = (held: ByType): readonly string[] => {
  const rows = [...byType].filter(([, of]) => of.every(folds));
  return table(
    ['operator', 'opsets', 'restrictions', 'recorded tests', 'networks'],
    rows.map(([type, of]) => [type, opsetsOf(type)!, restrictionsOf(of, type), ...countsOf(type, held)]),
  );
};

const advised = (advice: Readonly<Record<string, string>>, mark = ''): readonly (readonly string[])[] => {
  const texts = [...new Set(Object.values(advice))].map((text): readonly [string, string] => {
    const names = Object.keys(advice).filter((name) => advice[name] === text);
    return [
      names
        .toSorted()
        .map((name) => mark + name)
        .join(', '),
      text,
    ];
  });
  return texts.toSorted(([a], [b]) => (a < b ? -1 : 1));
};

/** In recorded tests, and nothing here. */
const others = (held: ByType): readonly string[] =>
  [...held.keys()]
    .filter((type) => !byType.has(type) && !(type in adviceOfType) && type !== 'If')
    .filter((type) => !type.includes('.') && !expandedTypes.some((of) => of.type === type))
    .toSorted();

export function operatorsPage(runs: readonly Run[]): string {
  const held = heldBy(runs);
  const supported = [...byType.values()];
  return [
    '# Operators',
    '',
    `${supported.filter((of) => !of.every(folds)).length} ONNX operators compile; ${supported.filter((of) => of.every(folds)).length} more are computed when compiling, if they read constants or shapes. Models of newer opsets than those below are refused by name, and so is everything under restrictions: nothing is approximated silently.`,
    '',
    'Written by `npx vitest run test/onnx-coverage.test.ts --update` from the operators and from the runs of the tests; a test fails if this page is not up to date. [numerics](numerics.md) defines the int8 arithmetic; [ONNX coverage](onnx-coverage.md) lists each recorded test by name.',
    '',
    '## Compiled',
    '',
    "These operators compile on activations of the network. *Recorded tests*: how many of ONNX's tests with the operator agree; the others are refused, mostly for a type of elements or another operator, and none differs. *Networks*: how many of `models/networks` compile and contain it; each is compared with PyTorch in float32 and int8.",
    '',
    '*ATen*: calls of exported programs that are converted to it, alone or with others, in the recorded programs of the tests.',
    '',
    '*Quantized forms*: nodes of quantized models that are converted to it, alone or with others: of ONNX and com.microsoft, of QONNX (Quant, IntQuant, BipolarQuant), of PT2E (quantize_per_tensor and similar ones). Any operator with int8 may also be between DequantizeLinear and QuantizeLinear ([quantized models](quantized.md)).',
    '',
    'For all operators: sizes are fixed when compiling (`--shape`, `--axis`), float64 is compiled as float32. Integers and booleans of activations are moved, made (ArgMax, TopK, comparisons), compared, combined, chosen by (Where) and cast; all other operators compute on float32, or on its int8 form.',
    '',
    ...compiled(held),
    '## Computed when compiling',
    '',
    'These operators are computed from constants and shapes, in any type of elements. If such an operator reads an activation, the model is refused, and the error names the node.',
    '',
    ...folded(held),
    '## ATen',
    '',
    `Calls of exported programs (.pt2) and modules that are read, each also in its form that writes into its argument (relu_): ${atenList()}.`,
    '',
    '## Refused by name',
    '',
    'Convolutions and poolings over three axes run only in the float reference; they are refused when compiling. An If compiles if its condition is constant. These operators are not supported at all:',
    '',
    ...table(['operators', 'instead'], [...advised(adviceOfType), ...advised(adviceOfDomain, 'all of ')]),
    `Other unsupported operators in ONNX's recorded tests: ${others(held).join(', ')}.`,
    '',
  ].join('\n');
}
