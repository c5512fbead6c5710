/** Operands of several types of elements, as they are stored. */
import { at, must } from '../../../base/errors.ts';
import type { KernelContext } from '../../graph/op.ts';
import type { Elem, Kernel, Table } from '../../kernel/kernel.ts';
import { elemOf, elemOfType } from '../../kernel/stored.ts';
import { countOf, type Tensor } from '../../tensor.ts';
import { docOf } from '../kernels/doc.ts';
import { type Elementwise, elementwise, type Operand } from '../kernels/elementwise.ts';
import { type Constants, positions } from './pairs.ts';

/** The least and largest numbers of a type of elements. */
const bounds: Readonly<Record<Elem, readonly [number, number]>> = {
  f32: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  i16: [-(2 ** 15), 2 ** 15 - 1],
  u16: [0, 2 ** 16 - 1],
  i8: [-128, 127],
  u8: [0, 255],
};

/** What is said of a constant operand. */
const rowMajor = 'A constant operand of the model, row-major.';

function tableOf(name: string, { dtype, data }: Tensor): Table {
  const elem = must(elemOfType(dtype), `${dtype} is stored`);
  const [lo, hi] = at([bounds[elem]], 0);
  const numbers = Array.from(data, (x) => Math.max(lo, Math.min(hi, x)));
  return { name, elem, data: elem === 'f32' ? Float32Array.from(numbers) : numbers, says: rowMajor } as Table;
}

/** @param constants by operand; undefined for activations */
function operandsOf(context: KernelContext, constants: Constants): readonly Operand[] {
  const output = must(context.outputs[0], 'an output');
  const activations = context.inputs.values();
  return constants.map((constant, i): Operand => {
    if (constant !== undefined) {
      const table = tableOf(`${context.name}_constant${i}`, constant);
      return { length: countOf(constant.shape), at: positions(constant, output), table };
    }
    const place = must(activations.next().value, 'what is no constant is an activation');
    return { length: countOf(place.shape), at: positions(place, output), elem: elemOf(place) };
  });
}

/** Element by element, whatever its operands are. @param what what the comment above the kernel calls it */
export function storedKernel(
  what: string,
  context: KernelContext,
  constants: Constants,
  value: Elementwise['value'],
): Kernel {
  const output = must(context.outputs[0], 'an output');
  const elem = elemOf(output);
  return elementwise({
    name: context.name,
    doc: docOf(what, context.inputs, output, elem),
    elem,
    operands: operandsOf(context, constants),
    count: countOf(output.shape),
    value,
  });
}
