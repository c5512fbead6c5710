/** `thimble report`: what a build is, as one HTML page. */
import type { Artifact } from '../artifact/make.ts';
import { diff } from '../diff/compare.ts';
import type { Inference } from '../diff/feed.ts';
import type { MeasuredTarget } from '../program/measured.ts';
import { floatText, totalsOf } from '../program/summary.ts';
import { formatBytes, formatCount, formatPercent } from '../text/numbers.ts';
import { wilson } from '../text/wilson.ts';
import { arena } from './arena.ts';
import { charts } from './chart.ts';
import { activationLayers, floatLayers } from './facts.ts';
import { activations, weights } from './histograms.ts';
import { type Big, page, type Section } from './page.ts';
import { errors, flash, type LayerSqnr, pareto } from './sections.ts';
import type { SweptBuild } from './swept-build.ts';
import { instructions, targets } from './targets.ts';

/** The input of a report. Everything except the artifact adds sections. */
export interface ReportInput {
  readonly artifact: Artifact;
  /** Bytes of the program's input, one array per inference: what the activations are shown of. */
  readonly inputs?: readonly Uint8Array[];
  /** The float model's side of some inferences, to measure each layer's error. */
  readonly inferences?: readonly Inference[];
  /** Where the C was built and run: counts instead of models. */
  readonly targets?: readonly MeasuredTarget[];
  readonly sweep?: { readonly target: string; readonly builds: readonly SweptBuild[] };
}

function accuracyOf({ manifest }: Artifact): Big | undefined {
  const { accuracy } = manifest;
  if (accuracy === undefined) return undefined;
  const { share, low, high } = wilson({ hits: accuracy.compiled, total: accuracy.samples });
  const float = formatPercent(accuracy.float / accuracy.samples);
  return {
    name: accuracy.labelled ? 'top-1' : 'same answer as float',
    value: formatPercent(share),
    note: `95 % interval ${formatPercent(low)} to ${formatPercent(high)}, ${formatCount(accuracy.samples)} held-out samples${accuracy.labelled ? `; float ${float}` : ''}`,
  };
}

/** Of int8 programs: how near the float network they stay, and the samples that say so. */
function agreementOf({ manifest }: Artifact): Big | undefined {
  const { agreement } = manifest;
  if (agreement === undefined) return undefined;
  const { sqnr, worst, sameClass, samples, heldBack, calibration } = agreement;
  const text = (x: number | null): string => (x === null ? 'no noise or no signal' : `${x.toFixed(1)} dB`);
  const notes = [
    `worst layer ${worst.kernel} ${text(worst.sqnr)}`,
    ...(sameClass === null ? [] : [`same class ${formatPercent(sameClass.hits / sameClass.total)}`]),
    `${samples} samples ${heldBack ? 'held back from calibration' : 'that calibrated'}`,
    ...(calibration.odd === null ? [] : [`calibrated on ${calibration.count}, ${calibration.odd}`]),
  ];
  return { name: 'int8 against float', value: text(sqnr), note: notes.join('; ') };
}

function bigNumbers(artifact: Artifact): readonly Big[] {
  const { program, manifest } = artifact;
  const { macs, tableBytes } = totalsOf(program);
  const { arenaBytes, lowerBound } = manifest.memory;
  return [
    { name: 'constants', value: formatBytes(tableBytes), note: 'flash, besides code' },
    {
      name: 'RAM',
      value: formatBytes(arenaBytes),
      note: arenaBytes === lowerBound ? 'no plan is smaller' : `lower bound ${formatBytes(lowerBound)}`,
    },
    { name: 'multiply-accumulates', value: formatCount(macs) },
    {
      name: 'arithmetic',
      value: program.arith,
      note: manifest.floatParts === undefined ? (manifest.requant ?? '') : floatText(program),
    },
    ...[agreementOf(artifact) ?? []].flat(),
    ...[accuracyOf(artifact) ?? []].flat(),
  ];
}

/** Isolated and cumulative, of the same inferences. */
function layerErrors({ program }: Artifact, inferences: readonly Inference[]): readonly LayerSqnr[] {
  const [alone, all] = (['isolated', 'cumulative'] as const).map(
    (mode) => diff(program, inferences, { mode }).layers,
  );
  return (alone ?? []).flatMap(({ kernel, step, measures }, i) => {
    const cumulative = all?.[i]?.measures;
    if (step < 0 || measures === undefined || cumulative === undefined) return [];
    const clipped = measures.clipped / measures.elements;
    return [{ kernel, isolated: measures.sqnr, cumulative: cumulative.sqnr, clipped }];
  });
}

/** The HTML page of `thimble report`. It needs no network and no script; the same input gives the same bytes. */
export async function reportHtml({
  artifact,
  inferences = [],
  inputs = inferences.flatMap(({ input }) => input ?? []),
  targets: measured = [],
  sweep,
}: ReportInput): Promise<string> {
  const { program, manifest } = artifact;
  const draw = await charts();
  const rows = inferences.length === 0 ? [] : layerErrors(artifact, inferences);
  const seen = inputs.length === 0 ? [] : activationLayers(program, inputs);
  const sections: readonly (Section | undefined)[] = [
    arena(program, manifest.memory.lowerBound, draw),
    flash(program, draw),
    instructions(program, measured, draw),
    targets(program, measured, draw),
    weights(program, manifest.layers, draw),
    seen.length === 0 ? undefined : activations(seen, floatLayers(program, inferences), inputs.length, draw),
    rows.length === 0 ? undefined : errors(rows, program, inferences.length, draw),
    sweep && pareto(sweep.builds, sweep.target, draw),
  ];
  const about = `Made by thimble ${manifest.version}: ${manifest.command}`;
  return page(
    program.name,
    about,
    bigNumbers(artifact),
    sections.filter((s) => s !== undefined),
    (manifest.warnings ?? []).map(({ kind, text, todo }) => ({ about: kind, text: `${text}; ${todo}` })),
  );
}

/** An HTML page with the Pareto front of a sweep. */
export async function sweepHtml(
  name: string,
  target: string,
  builds: readonly SweptBuild[],
): Promise<string> {
  const best = builds.filter((b) => b.pareto);
  return page(
    name,
    `${builds.length} builds, ${best.length} of them unbeaten.`,
    [],
    [pareto(builds, target, await charts())],
  );
}
