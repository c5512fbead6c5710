/** Which activations are stored in 16 bits: those that were asked for, or those whose 8 bits the outputs would show. */
import { at, InputError, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { keepsWeights } from '../ir/integers/mac.ts';
import { isStep, quantOf } from '../ir/integers/quant.ts';
import { onlyReader } from './rewrite.ts';
import { type Bits, type Ranged, RoundingNoise } from './rounding-noise.ts';
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

/** Functions at the end of a layer have two bits more, where they are steep. */
function bitsAlone(graph: Graph<'float'>, name: string): 8 | 10 {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  const folds = maker?.op.withTable !== undefined && onlyReader(graph, name)?.op.table !== undefined;
  return folds ? 10 : 8;
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
/** Where what is left is more than so many times what single tensors said, the samples that are worst now are asked. */
const unexplained = 4;
const rounds = 2;

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

/** Numbers that are handed on are rounded once, where the first of them are made. */
const firstOf = (family: Family): string => at(family, 0);

/** Families of 16 bits, each with what its 8 would cost, and what is left of noise with them. */
interface Choice {
  readonly taken: ReadonlyMap<Family, number>;
  readonly noise: number;
}

/** Whether a family can have 16 bits, and its readers are the better for it. */
const isAble = (ranged: Ranged, family: Family): boolean =>
  against(ranged.graph, family).length === 0 &&
  !besidesChannels(ranged, family) &&
  spares(ranged, family) &&
  !isStepped(ranged, family);

/** Whether 16 bits leave less than a quarter: bits that tell no more are none. What no range held is beside that. */
function helps(costOf: ReturnType<RoundingNoise['alone']>, name: string, cost: number): boolean {
  if (costOf(name, 16) <= cost / 4) return true;
  const whole = costOf(name, 8, 'whole');
  return whole > enough && costOf(name, 16, 'whole') <= whole / 4;
}

/** The families that cost some samples' outputs most, until the rest costs little. */
function costliestOf(
  families: readonly Family[],
  able: (family: Family) => boolean,
  costOf: ReturnType<RoundingNoise['alone']>,
): Choice {
  const costs = families
    .map((family): readonly [Family, number] => [family, costOf(firstOf(family), 8)])
    .sort(([, a], [, b]) => b - a);
  let left = costs.reduce((sum, [, cost]) => sum + cost, 0);
  const taken = new Map<Family, number>();
  for (const [family, cost] of costs) {
    if (left < enough) break;
    if (!able(family) || !helps(costOf, firstOf(family), cost)) continue;
    left -= cost;
    taken.set(family, cost);
  }
  return { taken, noise: left };
}

/** Which have 16 bits beside the grids that channels have. */
function costliest(ranged: Ranged, samples: readonly Float32Array[]): Choice {
  const { graph, byChannel } = ranged;
  const all = familiesIn(graph);
  const open = all.filter((family) => isOpen(ranged, family));
  const changed = new Set([...open, ...all.filter((family) => byChannel.has(firstOf(family)))].map(firstOf));
  // Of few samples each decides some end: more samples are the remedy then, not more bits.
  const isCut = samples.length >= steady;
  const costs = new RoundingNoise(ranged, samples.slice(0, looked), isCut, open.map(firstOf));
  const taken = new Map<Family, number>();
  const bits = (name: string): Bits =>
    [...taken].some(([family]) => firstOf(family) === name) ? 16 : bitsAlone(graph, name);
  for (let [most, round] = [tooMuch, 0]; ; round++) {
    const { noise, worst } = costs.of(changed, bits);
    if (round === rounds || noise < most) return { taken, noise };
    const rest = open.filter((family) => !taken.has(family));
    const costOf = costs.alone(worst.slice(0, closer));
    const more = costliestOf(rest, (family) => isAble(ranged, family), costOf);
    if (more.taken.size === 0) return { taken, noise };
    for (const [family, cost] of more.taken) taken.set(family, cost);
    most = unexplained * Math.max(enough, more.noise);
  }
}

/** @param sixteen the same with no grids for channels but those that weights need: taken where 16 bits in their place leave far less noise */
function auto(ranged: Ranged, sixteen: Ranged, samples: readonly Float32Array[]): Choice['taken'] {
  if (samples.length < fewest) return new Map();
  const beside = costliest(ranged, samples);
  if (ranged.byChannel.size === sixteen.byChannel.size || beside.noise < tooMuch) return beside.taken;
  const instead = costliest(sixteen, samples);
  return instead.noise < beside.noise / 4 ? instead.taken : beside.taken;
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

/** By tensor: why it has 16 bits. @param samples as the graph takes them @param sixteen with those grids for channels alone that weights need */
export function wideTensors(
  ranged: Ranged,
  samples: readonly Float32Array[],
  bits: ActivationBits,
  sixteen: Ranged = ranged,
): ReadonlyMap<string, WideReason> {
  const { graph } = ranged;
  const reasons = (families: readonly Family[]): ReadonlyMap<string, WideReason> =>
    new Map(families.flat().map((tensor) => [tensor, { tensor }]));
  if (bits === 8) return new Map();
  if (bits === 'auto')
    return new Map(
      [...auto(ranged, sixteen, samples)].flatMap(([family, cost]) =>
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
