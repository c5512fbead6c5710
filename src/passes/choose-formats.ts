/**
 * Chooses how each layer's weights are stored. For every layer all formats that can hold its weights are built,
 * the bytes of their tables counted, their machine code and their instructions modelled; a dynamic program over the
 * layers then finds the best combination exactly: it keeps, from layer to layer, all pairs of bytes and instructions
 * that no other pair beats in both. Dense weights are among the candidates: for speed nothing becomes slower than
 * they are, and for flash no tables larger, though code is in the price.
 */

import { InputError, locate, must } from '../base/errors.ts';
import { nonzerosIn } from '../base/extremes.ts';
import { type EntropyFloor, entropyFloor } from '../cost/entropy.ts';
import { costOn, type FormCost } from '../cost/forms.ts';
import { mayPack, withPackings } from '../cost/packing.ts';
import { type CostTarget, modelOf } from '../cost/speed.ts';
import { isCoded } from '../ir/formats/codes.ts';
import { candidatesFor } from '../ir/formats/index.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { bitsOf, type QuantizedMac } from '../ir/integers/mac.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import type { StoredTensor } from '../ir/kernel/stored.ts';
import { formatName } from '../ir/kernel/weight-format.ts';
import { assemble } from '../plan/assemble.ts';
import { placesOf } from '../plan/orders.ts';
import type { Aim } from '../program/program.ts';
import {
  aimOf,
  allowed,
  type Candidate,
  compareFor,
  comparison,
  type FormatObjective,
  type Priced,
  pricedFor,
} from './format-objective.ts';
import { type Best, type Cost, combine } from './format-pareto.ts';

/** The criteria for choosing the storage. */
export interface FormatOptions {
  readonly objective: FormatObjective;
  readonly target: CostTarget;
}

/** The storage of a layer's weights, and the reason. */
export interface LayerChoice {
  readonly node: string;
  readonly chosen: Candidate;
  /** All that can hold the layer's weights, dense ones first. */
  readonly candidates: readonly Candidate[];
  /** Of weights that are not 0. */
  readonly density: number;
  /** That the largest weight needs. */
  readonly bits: number;
  /** How many values its weights share, where they are stored as indices. */
  readonly codebook?: number;
  readonly floor: EntropyFloor;
  /** Whether it was chosen because of the zeros in the file. */
  readonly byZeros: boolean;
  readonly why: string;
}

/** How the weights of all layers are stored. */
export interface FormatChoices {
  readonly graph: Graph<'int8'>;
  readonly layers: readonly LayerChoice[];
  /** Of all kernels, those without weights too; bytes of tables. */
  readonly total: Cost;
}

/** A node's kernel as a function of how its weights are stored. */
interface Layer {
  readonly node: Node;
  readonly build: (changes: object) => Kernel;
  readonly mac: QuantizedMac;
}

const isMac = (quantized: unknown): quantized is QuantizedMac =>
  typeof quantized === 'object' &&
  quantized !== null &&
  'weights' in quantized &&
  'bits' in quantized &&
  !('wide' in quantized);

function builderOf(node: Node, places: ReadonlyMap<string, StoredTensor>): (changes: object) => Kernel {
  const { op, attrs, quantized } = node;
  const at = (name: string): StoredTensor => must(places.get(name), `tensor '${name}' has a place`);
  const inputs = node.inputs.filter((name) => places.has(name)).map(at);
  const context = {
    name: 'layer',
    inputs,
    outputs: node.outputs.map((name) => (name === '' ? undefined : at(name))),
  };
  return (changes) =>
    must(op.int8, 'an integer form')(attrs, { ...(quantized as object), ...changes }, context);
}

/** What a chip runs of a kernel, by what the program is made for. */
interface Costing {
  readonly target: CostTarget;
  readonly aim: Aim;
}

function costOf(kernel: Kernel, { target, aim }: Costing): FormCost {
  return costOn(mayPack(aim) ? withPackings(kernel, aim, target) : kernel, target, aim);
}

/** Every format, with larger tiles where the kernel has a choice of them. */
function candidatesOf({ build, mac }: Layer, costing: Costing): Candidate[] {
  const dense = build({});
  const { layout } = must(dense.weights, 'a kernel that multiplies by constants says how they are stored');
  const isWide = JSON.stringify(build({ lanes: 8 }).body) !== JSON.stringify(dense.body);
  const tiles = isWide ? [{}, { lanes: 8 } as const] : [{}];
  return candidatesFor(layout, mac).flatMap((format) =>
    tiles.flatMap((tile): Candidate[] => {
      const kernel = build({ format, ...tile });
      const spills = 'lanes' in tile && spillsOn(kernel, costing);
      return spills ? [] : [{ format, ...tile, ...costOf(kernel, costing) }];
    }),
  );
}

/**
 * Cortex-M0 multiplies in eight registers. The model does not see how 8 sums of weights two at a time spill there:
 * measured on the CIFAR net 22.5 M instructions in place of 19.7 M.
 */
const spillsOn = (kernel: Kernel, { target, aim }: Costing): boolean =>
  modelOf[target] === 'cortex-m0' &&
  mayPack(aim) &&
  withPackings(kernel, aim, target).weights?.packing !== undefined;

const candidateName = ({ format, lanes }: Candidate, coded: boolean): string =>
  formatName(format, coded) + (lanes === 8 ? ', 8 sums at a time' : '');

/** @throws InputError where no combination stays within the budget; it names the nearest ones. */
function bestFor(objective: FormatObjective, all: readonly Best<Priced>[], rest: Cost): Best<Priced> {
  const fitting = all.filter(({ cost }) => allowed(objective, cost));
  const order = compareFor(objective);
  const [best] = [...fitting].sort((a, b) => order(a.cost, b.cost));
  if (best !== undefined) return best;
  const [smallest, fastest] = [all[0], all.at(-1)].map((b) => b && totalOf(b, rest));
  throw new InputError({
    where: 'formats',
    found: `a budget of ${JSON.stringify(objective)}`,
    supported:
      `${smallest?.bytes} bytes (then ${smallest?.instructions} instructions) ` +
      `to ${fastest?.bytes} bytes (then ${fastest?.instructions})`,
    todo: 'allow more, or prune and quantize further',
  });
}

/** Bytes of tables, whatever the price. */
const totalOf = ({ choices }: Best<Priced>, rest: Cost): Cost => ({
  bytes: choices.reduce((sum, { candidate }) => sum + candidate.bytes, rest.bytes),
  instructions: choices.reduce((sum, { candidate }) => sum + candidate.instructions, rest.instructions),
});

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

function wanted(objective: FormatObjective, mac: QuantizedMac): string {
  if (objective === 'zeros') return isPacked(mac) ? 'the bits of its file' : 'the zeros of its model';
  return typeof objective === 'string' ? objective : 'its budget';
}

/** Of bits in a file, other kinds were not asked for. */
function compared(
  objective: FormatObjective,
  mac: QuantizedMac,
  chosen: Candidate,
  candidates: readonly Candidate[],
): string {
  if (objective !== 'zeros' || !isPacked(mac)) return comparison(objective, chosen, candidates);
  return comparison(
    'flash',
    chosen,
    candidates.filter(({ format }) => format.kind === chosen.format.kind),
  );
}

function explained(
  layer: Layer,
  chosen: Candidate,
  candidates: readonly Candidate[],
  objective: FormatObjective,
): LayerChoice {
  const { weights, codebook } = layer.mac;
  const { format } = chosen;
  const coded = 'bits' in format && isCoded(format.bits, codebook) ? { codebook: codebook.length } : {};
  const density = nonzerosIn(weights) / weights.length;
  const bits = bitsOf(weights);
  const [dense] = candidates;
  const floor = entropyFloor(weights);
  const than = (of: 'bytes' | 'instructions'): string =>
    percent(chosen[of] / Math.max(1, dense?.[of] ?? chosen[of]));
  const why =
    `${candidateName(chosen, 'codebook' in coded)} at a density of ${percent(density)} and ${bits} bits: ${chosen.bytes} bytes ` +
    `(${than('bytes')} of dense8, floor ${floor.bytes}) and about ${chosen.code} of code, ` +
    `${chosen.instructions} instructions (${than('instructions')}); for ${wanted(objective, layer.mac)} ` +
    compared(objective, layer.mac, chosen, candidates);
  return {
    node: layer.node.name,
    chosen,
    candidates,
    density,
    bits,
    ...coded,
    floor,
    byZeros: objective === 'zeros' && hasZeros(layer.mac),
    why,
  };
}

function withChoice(node: Node, chosen: Candidate | undefined): Node {
  if (chosen === undefined) return node;
  const { format, lanes } = chosen;
  const tile = lanes === undefined ? {} : { lanes };
  return { ...node, quantized: { ...(node.quantized as object), format, ...tile } };
}

/** Share of a layer's weights. */
const mostly = 0.5;

/** Whether the objective `zeros` has something to choose: weights that are mostly zeros, or of few bits in the file. */
export const isOpenGraph = (graph: Graph<'int8'>): boolean => hasPacked(graph) || hasMac(graph, hasZeros);

/** Whether the model's file has weights of at most 4 bits. */
export const hasPacked = (graph: Graph<'int8'>): boolean => hasMac(graph, isPacked);

const hasMac = ({ nodes }: Graph<'int8'>, is: (mac: QuantizedMac) => boolean): boolean =>
  nodes.some(({ quantized }) => isMac(quantized) && is(quantized));

const isPacked = ({ fileBits = 8 }: QuantizedMac): boolean => fileBits <= 4;

const shareOfZeros = ({ weights }: QuantizedMac): number =>
  (weights.length - nonzerosIn(weights)) / weights.length;

const hasZeros = (mac: QuantizedMac): boolean => shareOfZeros(mac) >= mostly;

/** With `zeros`, layers without many stay as they are, or as dense as their file has them. */
function offered(objective: FormatObjective, { mac }: Layer, all: readonly Candidate[]): readonly Priced[] {
  if (objective !== 'zeros') return pricedFor(objective, all);
  const dense = all.filter(({ format }, i) => i === 0 || (isPacked(mac) && format.kind === 'dense'));
  const best = pricedFor('flash', dense).toSorted(compareFor('flash'))[0]?.candidate;
  const sparse = hasZeros(mac) ? all.filter(({ format }) => format.kind !== 'dense') : [];
  return pricedFor(objective, [...(best === undefined ? [] : [best]), ...sparse]);
}

/** What all kernels but those of the layers cost: of views there are none. */
function restOf(graph: Graph<'int8'>, layers: readonly Layer[], costing: Costing): Cost {
  const { program } = assemble(graph, { name: 'network', strategy: 'separate' });
  const sum = (kernels: readonly Kernel[], of: keyof Cost): number =>
    kernels.reduce((total, kernel) => total + costOf(kernel, costing)[of], 0);
  const [all, own] = [program.steps.map(({ kernel }) => kernel), layers.map(({ build }) => build({}))];
  return {
    bytes: sum(all, 'bytes') - sum(own, 'bytes'),
    instructions: sum(all, 'instructions') - sum(own, 'instructions'),
  };
}

/**
 * Chooses the storage of each layer's weights, by building and comparing every format.
 * @throws InputError for a budget that cannot be met.
 */
export function chooseFormats(graph: Graph<'int8'>, { objective, target }: FormatOptions): FormatChoices {
  const places = placesOf(graph);
  const layers = graph.nodes.flatMap((node): Layer[] =>
    isMac(node.quantized) ? [{ node, build: builderOf(node, places), mac: node.quantized }] : [],
  );
  const costing: Costing = { target, aim: aimOf(objective) };
  const rest = restOf(graph, layers, costing);
  const candidates = layers.map((layer) =>
    locate(`node '${layer.node.name}'`, () => candidatesOf(layer, costing)),
  );
  const priced = candidates.map((all, i) => {
    const layer = must(layers[i], 'one per layer');
    return offered(objective, layer, all);
  });
  const best = bestFor(objective, combine(rest, priced), rest);
  const chosen = new Map(
    layers.map(({ node }, i) => [node.name, must(best.choices[i], 'one per layer').candidate]),
  );
  return {
    graph: { ...graph, nodes: graph.nodes.map((node) => withChoice(node, chosen.get(node.name))) },
    layers: layers.map((layer, i) =>
      explained(layer, must(chosen.get(layer.node.name), 'chosen'), candidates[i] ?? [], objective),
    ),
    total: totalOf(best, rest),
  };
}
