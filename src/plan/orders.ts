/** Where the elements of every activation lie: its order in memory follows from the operators, in order. */
import { at, DefectError, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { type Order, sameOrder, simplified, spatialOrder } from '../ir/kernel/memory-order.ts';
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

/** An input, and its other names, each behind the one before. */
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
function orderForImage(graph: Compiled, input: string): Order {
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

/** A tensor that an operator reads in another order than it lies in. */
export interface Misplaced {
  readonly node: Node;
  readonly tensor: string;
  readonly order: Order;
}

interface Layout {
  readonly places: ReadonlyMap<string, StoredTensor>;
  readonly misplaced: readonly Misplaced[];
}

/** Where everything lies when the inputs lie so, each operator being given what it reads in the order that it asks for. */
function layoutFrom(graph: Compiled, orders: readonly Order[]): Layout {
  const places = new Map<string, StoredTensor>();
  const misplaced: Misplaced[] = [];
  graph.inputs.forEach((name, i) => {
    places.set(name, placeOf(graph, name, orders[i]));
  });
  for (const node of graph.nodes) {
    const { op, attrs } = node;
    const made = node.outputs.filter((name) => name !== '');
    const shapes = made.map((name) => placeOf(graph, name, undefined).shape);
    const read = node.inputs.flatMap((tensor) => {
      const place = places.get(tensor);
      return place === undefined ? [] : [{ tensor, place }];
    });
    const lying = read.map(({ place }) => place);
    const wanted = op.reads?.(attrs, lying, at(shapes, 0));
    const given = read.map(({ tensor, place }, i) => {
      if (wanted === undefined || sameOrder(place.order, wanted[i])) return place;
      misplaced.push({ node, tensor, order: wanted[i] });
      return placeOf(graph, tensor, wanted[i]);
    });
    made.forEach((name, i) => {
      const order = op.order === undefined ? given[0]?.order : op.order(attrs, given, at(shapes, i));
      places.set(name, placeOf(graph, name, order));
    });
  }
  return { places, misplaced };
}

/** Orders for an input: as images lie, or row-major where its channels are last; as the image that is made of it. */
function offersFor(graph: Compiled, name: string): readonly Order[] {
  const { shape } = placeOf(graph, name, undefined);
  const [image, other] = [spatialOrder(shape), orderForImage(graph, name)];
  const usual = channelsLast(graph, name) === undefined ? image : undefined;
  return [usual, other, image, undefined];
}

/** Elements that have to be copied, each tensor once for each order. */
const copied = (graph: Compiled, { misplaced }: Layout): number => {
  const seen: Misplaced[] = [];
  for (const one of misplaced)
    if (!seen.some(({ tensor, order }) => tensor === one.tensor && sameOrder(order, one.order)))
      seen.push(one);
  return seen.reduce((sum, { tensor }) => sum + countOf(placeOf(graph, tensor, undefined).shape), 0);
};

/** The orders of the inputs, one after the other, with which the fewest elements are copied; the first of equal ones. */
function bestLayout(graph: Compiled): Layout {
  if (graph.portOrder === 'model')
    return layoutFrom(
      graph,
      graph.inputs.map(() => undefined),
    );
  const offers = graph.inputs.map((name) => offersFor(graph, name));
  let orders = offers.map(([usual]) => usual);
  let best = layoutFrom(graph, orders);
  offers.forEach((own, i) => {
    for (const order of own) {
      if (best.misplaced.length === 0) return;
      const trial = layoutFrom(graph, orders.with(i, order));
      if (copied(graph, trial) < copied(graph, best)) [best, orders] = [trial, orders.with(i, order)];
    }
  });
  return best;
}

/** What has to be copied into another order before operators can read it. */
export const misplacedIn = (graph: Compiled): readonly Misplaced[] => bestLayout(graph).misplaced;

/** Outputs that have to be copied, since they do not lie row-major where the graph says that they do. */
export function misplacedOutputs(graph: Compiled): readonly string[] {
  if (graph.portOrder === undefined) return [];
  const { places } = bestLayout(graph);
  return graph.outputs.filter((name) => places.get(name)?.order !== undefined);
}

/**
 * By tensor name, without constants. An input lies as images do, or row-major where its channels are last; where fewer
 * elements are to be copied so, as the image that is made of it must lie.
 * @throws DefectError where an operator cannot read what it is given: `settle-orders` puts copies there
 */
export function placesOf(graph: Compiled): ReadonlyMap<string, StoredTensor> {
  const { places, misplaced } = bestLayout(graph);
  const [first] = misplaced;
  const [output] = misplacedOutputs(graph);
  if (output !== undefined) throw new DefectError(`output '${output}' does not lie row-major`);
  if (first === undefined) return places;
  throw new DefectError(
    `node '${first.node.name}' reads '${first.tensor}' in an order in which it does not lie`,
  );
}
