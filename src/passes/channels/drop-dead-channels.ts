/**
 * Channels without effect are taken out: those that always are 0, because their weights are and their bias does
 * not pass the activation, and those that every reader multiplies by 0. Taking one out can leave another without
 * effect, so this goes on until none is. No output changes.
 */

import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { clampAt } from '../../ir/integers/row-clamp.ts';
import { add } from '../../ir/ops/add.ts';
import { clip } from '../../ir/ops/clip.ts';
import { conv } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import type { Pass } from '../pass.ts';
import { type KeptChannels, shrink } from './remove.ts';
import { channelSpaces, type Space } from './spaces.ts';

export const dropDeadChannels: Pass<'float', 'float'> = {
  name: 'drop-dead-channels',
  doc: 'channels that are always 0, or that nothing reads, are gone; outputs stay the same',
  run(graph) {
    // An activation that is not 0 at 0 brings a silent channel back to life.
    if (graph.nodes.some((node) => !keepsZero(node))) return graph;
    let current = graph;
    for (let next = dropOnce(current); next !== undefined; next = dropOnce(current)) current = next;
    return current;
  },
};

function keepsZero(node: Node): boolean {
  const clamp = is(node, clip) ? node.attrs : is(node, add) ? node.attrs.clamp : undefined;
  return clamp === undefined || (clamp.lo <= 0 && clamp.hi >= 0);
}

function dropOnce(graph: Graph<'float'>): Graph<'float'> | undefined {
  const spaces = channelSpaces(graph);
  const kept: KeptChannels = new Map(
    spaces.free.flatMap((space) => {
      const live = liveOf(graph, space);
      return live.length === space.channels ? [] : [[space, live] as const];
    }),
  );
  return kept.size === 0 ? undefined : shrink(graph, spaces, kept);
}

/** Ascending; at least one, because no tensor may be empty. */
function liveOf(graph: Graph<'float'>, space: Space): readonly number[] {
  const padded = space.readers.some((reader) => is(reader, conv) && reader.attrs.padValues !== undefined);
  const all = Array.from({ length: space.channels }, (_, c) => c);
  const live = all.filter((c) => {
    const silent = !padded && space.makers.every((maker) => isSilent(graph, maker, c));
    return !silent && !space.readers.every((reader) => ignores(graph, reader, c, space.channels));
  });
  return live.length > 0 ? live : [0];
}

const dataOf = (graph: Graph<'float'>, node: Node, input: number) =>
  graph.tensors.get(node.inputs[input] ?? '')?.constant?.data;

/** Whether output row `row` is 0 whatever the input is. */
function isSilent(graph: Graph<'float'>, maker: Node, row: number): boolean {
  if (!is(maker, conv) && !is(maker, linear)) return false;
  const rows = graph.tensors.get(maker.inputs[1] ?? '')?.shape[0] ?? 1;
  const weights = dataOf(graph, maker, 1);
  if (weights === undefined || !zeroes(weights, row, weights.length / rows)) return false;
  const bias = dataOf(graph, maker, 2)?.[row] ?? 0;
  const { lo, hi } = clampAt(maker.attrs.clamp ?? { lo: -Infinity, hi: Infinity }, row);
  return Math.min(Math.max(bias, lo), hi) === 0;
}

/** Whether a reader's columns of channel `c` are 0 in every row. */
function ignores(graph: Graph<'float'>, reader: Node, c: number, channels: number): boolean {
  const weights = dataOf(graph, reader, 1);
  if (weights === undefined) return false;
  const rows = graph.tensors.get(reader.inputs[1] ?? '')?.shape[0] ?? 1;
  const perChannel = weights.length / rows / channels;
  return Array.from({ length: rows }, (_, row) => row * channels + c).every((block) =>
    zeroes(weights, block, perChannel),
  );
}

/** Whether the `index`-th run of `length` numbers is all 0. */
function zeroes(data: ArrayLike<number>, index: number, length: number): boolean {
  for (let i = index * length; i < (index + 1) * length; i++) if (data[i] !== 0) return false;
  return true;
}
