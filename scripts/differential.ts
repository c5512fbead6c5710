/**
 * npm run differential -- [--graphs 2000] [--seed S]
 * Random ONNX graphs, by the reference and by onnxruntime: prints what differs, what onnxruntime does not run, and
 * what has no canonical form, by reason.
 */
import { parseArgs } from 'node:util';
import { compared } from '../test/support/onnxruntime.ts';

const { values } = parseArgs({
  options: {
    graphs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1000' },
  },
});

const [count, first] = [Number(values.graphs), Number(values.seed)];
const ops = new Set<string>();
const refused = new Map<string, number>();
const counts = { agree: 0, canonical: 0, differ: 0, 'not run': 0 };
let worst = 0;

for (let seed = first; seed < first + count; seed++) {
  const one = await compared(seed);
  for (const op of one.ops) ops.add(op);
  const { result } = one;
  if (result.kind === 'agrees') {
    counts.agree++;
    worst = Math.max(worst, result.error);
    if (result.canonical === true) counts.canonical++;
    else refused.set(result.canonical, (refused.get(result.canonical) ?? 0) + 1);
    continue;
  }
  const differs = result.kind === 'differs';
  counts[differs ? 'differ' : 'not run']++;
  console.log(`seed ${seed}, ${one.ops.join(' ')}: ${differs ? result.detail : `not run: ${result.reason}`}`);
}

for (const [reason, times] of [...refused].sort(([, a], [, b]) => b - a)) console.log(`${times}  ${reason}`);
console.log(
  `${count} graphs from seed ${first} on, of ${ops.size} kinds of layers: ${counts.agree} agree, the worst within ${worst.toExponential(1)}; ${counts.canonical} of them in their canonical form too; ${counts.differ} differ; onnxruntime does not run ${counts['not run']}`,
);
process.exitCode = counts.differ === 0 ? 0 : 1;
