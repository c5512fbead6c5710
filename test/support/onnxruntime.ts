/** onnxruntime beside the reference: random graphs, computed by both. */
import { InputError } from '../../src/base/errors.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, floats, sameShape, showShape, type Tensor } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { Draw } from './draw.ts';
import { type OrtTensor, onnxruntime } from './ort.ts';
import { type RandomGraph, randomGraph } from './random-graphs.ts';

export type Compared =
  /** `canonical`: the canonical form agrees too; else why there is none. */
  | { readonly kind: 'agrees'; readonly error: number; readonly canonical: true | string }
  | { readonly kind: 'differs'; readonly detail: string }
  /** onnxruntime does not run it. */
  | { readonly kind: 'not run'; readonly reason: string };

/** Of the largest number of the output, or of 1 where that is less: both runtimes sum in float32, in other orders. */
const tolerance = 1e-5;

/** The largest error of all outputs, or the first that differs. */
function errorIn(
  graph: Graph<'imported'> | Graph<'float'>,
  x: Tensor,
  wanted: Readonly<Record<string, OrtTensor>>,
): number | string {
  const found = evaluate(graph, new Map([['x', x]]));
  const errors = Object.entries(wanted).map(([name, tensor]) => {
    const error = errorOf(found.get(name)!, tensor);
    return typeof error === 'string' ? `${name}: ${error}` : error;
  });
  return errors.find((error) => typeof error === 'string') ?? Math.max(...errors.map(Number));
}

/** The error as a part of the tolerance's unit, or what differs. */
function errorOf(found: Tensor, wanted: OrtTensor): number | string {
  if (!sameShape(found.shape, wanted.dims))
    return `shape ${showShape(found.shape)} instead of ${showShape(wanted.dims)}`;
  const numbers = Array.from(wanted.data as Float32Array);
  const unit = numbers.reduce((most, y) => Math.max(most, Math.abs(y)), 1);
  let error = 0;
  for (const [i, y] of numbers.entries()) {
    const x = found.data[i]!;
    if (Object.is(x, y) || x === y) continue;
    const own = Math.abs(x - y) / unit;
    if (!(own <= tolerance)) return `${x} instead of ${y} at ${i}`;
    error = Math.max(error, own);
  }
  return error;
}

function canonicalOf(graph: Graph<'imported'>): Graph<'float'> | string {
  try {
    return canonicalize.run(graph);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

async function compareOne({ bytes, shape }: RandomGraph, seed: number): Promise<Compared> {
  const data = new Draw(seed + 1).floats(countOf(shape), -1, 1);
  const { InferenceSession, Tensor: Input } = onnxruntime();
  let wanted: Readonly<Record<string, OrtTensor>>;
  try {
    const session = await InferenceSession.create(bytes, {
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 4,
    });
    wanted = await session.run({ x: new Input('float32', data, shape) });
    await session.release();
  } catch (error) {
    return { kind: 'not run', reason: String(error) };
  }
  const graph = importOnnx(bytes);
  const x = floats(shape, data);
  const error = errorIn(graph, x, wanted);
  if (typeof error === 'string') return { kind: 'differs', detail: error };
  const canonical = canonicalOf(graph);
  if (typeof canonical === 'string') return { kind: 'agrees', error, canonical };
  const again = errorIn(canonical, x, wanted);
  if (typeof again === 'string') return { kind: 'differs', detail: `canonical form: ${again}` };
  return { kind: 'agrees', error: Math.max(error, again), canonical: true };
}

export interface Differential {
  readonly seed: number;
  readonly ops: readonly string[];
  readonly result: Compared;
}

/** The random graph of a seed by both. */
export async function compared(seed: number): Promise<Differential> {
  const graph = randomGraph(seed);
  return { seed, ops: graph.ops, result: await compareOne(graph, seed) };
}
