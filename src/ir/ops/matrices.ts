import { at, complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import type { CanonicalOp, KernelContext, QuantizeContext, ScaleContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan, quantOf } from '../integers/quant.ts';
import { epilogue, type Requant, requantOf } from '../integers/requant.ts';
import { float, int, local, loop, mul, store } from '../kernel/builders.ts';
import type { Expr, Kernel, Table } from '../kernel/kernel.ts';
import { elemOf, type Quant, type StoredTensor } from '../kernel/stored.ts';
import { countOf, type Shape, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { multiplied, type StackedProduct, stackedProduct } from './common/stacked-product.ts';
import { docOf } from './kernels/doc.ts';
import { dotted, eachMatrix, elementAt, type Matrices, matricesIn } from './kernels/matrix-loops.ts';

export interface MatricesAttrs {
  /** The products are multiplied by it; above 0, 1 when absent. */
  readonly gain?: number;
}

/** Longer sums of products of two bytes could leave int32. */
export const deepest = 33_025;

function productOf(inputs: readonly (TensorType | undefined)[]): StackedProduct {
  const [a, b] = [required(inputs, 0, 'A').shape, required(inputs, 1, 'B').shape];
  if (a.length < 2 || b.length < 2) throw complain('a vector', 'matrices');
  return stackedProduct(a, b);
}

/** A constant factor as it is stored. */
interface StoredConstant {
  readonly shape: Shape;
  readonly data: readonly number[];
}

export interface QuantizedMatrices {
  /** Of the factors in their order. */
  readonly zeroPoints: readonly number[];
  /** Of factors that are constant. */
  readonly constants: readonly (StoredConstant | undefined)[];
  readonly output: Quant;
  readonly requant: Requant;
}

/** The grid of a factor: a constant's holds all its numbers, and 0. */
function factorQuant({ inputQuants, inputTypes }: ScaleContext<MatricesAttrs>, index: number): Quant {
  const constant = inputTypes[index]?.constant;
  if (constant === undefined) return must(inputQuants[index], 'activations are quantized');
  return quantOf({
    lo: Math.min(0, smallestOf(constant.data)),
    hi: Math.max(0, largestOf(constant.data)),
  });
}

const bytesOf = ({ shape, data }: Tensor, { scale, zeroPoint }: Quant): StoredConstant => ({
  shape,
  data: Array.from(data, (x) => Math.max(0, Math.min(255, Math.round(x / scale) + zeroPoint))),
});

/** What one step of the sums is. */
const sumStep = (c: ScaleContext<MatricesAttrs>): number =>
  factorQuant(c, 0).scale * factorQuant(c, 1).scale * (c.attrs.gain ?? 1);

/** No finer than the sums; a power of two of their step, from twice on, where requantization only shifts. */
function outputQuant(c: ScaleContext<MatricesAttrs>): Quant {
  const step = sumStep(c);
  if (c.mode !== 'pow2') return noFinerThan(step, c.range, c.outputBits);
  const wanted = noFinerThan(2 * step, c.range, c.outputBits).scale;
  return noFinerThan(step * 2 ** Math.ceil(Math.log2(wanted / step)), c.range, c.outputBits);
}

function quantized(c: QuantizeContext<MatricesAttrs>): QuantizedMatrices {
  const { k } = productOf(c.inputTypes);
  if (k > deepest) throw complain(`sums of ${k} products`, `at most ${deepest}`, 'split the product');
  const scale = Math.min(1, sumStep(c) / c.outputQuant.scale);
  const grids = [factorQuant(c, 0), factorQuant(c, 1)];
  return {
    zeroPoints: grids.map(({ zeroPoint }) => zeroPoint),
    constants: grids.map((grid, i) => {
      const constant = c.inputTypes[i]?.constant;
      return constant && bytesOf(constant, grid);
    }),
    output: c.outputQuant,
    requant: requantOf(c.mode === 'compact' ? 'single' : c.mode, [scale]),
  };
}

/** A factor: an activation in its order in memory, or a table. */
interface Factor {
  readonly name: string;
  readonly place: StoredTensor;
  readonly zeroPoint: number;
  readonly table?: Table;
}

function factorsOf(
  { name, inputs }: KernelContext,
  elem: 'u8' | 'f32',
  constants: readonly (StoredConstant | undefined)[],
  zeroPoints: readonly number[] = [0, 0],
): readonly Factor[] {
  let activations = 0;
  return ['a', 'b'].map((letter, i) => {
    const [constant, zeroPoint] = [constants[i], at(zeroPoints, i)];
    if (constant === undefined) return { name: letter, place: at(inputs, activations++), zeroPoint };
    const table: Table = { name: `${name}_${letter}`, elem, data: constant.data };
    return { name: table.name, place: { shape: constant.shape }, zeroPoint, table };
  });
}

function kernelOf(
  context: KernelContext,
  elem: 'u8' | 'f32',
  factors: readonly Factor[],
  finish: (sum: Expr) => Expr,
  tables: readonly Table[],
): Kernel {
  const output = must(context.outputs[0], 'an output');
  const [a, b] = [at(factors, 0), at(factors, 1)];
  const { m, k, n, stack } = stackedProduct(a.place.shape, b.place.shape);
  const [left, right] = factors.map(({ name, place, zeroPoint }) =>
    matricesIn(place, name, elem, stack.length, zeroPoint),
  );
  const pair: readonly [Matrices, Matrices] = [must(left, 'A'), must(right, 'B')];
  const outElem = elem === 'f32' ? elem : elemOf(output);
  const out = matricesIn(output, 'out', elem, stack.length);
  const macs = countOf(stack) * m * k * n;
  return {
    name: context.name,
    doc: docOf(`Products of matrices ${m}x${k} and ${k}x${n}`, context.inputs, output, elem, macs),
    params: [
      ...factors.flatMap(({ name, place, table }) =>
        table === undefined ? [{ name, role: 'in', elem, length: countOf(place.shape) } as const] : [],
      ),
      { name: 'out', role: 'out', elem: outElem, length: countOf(output.shape) },
    ],
    tables: [...factors.flatMap(({ table }) => table ?? []), ...tables],
    body: eachMatrix(stack, (index) =>
      loop('i', m, (i) =>
        loop('j', n, (j) => [
          ...dotted('acc', pair, index, k, i, j),
          store(
            'out',
            outElem,
            elementAt(out, index, i, j),
            finish(local('acc', elem === 'f32' ? 'f32' : 'i32')),
          ),
        ]),
      ),
    ),
    macs,
  };
}

/**
 * Products of matrices of which not both are constant: a[..., M, K] times b[..., K, N], whose leading axes broadcast. In
 * 8 bits the sums of (a - za) (b - zb) are exact.
 */
export const matrices: CanonicalOp<MatricesAttrs, QuantizedMatrices> = {
  kind: 'matrices',
  infer(_attrs, inputs) {
    requireFloats(inputs);
    return [{ dtype: required(inputs, 0, 'A').dtype, shape: productOf(inputs).shape }];
  },
  reference({ gain = 1 }, inputs) {
    const [a, b] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
    const { shape, data } = multiplied(a, b);
    return [
      rounded(
        a.dtype,
        shape,
        Float64Array.from(data, (x) => x * gain),
      ),
    ];
  },
  reads: strided,
  order: () => undefined,
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  outputQuant,
  sixteen: 'made',
  quantize: quantized,
  int8(_attrs, q, context) {
    const end = epilogue(context.name, q.requant, saturationOf(q.output, undefined));
    const factors = factorsOf(context, 'u8', q.constants, q.zeroPoints);
    return kernelOf(context, 'u8', factors, (sum) => end.value(sum, int(0)), end.tables);
  },
  float32({ gain = 1 }, context, constants) {
    const stored = constants.map((c) => c && { shape: c.shape, data: Array.from(c.data) });
    const factors = factorsOf(context, 'f32', stored);
    return kernelOf(context, 'f32', factors, (sum) => (gain === 1 ? sum : mul(sum, float(gain))), []);
  },
};
