/**
 * npm run mutations -- [--count 10000] [--seed 1] [--arch MODEL] FILE...
 * Damages each file of a model in many ways, and reads it, weights into the network of --arch: prints how many are still read, whatever is thrown but a
 * refusal, the slowest, and the memory of the process.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InputError } from '../src/base/errors.ts';
import { importModel, type ModelOptions } from '../src/ir/import/import-model.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { mutated, mutatedInside } from '../test/support/mutations.ts';

const { values, positionals } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    arch: { type: 'string' },
  },
  allowPositionals: true,
});
const [count, first] = [Number(values.count), Number(values.seed)];

/** Shapes of an input that does not say its own. */
const shapes = { input: [1, 1, 28, 28] };

const arch =
  values.arch === undefined
    ? undefined
    : { name: values.arch, bytes: new Uint8Array(readFileSync(values.arch)) };

/** Whether a file is read as it is. */
function readAlone(
  bytes: Uint8Array,
  options: ModelOptions,
): { readonly kind: 'read' | 'refused'; readonly message: string } {
  try {
    importModel(bytes, options);
    return { kind: 'read', message: '' };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { kind: 'refused', message: error.message.slice(0, 120) };
  }
}

/** What the file itself needs to be read. Where nothing helps, that is said, and all damaged ones should be refused. */
function optionsFor(file: string, bytes: Uint8Array): ModelOptions {
  if (arch !== undefined) return { arch };
  for (const options of [{}, { shapes }] as readonly ModelOptions[]) {
    const { kind, message } = readAlone(bytes, options);
    if (kind === 'read') return options;
    if (options.shapes !== undefined) console.log(`${file}: refused as it is: ${message}`);
  }
  return {};
}

/** @throws whatever is no refusal */
function requireNetwork(graph: ReturnType<typeof importModel>): void {
  try {
    canonicalize.run(graph);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

/** Where it is read, the graph becomes a float network too, or is refused. */
function outcome(bytes: Uint8Array, options: ModelOptions): 'read' | 'refused' | 'broken' {
  try {
    const graph = importModel(bytes, { ...options, name: 'damaged' });
    requireNetwork(graph);
    return 'read';
  } catch (error) {
    if (error instanceof InputError && error.message.length > 10) return 'refused';
    console.log(error);
    return 'broken';
  }
}

const isZip = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && bytes[1] === 0x4b;

for (const file of positionals) {
  const bytes = new Uint8Array(readFileSync(file));
  const options = optionsFor(file, bytes);
  const counts = { read: 0, refused: 0, broken: 0 };
  let slowest = 0;
  for (let seed = first; seed < first + count; seed++) {
    const inside = isZip(bytes) && seed % 2 === 0;
    const damaged = inside ? mutatedInside(bytes, seed, /(data\.pkl|\.json)$/) : mutated(bytes, seed);
    const start = performance.now();
    const result = outcome(damaged, options);
    slowest = Math.max(slowest, performance.now() - start);
    counts[result]++;
    if (result === 'broken') console.log(`${file}: seed ${seed}`);
  }
  const memory = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(
    `${file}: ${count} from seed ${first} on: ${counts.read} read, ${counts.refused} refused, ${counts.broken} broken; the slowest ${slowest.toFixed(0)} ms; ${memory} MiB at most`,
  );
  if (counts.broken > 0) process.exitCode = 1;
}
