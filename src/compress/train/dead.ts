/**
 * What pruning leaves without any effect: rows without weights answer 0 (their bias is set to it), so weights
 * that only ever read zeros can go, and so can rows that nobody reads. Removing these changes no output.
 */
import { at } from '../../base/errors.ts';
import { elementBytes } from '../gradient/kernels.ts';
import type { Affine, Network, Step } from '../gradient/network.ts';
import type { LayerState } from './layer-state.ts';

/**
 * Removes weights and rows without effect for good. Returns whether there were any. Where a whole layer has no
 * effect, pruning has cut the network in two: then its weights stay, so that training can join it again.
 */
export function removeDead(network: Network, layers: readonly LayerState[]): boolean {
  const emptied = layers.map((state) => removeEmptyRows(network, state)).includes(true);
  const zero = zerosOf(network, layers);
  const read = readOf(network, layers);
  const useful = layers.map(({ kept }) => new Uint8Array(kept.length));
  for (const step of network.steps) if (step.kind === 'affine') markUseful(step, useful, zero, read);
  const whole = layers.every(({ kept }, l) => kept.some((k, i) => k === 1 && useful[l]?.[i] === 1));
  if (!whole) return emptied;
  return layers.map((state, l) => removeUseless(state, at(useful, l))).includes(true) || emptied;
}

/** Rows of the answer itself keep their bias: 0 would be another answer. */
const isAnswer = (network: Network, layer: number): boolean =>
  network.steps.some(
    (step) =>
      step.kind === 'affine' &&
      step.values.kind === 'layer' &&
      step.values.layer === layer &&
      step.y === network.output,
  );

function removeEmptyRows(network: Network, { layer, bias, kept, allowed, dead }: LayerState): boolean {
  if (isAnswer(network, network.layers.indexOf(layer))) return false;
  let any = false;
  for (let row = 0; row < layer.rows; row++) {
    const [from, to] = [row * layer.termsPerRow, (row + 1) * layer.termsPerRow];
    if (dead[row] === 1 || kept.subarray(from, to).includes(1)) continue;
    any = true;
    allowed.fill(0, from, to);
    dead[row] = 1;
    bias.value[row] = 0;
  }
  return any;
}

/** Calls `use` with each pair of a written and a read element, in elements; `term` counts the step's terms. */
function forReads(step: Affine, use: (to: number, from: number, term: number) => void): void {
  const { rowStarts, offsets } = step.terms;
  const pixels = step.pixelStarts.length;
  for (let row = 0; row < step.rows; row++)
    for (let term = at(rowStarts, row); term < at(rowStarts, row + 1); term++)
      for (let pixel = 0; pixel < pixels; pixel++) {
        const from = step.x + at(step.pixelStarts, pixel) + at(offsets, term);
        use(step.y / elementBytes + row * pixels + pixel, from / elementBytes, term);
      }
}

const keeps = (step: Affine, layers: readonly LayerState[], term: number): boolean =>
  step.values.kind === 'fixed' || layers[step.values.layer]?.kept[term] === 1;

/** 1 for every element that is 0 whatever the input. */
function zerosOf(network: Network, layers: readonly LayerState[]): Uint8Array {
  const zero = new Uint8Array(network.valueBytes / elementBytes);
  for (const step of network.steps) {
    switch (step.kind) {
      case 'affine':
        zeroSums(step, layers, zero);
        break;
      case 'maxPool':
        forWindows(step, (to, from) => {
          zero[to] = from.every((i) => zero[i] === 1) ? 1 : 0;
        });
        break;
      case 'clamp': {
        const first = step.x / elementBytes;
        if (step.clamp.lo > 0 || step.clamp.hi < 0) zero.fill(0, first, first + step.count);
        break;
      }
      case 'softmax':
      case 'curve':
      case 'product':
        break;
      default:
        step satisfies never;
    }
  }
  return zero;
}

function zeroSums(step: Affine, layers: readonly LayerState[], zero: Uint8Array): void {
  const bias = step.values.kind === 'fixed' ? step.values.bias : layers[step.values.layer]?.bias.value;
  const pixels = step.pixelStarts.length;
  for (let i = 0; i < step.rows * pixels; i++)
    zero[step.y / elementBytes + i] = bias?.[Math.floor(i / pixels)] === 0 ? 1 : 0;
  forReads(step, (to, from, term) => {
    if (zero[from] === 0 && keeps(step, layers, term)) zero[to] = 0;
  });
}

function forWindows(
  step: Extract<Step, { kind: 'maxPool' }>,
  use: (to: number, from: readonly number[]) => void,
): void {
  const pixels = step.pixelStarts.length;
  for (let c = 0; c < step.channels; c++)
    step.pixelStarts.forEach((start, pixel) => {
      const from = [...step.taps].map((tap) => (step.x + c * step.planeBytes + start + tap) / elementBytes);
      use(step.y / elementBytes + c * pixels + pixel, from);
    });
}

/** 1 for every element that can reach the output. */
function readOf(network: Network, layers: readonly LayerState[]): Uint8Array {
  const read = new Uint8Array(network.valueBytes / elementBytes);
  const first = network.output / elementBytes;
  read.fill(1, first, first + network.outputCount);
  for (const step of network.steps.toReversed()) {
    switch (step.kind) {
      case 'affine':
        forReads(step, (to, from, term) => {
          if (read[to] === 1 && keeps(step, layers, term)) read[from] = 1;
        });
        break;
      case 'maxPool':
        forWindows(step, (to, from) => {
          if (read[to] === 1) for (const i of from) read[i] = 1;
        });
        break;
      case 'clamp':
        break;
      case 'softmax':
        // Of one line all elements matter to each.
        read.fill(1, step.x / elementBytes, step.x / elementBytes + step.lines * step.size * step.inner);
        break;
      case 'curve':
        for (let i = 0; i < step.count; i++)
          if (read[step.y / elementBytes + i] === 1) read[step.x / elementBytes + i] = 1;
        break;
      case 'product':
        for (let i = 0; i < step.count; i++)
          if (read[step.y / elementBytes + i] === 1)
            for (const factor of step.factors) read[factor / elementBytes + i] = 1;
        break;
      default:
        step satisfies never;
    }
  }
  return read;
}

function markUseful(step: Affine, all: readonly Uint8Array[], zero: Uint8Array, read: Uint8Array): void {
  if (step.values.kind !== 'layer') return;
  const useful = at(all, step.values.layer);
  forReads(step, (to, from, term) => {
    if (read[to] === 1 && zero[from] === 0) useful[term] = 1;
  });
}

function removeUseless({ kept, allowed }: LayerState, useful: Uint8Array): boolean {
  let any = false;
  kept.forEach((k, i) => {
    if (k === 0 || useful[i] === 1) return;
    kept[i] = 0;
    allowed[i] = 0;
    any = true;
  });
  return any;
}
