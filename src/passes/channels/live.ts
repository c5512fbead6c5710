/** Which channels have an effect. What the others hold, and the weights that make and read them, changes no output. */
import { atOr0, must } from '../../base/errors.ts';
import { type Channels, type Columns, reads } from '../../ir/graph/channels.ts';
import { channelsOf, type Graph, type Node } from '../../ir/graph/graph.ts';
import { channelCount } from '../../ir/tensor.ts';

/** Of each index along axis 1 of a tensor: 1 or 0. */
type Marks = Uint8Array;

/** How an output of a node depends on an input. */
interface Link {
  readonly input: string;
  readonly output: string;
  /** Channels of the input that are not always 0, or are padded with others. */
  readonly audible: readonly number[];
  /** Whether a channel of the output depends on one of those. */
  hears(channel: number, source: number): boolean;
}

/**
 * 1 for each channel of an activation that reaches an output: weights other than 0 read it all the way, and it is
 * not 0 whatever the input. Outputs have no others.
 */
export function liveChannels(graph: Graph<'float'>): (tensor: string) => Uint8Array {
  const marks = (name: string): Marks =>
    new Uint8Array(channelCount(must(graph.tensors.get(name), 'tensors have types').shape));
  const silent = new Map(graph.inputs.map((name) => [name, marks(name)]));
  const links = graph.nodes.flatMap((node) => linksOf(graph, node, silent, marks));
  const live = new Map([...silent.keys()].map((name) => [name, marks(name)]));
  const liveIn = (name: string): Marks => must(live.get(name), 'activations have channels');
  for (const output of graph.outputs) liveIn(output).fill(1);
  for (const link of links.toReversed()) wake(link, liveIn(link.input), liveIn(link.output));
  return liveIn;
}

/** Marks what live channels hear. Most is heard by the first of them: only what is left is asked of the next. */
function wake({ audible, hears }: Link, sources: Marks, live: Marks): void {
  let left = audible.filter((i) => sources[i] === 0);
  live.forEach((is, c) => {
    if (is === 0) return;
    for (const i of left) if (hears(c, i)) sources[i] = 1;
    left = left.filter((i) => sources[i] === 0);
  });
}

/** Also marks which channels of the node's outputs are silent: always 0. */
function linksOf(
  graph: Graph<'float'>,
  node: Node,
  silent: Map<string, Marks>,
  marks: (name: string) => Marks,
): readonly Link[] {
  const outputs = node.outputs.filter((name) => name !== '');
  // What several outputs have in common is not said.
  const channels: Channels = outputs.length > 1 ? { flow: 'opaque' } : channelsOf(graph, node);
  return outputs.flatMap((output) => linksTo(node, channels, output, silent, marks));
}

function linksTo(
  node: Node,
  channels: Channels,
  output: string,
  silent: Map<string, Marks>,
  marks: (name: string) => Marks,
): readonly Link[] {
  const made = marks(output);
  const links = node.inputs.flatMap((input, i): Link[] => {
    const zero = silent.get(input);
    if (zero === undefined) return [];
    const columns = i === 0 ? channels.columns : undefined;
    return [{ input, output, ...hearing(channels, columns, zero, made.length) }];
  });
  const isSilent = (c: number): boolean =>
    channels.flow !== 'opaque' &&
    channels.isSilent(c) &&
    links.every(({ audible, hears }) => !audible.some((i) => hears(c, i)));
  silent.set(
    output,
    made.map((_, c) => (isSilent(c) ? 1 : 0)),
  );
  return links;
}

function hearing(
  channels: Channels,
  columns: Columns | undefined,
  zero: Marks,
  outputs: number,
): Pick<Link, 'audible' | 'hears'> {
  const isPadded = (i: number): boolean => atOr0(columns?.padding?.values, i) !== 0;
  const audible = [...zero.keys()].filter((i) => zero[i] === 0 || isPadded(i));
  if (columns !== undefined) return { audible, hears: (c, i) => reads(columns, c, i) };
  switch (channels.flow) {
    case 'opaque':
    case 'made':
      return { audible, hears: () => true };
    case 'kept':
    case 'spread':
      return { audible, hears: (c, i) => Math.floor((c * zero.length) / outputs) === i };
    default:
      return channels satisfies never;
  }
}
