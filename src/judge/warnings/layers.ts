/** Layers that are too far from the float network: which, and why as far as the evidence goes. */

import { at, must } from '../../base/errors.ts';
import { largeChannels } from '../../ir/graph/channels.ts';
import { channelsOf } from '../../ir/graph/graph.ts';
import type { WeightBits } from '../../ir/graph/op.ts';
import type { QuantizedMac } from '../../ir/integers/mac.ts';
import type { Build } from '../build.ts';
import { distanceOf, givenDistanceOf, type Measured, type TensorFacts } from '../layer-errors.ts';
import {
  type Evidence,
  evidenceOf,
  heldPadding,
  isClamped,
  type Layer,
  layerOf,
  lostChannels,
  macOf,
  type Part,
} from './evidence.ts';
import { decibelText, short, someOf, type Warning } from './warning.ts';

/** What was found of a layer: everything of a warning but the layer. */
type Finding = Pick<Warning, 'kind' | 'text' | 'todo'> & Partial<Pick<Warning, 'channels' | 'tensor'>>;

/**
 * From the float network with the weights that are stored: what is below is a warning. Trained networks of 8 bits
 * have 25 to 45 dB in their worst layer.
 */
export const leastSqnr = 20;

/**
 * From the model that was given, where weights were changed. LeNet-5's worst layer has 31.2 dB at 5 bits, 26.3 at 4,
 * 20.2 at 3 and 14.1 at 2, and answers as before at 4; of a build with 0.5 dB nothing is left.
 */
const leastFromGiven = { 8: 20, 7: 20, 6: 20, 5: 20, 4: 15, 3: 11, 2: 8, pruned: 10 } as const;

export interface Change {
  /** More weights are zero than were. */
  readonly pruned: boolean;
  /** Of the layer with the fewest: 2 for a codebook of 4 values, 4 for one of 16. */
  readonly bits: WeightBits;
}

export const leastFrom = ({ pruned, bits }: Change): number =>
  pruned ? Math.min(leastFromGiven.pruned, leastFromGiven[bits]) : leastFromGiven[bits];

const bitsOf = ({ bits, codebook }: QuantizedMac): WeightBits =>
  codebook === undefined ? bits : codebook.length > 4 ? 4 : 2;

export function changeOf({ assembled, sparsity }: Build): Change {
  const bits = assembled.nodes.reduce<WeightBits>((least, node) => {
    const mac = macOf(node);
    return mac !== undefined && bitsOf(mac) < least ? bitsOf(mac) : least;
  }, 8);
  return { bits, pruned: sparsity !== undefined && sparsity.reached > sparsity.given + 0.01 };
}

/** Columns so much larger than the usual one take the bits of all others: their rows have one step. */
const unequal = 16;

/** Columns that dwarf the others. */
function largeColumns(build: Build, { node }: Layer) {
  const graph = build.given ?? build.fused;
  const own = graph.nodes.find(({ name }) => name === node.name);
  const columns = own && channelsOf(graph, own).columns;
  if (columns === undefined) return { columns: [], all: 0 };
  const limit = (sizes: readonly number[]) => unequal * must(sizes[(sizes.length - 1) >> 1], 'a median');
  return { columns: largeChannels(columns, limit), all: columns.channels };
}

const spanOf = ({ lo, hi }: TensorFacts): string => `${short(lo)}..${short(hi)}`;

const gridSpan = ({ grid }: TensorFacts): string =>
  `${short(grid.lo.reduce((a, b) => Math.min(a, b)))}..${short(grid.hi.reduce((a, b) => Math.max(a, b)))}`;

const largestStep = ({ grid }: TensorFacts): number => grid.step.reduce((a, b) => Math.max(a, b), 0);

function ofPadding(layer: Layer): Finding {
  const wanted = must(layer.padding, 'a layer with padding').values;
  const held = must(heldPadding(layer), 'a layer with padding');
  const off = (c: number): number => Math.abs(at(wanted, c) - at(held, c));
  const worst = [...wanted.keys()].reduce((a, b) => (off(b) > off(a) ? b : a), 0);
  return {
    kind: 'pad value',
    text: `its padding stands for ${short(at(wanted, worst))} (channel ${worst}); the nearest number that its input can represent is ${short(at(held, worst))}`,
    todo: 'put the batch normalization after the convolution, or pad with the value that it gives for 0',
  };
}

function ofWeights(build: Build, layer: Layer): Finding {
  const { columns, all } = largeColumns(build, layer);
  const mac = macOf(layer.node);
  if (columns.length > 0)
    return {
      kind: 'dead channel',
      channels: columns,
      text: `the weights of input channels ${someOf(columns, all)} are more than ${unequal} times those of the others and take their bits`,
      todo: 'remove channels that are constant (dead ReLU, tiny variance before a batch normalization), or scale them up in the layer before and these weights down',
    };
  const bits = mac === undefined ? 8 : bitsOf(mac);
  return {
    kind: 'bits',
    text:
      bits < 8
        ? `its weights have ${bits} bits`
        : "the steps of its weights are coarse: one row's weights, or its bias, differ too much in size",
    todo:
      bits < 8
        ? 'give --weight-bits 8, or --finetune'
        : 'train with weight decay, or compile with --type float32',
  };
}

function ofClipping({ facts }: Layer): Finding {
  return {
    kind: 'calibration',
    text: `its values on the samples are ${spanOf(facts)}, and the calibrated range is ${gridSpan(facts)}: values beyond it are cut off`,
    todo: 'give --calibrate more samples, of all kinds that the network will see',
  };
}

function ofRounding({ calibration }: Build, { facts, node }: Layer): Finding {
  const step = largestStep(facts);
  const range = calibration?.ranges.get(at(node.outputs, 0));
  const asked = range === undefined ? step : (range.hi - range.lo) / 255;
  if (step > 4 * asked && !isClamped(node))
    return {
      kind: 'range',
      tensor: facts.slot.name,
      text: `its values (${spanOf(facts)}) span few steps of ${short(step)}, the step of its accumulator: its input's step times its largest weight's`,
      todo: 'scale the channels of its input, and its rows of weights, to similar ranges',
    };
  if (isClamped(node) && step > 4 * asked)
    return {
      kind: 'clip',
      text: `its activation keeps ${range === undefined ? '' : `${short(range.lo)}..${short(range.hi)}, `}few steps of ${short(step)}, the step of its accumulator`,
      todo: 'make the clip wider, or scale its layer down',
    };
  return rangeOf(facts, 'its values');
}

/** The other way out, of a tensor of 8 bits. */
const orMoreBits = ({ slot }: TensorFacts): string =>
  slot.quant?.bits === undefined ? '; or give --activation-bits 16' : '';

function rangeOf(facts: TensorFacts, what: string): Finding {
  const lost = lostChannels(facts);
  const step = `a step of ${short(largestStep(facts))}`;
  const which = lost.length > 0 ? `channels ${someOf(lost, facts.channels.length)} of ${what}` : what;
  return {
    kind: 'range',
    tensor: facts.slot.name,
    ...(lost.length > 0 ? { channels: lost } : {}),
    text: `${which} (tensor '${facts.slot.name}', ${spanOf(facts)}) vary little compared with ${step}`,
    todo: `normalize: subtract the mean, and scale channels to similar ranges${orMoreBits(facts)}`,
  };
}

/** Of an input that is close to the float network itself. */
function ofInput(build: Build, layer: Layer, { source }: Part): Finding {
  const { facts } = must(source, 'a part of an input has one');
  if (lostChannels(facts).length > 0) return rangeOf(facts, 'its input');
  const { columns, all } = largeColumns(build, layer);
  if (columns.length > 0)
    return {
      kind: 'range',
      tensor: facts.slot.name,
      channels: columns,
      text: `it amplifies input channels ${someOf(columns, all)} more than ${unequal} times as much as the others, and with them the rounding to steps of ${short(largestStep(facts))}`,
      todo: 'scale the channels of its input to similar ranges (a batch normalization of tiny variance does not)',
    };
  return {
    kind: 'unknown',
    tensor: facts.slot.name,
    text: `it amplifies the error of its input (tensor '${facts.slot.name}', ${decibelText(distanceOf(facts).sqnr)}), which adds up from the layers before`,
    todo: `calibrate with more samples, or compile with --type float32${orMoreBits(facts)}`,
  };
}

const unknown: Finding = {
  kind: 'unknown',
  text: 'no single cause was found',
  todo: 'calibrate with more samples, or compile with --type float32',
};

/** A part explains a layer's noise from this share of it on. */
const explains = 0.4;

function causeOf(build: Build, layer: Layer, { noise, parts: [part] }: Evidence): Finding {
  // Without noise in the runs that were looked at nothing explains it.
  if (part === undefined || part.noise <= explains * noise) return unknown;
  switch (part.of) {
    case 'padding':
      return ofPadding(layer);
    case 'weights':
      return ofWeights(build, layer);
    case 'clipping':
      return ofClipping(layer);
    case 'rounding':
      return ofRounding(build, layer);
    case 'input':
      return ofInput(build, layer, part);
    default:
      return part.of satisfies never;
  }
}

/** Why a layer with changed weights is far from the model that was given, though close to what is stored. */
function ofChange(build: Build, layer: Layer, { pruned, bits }: Change): Finding {
  const weights = ofWeights(build, layer);
  if (weights.kind === 'dead channel' && !pruned) return weights;
  if (pruned)
    return {
      kind: 'pruning',
      text: 'too many important weights were removed',
      todo: 'prune less, or give --finetune',
    };
  return bits < 8
    ? { kind: 'bits', text: `weights have ${bits} bits`, todo: 'give --weight-bits 8, or --finetune' }
    : unknown;
}

const named = (layer: Layer, sqnr: number, limit: number, from: string, found: Finding): Warning => ({
  kernel: layer.kernel,
  nodes: layer.nodes,
  sqnr,
  ...found,
  text: `${layer.kernel} (${layer.nodes.join(' ')}): ${decibelText(sqnr)}${from}, below ${limit} dB: ${found.text}`,
});

/** Whether what is wrong with a layer is wrong with one of its inputs already. */
const inherits = ({ parts: [part], noise }: Evidence, low: ReadonlySet<number>): boolean =>
  part?.of === 'input' && part.noise >= explains * noise && low.has(part.source?.step ?? -1);

/** Each layer below its limit, but for those whose error comes from one before that is named. */
export function layerWarnings(build: Build, measured: Measured): readonly Warning[] {
  const low = new Set<number>();
  const change = changeOf(build);
  let changed = false;
  return measured.steps.flatMap((facts, step): Warning[] => {
    const { sqnr } = distanceOf(facts);
    const given = givenDistanceOf(facts)?.sqnr ?? Infinity;
    if (sqnr < leastSqnr) {
      const layer = layerOf(build, measured, step);
      const evidence = evidenceOf(build, measured, layer);
      low.add(step);
      return inherits(evidence, low)
        ? []
        : [named(layer, sqnr, leastSqnr, '', causeOf(build, layer, evidence))];
    }
    if (given >= leastFrom(change) || changed) return [];
    changed = true;
    const layer = layerOf(build, measured, step);
    return [named(layer, given, leastFrom(change), ' from the model', ofChange(build, layer, change))];
  });
}
