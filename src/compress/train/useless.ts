/**
 * What pruning leaves without any effect: rows without weights answer 0 (their bias is set to it), so weights
 * that only ever read zeros can go, and so can rows that nothing reads. Removing these changes no output.
 */
import { at, must } from '../../base/errors.ts';
import { channelsOf, type Graph } from '../../ir/graph/graph.ts';
import { floats, type Tensor } from '../../ir/tensor.ts';
import { liveChannels } from '../../passes/channels/live.ts';
import { withConstants } from '../../passes/rewrite.ts';
import type { Network } from '../gradient/network.ts';
import type { LayerState } from './layer-state.ts';

/**
 * Removes weights and rows without effect for good. Returns whether there were any. Where a whole layer has no
 * effect, pruning has cut the network in two: then its weights stay, so that training can join it again.
 * @param graph of which `network` was made
 */
export function removeUseless(
  graph: Graph<'float'>,
  network: Network,
  layers: readonly LayerState[],
): boolean {
  const emptied = layers.map((state) => removeEmptyRows(network, state)).includes(true);
  const useful = usefulOf(masked(graph, layers), layers);
  const whole = layers.every(({ kept }, l) => kept.some((k, i) => k === 1 && useful[l]?.[i] === 1));
  if (!whole) return emptied;
  return layers.map((state, l) => keepOnly(state, at(useful, l))).includes(true) || emptied;
}

/** With 1 for each weight that is kept, and 0 for the others. */
function masked(graph: Graph<'float'>, layers: readonly LayerState[]): Graph<'float'> {
  const like = (name: string, data: Float32Array): readonly [string, Tensor] => [
    name,
    floats(must(graph.tensors.get(name), 'a tensor of the graph').shape, data),
  ];
  const constants = layers.flatMap(({ layer, kept, bias }) => [
    like(layer.weight, Float32Array.from(kept)),
    ...(layer.bias === '' ? [] : [like(layer.bias, bias.value)]),
  ]);
  return withConstants(graph, new Map(constants));
}

/** Per layer, 1 for the weights with which a row that has an effect reads a channel that has. */
function usefulOf(graph: Graph<'float'>, layers: readonly LayerState[]): readonly Uint8Array[] {
  const live = liveChannels(graph);
  return layers.map(({ layer, kept }) => {
    const node = must(
      graph.nodes.find(({ name }) => name === layer.node),
      'a layer is a node',
    );
    const [from, to] = [live(at(node.inputs, 0)), live(at(node.outputs, 0))];
    const { rows, channels, taps, start } = must(channelsOf(graph, node).columns, 'layers have columns');
    const useful = new Uint8Array(kept.length);
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < channels; c++) {
        const first = start(row, c);
        if (first !== undefined && to[row] === 1 && from[c] === 1) useful.fill(1, first, first + taps);
      }
    return useful;
  });
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

function keepOnly({ kept, allowed }: LayerState, useful: Uint8Array): boolean {
  let any = false;
  kept.forEach((k, i) => {
    if (k === 0 || useful[i] === 1) return;
    kept[i] = 0;
    allowed[i] = 0;
    any = true;
  });
  return any;
}
