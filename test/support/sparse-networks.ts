/** Random integer networks with most of their weights cut off. */

import type { Graph, Node } from '../../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { Draw } from './draw.ts';
import { integerStages } from './pipeline.ts';
import type { Recipe } from './recipes.ts';

/** Weights are drawn away, and cut to 4 or 2 bits or a codebook in some layers; all are stored densely. */
export function sparsified(graph: Graph<'int8'>, seed: number): Graph<'int8'> {
  const draw = new Draw(seed);
  const nodes = graph.nodes.map((node): Node => {
    const mac = node.quantized as QuantizedMac | undefined;
    if (mac?.weights === undefined || mac.bias === undefined) return node;
    const [density, bits] = [draw.unit(), [8, 4, 2][draw.int(0, 2)]!];
    const most = 2 ** (bits - 1) - 1;
    const codebook = draw.unit() < 0.4 ? drawnCodebook(draw) : undefined;
    const weights = mac.weights.map((w) => {
      if (draw.unit() >= density) return 0;
      return codebook === undefined
        ? Math.max(-most, Math.min(most, w))
        : codebook.reduce((best, v) => (Math.abs(v - w) < Math.abs(best - w) ? v : best));
    });
    const shared = codebook === undefined ? {} : { codebook };
    return { ...node, quantized: { ...mac, weights, format: dense8, ...shared } };
  });
  return { ...graph, nodes };
}

/** Up to 16 or up to 4 values, 0 among them. */
function drawnCodebook(draw: Draw): Int8Array {
  const values = Array.from({ length: draw.int(1, draw.unit() < 0.5 ? 4 : 16) - 1 }, () =>
    draw.int(-127, 127),
  );
  return Int8Array.from(new Set([0, ...values])).sort();
}

export const sparseNetwork = (recipe: Recipe): Graph<'int8'> =>
  sparsified(integerStages({ ...recipe, arith: 'int8' }).integers, recipe.seed);

export const isMac = (node: Node): boolean => {
  const q = node.quantized as Partial<QuantizedMac> | undefined;
  return q?.weights !== undefined && q.bias !== undefined;
};
