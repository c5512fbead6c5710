/** Where the elements of every activation lie: its order in memory follows from the operators, in order. */
import { at, InputError, locate, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { sameOrder, simplified, spatialOrder } from '../ir/kernel/memory-order.ts';
import type { StoredTensor } from '../ir/kernel/stored.ts';
import { countOf, type Shape, sameShape } from '../ir/tensor.ts';

type Compiled = Graph<'float'> | Graph<'int8'>;

function placeOf(graph: Compiled, name: string, order: StoredTensor['order']): StoredTensor {
  const { shape, quant, kept } = must(graph.tensors.get(name), `tensor '${name}' is known`);
  return {
    shape,
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

/** What the network's input is called on its way through operators that only rename memory. */
interface InputView {
  readonly name: string;
  readonly shape: Shape;
  /** Position i of the input's row-major elements holds this row-major element of the view. */
  readonly elements: readonly number[];
}

/** The input, and its other names, each behind the one before. */
function inputViews(graph: Compiled): readonly InputView[] {
  const start = must(graph.inputs[0], 'a graph has an input');
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
function orderForImage(graph: Compiled): StoredTensor['order'] {
  const views = inputViews(graph);
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
export function channelsLast(graph: Compiled): string | undefined {
  const [input, ...others] = inputViews(graph);
  const [batch = 0, height = 0, width = 0, channels = 0] = input?.shape ?? [];
  const image = [batch, channels, height, width];
  if (input?.shape.length !== 4 || batch !== 1) return undefined;
  return others.find(
    ({ shape, elements }) => sameShape(shape, image) && sameOrder(simplified(elements), spatialOrder(shape)),
  )?.name;
}

function placesFrom(graph: Compiled, order: StoredTensor['order']): ReadonlyMap<string, StoredTensor> {
  const places = new Map<string, StoredTensor>();
  for (const name of graph.inputs) places.set(name, placeOf(graph, name, order));
  for (const node of graph.nodes)
    locate(`node '${node.name}' (${node.op.kind})`, () => {
      const [name = ''] = node.outputs;
      const inputs = node.inputs.flatMap((input) => places.get(input) ?? []);
      const { shape } = placeOf(graph, name, undefined);
      const made = node.op.order === undefined ? inputs[0]?.order : node.op.order(node.attrs, inputs, shape);
      places.set(name, placeOf(graph, name, made));
    });
  return places;
}

/**
 * By tensor name, without constants. The input lies as images do, or row-major where its channels are last; where an
 * operator cannot read that, as the image that is made of it must lie.
 * @throws InputError naming the node that cannot read its input's order
 */
export function placesOf(graph: Compiled): ReadonlyMap<string, StoredTensor> {
  const { shape } = placeOf(graph, at(graph.inputs, 0), undefined);
  const usual = channelsLast(graph) === undefined ? spatialOrder(shape) : undefined;
  try {
    return placesFrom(graph, usual);
  } catch (error) {
    const other = orderForImage(graph);
    if (!(error instanceof InputError) || sameOrder(other, usual)) throw error;
    return placesFrom(graph, other);
  }
}
