/** How far an operator's integers are from its meaning on the same bytes, in steps of its output. */
import { expect } from 'vitest';
import type { CanonicalOp, InputType, ScaleContext } from '../../src/ir/graph/op.ts';
import { holding, quantOf } from '../../src/ir/integers/quant.ts';
import { type Order, positionsOf } from '../../src/ir/kernel/memory-order.ts';
import type { Quant } from '../../src/ir/kernel/stored.ts';
import { countOf, type Shape, type Tensor } from '../../src/ir/tensor.ts';
import { prove } from '../../src/prove/prove.ts';
import { type EngineName, inference } from '../../src/runtime/engines.ts';
import * as ir from './ir.ts';

interface Case<A> {
  readonly attrs: A;
  readonly shape: Shape;
  /** How the input lies; row-major when absent. */
  readonly order?: Order;
  readonly input: Quant;
  /** What stands behind the activation among the inputs. */
  readonly constants?: readonly (Tensor | undefined)[];
}

const engines: readonly EngineName[] = ['checked', 'js', 'wasm-simd'];

const realOf = (bytes: Uint8Array, { scale, zeroPoint }: Quant, shape: Shape): Tensor => ({
  dtype: 'float64',
  shape,
  data: Float64Array.from(bytes, (q) => scale * (q - zeroPoint)),
});

/** The span of some numbers, and 0 where the operator needs it. */
function rangeOf(op: CanonicalOp, values: readonly Tensor[]) {
  const all = values.flatMap(({ data }) => [...data]);
  const range = { lo: Math.min(...all), hi: Math.max(...all) };
  return op.anyZeroPoint === undefined ? holding(range, [0]) : range;
}

/**
 * The largest error over samples of row-major bytes; the output's grid spans what they give. Every engine makes the same
 * bytes, and every rule is proved.
 */
export function ownError<A, Q>(
  op: CanonicalOp<A, Q>,
  { attrs, shape, order, input, constants = [] }: Case<A>,
  samples: readonly Uint8Array[],
): number {
  const wide = constants.map(
    (c) => c && ({ ...c, dtype: 'float64', data: Float64Array.from(c.data) } as const),
  );
  const wanted = samples.map((bytes) => op.reference(attrs, [realOf(bytes, input, shape), ...wide])[0]!);
  const inputTypes: (InputType | undefined)[] = [
    { dtype: 'float32', shape },
    ...constants.map((constant) => constant && { ...constant, constant }),
  ];
  const scale: ScaleContext<A> = {
    ...{ name: 'y', attrs, inputs: ['x', ...constants.map((_, i) => `c${i}`)], outputs: ['y'] },
    ...{ inputTypes, outputTypes: op.infer(attrs, inputTypes) },
    ...{ mode: 'single', weightBits: 8, inputQuants: [input, ...constants.map(() => undefined)] },
    range: rangeOf(op as CanonicalOp, wanted),
  };
  const output = op.outputQuant?.(scale, 0) ?? quantOf(scale.range);
  const quantized = op.quantize!({
    ...scale,
    outputQuant: output,
    outputQuants: [output],
    inputMean: undefined,
  });
  const from = { shape, quant: input, ...(order === undefined ? {} : { order }) };
  const outOrder = op.order === undefined ? order : op.order(attrs, [from], wanted[0]!.shape);
  const to = {
    shape: wanted[0]!.shape,
    quant: output,
    ...(outOrder === undefined ? {} : { order: outOrder }),
  };
  const kernel = op.int8!(attrs, quantized, { name: 'k', inputs: [from], outputs: [to] });
  const facts = prove(kernel);
  expect(facts.complete).toBe(true);
  expect(facts.unproven.map(({ why }) => why)).toEqual([]);
  const runs = engines.map((engine) => inference(ir.single(kernel), engine));
  let worst = 0;
  samples.forEach((bytes, s) => {
    const memory = new Uint8Array(countOf(shape));
    positionsOf(from).forEach((position, element) => {
      memory[position] = bytes[element]!;
    });
    const [first, ...others] = runs.map((run) => run(memory).output);
    for (const other of others) expect(other).toEqual(first);
    positionsOf(to).forEach((position, element) => {
      const real = wanted[s]!.data[element]! / output.scale + output.zeroPoint;
      const off = Math.abs(first![position]! - Math.max(0, Math.min(255, real)));
      if (!(off <= worst)) worst = off;
    });
  });
  return worst;
}
