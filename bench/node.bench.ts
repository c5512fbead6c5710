/**
 * Inference in Node, one sample at a time on one thread, beside ONNX Runtime in the same run: int8 here, the float
 * model there. Rounds take turns, so that a machine that slows down slows all of them down. ONNX Runtime is only
 * installed for this: `npm install --ignore-scripts --prefix bench/onnxruntime`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Bench } from 'tinybench';
import { test } from 'vitest';
import { artifactOf } from '../src/artifact/make.ts';
import { netOf } from '../src/net/net.ts';
import { type EngineName, fastest } from '../src/runtime/engines.ts';
import { compiledOf, modelBytes, type Net, nets, root, samplesOf } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

const rounds = 5;
const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1] ?? Number.NaN;

interface Contestant {
  readonly name: string;
  readonly run: () => unknown;
}

interface Runtime {
  readonly env: { readonly wasm: { numThreads?: number } };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{
      readonly inputNames: readonly string[];
      run(feeds: Readonly<Record<string, unknown>>): Promise<unknown>;
    }>;
  };
}

const require = createRequire(import.meta.url);
const runtimeFolder = path.join(root, 'bench/onnxruntime/node_modules');

async function rival(net: Net, name: string, input: Float32Array): Promise<Contestant> {
  const { env, Tensor, InferenceSession }: Runtime = require(path.join(runtimeFolder, name));
  if (name === 'onnxruntime-web') env.wasm.numThreads = 1;
  const executionProviders = [name === 'onnxruntime-web' ? 'wasm' : 'cpu'];
  const options = { executionProviders, intraOpNumThreads: 1, interOpNumThreads: 1 };
  const session = await InferenceSession.create(modelBytes(net), options);
  const feeds = { [session.inputNames[0] ?? '']: new Tensor('float32', input, [1, ...net.sampleShape]) };
  const { version } = require(path.join(runtimeFolder, name, 'package.json')) as { readonly version: string };
  return { name: `${name} ${version}, float`, run: () => session.run(feeds) };
}

async function rivals(net: Net, input: Float32Array): Promise<readonly Contestant[]> {
  const names = ['onnxruntime-node', 'onnxruntime-web'];
  if (!existsSync(runtimeFolder))
    throw new Error('npm install --ignore-scripts --prefix bench/onnxruntime, first');
  return Promise.all(names.map((name) => rival(net, name, input)));
}

// Node 20 has relaxed vector instructions behind a flag.
if (fastest().engine !== 'wasm-relaxed') setFlagsFromString('--experimental-wasm-relaxed-simd');
const shown: readonly EngineName[] = ['wasm-relaxed', 'wasm-simd', 'wasm', 'js', 'checked'];

/** Median microseconds of each, in turns. */
async function race(contestants: readonly Contestant[]): Promise<readonly number[]> {
  const times: number[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: 400, warmupTime: 100 });
    for (const { name, run } of contestants) bench.add(name, run);
    await bench.run();
    bench.tasks.forEach(({ result }, i) => {
      if ('latency' in result) times[i]?.push(1000 * result.latency.p50);
    });
  }
  return times.map(median);
}

/** Milliseconds of the first `load` of a process, the modules being there. */
function loadTimes(folder: string): readonly number[] {
  const script = `
    import { load } from ${JSON.stringify(path.join(root, 'dist/node.js'))};
    const start = performance.now();
    await load(${JSON.stringify(folder)});
    console.log(performance.now() - start);`;
  return Array.from({ length: 9 }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })),
  );
}

interface Rows {
  readonly speed: readonly (readonly string[])[];
  readonly load: readonly string[];
}

async function rowsOf(net: Net): Promise<Rows> {
  const compiled = compiledOf(net);
  const { program } = compiled;
  const samples = samplesOf(net, 'test');
  const input = samples.pixels?.raw(0) ?? samples.real(0);
  const contestants = [
    ...shown.map((engine): Contestant => {
      const { run } = netOf({ program }, { engine });
      return { name: `thimble ${engine}, int8`, run: () => run(input) };
    }),
    ...(await rivals(net, samples.real(0))),
  ];
  const times = await race(contestants);
  const macs = program.steps.reduce((sum, { kernel }) => sum + kernel.macs, 0);
  const made = { command: 'bench', version: '0', model: modelBytes(net), preprocessing: {} };
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-bench-'));
  for (const [name, content] of artifactOf(compiled, made)) writeFileSync(path.join(folder, name), content);
  const loads = loadTimes(folder);
  rmSync(folder, { recursive: true });
  return {
    speed: contestants.map(({ name }, i) => {
      const us = times[i] ?? Number.NaN;
      return [net.title, name, us.toFixed(1), (macs / us / 1000).toFixed(2)];
    }),
    load: [net.title, count(macs), median(loads).toFixed(1), Math.max(...loads).toFixed(1)],
  };
}

test('inference in Node', async () => {
  const made: Rows[] = [];
  for (const net of nets) made.push(await rowsOf(net));
  const where = `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, one thread, medians.`;
  writeSection(
    'node',
    `${where}

${markdown(
  ['net', 'engine', 'µs an inference', 'GMAC/s'],
  made.flatMap(({ speed }) => speed),
)}

Loading an artifact for the first time in a process, modules apart:

${markdown(
  ['net', 'MAC', 'median ms', 'slowest of 9'],
  made.map(({ load }) => load),
)}`,
  );
});
