/** How fast the TypeScript is: import, passes, proofs, float reference, simulator. Of this machine, now. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { Bench } from 'tinybench';
import { test } from 'vitest';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import { floats } from '../src/ir/tensor.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../src/passes/fold-batch-norm.ts';
import { fuse } from '../src/passes/fuse.ts';
import { programText } from '../src/program/json.ts';
import type { Program } from '../src/program/program.ts';
import { proveProgram } from '../src/prove/prove.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { compiledOf, modelOf, type Net, nets, root, samplesOf } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

async function rowsOf(net: Net): Promise<readonly (readonly string[])[]> {
  const model = modelOf(net);
  const compiled = compiledOf(net);
  const { program, floatGraph } = compiled;
  const macs = program.steps.reduce((sum, { kernel }) => sum + kernel.macs, 0);
  const facts = proveProgram(program);
  const checked = createSimulator(program, { mode: 'checked', facts });
  const fast = createSimulator(program, { mode: 'fast' });
  const bytes = compiled.examples[0] ?? new Uint8Array();
  const input = new Map([
    [floatGraph.inputs[0] ?? '', floats([1, ...net.sampleShape], samplesOf(net, 'test').real(0))],
  ]);
  const bench = new Bench({ time: 1000, warmupTime: 300 });
  bench
    .add('import', () => void modelOf(net))
    .add('canonicalize, fold, fuse', () => void fuse.run(foldBatchNorm.run(canonicalize.run(model))))
    .add('prove, again and again', () => void proveProgram(program))
    .add('float reference', () => void evaluate(floatGraph, input))
    .add('simulator, traps on', () => void checked.run(bytes))
    .add('simulator, fast', () => void fast.run(bytes));
  await bench.run();
  return bench.tasks.map((task) => {
    const result = task.result;
    const median = 'latency' in result ? result.latency.p50 : Number.NaN;
    const runs = /reference|simulator/.test(task.name);
    return [net.title, task.name, median.toFixed(3), runs ? count(Math.round(macs / median / 1000)) : ''];
  });
}

const cold = 9;

/**
 * Processor milliseconds of the first proofs of a process, those that the engine takes to compile their code included:
 * of all kernels, and of all forms that C has of them.
 */
function proofTimes(file: string): readonly number[] {
  const script = `
    import { readFileSync } from 'node:fs';
    import { printedOf } from ${JSON.stringify(path.join(root, 'dist/artifact/variants.js'))};
    import { variantsOf } from ${JSON.stringify(path.join(root, 'dist/lower/variants.js'))};
    import { programFrom } from ${JSON.stringify(path.join(root, 'dist/program/json.js'))};
    import { proveProgram } from ${JSON.stringify(path.join(root, 'dist/prove/prove.js'))};
    const program = programFrom(readFileSync(${JSON.stringify(file)}, 'utf8'));
    const timed = (run) => {
      const start = process.cpuUsage();
      const made = run();
      const { user, system } = process.cpuUsage(start);
      console.log((user + system) / 1000);
      return made;
    };
    const facts = timed(() => proveProgram(program));
    const variants = variantsOf(program);
    timed(() => printedOf(program, facts, variants));`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  return out.trim().split('\n').map(Number);
}

/** Of several processes: the least, and the median. */
function proofRow({ title }: Net, program: Program): readonly string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-bench-'));
  const file = path.join(folder, 'program.json');
  writeFileSync(file, programText(program));
  const times = Array.from({ length: cold }, () => proofTimes(file));
  rmSync(folder, { recursive: true });
  const ends = [0, 1].flatMap((what) => {
    const sorted = times.map((run) => run[what] ?? Number.NaN).toSorted((a, b) => a - b);
    return [sorted[0], sorted[cold >> 1]].map((ms) => (ms ?? Number.NaN).toFixed(0));
  });
  return [title, ...ends];
}

test('speed', async () => {
  const rows: (readonly string[])[] = [];
  for (const net of nets) rows.push(...(await rowsOf(net)));
  const proofs = nets.map((net) => proofRow(net, compiledOf(net).program));
  const where = `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, one thread.`;
  writeSection(
    'speed',
    `${where}

${markdown(['net', 'what', 'median ms', 'MMAC/s'], rows)}

Proving, the first time in a process: processor milliseconds of the proofs alone, of ${cold} processes.

${markdown(['net', 'kernels, least', 'median', 'their forms, least', 'median'], proofs)}`,
  );
});
