/**
 * The certificate of stored weights: the tables of a program are decoded again, by code that shares nothing
 * with the encoders but the description of the format, and compared with the integer model weight by weight.
 * Complete: no weight is sampled, and a weight that the tables hold too much is found like one they lack.
 */

import { decibels } from '../base/distance.ts';
import { at, DefectError, must } from '../base/errors.ts';
import { nonzerosIn } from '../base/extremes.ts';
import { entropyFloor } from '../cost/entropy.ts';
import { tableBytesOf } from '../cost/speed.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { bitsOf, type QuantizedMac, weightStep } from '../ir/integers/mac.ts';
import type { Kernel, Packing, Quads } from '../ir/kernel/kernel.ts';
import type { StoredTensor } from '../ir/kernel/stored.ts';
import { plainTableBytes } from '../ir/kernel/table-bytes.ts';
import { formatName, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { countOf, type Shape, type Tensor } from '../ir/tensor.ts';
import { plainForm, variantsOf } from '../lower/variants.ts';
import { placesOf } from '../plan/orders.ts';
import { readBytes } from '../program/byte-rows.ts';
import { readPacked } from '../program/paired-rows.ts';
import type { Program, Step } from '../program/program.ts';
import { decodeRows } from '../program/rows.ts';
import { argOf, slotAt } from '../program/slots.ts';
import type { Variant } from '../program/variants.ts';
import { readWords } from '../program/word-rows.ts';

/** Weights of the tables that are not those of the integer model. */
export interface WeightMismatch {
  readonly count: number;
  /** The first: output, row-major term of its weights, and both integers. */
  readonly row: number;
  readonly term: number;
  readonly stored: number;
  readonly model: number;
}

/** A layer's tables, read back. */
export interface LayerCertificate {
  readonly node: string;
  readonly kernel: string;
  readonly format: string;
  readonly weights: number;
  readonly nonzeros: number;
  /** Of nonzeros, 0 to 1. */
  readonly density: number;
  /** That the largest weight needs. */
  readonly bits: number;
  /** Of the tables that hold the weights; of all tables of the kernel. */
  readonly weightBytes: number;
  readonly tableBytes: number;
  /** Of the weights: order-0 entropy of their places and values. */
  readonly floorBytes: number;
  /** Signal to quantization noise of the weights against the float model's, in dB; Infinity where equal. */
  readonly sqnr: number;
  /** Absent: every weight in the tables is the integer model's. */
  readonly mismatch?: WeightMismatch;
}

/** Certifies that the tables of a program contain the weights of the integer model, layer by layer. */
export interface Certificate {
  readonly layers: readonly LayerCertificate[];
  readonly totals: Readonly<
    Record<'weights' | 'nonzeros' | 'weightBytes' | 'tableBytes' | 'floorBytes', number>
  >;
  /** Whether no layer has a mismatch. */
  readonly holds: boolean;
}

/** The row-major element of a weight tensor that a row's term t stands for, by the order of the input's memory. */
function modelTerm(shape: Shape, { order }: StoredTensor): (term: number) => number {
  const [depth, window] = [at(shape, 1), shape.slice(2)];
  if (window.length === 0) return (term) => order?.[term] ?? term;
  const taps = countOf(window);
  // Memory has channels innermost: term = tap * depth + channel.
  return (term) => (term % depth) * taps + Math.floor(term / depth);
}

function compared(
  stored: readonly Int32Array[],
  mac: QuantizedMac,
  toModel: (term: number) => number,
): WeightMismatch | undefined {
  const terms = mac.weights.length / mac.bias.length;
  let mismatch: WeightMismatch | undefined;
  if (stored.length !== mac.bias.length || stored.some((row) => row.length !== terms))
    throw new DefectError(
      `tables of ${stored.length} rows for ${mac.bias.length} outputs of ${terms} weights`,
    );
  stored.forEach((values, row) => {
    values.forEach((value, i) => {
      const term = toModel(i);
      const model = at(mac.weights, row * terms + term);
      if (value === model) return;
      const first = mismatch ?? { row, term, stored: value, model };
      mismatch = { ...first, count: (mismatch?.count ?? 0) + 1 };
    });
  });
  return mismatch;
}

/** 10 log10 of sum w^2 / sum (w - q step)^2, over all weights of the layer. */
function sqnrOf(real: Tensor, mac: QuantizedMac): number {
  let [signal, noise] = [0, 0];
  mac.weights.forEach((q, i) => {
    const w = at(real.data, i);
    signal += w * w;
    noise += (w - q * weightStep(mac, i)) ** 2;
  });
  return decibels(signal, noise);
}

const bytesOfTables = (kernel: Kernel, names: readonly (string | undefined)[]): number =>
  tableBytesOf({ ...kernel, tables: kernel.tables.filter(({ name }) => names.includes(name)) });

/**
 * Of weights that C has two at a time: as `compared`, and where sums begin. Each bound of a half is checked on the way.
 * @throws DefectError for a bound that does not hold
 */
function comparedPacked(
  form: Kernel,
  layout: WeightLayout,
  packing: Packing | Quads,
  mac: QuantizedMac,
  toModel: (term: number) => number,
): WeightMismatch | undefined {
  const { rows, begins } = readPacked(form, layout, packing);
  begins?.forEach((begin, row) => {
    if (begin !== at(mac.bias, row))
      throw new DefectError(`'${form.name}', output ${row}: a sum begins at ${begin}`);
  });
  return compared(rows, mac, toModel);
}

/** Of weights that stand in pairs or fours, or in words or bytes of another form's own. */
function comparedForms(
  plain: Kernel,
  forms: readonly Variant[],
  mac: QuantizedMac,
  toModel: (term: number) => number,
): WeightMismatch | undefined {
  const { weights } = plain;
  if (weights === undefined) return undefined;
  const { layout, packing } = weights;
  const packed = packing === undefined ? [] : [{ kernel: plainForm(plain), packing }];
  const all: readonly Omit<Variant, 'set'>[] = [...packed, ...forms];
  const found = all.flatMap(({ kernel, packing, words, bytes }) => [
    ...(packing === undefined ? [] : [comparedPacked(kernel, layout, packing, mac, toModel)]),
    ...(words === undefined ? [] : [compared(readWords(kernel, layout, words), mac, toModel)]),
    ...(bytes === undefined ? [] : [compared(readBytes(kernel, layout, bytes), mac, toModel)]),
  ]);
  return found.find((mismatch) => mismatch !== undefined);
}

function certifyStep(
  { kernel }: Step,
  forms: readonly Variant[],
  node: Node,
  input: StoredTensor,
  real: Tensor,
): LayerCertificate {
  const mac = node.quantized as QuantizedMac;
  const how = must(kernel.weights, 'a kernel with weights');
  const toModel = modelTerm(real.shape, input);
  const mismatch = compared(decodeRows(kernel), mac, toModel) ?? comparedForms(kernel, forms, mac, toModel);
  const nonzeros = nonzerosIn(mac.weights);
  return {
    node: node.name,
    kernel: kernel.name,
    format: formatName(how.format, how.codebook !== undefined),
    weights: mac.weights.length,
    nonzeros,
    density: nonzeros / mac.weights.length,
    bits: bitsOf(mac.weights),
    weightBytes: bytesOfTables(kernel, [how.stream, how.counts, how.codebook]),
    tableBytes: plainTableBytes(kernel),
    floorBytes: entropyFloor(mac.weights).bytes,
    sqnr: sqnrOf(real, mac),
    ...(mismatch === undefined ? {} : { mismatch }),
  };
}

/**
 * Reads the tables of a program back, and compares them with the integer model that it was made from.
 * @param graph the one that the program was assembled from
 * @throws DefectError for tables that do not follow their format, or a program of another graph
 */
export function certify(program: Program, graph: Graph<'int8'>): Certificate {
  // By tensor, not by slot: a slot has the order of the tensor that it was made for, and aliases have others.
  const places = placesOf(graph);
  const variants = variantsOf(program);
  const layers = program.steps
    .filter(({ kernel }) => kernel.weights !== undefined)
    .map((step) => {
      const made = slotAt(program, argOf(step, 'out')).name;
      const node = must(
        graph.nodes.find(({ outputs }) => outputs.includes(made)),
        `tensor '${made}' is made by a node of the graph`,
      );
      const real = must(graph.tensors.get(at(node.inputs, 1))?.constant, `'${node.name}' has weights`);
      const input = must(places.get(at(node.inputs, 0)), `the input of '${node.name}' has a place`);
      return certifyStep(step, variants.get(step.kernel) ?? [], node, input, real);
    });
  const total = (key: keyof Certificate['totals']): number =>
    layers.reduce((sum, layer) => sum + layer[key], 0);
  return {
    layers,
    totals: {
      weights: total('weights'),
      nonzeros: total('nonzeros'),
      weightBytes: total('weightBytes'),
      tableBytes: program.steps.reduce((sum, { kernel }) => sum + plainTableBytes(kernel), 0),
      floorBytes: total('floorBytes'),
    },
    holds: layers.every(({ mismatch }) => mismatch === undefined),
  };
}
