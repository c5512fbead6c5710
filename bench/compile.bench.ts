/**
 * What compiling costs: seconds of one core (user time, which other work on the machine stretches less than the clock)
 * for networks of random weights, and how they grow with width and depth.
 */
import type { onnx } from 'onnx-proto';
import { test } from 'vitest';
import { mulberry32 } from '../src/base/random.ts';
import { type CompileOptions, compile } from '../src/compile.ts';
import { emitC } from '../src/emit/package.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import { totalsOf } from '../src/program/summary.ts';
import { encodeModel, int, ints, type NodeSpec, valueInfo } from '../test/support/onnx-model.ts';
import { count, markdown, writeSection } from './page.ts';

const random = mulberry32(1);

const between = (most: number, length: number): Float32Array =>
  Float32Array.from({ length }, () => (2 * random() - 1) * most);

const product = (dims: readonly number[]): number => dims.reduce((n, size) => n * size, 1);

/** Nodes one behind the other, or with a sum of two of them, and their weights. */
class Model {
  readonly #nodes: NodeSpec[] = [];
  readonly #weights: onnx.ITensorProto[] = [];

  node(op: string, inputs: readonly string[], attributes: readonly onnx.IAttributeProto[] = []): string {
    const output = `${op}${this.#nodes.length}`;
    this.#nodes.push({ op, name: output, inputs, outputs: [output], attributes });
    return output;
  }

  weights(dims: readonly number[]): string {
    const name = `w${this.#weights.length}`;
    const inputs = product(dims.slice(1));
    const numbers = between(Math.sqrt(6 / inputs), product(dims));
    this.#weights.push({ name, dims: [...dims], dataType: 1, rawData: new Uint8Array(numbers.buffer) });
    return name;
  }

  conv(x: string, dims: readonly number[], stride = 1, group = 1): string {
    const size = dims[2] as number;
    const around = [size, size, size, size].map((n) => Math.floor(n / 2));
    const attributes = [ints('strides', [stride, stride]), ints('pads', around), int('group', group)];
    return this.node('Conv', [x, this.weights(dims)], attributes);
  }

  bytes(input: readonly number[], output: string): Uint8Array {
    return encodeModel({
      nodes: this.#nodes,
      initializers: this.#weights,
      inputs: [valueInfo('x', input)],
      outputs: [output],
    });
  }
}

/** Expansion, channels, blocks and stride of MobileNetV2's groups. */
const groups = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** @param depth how often each group's blocks are there */
function mobileNet(size: number, width: number, depth: number): Uint8Array {
  const model = new Model();
  const channels = (n: number): number => 8 * Math.max(1, Math.round((n * width) / 8));
  let from = channels(32);
  let x = model.node('Relu', [model.conv('x', [from, 3, 3, 3], 2)]);
  for (const [expansion, n, blocks, first] of groups)
    for (let block = 0; block < blocks * depth; block++) {
      const [inside, to, stride] = [from * expansion, channels(n), block === 0 ? first : 1];
      let y = expansion === 1 ? x : model.node('Relu', [model.conv(x, [inside, from, 1, 1])]);
      y = model.node('Relu', [model.conv(y, [inside, 1, 3, 3], stride, inside)]);
      y = model.conv(y, [to, inside, 1, 1]);
      x = stride === 1 && from === to ? model.node('Add', [x, y]) : y;
      from = to;
    }
  const last = channels(1280);
  x = model.node('Relu', [model.conv(x, [last, from, 1, 1])]);
  x = model.node('Flatten', [model.node('GlobalAveragePool', [x])]);
  x = model.node('Gemm', [x, model.weights([1000, last])], [int('transB', 1)]);
  return model.bytes([1, 3, size, size], x);
}

function linear(sizes: readonly number[]): Uint8Array {
  const model = new Model();
  let x = 'x';
  sizes.slice(1).forEach((rows, i) => {
    if (i > 0) x = model.node('Relu', [x]);
    x = model.node('Gemm', [x, model.weights([rows, sizes[i] as number])], [int('transB', 1)]);
  });
  return model.bytes([1, sizes[0] as number], x);
}

/** User time in seconds. */
function timed<T>(work: () => T): { readonly made: T; readonly seconds: number } {
  const before = process.cpuUsage();
  const made = work();
  return { made, seconds: process.cpuUsage(before).user / 1e6 };
}

/** One row of the table. `samples` calibrate. */
function rowOf(
  what: string,
  file: Uint8Array,
  { samples, ...options }: Partial<CompileOptions> & { readonly samples: number },
): readonly string[] {
  const read = timed(() => importOnnx(file));
  const shape = read.made.tensors.get('x')?.shape ?? [];
  const inputs = Array.from({ length: samples }, () => between(1, product(shape.map(Number))));
  const compiled = timed(() =>
    compile(read.made, { name: 'net', arith: 'int8', calibration: { inputs }, ...options }),
  );
  const { program } = compiled.made;
  const printed = timed(() => emitC(program, { command: '', version: '', hash: '', golden: [] }));
  const { macs, tableBytes } = totalsOf(program);
  const seconds = [read, compiled, printed].map((step) => step.seconds.toFixed(1));
  return [what, count(Math.round(macs / 1e6)), count(Math.round(tableBytes / 1e3)), ...seconds];
}

const growing = [1, 2, 4, 8] as const;

test('compiling', () => {
  // The first network is slower than the same one later.
  rowOf('', mobileNet(32, 0.25, 1), { samples: 20 });
  const rows = [
    ...growing.map((n) => rowOf(`depth ${n}x, int8`, mobileNet(32, 0.25, n), { samples: 20 })),
    ...growing.map((n) => rowOf(`width ${n}x, int8`, mobileNet(32, 0.25 * n, 1), { samples: 20 })),
    rowOf('MobileNetV2 at 224x224, int8', mobileNet(224, 1, 1), { samples: 20 }),
    rowOf('linear 2048-2048-512-10, int8', linear([2048, 2048, 512, 10]), { samples: 20 }),
    rowOf('linear 2048-2048-512-10, float32', linear([2048, 2048, 512, 10]), {
      samples: 0,
      arith: 'float32',
    }),
    rowOf('linear 2048-256-10, half of the channels pruned', linear([2048, 256, 10]), {
      samples: 64,
      prune: { method: 'channel', sparsity: 0.5 },
    }),
    rowOf('linear 4096-4096-2048-10, float32', linear([4096, 4096, 2048, 10]), {
      samples: 0,
      arith: 'float32',
    }),
  ];
  const head = ['network', 'million MAC', 'constants kB', 'import s', 'compile s', 'print C s'];
  writeSection('compile', markdown(head, rows));
});
