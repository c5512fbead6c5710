/**
 * LeNet-5 pruned and rounded without training, on all 10,000 test digits: the table of docs/pruning.md.
 *
 *   npm run build && node bench/pruning.js [--sparsity 0.85,0.9] [--price flash,macs] [--bits 8,4] [--method obs]
 *       [--pattern '{"n":2,"m":4}'] [--images 1024] [--holdout]
 *
 * Needs ../shared/models/lenet5 and ../shared/data/mnist. Prunes with the first training digits; --holdout scores
 * on 5,000 other training digits instead of the test digits.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import * as thimble from '../dist/index.js';

const shared = resolve(dirname(fileURLToPath(import.meta.url)), '../../shared');
const { values: flags } = parseArgs({
  options: {
    sparsity: { type: 'string', default: '0.8,0.85,0.9,0.92,0.95' },
    price: { type: 'string', default: 'flash,macs' },
    bits: { type: 'string', default: '8,4' },
    method: { type: 'string', default: 'obs' },
    pattern: { type: 'string', default: '"none"' },
    images: { type: 'string', default: '1024' },
    holdout: { type: 'boolean', default: false },
  },
});

const unzipped = (name) => gunzipSync(readFileSync(`${shared}/data/mnist/${name}.gz`));

/** 28x28 bytes in the middle of 32x32, divided by 255. */
function digits(name, first, count) {
  const bytes = unzipped(name).subarray(16);
  return Array.from({ length: count }, (_, i) => {
    const image = new Float32Array(32 * 32);
    for (let p = 0; p < 784; p++)
      image[(Math.floor(p / 28) + 2) * 32 + (p % 28) + 2] = bytes[(first + i) * 784 + p] / 255;
    return image;
  });
}

const largest = (values) => values.reduce((best, v, i) => (v > values[best] ? i : best), 0);

const samples = digits('train-images-idx3-ubyte', 0, Number(flags.images));
const [set, first, count] = flags.holdout ? ['train', 50_000, 5000] : ['t10k', 0, 10_000];
const scored = digits(`${set}-images-idx3-ubyte`, first, count);
const labels = unzipped(`${set}-labels-idx1-ubyte`).subarray(8 + first);

const model = thimble.loadOnnx(readFileSync(`${shared}/models/lenet5/lenet5.opset13.onnx`), {
  name: 'lenet5',
});
const fused = thimble.fuse.run(thimble.foldBatchNorm.run(thimble.canonicalize.run(model)));
const input = fused.inputs[0];

function top1(classify) {
  const hits = scored.reduce((sum, image, i) => sum + (classify(image) === labels[i] ? 1 : 0), 0);
  return ((100 * hits) / count).toFixed(2);
}

function floatTop1(graph) {
  const { shape } = graph.tensors.get(input);
  return top1((data) => {
    const [output] = thimble.evaluate(graph, new Map([[input, { dtype: 'float32', shape, data }]])).values();
    return largest(output.data);
  });
}

function integerTop1(pruned, weightBits) {
  const { graph, weightSteps } =
    weightBits === 8
      ? { graph: pruned, weightSteps: new Map() }
      : thimble.roundWeights(pruned, { bitsOf: () => weightBits, samples, reference: sameLayers(pruned) });
  const calibration = thimble.calibrate(graph, samples, 'minmax');
  const options = { mode: 'single', weightBits, weightSteps, biasCorrection: true };
  const integers = thimble.quantize(calibration, options).run(graph);
  const { program } = thimble.lower(integers, { name: 'lenet5', strategy: 'overlap' });
  const simulator = thimble.createSimulator(program, { mode: 'fast' });
  return top1((image) =>
    largest(thimble.decodeOutput(program, simulator.run(thimble.encodeInput(program, image)).output)),
  );
}

/** The network before pruning, unless channels are gone. */
const sameLayers = (pruned) => (flags.method === 'channel' ? pruned : fused);

/** Multiplications of one inference, per layer, without weights that are zero. */
const macsOf = (layers) => {
  const perWeight = [784, 100, 1, 1, 1];
  return layers.reduce((sum, { kept }, i) => sum + kept * perWeight[i], 0);
};

const methods = { bits: flags.bits.split(',').map(Number), pattern: JSON.parse(flags.pattern) };
console.log(`float top-1 ${floatTop1(fused)} % on ${count} images; pruned with ${samples.length}`);
console.log(
  `| price | sparsity | float | ${methods.bits.map((b) => `${b} bit`).join(' | ')} | weights left | MACs | density % | s |`,
);
console.log(`|---|---|---|${methods.bits.map(() => '---|').join('')}---|---|---|---|`);
for (const price of flags.price.split(','))
  for (const sparsity of flags.sparsity.split(',').map(Number)) {
    const began = process.cpuUsage().user;
    const { method } = flags;
    const { graph, layers } = thimble.prune(fused, {
      method,
      sparsity,
      price,
      pattern: methods.pattern,
      samples,
    });
    const seconds = (process.cpuUsage().user - began) / 1e6;
    const row = [
      price,
      `${(100 * sparsity).toFixed(0)} %`,
      floatTop1(graph),
      ...methods.bits.map((bits) => integerTop1(graph, bits)),
      layers.reduce((sum, l) => sum + l.kept, 0),
      `${(macsOf(layers) / 1000).toFixed(0)} k`,
      layers.map((l) => (100 * l.density).toFixed(0)).join('/'),
      seconds.toFixed(0),
    ];
    console.log(`| ${row.join(' | ')} |`);
  }
