/** The build that the flags of `compile` describe: as given, trained, or found by a search. */

import { InputError } from '../../base/errors.ts';
import type { Compiled, CompileOptions } from '../../compile.ts';
import { withAgreement, withRoundings } from '../../compile.ts';
import type { Prepared } from '../../data/prepare.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { leastOf } from '../../judge/agreement.ts';
import { agreementText } from '../../judge/text.ts';
import { fallsShort, shortfallText } from '../../judge/warnings/pruning.ts';
import { decibelText } from '../../judge/warnings/warning.ts';
import { totalsOf } from '../../program/summary.ts';
import { type Built, type Judgement, judge } from '../../search/search.ts';
import { formatBytes, formatCount } from '../../text/numbers.ts';
import { identityOf, removeCheckpoint } from '../checkpoint.ts';
import type { Context } from '../context.ts';
import { progressOn } from '../progress.ts';
import { heldOutOf, trainingOf } from './calibrate.ts';
import { type CompressFlags, isSearched, limitsOf, searchBuild } from './compress.ts';
import { trainedBuild } from './finetune.ts';

export interface BuildFlags extends CompressFlags {
  readonly samples: number;
  readonly minSqnr?: number;
  readonly out?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export interface Order {
  readonly graph: Graph<'imported'>;
  readonly options: CompileOptions;
  /** The model's file. */
  readonly model: Uint8Array;
  /** The samples of --calibrate. */
  readonly prepared: Prepared | undefined;
  readonly flags: BuildFlags;
}

interface Made {
  readonly compiled: Compiled;
  /** Limits that are not kept, a sentence each. */
  readonly over: readonly string[];
  /** What a search tried. */
  readonly tried: readonly Built[];
  /** On held-out samples, where labels were given or builds were searched. */
  readonly accuracy?: Judgement;
  /** To be called when everything is written. */
  readonly written?: () => void;
}

export interface Delivered extends Made {
  /** What is farther from the float network than allowed, a sentence each. */
  readonly far: readonly string[];
  /** Which of the builds that were tried it is. */
  readonly chosen: Compiled;
}

/** Each limit that the program is over, as one sentence; and with limits, a sparsity that was not reached. */
function overBudget({ program, sparsity }: Compiled, flags: CompressFlags): readonly string[] {
  const { arenaBytes, tableBytes } = totalsOf(program);
  const limits = limitsOf(flags);
  const { ramBytes, flashBytes } = limits;
  const over = (what: string, bytes: number, limit: number | undefined): string[] =>
    limit !== undefined && bytes > limit
      ? [
          `${what} ${formatBytes(bytes)}, ${formatBytes(bytes - limit)} over the limit of ${formatBytes(limit)}`,
        ]
      : [];
  const short = Object.keys(limits).length > 0 && sparsity !== undefined && fallsShort(sparsity);
  return [
    ...over('RAM', arenaBytes, ramBytes),
    ...over('constants', tableBytes, flashBytes),
    ...(short ? [shortfallText(sparsity)] : []),
  ];
}

/** What is below `--min-sqnr`, a sentence each. */
function tooFar({ agreement }: Compiled, { minSqnr }: BuildFlags): readonly string[] {
  if (minSqnr === undefined || agreement === undefined || leastOf(agreement) >= minSqnr) return [];
  return [
    `${agreementText(agreement)}; the least is ${decibelText(leastOf(agreement))}, below --min-sqnr ${minSqnr}`,
  ];
}

const shortfall = (best: Built): string =>
  `the nearest build has ${formatBytes(best.flashBytes)} of constants, ${formatBytes(best.ramBytes)} of RAM, ` +
  `${formatCount(best.instructions)} instructions, and loses ${best.loss.toFixed(2)} points`;

type Report = CompileOptions['onProgress'] & {};

async function trained(order: Order, prepared: Prepared, onProgress: Report): Promise<Made> {
  const { graph, options, model, flags } = order;
  const data = trainingOf(prepared, flags);
  const file = flags.checkpoint ?? (flags.out === undefined ? undefined : `${flags.out}.checkpoint`);
  const keeping =
    file === undefined
      ? undefined
      : { file, identity: identityOf(model, data, flags), resume: flags.resume === true };
  const compiled = await trainedBuild(graph, options, flags, { data, keeping, onProgress });
  const over = overBudget(compiled, flags);
  const written = () => {
    if (file !== undefined && over.length === 0) removeCheckpoint(file);
  };
  return { compiled, over, tried: [], written };
}

function searched({ graph, options, flags }: Order, prepared: Prepared, onProgress: Report): Made {
  const { best, found, search } = searchBuild(graph, options, flags, heldOutOf(prepared, flags), onProgress);
  return {
    compiled: best.compiled,
    over: found ? [] : [shortfall(best)],
    tried: search.tried,
    accuracy: search.judgement(best),
  };
}

/** @throws InputError for what is asked of float32 programs although it means nothing there */
export async function build(context: Context, order: Order): Promise<Delivered> {
  const { minSqnr } = order.flags;
  if (minSqnr !== undefined && order.options.arith === 'float32')
    throw new InputError({ where: '--min-sqnr', found: '--type float32', supported: 'int8' });
  const made = await asOrdered(context, order);
  const compiled = withRoundings(withAgreement(made.compiled), order.graph, order.options);
  return { ...made, compiled, chosen: made.compiled, far: tooFar(compiled, order.flags) };
}

async function asOrdered(context: Context, order: Order): Promise<Made> {
  const { graph, options, prepared, flags } = order;
  const progress = progressOn(context.io, flags.quiet === true || flags.json === true);
  try {
    if (prepared !== undefined && flags.finetune !== undefined)
      return await trained(
        { ...order, options: { ...options, onProgress: progress.report } },
        prepared,
        progress.report,
      );
    if (prepared !== undefined && isSearched(flags)) return searched(order, prepared, progress.report);
    const compiled = context.api.compile(graph, { ...options, onProgress: progress.report });
    return {
      compiled,
      over: overBudget(compiled, flags),
      tried: [],
      ...(prepared === undefined || flags.labels === undefined
        ? {}
        : { accuracy: judge(compiled, heldOutOf(prepared, flags)) }),
    };
  } finally {
    progress.end();
  }
}
