/** How fast the TypeScript is: import, passes, float reference, simulator. Medians of this machine, now. */
import { cpus } from 'node:os';
import { Bench } from 'tinybench';
import { test } from 'vitest';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import { floats } from '../src/ir/tensor.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../src/passes/fold-batch-norm.ts';
import { fuse } from '../src/passes/fuse.ts';
import { proveProgram } from '../src/prove/prove.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { compiledOf, modelOf, type Net, nets, samplesOf } from './models.ts';
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
    .add('prove', () => void proveProgram(program))
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

test('speed', async () => {
  const rows: (readonly string[])[] = [];
  for (const net of nets) rows.push(...(await rowsOf(net)));
  const where = `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, one thread.`;
  writeSection('speed', `${where}\n\n${markdown(['net', 'what', 'median ms', 'MMAC/s'], rows)}`);
});
