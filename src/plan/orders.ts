/** Where the elements of every activation lie: its order in memory follows from the operators, in order. */
import { at, InputError, locate, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { sameOrder, simplified, spatialOrder } from '../ir/kernel/memory-order.ts';
import { elemOf, elemOfType, type StoredTensor } from '../ir/kernel/stored.ts';
import { countOf, type Shape, sameShape } from '../ir/tensor.ts';

type Compiled = Graph<'float'> | Graph<'int8'>;

function placeOf(graph: Compiled, name: string, order: StoredTensor['order']): StoredTensor {
  const { dtype, shape, quant, kept } = must(graph.tensors.get(name), `tensor '${name}' is known`);
  const elem = must(quant === undefined ? elemOfType(dtype) : elemOf({ quant }), `${dtype} is stored`);
  return {
    shape,
    ...(elem === elemOf(quant === undefined ? {} : { quant }) ? {} : { elem }),
    ...(order === undefined ? {} : { order }),
    ...(quant === undefined ? {} : { quant }),
    ...(kept === undefined ? {} : { kept }),
  };
}

/** The reader of a tensor, where there is one only. */
function onlyReader(graph: Compiled, name: string): Node | undefined {
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  return readers.length === 1 ? readers[0] : undefined;
}

/** What an input of the network is called on its way through operators that only rename memory. */
interface InputView {
  readonly name: string;
  readonly shape: Shape;
  /** Position i of the input's row-major elements holds this row-major element of the view. */
  readonly elements: readonly number[];
}

/** The input, and its other names, each behind the one before. */
function inputViews(graph: Compiled, start: string): readonly InputView[] {
  const { shape } = placeOf(graph, start, undefined);
  const views: InputView[] = [
    { name: start, shape, elements: Array.from({ length: countOf(shape) }, (_, i) => i) },
  ];
  for (
    let node = onlyReader(graph, start);
    node?.op.alias;
    node = onlyReader(graph, at(views, views.length - 1).name)
  ) {
    const [name = ''] = node.outputs;
    const before = must(views.at(-1), 'there is the input');
    const target = placeOf(graph, name, undefined).shape;
    const place = { shape: before.shape, order: before.elements };
    const order = node.op.order === undefined ? place.order : node.op.order(node.attrs, [place], target);
    views.push({ name, shape: target, elements: order ?? before.elements.map((_, i) => i) });
  }
  return views;
}

/** In which the last image among the input's views lies as images do. */
function orderForImage(graph: Compiled, input: string): StoredTensor['order'] {
  const views = inputViews(graph, input);
  const { shape, elements } = must(views.findLast((view) => view.shape.length > 2) ?? views[0], 'a view');
  const places = new Int32Array(elements.length);
  elements.forEach((element, i) => {
    places[element] = i;
  });
  return simplified(Array.from(spatialOrder(shape) ?? elements.keys(), (element) => at(places, element)));
}

/**
 * The tensor that an input of height, width and channels becomes as channels, height and width, by a transpose (or
 * a reshape of one channel) at once. Undefined: it is no such input.
 */
export function channelsLast(graph: Compiled, name = at(graph.inputs, 0)): string | undefined {
  const [input, ...others] = inputViews(graph, name);
  const [batch = 0, height = 0, width = 0, channels = 0] = input?.shape ?? [];
  const image = [batch, channels, height, width];
  if (input?.shape.length !== 4 || batch !== 1) return undefined;
  return others.find(
    ({ shape, elements }) => sameShape(shape, image) && sameOrder(simplified(elements), spatialOrder(shape)),
  )?.name;
}

/** @param orders of the inputs */
function placesFrom(
  graph: Compiled,
  orders: readonly StoredTensor['order'][],
): ReadonlyMap<string, StoredTensor> {
  const places = new Map<string, StoredTensor>();
  graph.inputs.forEach((name, i) => {
    places.set(name, placeOf(graph, name, orders[i]));
  });
  for (const node of graph.nodes)
    locate(`node '${node.name}' (${node.op.kind})`, () => {
      const inputs = node.inputs.flatMap((input) => places.get(input) ?? []);
      for (const name of node.outputs.filter((output) => output !== '')) {
        const { shape } = placeOf(graph, name, undefined);
        const made =
          node.op.order === undefined ? inputs[0]?.order : node.op.order(node.attrs, inputs, shape);
        places.set(name, placeOf(graph, name, made));
      }
    });
  return places;
}

/**
 * By tensor name, without constants. An input lies as images do, or row-major where its channels are last; where an
 * operator cannot read that, inputs lie as the images that are made of them must.
 * @throws InputError naming the node that cannot read its input's order
 */
export function placesOf(graph: Compiled): ReadonlyMap<string, StoredTensor> {
  const usual = graph.inputs.map((input) =>
    channelsLast(graph, input) === undefined
      ? spatialOrder(placeOf(graph, input, undefined).shape)
      : undefined,
  );
  try {
    return placesFrom(graph, usual);
  } catch (error) {
    const other = graph.inputs.map((input) => orderForImage(graph, input));
    if (!(error instanceof InputError) || other.every((order, i) => sameOrder(order, usual[i]))) throw error;
    return placesFrom(graph, other);
  }
}
