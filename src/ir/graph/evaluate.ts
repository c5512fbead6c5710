/** Networks run by the meaning of their operators: the float model that everything else is held to. */
import { InputError, locate, must, nodeLabel } from '../../base/errors.ts';
import { fileStep, fileValue } from '../kernel/file-grid.ts';
import type { Quant } from '../kernel/stored.ts';
import { countOf, sameShape, showShape, type Tensor, tensorOf } from '../tensor.ts';
import type { Graph } from './graph.ts';
import { refusal } from './obstacles.ts';
import { isCanonical } from './op.ts';

/** What a tensor holds that is stored on a grid of the model's file: the numbers rounded to it. */
export function onFileGrid(tensor: Tensor, grid: Quant | undefined): Tensor {
  if (grid === undefined) return tensor;
  const data = Float32Array.from(tensor.data, (x) => fileValue(fileStep(x, grid), grid));
  return { dtype: 'float32', shape: tensor.shape, data };
}

/**
 * The graph's outputs by name. Tensors that a quantized model stores on its grids are rounded to them.
 * @param inputs one tensor for each of `graph.inputs`
 * @param observe called with each activation: the inputs, then every node's outputs in order of execution
 * @param observeInside called with what nodes keep inside, by their names
 * @throws InputError when an input is missing or of another type or length, or a node cannot take what it gets
 */
export function evaluate(
  graph: Graph<'imported'> | Graph<'float'>,
  inputs: ReadonlyMap<string, Tensor>,
  observe: (tensorName: string, tensor: Tensor) => void = () => undefined,
  observeInside: (nodeName: string, tensor: Tensor) => void = () => undefined,
): ReadonlyMap<string, Tensor> {
  if (graph.obstacles !== undefined && graph.obstacles.length > 0) throw refusal(graph.name, graph.obstacles);
  const values = new Map<string, Tensor>();
  const valueAt = (name: string) => graph.tensors.get(name)?.constant ?? values.get(name);
  const set = (name: string, made: Tensor) => {
    const tensor = onFileGrid(made, graph.tensors.get(name)?.grid);
    values.set(name, tensor);
    observe(name, tensor);
  };
  for (const name of graph.inputs) set(name, checkedInput(graph, name, inputs.get(name)));
  for (const { name, type, op, attrs, inputs: from, outputs } of graph.nodes) {
    if (outputs.every((output) => graph.tensors.get(output)?.constant !== undefined)) continue;
    const results = locate(nodeLabel(name, type ?? op.kind), () => op.reference(attrs, from.map(valueAt)));
    outputs.forEach((output, i) => {
      if (output !== '') set(output, must(results[i], `${op.kind} has an output ${i}`));
    });
    if (isCanonical(op) && op.inside) observeInside(name, must(results.at(-1), `${op.kind} keeps something`));
  }
  return new Map(graph.outputs.map((name) => [name, must(valueAt(name), `output '${name}' is made`)]));
}

/**
 * One sample as the graph's inputs: numbers of all of them, row-major, one after the other.
 * @throws InputError for another count of numbers
 */
export function inputTensors(
  { name, inputs, tensors }: Graph<'float'>,
  sample: Float32Array,
): ReadonlyMap<string, Tensor> {
  let from = 0;
  const made = new Map(
    inputs.map((input) => {
      const type = must(tensors.get(input), `input '${input}' has a type`);
      const first = from;
      from += countOf(type.shape);
      return [input, tensorOf(type, sample.subarray(first, from))] as const;
    }),
  );
  if (from === sample.length) return made;
  throw new InputError({
    where: `the inputs of ${name}`,
    found: `${sample.length} numbers`,
    supported: `${from}: ${[...made].map(([input, { data }]) => `${data.length} of '${input}'`).join(', ')}`,
    todo: 'give all inputs, one after the other',
  });
}

/** How many numbers all inputs have. */
export const inputCount = ({ inputs, tensors }: Graph<'float'> | Graph<'int8'>): number =>
  inputs.reduce(
    (sum, input) => sum + countOf(must(tensors.get(input), `input '${input}' has a type`).shape),
    0,
  );

function checkedInput(
  graph: Graph<'imported'> | Graph<'float'>,
  name: string,
  tensor: Tensor | undefined,
): Tensor {
  const where = `input '${name}'`;
  const declared = graph.tensors.get(name);
  if (tensor === undefined) throw new InputError({ where, found: 'no tensor for it' });
  if (declared?.dtype !== undefined && declared.dtype !== tensor.dtype)
    throw new InputError({ where, found: `a tensor of ${tensor.dtype}`, supported: declared.dtype });
  if (declared?.shape !== undefined && !sameShape(declared.shape, tensor.shape))
    throw new InputError({
      where,
      found: `a tensor of shape ${showShape(tensor.shape)}`,
      supported: showShape(declared.shape),
    });
  const count = countOf(tensor.shape);
  if (tensor.data.length !== count)
    throw new InputError({
      where,
      found: `${tensor.data.length} numbers`,
      supported: `${count}: ${showShape(tensor.shape)}`,
      todo: 'give one whole input',
    });
  return tensor;
}
