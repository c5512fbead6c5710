/**
 * Channels without effect are taken out: those that always are 0, because their weights are and their bias does
 * not pass the activation, and those that every reader multiplies by 0. Taking one out can leave another without
 * effect, so this goes on until none is. No output changes.
 */

import { type Channels, isUnread } from '../../ir/graph/channels.ts';
import { channelsOf, type Graph } from '../../ir/graph/graph.ts';
import type { Pass } from '../pass.ts';
import { type KeptChannels, shrink } from './remove.ts';
import { channelSpaces, channelsIn, type Space } from './spaces.ts';

export const dropDeadChannels: Pass<'float', 'float'> = {
  name: 'drop-dead-channels',
  doc: 'channels that are always 0, or that nothing reads, are gone; outputs stay the same',
  run(graph) {
    // An activation that is not 0 at 0 brings a silent channel back to life.
    if (graph.nodes.some((node) => lifts(channelsOf(graph, node)))) return graph;
    let current = graph;
    for (let next = dropOnce(current); next !== undefined; next = dropOnce(current)) current = next;
    return current;
  },
};

const lifts = (channels: Channels): boolean =>
  channels.flow === 'kept' && channels.columns === undefined && !channels.isSilent(0);

function dropOnce(graph: Graph<'float'>): Graph<'float'> | undefined {
  const spaces = channelSpaces(graph);
  const kept: KeptChannels = new Map(
    spaces.free.flatMap((space) => {
      const live = liveOf(space);
      return live.length === space.channels ? [] : [[space, live] as const];
    }),
  );
  return kept.size === 0 ? undefined : shrink(graph, spaces, kept);
}

/** Ascending; at least one, because no tensor may be empty. */
function liveOf(space: Space): readonly number[] {
  const live = channelsIn(space).filter((c) => !isSilent(space, c) && !isIgnored(space, c));
  return live.length > 0 ? live : [0];
}

/** Whether a channel is always 0, also where it is padded. */
const isSilent = ({ makers, readers }: Space, c: number): boolean =>
  makers.every(({ inner, isSilent }) => isEach(c, inner, isSilent)) &&
  readers.every(({ inner, columns: { padding } }) => isEach(c, inner, (i) => !padding?.values[i]));

/** Whether all that reads a channel multiplies it by 0. */
const isIgnored = ({ readers }: Space, c: number): boolean =>
  readers.every(({ inner, columns }) => isEach(c, inner, (i) => isUnread(columns, i)));

/** Of the elements along axis 1 that are a channel. */
const isEach = (channel: number, inner: number, is: (index: number) => boolean): boolean =>
  Array.from({ length: inner }, (_, i) => channel * inner + i).every(is);
