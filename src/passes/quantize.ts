/**
 * Quantization: every activation gets an affine 8-bit scale, every operator its integers. What each operator
 * makes of its weights stands in its own file; this pass only hands out the scales in order.
 */
import { at, DefectError, locate, must } from '../base/errors.ts';
import { channelsOf, type Graph, type Node, type TensorInfo } from '../ir/graph/graph.ts';
import type {
  ByLayer,
  InputType,
  QuantizeContext,
  Range,
  RequantMode,
  ScaleContext,
  WeightBits,
} from '../ir/graph/op.ts';
import { holding, quantOf, steepRange, withCheapZero } from '../ir/integers/quant.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import type { Calibration } from './calibrate.ts';
import type { Pass } from './pass.ts';

export interface QuantizeOptions {
  readonly mode: RequantMode;
  /** For all layers, or by node name (8 for those without). */
  readonly weightBits: ByLayer<WeightBits>;
  /** By node name, for layers whose weights lie on grids already. */
  readonly weightSteps?: ReadonlyMap<string, Float64Array>;
  /** By node name, for layers whose weights share values. */
  readonly codebooks?: ReadonlyMap<string, Int8Array>;
  readonly biasCorrection: boolean;
  /** The network's input arrives as raw bytes on this scale; undefined: its calibrated range. */
  readonly input?: Quant;
}

export function quantize(calibration: Calibration, options: QuantizeOptions): Pass<'float', 'int8'> {
  return {
    name: 'quantize',
    doc: 'integer operators; per layer the error is bounded by the steps of its weights and activations',
    run: (graph) => quantizeGraph(graph, calibration, options),
  };
}

function quantizeGraph(
  graph: Graph<'float'>,
  calibration: Calibration,
  options: QuantizeOptions,
): Graph<'int8'> {
  const quants = new Map<string, Quant>();
  const rangeOf = (name: string): Range => {
    const range = throughReaders(graph, name, calibration.ranges);
    return withCheapZero(holding(range, heldBeside(graph, name)));
  };
  for (const input of graph.inputs) quants.set(input, options.input ?? quantOf(rangeOf(input)));
  const nodes = graph.nodes.map(
    (node): Node =>
      locate(`node '${node.name}'`, () => {
        const [output = ''] = node.outputs;
        const scale: ScaleContext<unknown> = {
          name: node.name,
          attrs: node.attrs,
          inputs: node.inputs,
          outputs: node.outputs,
          inputTypes: node.inputs.map((name) => typeOf(graph, name)),
          outputTypes: node.outputs.map((name) => must(typeOf(graph, name), 'outputs have types')),
          mode: options.mode,
          ...weightsFor(node, options),
          inputQuants: node.inputs.map((name) => quants.get(name)),
          range: rangeOf(output),
        };
        const outputQuant = node.op.outputQuant?.(scale) ?? quantOf(scale.range);
        quants.set(output, outputQuant);
        return quantizeNode(node, { ...scale, outputQuant, inputMean: meanFor(node, calibration, options) });
      }),
  );
  const tensors = new Map(
    [...graph.tensors].map(([name, info]): [string, TensorInfo<'int8'>] => {
      const quant = quants.get(name);
      return [name, quant === undefined ? info : { ...info, quant }];
    }),
  );
  return { ...graph, stage: 'int8', tensors, nodes };
}

/**
 * The calibrated range, without what all readers are flat on: where a sigmoid is within half a step of 1, its input need not
 * be told from larger ones.
 */
function throughReaders(graph: Graph<'float'>, name: string, ranges: Calibration['ranges']): Range {
  const rangeOf = (tensor: string): Range => must(ranges.get(tensor), `tensor '${tensor}' was calibrated`);
  const whole = rangeOf(name);
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  if (readers.length === 0 || graph.outputs.includes(name)) return whole;
  const bent = readers.map(({ op: { real, anyZeroPoint }, attrs, outputs }): Range => {
    if (real === undefined || anyZeroPoint !== 'computes') return whole;
    return steepRange((x) => real.value(attrs, x), whole, rangeOf(at(outputs, 0)));
  });
  return { lo: Math.min(...bent.map(({ lo }) => lo)), hi: Math.max(...bent.map(({ hi }) => hi)) };
}

/** Values that a tensor's range must hold besides those that it took: 0, unless no operator needs it, and padding. */
function heldBeside(graph: Graph<'float'>, name: string): readonly number[] {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  const free = maker === undefined || maker.op.anyZeroPoint !== undefined;
  return [...(free ? [] : [0]), ...neededBy(graph, name)];
}

/** What the readers of a tensor need it to hold. */
function neededBy(graph: Graph<'float'>, name: string): readonly number[] {
  return graph.nodes.flatMap((node): readonly number[] => {
    const { op, inputs, outputs } = node;
    if (!inputs.includes(name)) return [];
    switch (op.anyZeroPoint) {
      case 'computes':
        return channelsOf(graph, node).columns?.padding?.values ?? [];
      case 'moves':
        return outputs.flatMap((output) => neededBy(graph, output));
      case undefined:
        return [0];
      default:
        return op.anyZeroPoint satisfies never;
    }
  });
}

export const bitsOf = (bits: ByLayer<WeightBits>, node: string): WeightBits =>
  typeof bits === 'number' ? bits : (bits.get(node) ?? 8);

function weightsFor(
  { name }: Node,
  { weightBits, weightSteps, codebooks }: QuantizeOptions,
): Pick<ScaleContext<unknown>, 'weightBits' | 'weightSteps' | 'codebook'> {
  const steps = weightSteps?.get(name);
  const codebook = codebooks?.get(name);
  return {
    weightBits: codebook === undefined ? bitsOf(weightBits, name) : 8,
    ...(steps === undefined ? {} : { weightSteps: steps }),
    ...(codebook === undefined ? {} : { codebook }),
  };
}

function quantizeNode(node: Node, context: QuantizeContext<unknown>): Node {
  if (node.op.quantize !== undefined) return { ...node, quantized: node.op.quantize(context) };
  if (node.op.alias) return node;
  throw new DefectError(`operator '${node.op.kind}' has no integer form`);
}

const meanFor = (node: Node, calibration: Calibration, options: QuantizeOptions): Float64Array | undefined =>
  options.biasCorrection ? calibration.means.get(at(node.inputs, 0)) : undefined;

const typeOf = (graph: Graph<'float'>, name: string): InputType | undefined => graph.tensors.get(name);
