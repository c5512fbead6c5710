/** A program's input from real numbers or pixels, and real numbers from its output. */
import { DefectError, InputError, must } from '../ir/errors.ts';
import { elemBytes } from '../ir/kernel.ts';
import type { Quant } from '../ir/op.ts';
import type { Normalization, Program, Slot } from '../ir/program.ts';

/** One sample as a network computes with it, and as a sensor gave it where that is known. */
export interface Sample {
  /** Row-major in the logical shape. */
  readonly real: Float32Array;
  readonly raw?: Uint8Array;
}

export const inputSlot = (program: Program): Slot =>
  must(program.slots[program.input], `program ${program.name} has an input slot`);

export const outputSlot = (program: Program): Slot =>
  must(program.slots[program.output], `program ${program.name} has an output slot`);

/** Nearest integer, halves to even, as ONNX QuantizeLinear rounds. */
function rint(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

const clampByte = (x: number): number => Math.min(255, Math.max(0, x));

/** ONNX QuantizeLinear: saturate(rint(x / scale) + zeroPoint). */
const quantized = (x: number, { scale, zeroPoint }: Quant): number =>
  clampByte(rint(Math.fround(x / scale)) + zeroPoint);

/** The pixels that would have become these numbers; the shape's first axis is the channel. */
function pixelsOf(real: Float32Array, { mean, std }: Normalization): Uint8Array {
  const plane = real.length / mean.length;
  return Uint8Array.from(real, (x, i) => {
    const c = Math.floor(i / plane);
    return clampByte(rint(x * (std[c] ?? 1) + (mean[c] ?? 0)));
  });
}

/** The slot's bytes in logical order; its elements are of one byte. */
function bytesOf(slot: Slot, sample: Sample, rawInput: Normalization | undefined): Uint8Array {
  if (rawInput !== undefined) return sample.raw ?? pixelsOf(sample.real, rawInput);
  const { quant } = slot;
  if (slot.elem === 'u8' && quant !== undefined)
    return Uint8Array.from(sample.real, (x) => quantized(x, quant));
  throw new DefectError(`slot ${slot.name}: input of type ${slot.elem} without quantization`);
}

/** `order[i]` is the logical element at position i. */
const arranged = <T extends Uint8Array | Float32Array>(data: T, order: readonly number[] | undefined): T =>
  order === undefined ? data : (data.map((_, i) => data[order[i] as number] as number) as T);

function logical(data: Float32Array, order: readonly number[] | undefined): Float32Array {
  if (order === undefined) return data;
  const out = new Float32Array(data.length);
  data.forEach((x, i) => {
    out[order[i] as number] = x;
  });
  return out;
}

/**
 * The bytes of the program's input slot, in the slot's order. Programs that take raw pixels get the sample's
 * own, or else those that its real numbers stand for.
 * @throws InputError for a sample of another size.
 */
export function encodeInput(program: Program, sample: Sample): Uint8Array {
  const slot = inputSlot(program);
  if (sample.real.length !== slot.length)
    throw new InputError({
      where: `input of ${program.name}`,
      found: `a sample of ${sample.real.length} numbers`,
      supported: `${slot.length} numbers (${slot.shape.join('x')})`,
      todo: 'check that data and model belong together',
    });
  if (slot.elem !== 'f32') return arranged(bytesOf(slot, sample, program.rawInput), slot.order);
  const bytes = new Uint8Array(slot.length * 4);
  const view = new DataView(bytes.buffer);
  arranged(sample.real, slot.order).forEach((x, i) => {
    view.setFloat32(4 * i, x, true);
  });
  return bytes;
}

type Read = (view: DataView, at: number) => number;
const readers: Readonly<Record<Slot['elem'], Read>> = {
  u8: (view, at) => view.getUint8(at),
  i8: (view, at) => view.getInt8(at),
  u16: (view, at) => view.getUint16(at, true),
  i16: (view, at) => view.getInt16(at, true),
  i32: (view, at) => view.getInt32(at, true),
  f32: (view, at) => view.getFloat32(at, true),
};

/** The output slot's bytes as real numbers, row-major in the logical shape: scale * (stored - zeroPoint). */
export function decodeOutput(program: Program, bytes: Uint8Array): Float32Array {
  const slot = outputSlot(program);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { scale, zeroPoint } = slot.quant ?? { scale: 1, zeroPoint: 0 };
  const read = readers[slot.elem];
  const stored = Float32Array.from(
    { length: slot.length },
    (_, i) => scale * (read(view, i * elemBytes[slot.elem]) - zeroPoint),
  );
  return logical(stored, slot.order);
}
