/** Functions of each element as the last step of the layer whose output nothing else reads. */
import { at, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { TableSize } from '../ir/graph/op.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import type { Pass } from './pass.ts';

type Integers = Graph<'int8'>;

const quantOf = (graph: Integers, tensor: string): Quant =>
  must(graph.tensors.get(tensor)?.quant, `tensor '${tensor}' is quantized`);

/** By how many steps the function's values lie apart at most: beyond 2, eight bits of its input cost more than its output does. */
const steepness = (table: Uint8Array): number =>
  table.reduce((most, y, i) => Math.max(most, i === 0 ? 0 : Math.abs(y - at(table, i - 1))), 0);
const steep = 2;

/** The layer's integers with a bent line behind them: nothing is rounded in between. */
function bent(graph: Integers, layer: Node, f: Node): unknown {
  const types = f.inputs.map((name) => graph.tensors.get(name));
  const slopes = layer.op.withSlopes && f.op.slopes?.(f.attrs, types);
  if (slopes === undefined) return undefined;
  const [input, output] = [quantOf(graph, at(layer.inputs, 0)), quantOf(graph, at(f.outputs, 0))];
  return layer.op.withSlopes?.(layer.attrs, layer.quantized, { slopes, input, output });
}

/** The layer's integers with the function behind them. */
function joined(graph: Integers, layer: Node, f: Node): unknown {
  const line = bent(graph, layer, f);
  if (line !== undefined) return line;
  if (f.op.table === undefined || layer.op.withTable === undefined) return undefined;
  const [from, to] = [quantOf(graph, at(layer.outputs, 0)), quantOf(graph, at(f.outputs, 0))];
  const tableWith = (entries: TableSize) => f.op.table?.(f.attrs, from, to, entries);
  const coarse = tableWith(256);
  if (coarse === undefined) return undefined;
  // A quantized model has 8 bits there.
  const fine = from.file === undefined && steepness(coarse) > steep ? tableWith(1024) : undefined;
  const quantized = fine && layer.op.withTable?.(layer.quantized, fine);
  return quantized ?? layer.op.withTable?.(layer.quantized, coarse);
}

function foldOne(graph: Integers): Integers | undefined {
  for (const layer of graph.nodes) {
    if (layer.op.withTable === undefined || layer.quantized === undefined) continue;
    const made = at(layer.outputs, 0);
    const [f, ...others] = graph.nodes.filter(({ inputs }) => inputs.includes(made));
    if (f === undefined || others.length > 0 || graph.outputs.includes(made)) continue;
    const quantized = joined(graph, layer, f);
    if (quantized === undefined) continue;
    const node: Node = { ...layer, quantized, outputs: f.outputs, origin: [...layer.origin, ...f.origin] };
    const nodes = graph.nodes.filter((n) => n !== f).map((n) => (n === layer ? node : n));
    // Slopes are constants that nothing else may read.
    const named = new Set([
      ...graph.outputs,
      ...nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]),
    ]);
    const tensors = new Map(
      [...graph.tensors].filter(([name]) => named.has(name) || graph.inputs.includes(name)),
    );
    return { ...graph, tensors, nodes };
  }
  return undefined;
}

export const foldTables: Pass<'int8', 'int8'> = {
  name: 'fold-tables',
  doc: 'leaky ReLUs meet the sums of the layers before them; other functions of each element are tables at the end of the layers before them; of steep ones the layer makes 10 bits',
  run(graph) {
    let current = graph;
    for (let next = foldOne(current); next !== undefined; next = foldOne(current)) current = next;
    return current;
  },
};
