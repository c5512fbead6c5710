/** ONNX's own operator tests: a model each, with recorded inputs and outputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import proto from 'onnx-proto';
import { InputError } from '../../src/base/errors.ts';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { decodeTensor } from '../../src/ir/import/tensor-proto.ts';
import { fileValue } from '../../src/ir/kernel/file-grid.ts';
import type { Quant } from '../../src/ir/kernel/stored.ts';
import { grid } from '../../src/ir/ops/grid.ts';
import { type DType, floats, sameShape, showShape, type Tensor } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { shared } from './shared.ts';
import { readTarGz } from './tar.ts';

export const debianData = '/usr/share/libonnx-testdata/data';
export const newerData = `${shared}/data/onnx-node-1.22/core.tar.gz`;

/** Reads a file of the case; undefined when there is none. */
type Files = (path: string) => Uint8Array | undefined;

export interface OnnxCase {
  readonly set: string;
  readonly name: string;
  readonly files: Files;
}

/** Sorted by set and name. */
export function debianCases(): OnnxCase[] {
  const cases = ['node', 'pytorch-converted', 'pytorch-operator', 'simple'].flatMap((set) =>
    readdirSync(`${debianData}/${set}`).map((name) => ({
      set,
      name,
      files: folder(`${debianData}/${set}/${name}`),
    })),
  );
  return sorted(cases);
}

export function newerCases(): OnnxCase[] {
  const tar = readTarGz(newerData);
  const names = [...tar.keys()].flatMap((path) => /^core\/([^/]+)\/model\.onnx$/.exec(path)?.[1] ?? []);
  const files = (name: string) => (path: string) => tar.get(`core/${name}/${path}`);
  return sorted(names.map((name) => ({ set: 'node-1.22', name, files: files(name) })));
}

function sorted(cases: readonly OnnxCase[]): OnnxCase[] {
  const key = ({ set, name }: OnnxCase) => `${set}/${name}`;
  return cases.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

const folder =
  (path: string): Files =>
  (file) =>
    existsSync(`${path}/${file}`) ? new Uint8Array(readFileSync(`${path}/${file}`)) : undefined;

export type Outcome =
  /** `canonical`: the canonical form was made too, all inputs but the first taken as constants, and agrees. */
  | { readonly kind: 'agrees'; readonly canonical: boolean; readonly error: number }
  | { readonly kind: 'differs'; readonly detail: string }
  | { readonly kind: 'not supported'; readonly reason: string };

export function runCase({ name, files }: OnnxCase): Outcome {
  try {
    const model = files('model.onnx') ?? new Uint8Array();
    const graph = importOnnx(model, { name });
    verifyGraph(graph);
    const sets = dataSets(files);
    if (name.includes('BFLOAT16')) throw new InputError(brainFloats);
    const compared = sets.map((data) => compare(graph, data));
    const differing = compared.find((outcome) => typeof outcome === 'string');
    if (typeof differing === 'string') return { kind: 'differs', detail: differing };
    const canonical = sets.map((data) => compareCanonical(name, model, data));
    const broken = canonical.find((outcome) => typeof outcome === 'string');
    if (broken !== undefined) return { kind: 'differs', detail: `canonical form: ${broken}` };
    const error = Math.max(...compared.map(Number));
    return { kind: 'agrees', canonical: canonical.every((outcome) => outcome !== undefined), error };
  } catch (error) {
    if (error instanceof InputError) return { kind: 'not supported', reason: reasonOf(error) };
    throw error;
  }
}

interface DataSet {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Their shapes are not those that the models declare, and their numbers are cut off, not rounded. */
const brainFloats = { where: 'recorded data', found: 'bfloat16 as uint16' } as const;

function dataSets(files: Files): DataSet[] {
  const sets: DataSet[] = [];
  for (let i = 0; files(`test_data_set_${i}/output_0.pb`) !== undefined; i++)
    sets.push({
      inputs: tensors(files, `test_data_set_${i}/input`),
      outputs: tensors(files, `test_data_set_${i}/output`),
    });
  if (sets.length === 0) throw new Error('a case without data');
  return sets;
}

function tensors(files: Files, prefix: string): Tensor[] {
  const found: Tensor[] = [];
  for (let i = 0; ; i++) {
    const bytes = files(`${prefix}_${i}.pb`);
    if (bytes === undefined) return found;
    found.push(decodeTensor(proto.onnx.TensorProto.decode(bytes), 'recorded data'));
  }
}

/** The largest share of the tolerance that was used, or what differs. */
function compare(graph: Graph<'imported'> | Graph<'float'>, { inputs, outputs }: DataSet): number | string {
  const given = new Map(graph.inputs.map((name, i) => [name, inputs[i]!]));
  const found = [...evaluate(graph, given).values()];
  if (found.length !== outputs.length) return `${found.length} outputs instead of ${outputs.length}`;
  // Compiled networks do not round to 16 bits.
  const unit = /float16/i.test(`${graph.name}${graph.notes}`) ? 100 : 1;
  const shares = found.map((tensor, i) =>
    shareOf(tensor, outputs[i]!, graph.name, graph.stage === 'float' ? unit : 1),
  );
  return shares.find((share) => typeof share === 'string') ?? Math.max(...shares.map(Number));
}

/**
 * The recorded outputs were computed in float32, in an order of summation that is not on record: a sum of n
 * products is off by up to n * 2^-24 of the sum of their magnitudes, the reference by nothing before its one
 * rounding. The longest sums have 144 products: 9e-6. The absolute part is for sums whose terms cancel.
 * Measured: at most a tenth of what is allowed. Types other than floats are exact.
 */
const relative = 1e-5;
const absolute = 1e-6;

/** Inputs and outputs written down with four decimals: a mean is off by 5e-5 for either. */
const handWritten = new Set([
  'test_averagepool_2d_ceil_last_window_starts_on_pad',
  'test_gridsample_bicubic',
]);

function shareOf(found: Tensor, wanted: Tensor, name: string, unit: number): number | string {
  if (found.dtype !== wanted.dtype) return `${found.dtype} instead of ${wanted.dtype}`;
  if (!sameShape(found.shape, wanted.shape))
    return `${showShape(found.shape)} instead of ${showShape(wanted.shape)}`;
  let share = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const [x, y] = [found.data[i]!, wanted.data[i]!];
    if (Object.is(x, y) || x === y) continue;
    const allowed = unit * allowance(found.dtype, y, name);
    if (!(Math.abs(x - y) <= allowed)) return `${x} instead of ${y} at ${i}`;
    share = Math.max(share, Math.abs(x - y) / allowed);
  }
  return share;
}

/** Differences of numbers near 1 that were recorded with errors of their own: exact cosines give ours. */
const cancelling = /^test_(blackman|hamming|hann)window/;

const allowance = (dtype: DType, value: number, name: string): number => {
  if (dtype !== 'float32' && dtype !== 'float64') return 0;
  if (handWritten.has(name)) return 1e-4;
  return cancelling.test(name) ? 1e-4 : absolute + relative * Math.abs(value);
};

/** Canonical forms compute in float32 where files say float64. */
const inFloat32 = (tensor: Tensor): Tensor =>
  tensor.dtype === 'float64' ? floats(tensor.shape, Float32Array.from(tensor.data)) : tensor;

/** What a model stores as bytes is real in its canonical form, on a grid (int8 128 steps up). */
function onGrid(graph: Graph<'float'>, wanted: Tensor): Tensor {
  const maker = graph.nodes.find(
    ({ op, outputs }) => op.kind === grid.kind && outputs[0] === graph.outputs[0],
  );
  if (maker === undefined) return wanted;
  const up = wanted.dtype === 'int8' ? 128 : 0;
  return floats(
    wanted.shape,
    Float32Array.from(wanted.data, (q) => fileValue(q + up, maker.attrs as Quant)),
  );
}

/** As `compare`, for the canonical form; undefined where there is none. */
function compareCanonical(name: string, model: Uint8Array, data: DataSet): number | string | undefined {
  try {
    const graph = canonicalize.run(importOnnx(frozen(model, data.inputs), { name }));
    verifyGraph(graph);
    const [inputs, outputs] = [data.inputs, data.outputs.slice(0, 1)].map((tensors) =>
      tensors.map(inFloat32),
    );
    return compare(graph, { inputs: inputs!, outputs: outputs!.map((output) => onGrid(graph, output)) });
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** The model with all inputs but the first as initializers, and its first output only. */
function frozen(bytes: Uint8Array, inputs: readonly Tensor[]): Uint8Array {
  const model = proto.onnx.ModelProto.decode(bytes);
  const graph = model.graph!;
  const given = new Set(graph.initializer!.map((tensor) => tensor.name));
  const free = graph.input!.filter((info) => !given.has(info.name));
  free.slice(1).forEach((info, i) => {
    const { shape, data, dtype } = inputs[i + 1]!;
    const dataType = info.type!.tensorType!.elemType!;
    const field =
      { float64: 'doubleData', int64: 'int64Data', float32: 'floatData' }[dtype as string] ?? 'int32Data';
    // 16-bit floats arrive widened, so they leave as float32.
    const code = dtype === 'float32' ? proto.onnx.TensorProto.DataType.FLOAT : dataType;
    graph.initializer!.push({ name: info.name!, dims: [...shape], dataType: code, [field]: [...data] });
  });
  graph.input = graph.input!.filter((info) => info === free[0] || given.has(info.name));
  graph.output = graph.output!.slice(0, 1);
  return proto.onnx.ModelProto.encode(model).finish();
}

/** Without names and numbers of the single case, so that reasons can be counted. */
function reasonOf({ message, complaint }: InputError): string {
  const types = [...message.matchAll(/\(([\w.]+)[^)]*\)[^:\n]*: \w+ is not supported/g)].map(
    (found) => found[1]!,
  );
  if (types.length > 0) return `operator ${[...new Set(types)].sort().join(', ')}`;
  const place = complaint.where
    ?.replace(/^test_\w+$/, 'model')
    .replace(/'[^']*' ?/, '')
    .trim();
  return `${place}: ${[complaint.found, ...(complaint.lines ?? [])].join(' ')}`;
}
