/** Which channels have an effect. What the others hold, and the weights that make and read them, changes no output. */
import { at, atOr0, must } from '../../base/errors.ts';
import { type Channels, type Columns, reads } from '../../ir/graph/channels.ts';
import { channelsOf, type Graph, type Node } from '../../ir/graph/graph.ts';

/** Of each index along axis 1 of a tensor: 1 or 0. */
type Marks = Uint8Array;

/** Which channels of an input a channel of the output depends on, of those that are not always 0. */
interface Link {
  readonly input: string;
  readonly output: string;
  heard(channel: number): readonly number[];
}

/**
 * 1 for each channel of an activation that reaches an output: weights other than 0 read it all the way, and it is
 * not 0 whatever the input. Outputs have no others.
 */
export function liveChannels(graph: Graph<'float'>): (tensor: string) => Uint8Array {
  const marks = (name: string): Marks => {
    const [, channels = 1] = must(graph.tensors.get(name), 'tensors have types').shape;
    return new Uint8Array(channels);
  };
  const silent = new Map(graph.inputs.map((name) => [name, marks(name)]));
  const links = graph.nodes.flatMap((node) => linksOf(graph, node, silent, marks));
  const live = new Map([...silent.keys()].map((name) => [name, marks(name)]));
  const liveIn = (name: string): Marks => must(live.get(name), 'activations have channels');
  for (const output of graph.outputs) liveIn(output).fill(1);
  for (const { input, output, heard } of links.toReversed())
    liveIn(output).forEach((is, c) => {
      if (is === 1) for (const i of heard(c)) liveIn(input)[i] = 1;
    });
  return liveIn;
}

/** Also marks which channels of the node's output are silent: always 0. */
function linksOf(
  graph: Graph<'float'>,
  node: Node,
  silent: Map<string, Marks>,
  marks: (name: string) => Marks,
): readonly Link[] {
  const channels = channelsOf(graph, node);
  const output = at(node.outputs, 0);
  const made = marks(output);
  const links = node.inputs.flatMap((input, i): Link[] => {
    const zero = silent.get(input);
    if (zero === undefined) return [];
    const columns = i === 0 ? channels.columns : undefined;
    return [{ input, output, heard: hearing(channels, columns, zero, made.length) }];
  });
  const isSilent = (c: number): boolean =>
    channels.flow !== 'opaque' && channels.isSilent(c) && links.every(({ heard }) => heard(c).length === 0);
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
): Link['heard'] {
  // Where a channel of zeros is padded with others it counts.
  const counts = (i: number): boolean => at(zero, i) === 0 || atOr0(columns?.padding?.values, i) !== 0;
  const counted = [...zero.keys()].filter(counts);
  if (columns !== undefined) return (c) => counted.filter((i) => reads(columns, c, i));
  switch (channels.flow) {
    case 'opaque':
    case 'made':
      return () => counted;
    case 'kept':
    case 'spread':
      return (c) => [Math.floor((c * zero.length) / outputs)].filter(counts);
    default:
      return channels satisfies never;
  }
}
