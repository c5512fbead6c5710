/** Recorded inputs and outputs of a model, and whether a program's outputs are those. */
import { Distances, decibels } from '../base/distance.ts';
import { at, InputError } from '../base/errors.ts';
import { countOf, type DType, type Numbers, type Shape, showShape, type Tensor } from '../ir/tensor.ts';
import { inputPorts, outputPorts, type Port } from '../program/port.ts';
import type { Program } from '../program/program.ts';
import { joinedBytes, outputSlots, partsFor } from '../program/slots.ts';
import { decodedPort, encodedPort, readSlot } from '../program/values.ts';
import { formatMany } from '../text/numbers.ts';

export interface RecordedTensor {
  /** The file, and the array in it. */
  readonly where: string;
  /** As the file has it; it may be no name of the model. */
  readonly name: string;
  readonly tensor: Tensor;
}

/** What one folder or file holds: one sample, or several along the first axis of all tensors. */
export interface Recording {
  readonly where: string;
  readonly inputs: readonly RecordedTensor[];
  readonly outputs: readonly RecordedTensor[];
}

export interface RecordedSample {
  readonly where: string;
  /** The bytes of the program's inputs. */
  readonly input: Uint8Array;
  /** By output of the model, row-major. */
  readonly outputs: readonly Numbers[];
}

type Role = 'input' | 'output';

/**
 * The samples of a recording. A tensor belongs to the input or output of its name, or where the model has no such
 * name to the next in the model's order.
 * @throws InputError for another count of tensors, another shape or type than the model's, and inputs that the
 * program cannot store
 */
export function samplesOf(program: Program, recording: Recording): readonly RecordedSample[] {
  const { where } = recording;
  const ports = inputPorts(program);
  const inputs = settled(ports, recording.inputs, 'input', where);
  const outputs = settled(outputPorts(program), recording.outputs, 'output', where);
  const [first, ...others] = [...inputs, ...outputs];
  const count = first?.samples.length ?? 0;
  const odd = others.find(({ samples }) => samples.length !== count);
  if (odd !== undefined)
    throw new InputError({
      where: odd.where,
      found: formatMany(odd.samples.length, 'sample'),
      supported: `${count}, as in ${first?.where}`,
      todo: 'record the same number of samples of each input and output',
    });
  return Array.from({ length: count }, (_, i) => ({
    where: count === 1 ? where : `${where}, sample ${i}`,
    input: joinedBytes(ports.map((port, p) => encodedPort(port, at(at(inputs, p).samples, i)))),
    outputs: outputs.map(({ samples }) => at(samples, i)),
  }));
}

interface Settled {
  readonly where: string;
  readonly samples: readonly Numbers[];
}

function settled(
  ports: readonly Port[],
  tensors: readonly RecordedTensor[],
  role: Role,
  where: string,
): readonly Settled[] {
  return assigned(ports, tensors, role, where).map((recorded, i) => {
    const port = at(ports, i);
    requireType(port, recorded);
    return { where: recorded.where, samples: alongFirstAxis(port, recorded) };
  });
}

/** By port. */
function assigned(
  ports: readonly Port[],
  tensors: readonly RecordedTensor[],
  role: Role,
  where: string,
): readonly RecordedTensor[] {
  const names = ports.map(({ name }) => `'${name}'`).join(', ');
  if (tensors.length !== ports.length)
    throw new InputError({
      where,
      found: formatMany(tensors.length, `recorded ${role}`),
      supported: `${ports.length}: ${names}`,
      todo: 'record all of them',
    });
  const named = ports.map(({ name }) => tensors.find((tensor) => tensor.name === name));
  const rest = tensors.filter((tensor) => !named.includes(tensor));
  const twice = rest.find((tensor) => ports.some(({ name }) => name === tensor.name));
  if (twice !== undefined)
    throw new InputError({ where: twice.where, found: `${role} '${twice.name}' twice`, supported: names });
  let next = 0;
  return named.map((tensor) => tensor ?? at(rest, next++));
}

const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64';

function requireType({ name, type = 'float32' }: Port, { where, tensor }: RecordedTensor): void {
  if (isFloat(tensor.dtype) === isFloat(type)) return;
  throw new InputError({
    where,
    found: `elements of type ${tensor.dtype}`,
    supported: `${type}, as '${name}' has them in the model`,
  });
}

const isShape = (a: Shape, b: Shape): boolean => String(a) === String(b);

/** One of the model's shape, or several along a first axis: the model's own where that is 1, or one before it. */
function alongFirstAxis({ name, slot }: Port, { where, tensor }: RecordedTensor): readonly Numbers[] {
  const { shape, data } = tensor;
  if (isShape(shape, slot.shape)) return [data];
  const rests = [slot.shape, ...(slot.shape[0] === 1 ? [slot.shape.slice(1)] : [])];
  const [count = 0] = shape;
  if (count === 0 || !rests.some((rest) => isShape(shape.slice(1), rest)))
    throw new InputError({
      where,
      found: `shape ${showShape(shape)}`,
      supported: `${showShape(slot.shape)}, as '${name}' was compiled, or samples of that along a first axis`,
    });
  const size = countOf(slot.shape);
  return Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/** What an output may differ by; what is absent is not asked for. Outputs of integers have to be equal always. */
export interface Tolerance {
  /** Of the largest recorded number of the output in the sample. */
  readonly rtol?: number;
  /** In the output's units; added to the other. */
  readonly atol?: number;
  /** In decibels, over all samples. */
  readonly minSqnr?: number;
}

/** The default tolerance of `verify`. */
export const usualTolerance: Readonly<Record<Program['arith'], Tolerance>> = {
  float32: { rtol: 1e-5, atol: 1e-5 },
  int8: { minSqnr: 30 },
};

/** How near an output is to what was recorded of it. */
export interface Held {
  readonly output: string;
  /** Compared, of all samples. */
  readonly numbers: number;
  /** The largest difference; Infinity where one of the two is not finite. */
  readonly worst: number;
  /** Where that is. */
  readonly worstIn: string;
  /**
   * Signal to noise in decibels, the signal about its mean, or about 0 where the recorded numbers do not vary. Infinity
   * where nothing differs.
   */
  readonly sqnr: number;
  /** Absent where everything that was asked for holds. */
  readonly fails?: string;
}

/**
 * Each output of the model against its records.
 * @param outputs the bytes of the program's outputs, by sample
 */
export function heldToRecords(
  program: Program,
  samples: readonly RecordedSample[],
  outputs: readonly Uint8Array[],
  tolerance: Tolerance,
): readonly Held[] {
  const parts = outputs.map((bytes) => partsFor(outputSlots(program), bytes));
  return outputPorts(program).map((port, p) =>
    held(
      port,
      samples.map(({ where, outputs: recorded }, i) => ({
        where,
        recorded: at(recorded, p),
        found: numbersIn(port, at(at(parts, i), p)),
      })),
      tolerance,
    ),
  );
}

/** Integers exactly, which a float32 need not hold. */
const numbersIn = (port: Port, bytes: Uint8Array): Numbers =>
  port.grids.length === 0 ? readSlot(port, bytes) : decodedPort(port, bytes);

interface Compared {
  readonly where: string;
  readonly recorded: Numbers;
  readonly found: Numbers;
}

const differenceOf = (a: number, b: number): number => {
  if (Object.is(a, b) || a === b) return 0;
  return Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity;
};

/** The largest difference in a sample, and what the tolerance allows there. */
function worstOf({ recorded, found }: Compared, { rtol = 0, atol = 0 }: Tolerance) {
  let [worst, largest] = [0, 0];
  recorded.forEach((real: number, i: number) => {
    worst = Math.max(worst, differenceOf(real, at(found, i)));
    if (Number.isFinite(real)) largest = Math.max(largest, Math.abs(real));
  });
  return { worst, allowed: atol + rtol * largest };
}

const isExact = ({ type = 'float32' }: Port): boolean => !isFloat(type);

function held(port: Port, samples: readonly Compared[], tolerance: Tolerance): Held {
  const exact = isExact(port);
  const each = samples.map((sample) => ({ ...sample, ...worstOf(sample, exact ? {} : tolerance) }));
  const worst = each.reduce((a, b) => (b.worst > a.worst ? b : a), at(each, 0));
  const bounded = exact || tolerance.rtol !== undefined || tolerance.atol !== undefined;
  const beyond = bounded ? each.find((sample) => sample.worst > sample.allowed) : undefined;
  const sqnr = sqnrOf(port, samples);
  const found = {
    output: port.name,
    numbers: samples.reduce((sum, { recorded }) => sum + recorded.length, 0),
    worst: worst.worst,
    worstIn: worst.where,
    sqnr,
  };
  if (beyond !== undefined) return { ...found, fails: beyondText(beyond, exact) };
  const { minSqnr = -Infinity } = exact ? {} : tolerance;
  return sqnr >= minSqnr ? found : { ...found, fails: `${sqnr.toFixed(1)} dB, at least ${minSqnr} wanted` };
}

const beyondText = (
  { where, worst, allowed }: { readonly where: string; readonly worst: number; readonly allowed: number },
  exact: boolean,
): string =>
  `${where}: differs by ${worst.toPrecision(3)}, ${exact ? 'integers have to be equal' : `allowed ${allowed.toPrecision(3)}`}`;

function sqnrOf({ grids }: Port, samples: readonly Compared[]): number {
  const distances = new Distances();
  let squares = 0;
  for (const { recorded, found } of samples)
    for (let i = 0; i < recorded.length; i++) {
      const [real, other] = [at(recorded, i), at(found, i)];
      const difference = differenceOf(real, other);
      if (difference === Infinity) return -Infinity;
      if (!Number.isFinite(real)) continue;
      distances.add(real, other);
      squares += real * real;
    }
  if (distances.signal > 0) return distances.result().sqnr;
  const { sqnr } = distances.result(Math.max(0, ...grids.map(({ scale }) => scale)));
  return sqnr === Infinity ? sqnr : decibels(squares, distances.noise);
}
