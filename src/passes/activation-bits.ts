/** Which activations are stored in 16 bits: those that were asked for, or those whose 8 bits the outputs would show. */
import { at, InputError, must } from '../base/errors.ts';
import { inputTensors } from '../ir/graph/evaluate.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { keepsWeights } from '../ir/integers/mac.ts';
import { isStep, quantOf } from '../ir/integers/quant.ts';
import { storageOf } from '../ir/kernel/stored.ts';
import { type Tensor, tensorOf } from '../ir/tensor.ts';
import type { Alone, Calibration } from './calibrate.ts';
import { onlyReader } from './rewrite.ts';
import { wideGridOf } from './wide-grids.ts';

/** `auto`: where 8 bits lose much; 8: nowhere; 16: wherever operators can; or what nodes of these names make. */
export type ActivationBits = 'auto' | 8 | 16 | ReadonlySet<string>;

/** Tensors with one grid: behind each other through operators that hand stored numbers on. */
type Family = readonly string[];

/** Why a tensor has 16 bits. */
export interface WideReason {
  readonly tensor: string;
  /** What its rounding to 8 bits costs at the outputs, as signal to noise in decibels; absent: it was asked for. */
  readonly decibels?: number;
}

const isActivation = (graph: Graph<'float'>, name: string): boolean =>
  name !== '' && graph.tensors.get(name)?.constant === undefined;

/** Its float32 ends: of TopK the indices are none. */
const ends = (graph: Graph<'float'>, names: readonly string[]): readonly string[] =>
  names.filter((name) => isActivation(graph, name) && graph.tensors.get(name)?.dtype === 'float32');

/** Whether it hands its only activation's numbers on. */
const handsOn = (graph: Graph<'float'>, { op, inputs }: Node): boolean =>
  op.alias === true || (op.anyZeroPoint === 'moves' && ends(graph, inputs).length === 1);

/** Those that are stored on grids. */
const storedEnds = (graph: Graph<'float'>, names: readonly string[]): readonly string[] =>
  ends(graph, names).filter((name) => !graph.tensors.get(name)?.real);

function familiesIn(graph: Graph<'float'>): readonly Family[] {
  const of = new Map<string, string[]>();
  const all = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  for (const name of storedEnds(graph, all)) of.set(name, [name]);
  for (const node of graph.nodes.filter((node) => handsOn(graph, node))) {
    const [first, ...others] = storedEnds(graph, [...node.inputs, ...node.outputs]);
    if (first === undefined) continue;
    const joined = must(of.get(first), 'a family');
    for (const other of others) {
      const own = must(of.get(other), 'a family');
      if (own === joined) continue;
      joined.push(...own);
      for (const member of own) of.set(member, joined);
    }
  }
  return [...new Set(of.values())];
}

/** The operators that make or read a family and cannot in 16 bits. */
function against(graph: Graph<'float'>, family: Family): readonly Node[] {
  const has = (names: readonly string[]): boolean => names.some((name) => family.includes(name));
  return graph.nodes.filter(
    ({ op, inputs, outputs }) =>
      op.alias !== true &&
      ((has(outputs) && op.sixteen === undefined) || (has(inputs) && op.sixteen !== 'both')),
  );
}

/** Whether layers that read a family keep their weights beside 16 bits of it. */
const spares = ({ graph, rangeOf }: Pick<Ranged, 'graph' | 'rangeOf'>, family: Family): boolean =>
  graph.nodes
    .filter(({ op, inputs }) => op.rows !== undefined && family.includes(at(inputs, 0)))
    .every(({ inputs }) => {
      const types = inputs.map((name) => graph.tensors.get(name));
      return keepsWeights(types, quantOf(rangeOf(at(inputs, 0)), 16));
    });

/** Whether a function of a layer's sums is a step in the midst of their range, which bits of theirs do not find. */
const isStepped = ({ graph, rangeOf }: Ranged, family: Family): boolean =>
  graph.nodes.some(({ op, attrs, inputs, outputs }) => {
    const { real } = op;
    const from = at(inputs, 0);
    if (real === undefined || op.table === undefined || !family.includes(from)) return false;
    return isStep((x) => real.value(attrs, x), rangeOf(from), rangeOf(at(outputs, 0)));
  });

/** What a tensor's rounding to so many bits makes of it. */
function rounded(tensor: Tensor, range: Range, bits: 8 | 10 | 16): Tensor {
  const grid = quantOf(range, bits === 16 ? bits : undefined);
  const { scale, zeroPoint } = grid;
  const bounds = storageOf(grid);
  const [lo, hi] = [(bounds.lo - zeroPoint) * scale, (bounds.hi - zeroPoint) * scale];
  const step = bits === 10 ? scale / 4 : scale;
  const data = Float32Array.from(tensor.data, (x) => Math.max(lo, Math.min(hi, Math.round(x / step) * step)));
  return tensorOf(tensor, data);
}

/** Functions at the end of a layer have two bits more, where they are steep. */
function bitsAlone(graph: Graph<'float'>, name: string): 8 | 10 {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  const folds = maker?.op.withTable !== undefined && onlyReader(graph, name)?.op.table !== undefined;
  return folds ? 10 : 8;
}

type Values = ReadonlyMap<string, Tensor>;

/** One sample through the network, of which `known` has what nothing changes; `change` is made to some tensors. */
function run(
  graph: Graph<'float'>,
  inputs: Values,
  changed: ReadonlySet<string>,
  change: (name: string, tensor: Tensor) => Tensor,
  known: Values = new Map(),
): Values {
  const values = new Map<string, Tensor>();
  const set = (name: string, tensor: Tensor): void => {
    values.set(name, changed.has(name) ? change(name, tensor) : tensor);
  };
  for (const [name, tensor] of inputs) if (changed.has(name) || !known.has(name)) set(name, tensor);
  const tensorAt = (name: string): Tensor | undefined =>
    graph.tensors.get(name)?.constant ?? values.get(name) ?? known.get(name);
  for (const { op, attrs, inputs: from, outputs } of graph.nodes) {
    const isNew = [...from.map((name) => values.has(name)), ...outputs.map((name) => changed.has(name))];
    if (known.size > 0 && !isNew.includes(true)) continue;
    const made = op.reference(attrs, from.map(tensorAt));
    outputs.forEach((output, i) => {
      if (output !== '') set(output, at(made, i));
    });
  }
  return values;
}

/** The numbers of an output in all runs. */
const numbersOf = (runs: readonly Values[], output: string): readonly number[] =>
  runs.flatMap((values) => [...must(values.get(output), 'an output').data]);

/** The mean of squares about the mean. */
function powerOf(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  return numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
}

/** Noise over signal of the output that is farthest off. @param all what the signal is measured by */
function noiseOf(
  graph: Graph<'float'>,
  all: readonly Values[],
  pairs: readonly (readonly [real: Values, other: Values])[],
): number {
  const ratios = ends(graph, graph.outputs).map((output) => {
    const signal = powerOf(numbersOf(all, output));
    const errors = pairs.flatMap(([real, other]) => {
      const x = must(real.get(output), 'an output').data;
      const y = other.get(output)?.data ?? x;
      return Array.from(x, (value: number, i) => (value - at(y, i)) ** 2);
    });
    return signal > 0 ? errors.reduce((sum, e) => sum + e, 0) / errors.length / signal : 0;
  });
  return Math.max(0, ...ratios);
}

/** So many of the calibration's samples are looked at, and so many of them, the worst, closer. */
const looked = 16;
/** Fewer samples say too little of what 8 bits cost. */
const fewest = 8;
/** From so many samples on, ends of ranges that only one of them brought are taken for what others go beyond. */
const steady = 16;
const closer = 4;

/**
 * Networks whose activations' rounding alone leaves less than 31 dB are looked into, until that of the rest leaves 50: values that
 * no sample had are cut off besides, by 8 bits first.
 */
const tooMuch = 10 ** -3.1;
const enough = 10 ** -5;

/** A network with the ranges of its 8-bit grids; `fixedInput`: its input has a grid already. */
export interface Ranged {
  readonly graph: Graph<'float'>;
  readonly rangeOf: (tensor: string) => Range;
  /** Of tensors with a grid for each channel, which keep it. */
  readonly byChannel: ReadonlyMap<string, readonly Range[]>;
  readonly alone: Calibration['alone'];
  readonly fixedInput: boolean;
}

/** Whether an operator reads or makes it together with such a tensor. */
const isBeside = (graph: Graph<'float'>, family: Family, such: (name: string) => boolean): boolean =>
  graph.nodes.some(({ inputs, outputs }) => {
    const beside = [...inputs, ...outputs];
    return beside.some((name) => family.includes(name)) && beside.some(such);
  });

/** Whether an operator reads or makes it together with a tensor that has a grid for each channel. */
const besidesChannels = ({ graph, byChannel }: Ranged, family: Family): boolean =>
  byChannel.size > 0 && isBeside(graph, family, (name) => byChannel.has(name));

/** Whether a family's grid is not fixed by others, nor by the model's file. */
const isOpen = ({ graph, fixedInput, byChannel }: Ranged, family: Family): boolean =>
  !isBeside(graph, family, (name) => graph.tensors.get(name)?.grid !== undefined) &&
  family.every(
    (name) =>
      wideGridOf(graph, name) === undefined &&
      !byChannel.has(name) &&
      graph.tensors.get(name)?.real !== true &&
      !(fixedInput && graph.inputs.includes(name)),
  );

/** A sample, and what the network makes of it. */
interface Looked {
  readonly sample: number;
  readonly inputs: Values;
  readonly real: Values;
}

/** The range that calibration would have found without a sample: what is new in it is cut off, as in samples to come. */
function without({ lo, hi }: Range, sample: number, alone: Alone | undefined): Range {
  const less = (end: Alone['lo'] | undefined): number => (end?.sample === sample ? end.by : 0);
  const [from, to] = [lo + less(alone?.lo), hi - less(alone?.hi)];
  return from < to ? { lo: from, hi: to } : { lo, hi };
}

/** What rounding some tensors to some bits costs the outputs, on some of the samples. */
interface Costs {
  readonly known: readonly Looked[];
  readonly costOf: (
    some: readonly Looked[],
    changed: ReadonlySet<string>,
    bits: (name: string) => 8 | 10 | 16,
  ) => number;
}

function costsOf({ graph, rangeOf, alone }: Ranged, samples: readonly Float32Array[]): Costs {
  const known = samples.slice(0, looked).map((sample, i): Looked => {
    const inputs = inputTensors(graph, sample);
    return { sample: i, inputs, real: run(graph, inputs, new Set(), (_, tensor) => tensor) };
  });
  // Of few samples each decides some end: more samples are the remedy then, not more bits.
  const endsOf = (name: string): Alone | undefined => (samples.length < steady ? undefined : alone.get(name));
  const reals = known.map(({ real }) => real);
  const costOf: Costs['costOf'] = (some, changed, bits) => {
    const pairs = some.map(({ sample, inputs, real }) => {
      const change = (name: string, tensor: Tensor): Tensor =>
        rounded(tensor, without(rangeOf(name), sample, endsOf(name)), bits(name));
      return [real, run(graph, inputs, changed, change, real)] as const;
    });
    return noiseOf(graph, reals, pairs);
  };
  return { known, costOf };
}

/** Numbers that are handed on are rounded once, where the first of them are made. */
const firstOf = (family: Family): string => at(family, 0);

/** The families that cost the outputs most, until the rest costs little. */
function costliest(ranged: Ranged, samples: readonly Float32Array[]): readonly (readonly [Family, number])[] {
  const { graph } = ranged;
  if (samples.length < fewest) return [];
  const families = familiesIn(graph).filter((family) => isOpen(ranged, family));
  const { known, costOf } = costsOf(ranged, samples);
  const all = new Set(families.map(firstOf));
  const alike = (name: string): 8 | 10 => bitsAlone(graph, name);
  if (costOf(known, all, alike) < tooMuch) return [];
  const worst = known
    .map((one) => [one, costOf([one], all, alike)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, closer)
    .map(([one]) => one);
  const costs = families
    .map((family): readonly [Family, number] => [family, costOf(worst, new Set([firstOf(family)]), () => 8)])
    .sort(([, a], [, b]) => b - a);
  let left = costs.reduce((sum, [, cost]) => sum + cost, 0);
  const taken: (readonly [Family, number])[] = [];
  for (const [family, cost] of costs) {
    if (left < enough) break;
    if (against(graph, family).length > 0 || besidesChannels(ranged, family)) continue;
    if (!spares(ranged, family) || isStepped(ranged, family)) continue;
    // Bits that tell no more are none.
    if (costOf(worst, new Set([firstOf(family)]), () => 16) > cost / 4) continue;
    left -= cost;
    taken.push([family, cost]);
  }
  return taken;
}

/** @throws InputError for a name that no node has, and for operators that do not know 16 bits */
function named(ranged: Ranged, names: ReadonlySet<string>): readonly Family[] {
  const { graph } = ranged;
  const families = familiesIn(graph);
  return [...names].flatMap((name): readonly Family[] => {
    const node = graph.nodes.find((node) => node.name === name || node.origin.includes(name));
    const made = storedEnds(graph, node?.outputs ?? (graph.inputs.includes(name) ? [name] : []));
    const own = families.filter((family) => made.some((tensor) => family.includes(tensor)));
    if (own.length === 0)
      throw new InputError({
        where: `--activation-bits ${name}=16`,
        found: 'a name that no node has, and no input',
        supported: 'nodes that make float32 activations, and inputs',
        todo: 'take a name that `thimble inspect` prints',
      });
    for (const family of own) {
      if (!isOpen(ranged, family))
        throw new InputError({
          where: `--activation-bits ${name}=16`,
          found:
            'a tensor whose grid is fixed: raw or scaled input, a recurrent state, or beside a grid of the model',
          supported: 'tensors that calibration gives a grid',
          todo: 'leave it out',
        });
      const [first] = against(graph, family);
      if (first !== undefined)
        throw new InputError({
          where: `--activation-bits ${name}=16`,
          found: `node '${first.name}' (${first.op.kind}), which makes or reads it`,
          supported: 'operators that have kernels of 16 bits',
          todo: 'name another node, or leave it at 8 bits',
        });
    }
    return own;
  });
}

/** By tensor: why it has 16 bits. @param samples as the graph takes them */
export function wideTensors(
  ranged: Ranged,
  samples: readonly Float32Array[],
  bits: ActivationBits,
): ReadonlyMap<string, WideReason> {
  const { graph } = ranged;
  const reasons = (families: readonly Family[]): ReadonlyMap<string, WideReason> =>
    new Map(families.flat().map((tensor) => [tensor, { tensor }]));
  if (bits === 8) return new Map();
  if (bits === 'auto')
    return new Map(
      costliest(ranged, samples).flatMap(([family, cost]) =>
        family.map((tensor) => [tensor, { tensor, decibels: -10 * Math.log10(cost) }] as const),
      ),
    );
  if (bits !== 16) return reasons(named(ranged, bits));
  return reasons(
    familiesIn(graph).filter(
      (family) => against(graph, family).length === 0 && isOpen(ranged, family) && spares(ranged, family),
    ),
  );
}

/**
 * Of a quantized model without samples: what it leaves in float32 between its grids, of which bounds are known.
 * @throws InputError where an operator that makes or reads it knows no 16 bits
 */
export function betweenGrids(graph: Graph<'float'>): ReadonlyMap<string, WideReason> {
  const makerOf = (name: string) => graph.nodes.find(({ outputs }) => outputs.includes(name));
  const isLeft = (name: string): boolean =>
    graph.tensors.get(name)?.grid === undefined && makerOf(name)?.op.fixedGrid === undefined;
  const families = familiesIn(graph).filter((family) => family.some(isLeft));
  for (const family of families) {
    const [first] = against(graph, family);
    const joins = graph.nodes.find(
      ({ op, inputs }) =>
        op.anyZeroPoint === 'moves' &&
        ends(graph, inputs).length > 1 &&
        inputs.some((x) => family.includes(x)),
    );
    const other = first ?? joins;
    if (other !== undefined) throw leftInFloat(at(family, 0), other);
  }
  return new Map(families.flat().map((tensor) => [tensor, { tensor }]));
}

const leftInFloat = (tensor: string, { name, op }: Node): InputError =>
  new InputError({
    where: `node '${name}'`,
    found: `tensor '${tensor}', float32 in the quantized model, at ${op.kind}, which has no kernel of 16 bits`,
    supported: 'tensors with a scale and zero point in the file, or ranges of some hundred inputs',
    todo: 'give training inputs with --calibrate FILE: this tensor then gets 8 bits',
  });

/** How many activations have 16 bits, and which costs most in 8, in a line of a terminal; undefined where none has. */
export function wideLine(reasons: readonly WideReason[]): string | undefined {
  if (reasons.length === 0) return undefined;
  const decibels = reasons.flatMap((reason) => reason.decibels ?? []);
  const cost =
    decibels.length === 0
      ? ''
      : `; in 8 bits one leaves ${Math.min(...decibels).toFixed(0)} dB at the outputs`;
  return `activations of 16 bits: ${reasons.length}${cost}`;
}

/** Which activations have 16 bits, and why; undefined where none has. */
export function wideText(reasons: readonly WideReason[]): string | undefined {
  if (reasons.length === 0) return undefined;
  const shown = reasons
    .slice(0, 8)
    .map(({ tensor, decibels }) =>
      decibels === undefined
        ? `'${tensor}'`
        : `'${tensor}' (in 8 bits ${decibels.toFixed(0)} dB at the outputs)`,
    );
  const more = reasons.length > shown.length ? `, and ${reasons.length - shown.length} more` : '';
  return `activations of 16 bits: ${shown.join(', ')}${more}`;
}
