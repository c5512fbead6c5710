/**
 * npm run networks [-- --only NAME,...] [--targets host-gcc,cortex-m4] [--update]
 * Compiles every network of models/networks and holds it to PyTorch's outputs on record; prints what is refused,
 * grouped by the first obstacle. `--targets`: compares the C's bytes there too. `--update` writes the checksums of the C,
 * and takes the networks that compile out of the list of refused ones.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { InputError } from '../src/base/errors.ts';
import { targetNamed } from '../src/targets/targets.ts';
import { type Studied, studied } from '../test/support/network-study.ts';
import { indexFile, type Listed, listed } from '../test/support/real-networks.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    targets: { type: 'string', default: '' },
    update: { type: 'boolean', default: false },
  },
});

const only = values.only.split(',').filter((name) => name !== '');
const targets = values.targets
  .split(',')
  .filter((name) => name !== '')
  .map(targetNamed);

function line({ one, result, complaints }: Studied): string {
  const head = `${one.name} (${one.family}, ${one.exporter} exporter, opset ${one.opset})`;
  const tail = complaints.length === 0 ? '' : `\n    NOT AS LISTED: ${complaints.join('; ')}`;
  if (result.kind !== 'compiled') return `${head}: ${result.kind}${tail}`;
  const top1 = result.top1 && `, top-1 ${result.top1.float32} % and ${result.top1.int8} %`;
  const int8 = `int8 ${result.quality.toFixed(1)} dB`;
  return `${head}: float error ${result.floatError.toExponential(1)}, ${int8}${top1 ?? ''}${tail}`;
}

/** Without the names and numbers of the single network. */
const kindOf = ({ complaint }: InputError): string =>
  complaint.found
    .replace(/ \(node [^)]*\)/g, '')
    .replace(/'[^']*'/g, "'...'")
    .replace(/\d+(x\d+)+/g, 'NxM');

function printObstacles(rows: readonly Studied[]): void {
  const groups = new Map<string, string[]>();
  for (const { one, result } of rows) {
    if (result.kind !== 'refused') continue;
    const kind = kindOf(result.error);
    groups.set(kind, [...(groups.get(kind) ?? []), one.name]);
  }
  for (const [kind, names] of [...groups].sort(([, a], [, b]) => b.length - a.length))
    console.log(`${String(names.length).padStart(4)}  ${kind}\n      ${names.join(', ')}`);
}

/** One entry a line, as scripts/networks/make.py writes it. */
function update(checksums: ReadonlyMap<string, string>): void {
  const entries = JSON.parse(readFileSync(indexFile, 'utf8')) as Listed[];
  const lines = entries.map((entry) => {
    const c = checksums.get(entry.name);
    const { refused: _, ...compiled } = entry;
    return JSON.stringify(c === undefined ? entry : { ...compiled, c });
  });
  writeFileSync(indexFile, `[\n${lines.join(',\n')}\n]\n`);
}

const rows: Studied[] = [];
for (const one of listed.filter(({ name }) => only.length === 0 || only.includes(name))) {
  const row = await studied(one, targets);
  console.log(line(row));
  rows.push(row);
}
const compiling = rows.flatMap(({ one, result }): [string, string][] =>
  result.kind === 'compiled' ? [[one.name, result.c]] : [],
);
console.log(`\n${compiling.length} of ${rows.length} compile. First obstacles of the others:`);
printObstacles(rows);
if (values.update) update(new Map(compiling));
const wrong = rows.filter(({ complaints }) => complaints.length > 0).length;
console.log(`${wrong} not as listed`);
process.exitCode = wrong > 0 ? 1 : 0;
