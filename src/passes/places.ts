/** Where the elements of every activation lie: its order in memory follows from the operators, in order. */
import { locate, must } from '../ir/errors.ts';
import type { Graph } from '../ir/graph.ts';
import { spatialOrder } from '../ir/memory-order.ts';
import type { Place } from '../ir/op.ts';

type Compiled = Graph<'float'> | Graph<'int8'>;

function placeOf(graph: Compiled, name: string, order: Place['order']): Place {
  const { shape, quant, kept } = must(graph.tensors.get(name), `tensor '${name}' is known`);
  return {
    shape,
    ...(order === undefined ? {} : { order }),
    ...(quant === undefined ? {} : { quant }),
    ...(kept === undefined ? {} : { kept }),
  };
}

/** By tensor name, without constants. @throws InputError naming the node that cannot read its input's order. */
export function placesOf(graph: Compiled): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const name of graph.inputs) {
    const { shape } = placeOf(graph, name, undefined);
    places.set(name, placeOf(graph, name, spatialOrder(shape)));
  }
  for (const node of graph.nodes)
    locate(`node '${node.name}' (${node.op.kind})`, () => {
      const [name = ''] = node.outputs;
      const inputs = node.inputs.flatMap((input) => places.get(input) ?? []);
      const { shape } = placeOf(graph, name, undefined);
      const order = node.op.order === undefined ? inputs[0]?.order : node.op.order(node.attrs, inputs, shape);
      places.set(name, placeOf(graph, name, order));
    });
  return places;
}
