/**
 * npm run replay -- --seed S --path P [--targets host-gcc,cortex-m4]
 * npm run replay -- --recipe '{...}'
 * Runs every law on one recipe, and its program on the given targets; prints the first difference of each.
 *
 * npm run replay [-- --nets 300] [--code]
 * Prints a checksum of the C of every network at hand: golden programs, the model that ships with the project (dense,
 * pruned, of few bits, float), the models beside the project where they are there, random networks. A change that is
 * to leave the C as it is prints the same lines before and after. With --code comments do not count.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { mulberry32 } from '../src/base/random.ts';
import { type CompileOptions, compile } from '../src/compile.ts';
import { emitC } from '../src/emit/package.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import type { Program } from '../src/program/program.ts';
import { targetNamed } from '../src/targets/targets.ts';
import { filesOf } from '../test/support/golden.ts';
import { lawNames, laws } from '../test/support/laws.ts';
import { compareOn, member } from '../test/support/native-laws.ts';
import { built } from '../test/support/pipeline.ts';
import { recipeAt, recipesOf } from '../test/support/property.ts';
import type { Recipe } from '../test/support/recipes.ts';
import { samples } from '../test/support/sample-programs.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    path: { type: 'string' },
    recipe: { type: 'string' },
    targets: { type: 'string', default: 'host-gcc,host-clang,cortex-m0' },
    nets: { type: 'string', default: '300' },
    code: { type: 'boolean', default: false },
  },
});

async function holdToLaws(recipe: Recipe): Promise<void> {
  console.log(JSON.stringify(recipe));
  for (const name of lawNames) {
    try {
      laws[name](recipe);
      console.log(`${name}: holds`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`${name}: BROKEN\n${error instanceof Error ? error.stack : error}`);
    }
  }
  for (const target of values.targets.split(',').filter((name) => name !== '')) {
    const { bytes, differences } = await compareOn([member(recipe, 'net')], targetNamed(target));
    if (differences.length > 0) process.exitCode = 1;
    console.log(`${target}: ${differences[0]?.text ?? `${bytes} bytes are the simulator's`}`);
  }
}

/** Without comments where they do not count. */
const counted = (text: string): string =>
  values.code ? text.replaceAll(/\s*\/\*[\s\S]*?\*\//g, '').replaceAll(/\s*\n\s*/g, '\n') : text;

const sumOf = (parts: Iterable<string>): string => {
  const hash = createHash('sha256');
  for (const part of Array.from(parts, counted)) hash.update(`${part.length}\n${part}`);
  return hash.digest('hex').slice(0, 16);
};

const emitted = (program: Program): ReadonlyMap<string, string> =>
  emitC(program, { command: '', version: '', hash: '', golden: [] });

const print = (files: ReadonlyMap<string, string>, name: string): void =>
  console.log(sumOf([...files].flat()), name);

/** Where the models lie: one with the project, the others beside it. */
const models = [
  ['lenet5', 'models/lenet5.onnx'],
  ['cifarnet', '../shared/models/cifarnet/cifarnet.opset17.onnx'],
  ['resnet8', '../shared/models/resnet8/resnet8.opset17.onnx'],
  ['dscnn', '../shared/models/dscnn/dscnn.opset17.onnx'],
] as const;

const builds: Readonly<Record<string, Partial<CompileOptions>>> = {
  int8: {},
  float32: { arith: 'float32' },
  'int8, other roundings': { requant: 'tfl-double', plan: 'disjoint' },
  'int8, 80 % pruned, smallest': {
    prune: { method: 'magnitude', sparsity: 0.8 },
    formats: { objective: 'flash', target: 'cortex-m4' },
  },
  'int8, 4 bits': { weightBits: 4, formats: { objective: 'flash', target: 'cortex-m4' } },
};

/** On random inputs: of what calibrates, only that it is the same. */
function printBuilds(name: string, file: string): void {
  const model = importOnnx(readFileSync(file));
  const shape = model.tensors.get(model.inputs[0] ?? '')?.shape ?? [];
  const count = shape.reduce<number>((product, n) => product * Math.max(1, Number(n)), 1);
  const random = mulberry32(5);
  const inputs = Array.from({ length: 24 }, () => Float32Array.from({ length: count }, random));
  for (const [build, options] of Object.entries(builds)) {
    const { program } = compile(model, { name: 'net', arith: 'int8', calibration: { inputs }, ...options });
    print(emitted(program), `${name}, ${build}`);
  }
}

function printChecksums(): void {
  for (const sample of samples) print(filesOf(sample), `golden ${sample.program.name}`);
  for (const [name, file] of models.map(([name, below]) => [name, path.resolve(below)] as const))
    if (existsSync(file)) printBuilds(name, file);
    else console.log(`SKIPPED: ${name}: ${file} is not there`);
  const seed = Number(values.seed ?? 1);
  const sums = recipesOf(seed, Number(values.nets)).map((recipe) =>
    sumOf([...emitted(built(recipe, 'net').program)].flat()),
  );
  console.log(sumOf(sums), `${sums.length} random networks from seed ${seed}`);
}

if (values.recipe !== undefined) await holdToLaws(JSON.parse(values.recipe) as Recipe);
else if (values.path !== undefined) await holdToLaws(recipeAt(Number(values.seed), values.path));
else printChecksums();
