/**
 * Channels without effect are taken out, where all tensors that have them can do without: those that always are 0,
 * and those that every reader multiplies by 0. No output changes.
 */

import { at } from '../../base/errors.ts';
import type { Pass } from '../pass.ts';
import { liveChannels } from './live.ts';
import { type KeptChannels, shrink } from './remove.ts';
import { channelSpaces, channelsIn, type Space } from './spaces.ts';

export const dropDeadChannels: Pass<'float', 'float'> = {
  name: 'drop-dead-channels',
  doc: 'channels that are always 0, or that nothing reads, are gone; outputs stay the same',
  run(graph) {
    const spaces = channelSpaces(graph);
    const live = liveChannels(graph);
    const kept: KeptChannels = new Map(
      spaces.free.flatMap((space) => {
        const left = liveOf(space, live);
        return left.length === space.channels ? [] : [[space, left] as const];
      }),
    );
    return kept.size === 0 ? graph : shrink(graph, spaces, kept);
  },
};

/** Those that have an effect in any tensor, ascending; at least one, because no tensor may be empty. */
function liveOf(space: Space, live: ReturnType<typeof liveChannels>): readonly number[] {
  const all = space.makers.map(({ node, inner }) => ({ marks: live(at(node.outputs, 0)), inner }));
  const left = channelsIn(space).filter((c) =>
    all.some(({ marks, inner }) => marks.subarray(c * inner, (c + 1) * inner).includes(1)),
  );
  return left.length > 0 ? left : [0];
}
