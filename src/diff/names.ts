/** Which of a file's arrays is a program's tensor: by the model's names for it, or PyTorch's for the module. */
import { must } from '../ir/errors.ts';
import type { Program } from '../ir/program.ts';
import type { Tensor } from '../ir/tensor.ts';

/** `/features/features.3/Relu` is what the exporter calls the operator of the module `features.3`. */
function moduleOf(node: string): readonly string[] {
  const parts = node.split('/').filter((part) => part !== '');
  const module = parts.at(-2);
  return module === undefined ? [] : [module, parts.slice(0, -1).join('.')];
}

/** Of a slot, the likeliest first. */
export function namesFor(program: Program, index: number): readonly string[] {
  const slot = must(program.slots[index], 'a slot of the program');
  const origin = program.steps[slot.firstStep]?.origin ?? [];
  // A fused layer's output is that of the last operator in it.
  const last = origin.slice(-1);
  return [
    slot.name,
    ...last,
    ...last.flatMap(moduleOf),
    ...(index === program.input ? ['input', 'x'] : []),
    ...(index === program.output ? ['output', 'y', 'logits'] : []),
  ];
}

/** Sample `sample` of an array whose first axis is the batch. */
export function sampleOf({ dtype, shape, data }: Tensor, sample: number): Tensor | undefined {
  const [batch = 1] = shape;
  const size = data.length / batch;
  if (sample >= batch) return undefined;
  return {
    dtype,
    shape: [1, ...shape.slice(1)],
    data: data.slice(sample * size, (sample + 1) * size),
  } as Tensor;
}

export function arrayFor(
  program: Program,
  index: number,
  arrays: ReadonlyMap<string, Tensor>,
): Tensor | undefined {
  for (const name of namesFor(program, index)) {
    const found = arrays.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}
