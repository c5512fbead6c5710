/** What was built and tried, in tables. */
import { at } from '../base/errors.ts';
import { formatName } from '../ir/kernel/weight-format.ts';
import type { LayerChoice } from '../passes/choose-formats.ts';
import { formatBytes, formatCount, formatPercent } from '../text/numbers.ts';
import { table } from '../text/table.ts';
import type { Built, Figures } from './search.ts';

const right = { align: 'right' } as const;

export const builtFields = (b: Figures) => ({
  sparsity: b.point.sparsity,
  weightBits: b.point.weightBits,
  codebook: b.point.codebook ?? null,
  flashBytes: b.flashBytes,
  ramBytes: b.ramBytes,
  instructions: b.instructions,
  right: b.right,
  loss: b.loss,
});

/** `8`, or `16 values`. */
const gridName = ({ point }: Figures): string =>
  point.codebook === undefined ? String(point.weightBits) : `${point.codebook} values`;

/** Builds by size; losses are in points of the held-out samples. */
export function builtTable(builds: readonly Figures[], width?: number): string {
  const columns = [
    { head: 'sparsity', ...right },
    { head: 'bits', ...right },
    { head: 'constants', ...right },
    { head: 'RAM', ...right },
    { head: 'instructions', ...right },
    { head: 'points lost', ...right },
  ];
  const rows = builds
    .toSorted((a, b) => b.flashBytes - a.flashBytes)
    .map((b) => [
      formatPercent(b.point.sparsity),
      gridName(b),
      formatBytes(b.flashBytes),
      formatBytes(b.ramBytes),
      formatCount(b.instructions),
      b.loss.toFixed(2),
    ]);
  return table(columns, rows, width);
}

/** What was searched, and which of it came out. */
export function searchText(
  tried: readonly Built[],
  chosen: { readonly build: Built | undefined; readonly fits: boolean; readonly target: string },
  width?: number,
): string {
  const { build, fits, target } = chosen;
  const which =
    build === undefined
      ? ''
      : `\n${fits ? 'chosen' : 'nearest'}: ${formatPercent(build.point.sparsity)} zeros, ${gridText(build)}`;
  return `Tried, with instructions modelled for ${target}:\n\n${builtTable(tried, width)}${which}\n`;
}

const gridText = (b: Built): string =>
  b.point.codebook === undefined ? `${gridName(b)} bits` : `a codebook of ${gridName(b)}`;

export const formatFields = (c: LayerChoice) => ({
  node: c.node,
  format: formatName(c.chosen.format),
  codebook: c.codebook ?? null,
  density: c.density,
  bits: c.bits,
  bytes: c.chosen.bytes,
  code: c.chosen.code,
  instructions: c.chosen.instructions,
  why: c.why,
});

/** How each layer's weights are stored. */
export function formatTable(choices: readonly LayerChoice[], width?: number): string {
  const columns = [
    { head: 'layer' },
    { head: 'stored as' },
    { head: 'nonzero', ...right },
    { head: 'bits', ...right },
    { head: 'bytes', ...right },
    { head: 'instructions', ...right },
  ];
  const rows = choices.map((c) => [
    c.node,
    formatName(c.chosen.format, c.codebook !== undefined),
    formatPercent(c.density),
    String(c.bits),
    formatBytes(c.chosen.bytes),
    formatCount(c.chosen.instructions),
  ]);
  return table(columns, rows, width);
}

/** Where the zeros of the model chose a format, or could have: both sizes, of the weights' tables. */
export function sparseText(choices: readonly LayerChoice[]): string | undefined {
  const open = choices.filter(({ byZeros }) => byZeros);
  const sum = (of: (c: LayerChoice) => number): number => open.reduce((total, c) => total + of(c), 0);
  const dense = sum(({ candidates }) => at(candidates, 0).bytes);
  const chosen = sum((c) => c.chosen.bytes);
  if (chosen < dense)
    return `most weights are zeros: stored sparse, ${formatBytes(chosen)}; one byte each ${formatBytes(dense)}`;
  const least = sum(({ candidates }) => Math.min(...candidates.map(({ bytes, code }) => bytes + code)));
  if (
    dense < fewBytes ||
    least >= worthSaying * sum(({ candidates }) => at(candidates, 0).bytes + at(candidates, 0).code)
  )
    return undefined;
  return `most weights are zeros: ${formatBytes(dense)} one byte each; --optimize flash stores them smaller, and slower`;
}

/** Of dense tables and code. */
const worthSaying = 0.75;
/** Below, no format is worth a line. */
const fewBytes = 512;
