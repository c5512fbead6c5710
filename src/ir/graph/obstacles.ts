/** What stands in the way of a network: all of it in one message. */
import { at, InputError } from '../../base/errors.ts';

/** In the order in which they are listed. */
const headings = {
  operator:
    'operators without a counterpart here: write the layers with others, or leave them out of what is exported',
  input: 'inputs',
  tensor: 'weights',
  attribute: 'attributes',
  shape: 'shapes',
  use: 'uses of operators',
} as const;

export type ObstacleKind = keyof typeof headings;

export interface Obstacle {
  readonly kind: ObstacleKind;
  readonly error: InputError;
  /** Of the node where it stands: its name and its ONNX type. */
  readonly node?: { readonly name: string; readonly type: string };
  /** Where that comes from in the PyTorch source. */
  readonly source?: string;
}

/** Lines of a message, headings included. */
const mostLines = 18;

/** Obstacles that one sentence tells: the same complaint about nodes of one type. */
type Group = readonly Obstacle[];

function grouped(obstacles: readonly Obstacle[]): readonly Group[] {
  const groups = new Map<string, Obstacle[]>();
  for (const obstacle of obstacles) {
    const { found, supported, todo, where } = obstacle.error.complaint;
    const { kind, node } = obstacle;
    const key = JSON.stringify([kind, node?.type ?? where, found, supported, todo]);
    groups.set(key, [...(groups.get(key) ?? []), obstacle]);
  }
  return [...groups.values()];
}

/** `2 nodes, first 'lstm' (LSTM; net.py:41: y = self.lstm(x))`: where a group stands. */
function placeOf(group: Group): string {
  const { error, node, source } = at(group, 0);
  const where = error.complaint.where ?? 'the model';
  if (node === undefined) return where;
  const one = `node '${node.name}' (${[node.type, ...(source === undefined ? [] : [source])].join('; ')})`;
  return group.length === 1 ? one : `${one} and ${group.length - 1} more`;
}

const errorOf = (group: Group): InputError => at(group, 0).error.at(placeOf(group));

/** The groups' sentences below headings; what is too much is counted. */
function listed(groups: readonly Group[]): readonly string[] {
  const lines = Object.entries(headings).flatMap(([kind, heading]) => {
    const own = groups.filter((group) => at(group, 0).kind === kind);
    return own.length === 0
      ? []
      : [heading, ...own.map((group) => `  ${errorOf(group).message.replaceAll(/\s*\n\s*/g, ' ')}`)];
  });
  if (lines.length <= mostLines) return lines;
  const kept = lines.slice(0, mostLines);
  const left = lines.slice(mostLines).filter((line) => line.startsWith(' ')).length;
  return [...kept, `and ${left} more`];
}

/** The obstacles of a network, by its name, as one error: a sentence for one group, a list for several. */
export function refusal(where: string, obstacles: readonly Obstacle[]): InputError {
  const groups = grouped(obstacles);
  if (groups.length === 1) return errorOf(at(groups, 0));
  return new InputError({ where, found: `${groups.length} obstacles to compiling`, lines: listed(groups) });
}
