/** docs/onnx-coverage.md and docs/operators.md: which of ONNX's own tests run, and what is supported. `vitest run --update` writes both. */
import { expect, test } from 'vitest';
import {
  debianCases,
  debianData,
  newerCases,
  newerData,
  type OnnxCase,
  runCase,
} from './support/onnx-cases.ts';
import { lackingKernels, operatorsPage, type Run } from './support/operators-page.ts';
import { describeWith, describeWithToolchain, root } from './support/shared.ts';

const sources: Readonly<Record<string, string>> = {
  node: 'operator tests, opsets 1 to 17 (Debian package libonnx-testdata)',
  'node-1.22': 'newer operator tests, opsets 9 to 25 (ONNX 1.22)',
  'pytorch-converted': 'modules exported from PyTorch (libonnx-testdata)',
  'pytorch-operator': 'functions exported from PyTorch (libonnx-testdata)',
  simple: 'small models (libonnx-testdata)',
};

function page(runs: readonly Run[]): string {
  const agreeing = runs.filter(({ outcome }) => outcome.kind === 'agrees');
  const canonical = agreeing.filter(({ outcome }) => outcome.kind === 'agrees' && outcome.canonical);
  return [
    '# ONNX coverage',
    '',
    `Of ONNX's ${runs.length} recorded tests ${agreeing.length} run and agree: floating point within 1e-6 + 1e-5 of the value (two, whose data have four decimals, within 1e-4), everything else exactly. ${canonical.length} of them agree in their canonical form too, with all inputs but the first as constants. The others are refused, each for the reason below; none differs.`,
    '',
    'Written by `npx vitest run test/onnx-coverage.test.ts --update`; a test fails when this page is not up to date.',
    '',
    '| tests | agree | of them in canonical form | all |',
    '|---|---|---|---|',
    ...Object.entries(sources).map(([set, text]) => setRow(set, text, runs)),
    '',
    '## Agreeing',
    '',
    '✓ marks those whose canonical form agrees too.',
    '',
    ...Object.keys(sources).flatMap((set) => agreeingList(set, agreeing)),
    '## Refused',
    '',
    '| reason | tests |',
    '|---|---|',
    ...refusedRows(runs),
    '',
  ].join('\n');
}

function setRow(set: string, text: string, runs: readonly Run[]): string {
  const all = runs.filter(({ one }) => one.set === set);
  const agreeing = all.filter(({ outcome }) => outcome.kind === 'agrees');
  const canonical = agreeing.filter(({ outcome }) => outcome.kind === 'agrees' && outcome.canonical);
  return `| ${set}: ${text} | ${agreeing.length} | ${canonical.length} | ${all.length} |`;
}

const shortName = (name: string) => name.replace(/^test_(operator_)?/, '');

function agreeingList(set: string, agreeing: readonly Run[]): string[] {
  const names = agreeing
    .filter(({ one }) => one.set === set)
    .map(
      ({ one, outcome }) =>
        shortName(one.name) + (outcome.kind === 'agrees' && outcome.canonical ? ' ✓' : ''),
    );
  return [`**${set}**: ${names.join(', ')}`, ''];
}

function refusedRows(runs: readonly Run[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { one, outcome } of runs)
    if (outcome.kind === 'not supported')
      byReason.set(outcome.reason, [
        ...(byReason.get(outcome.reason) ?? []),
        `${one.set}/${shortName(one.name)}`,
      ]);
  return [...byReason]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, names]) => `| ${reason.replaceAll('|', '\\|')} | ${names.join(', ')} |`);
}

const runAll = (cases: readonly OnnxCase[]): Run[] => cases.map((one) => ({ one, outcome: runCase(one) }));

const differing = (runs: readonly Run[]) =>
  runs.flatMap(({ one, outcome }) =>
    outcome.kind === 'differs' ? [`${one.set}/${one.name}: ${outcome.detail}`] : [],
  );

describeWithToolchain([debianData], "ONNX's tests of libonnx-testdata", () => {
  test('none differs from its recorded output', () => {
    const runs = runAll(debianCases());
    expect(runs.filter(({ outcome }) => outcome.kind === 'agrees').length).toBeGreaterThan(200);
    expect(differing(runs)).toEqual([]);
  });
});

test('operators with kernels have them in float32 and int8', () => {
  expect(lackingKernels()).toEqual([]);
});

describeWith([debianData, newerData], "ONNX's newer tests, and docs/onnx-coverage.md", () => {
  const newer = runAll(newerCases());

  test('none differs from its recorded output', () => {
    expect(differing(newer)).toEqual([]);
  });

  const all = [...runAll(debianCases()), ...newer];

  test('docs/onnx-coverage.md is up to date', async () => {
    await expect(page(all)).toMatchFileSnapshot(`${root}/docs/onnx-coverage.md`);
  });

  test('docs/operators.md is up to date', async () => {
    await expect(operatorsPage(all)).toMatchFileSnapshot(`${root}/docs/operators.md`);
  });
});
