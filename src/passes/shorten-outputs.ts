/**
 * Outputs of which nothing is read but what another output of the node holds: a recurrent layer's states of all steps,
 * of which the last one is picked. Only that other output is made then; the same numbers.
 */
import { at, must } from '../base/errors.ts';
import { type Graph, is, type Node } from '../ir/graph/graph.ts';
import { move } from '../ir/ops/move.ts';
import { reshape } from '../ir/ops/reshape.ts';
import { countOf, type Tensor, type TensorType } from '../ir/tensor.ts';
import { exhausted, freshName, onlyReader, viewOf } from './rewrite.ts';

/** A move at the end of views of a tensor, each the only reader of what is before it. */
interface Picked {
  readonly nodes: readonly Node[];
  /** By element of what the move makes: the tensor's, counted from 1; 0 where it is none of them. */
  readonly elements: ArrayLike<number>;
}

/** Not whatever hands numbers on: a largest element is chosen, not placed. */
const isMove = (node: Node): boolean => is(node, move) && node.inputs.length === 1;

function pickedOf(graph: Graph<'float'>, name: string): Picked | undefined {
  const { shape } = must(graph.tensors.get(name), `tensor '${name}' is known`);
  const data = Float64Array.from({ length: countOf(shape) }, (_, i) => i + 1);
  let numbers: Tensor = { dtype: 'float64', shape, data };
  const nodes: Node[] = [];
  for (
    let node = onlyReader(graph, name);
    node !== undefined;
    node = onlyReader(graph, at(node.outputs, 0))
  ) {
    if (!node.op.alias && !isMove(node)) return undefined;
    nodes.push(node);
    numbers = must(node.op.reference(node.attrs, [numbers])[0], 'an output');
    if (isMove(node)) return { nodes, elements: numbers.data };
  }
  return undefined;
}

const sameElements = (picked: ArrayLike<number>, held: ArrayLike<number>): boolean =>
  picked.length === held.length && Array.from(picked).every((element, i) => element === at(held, i) + 1);

/** The node without its first output, and the other one under the shape that the move gave it. */
function shortened(
  graph: Graph<'float'>,
  maker: Node,
  { nodes }: Picked,
  index: number,
  type: TensorType,
): Graph<'float'> {
  const last = must(nodes.at(-1), 'a move ends the views');
  const target = at(last.outputs, 0);
  const known = maker.outputs[index] ?? '';
  const name = known === '' ? freshName(graph, `${maker.outputs[0]}~${index}`) : known;
  const outputs = Array.from({ length: Math.max(maker.outputs.length, index + 1) }, (_, i) =>
    i === 0 ? '' : i === index ? name : (maker.outputs[i] ?? ''),
  );
  const attrs = { shape: must(graph.tensors.get(target), 'the move makes a tensor').shape };
  const view: Node = { ...last, op: reshape, attrs, inputs: [name] };
  const gone = new Set([maker.outputs[0], ...nodes.slice(0, -1).map((node) => node.outputs[0])]);
  const tensors = new Map([...graph.tensors].filter(([tensor]) => !gone.has(tensor)));
  tensors.set(name, type);
  return {
    ...graph,
    tensors,
    nodes: graph.nodes.flatMap((node) => {
      if (node === maker) return [{ ...maker, outputs }];
      if (node === last) return [view];
      return nodes.includes(node) ? [] : [node];
    }),
  };
}

function shortenOnce(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const maker of graph.nodes) {
    const [first = ''] = maker.outputs;
    if (maker.op.repeats === undefined || first === '') continue;
    const picked = pickedOf(graph, first);
    if (picked === undefined) continue;
    const { inputTypes } = viewOf(graph, maker);
    const types = maker.op.infer(maker.attrs, inputTypes);
    const index = maker.op
      .repeats(maker.attrs, inputTypes)
      .findIndex((held) => held !== undefined && sameElements(picked.elements, held));
    if (index >= 0) return shortened(graph, maker, picked, index, at(types, index));
  }
  return undefined;
}

export const shortenOutputs = {
  name: 'shorten-outputs',
  doc: 'of an output of which only a part is read, that part alone is made where the operator can; exact',
  run: (graph: Graph<'float'>): Graph<'float'> => exhausted(graph, shortenOnce),
} as const;
