/**
 * How far a kernel's output may lie over its input: the diagonal overlap of memory planning. The kernel is run
 * once without data; every input element keeps the time of its last read, every output element that of its
 * first write, counted in writes.
 *
 * Output byte w at output_base + w may share its place with input byte r unless r is read after w is written.
 * With M(t) the lowest byte read at or after write t, an output d below its input never meets such a byte iff
 *   w - d < M(first write of w) for all w,    so d = max(0, max over w of w - M + 1).
 * The pair that attains the maximum coincides at d - 1: no smaller bound holds for all placements above it.
 */
import { at, must } from '../base/errors.ts';
import { elemBytes, type Kernel, type Param } from '../ir/kernel/kernel.ts';
import { runIntervals, type Trace } from '../prove/interval/intervals.ts';

export interface Overlap {
  /** Indices into the kernel's parameters: an 'in' and an 'out' one. */
  readonly input: number;
  readonly output: number;
  /** In bytes: every placement of the output at input_base - d with d >= below is safe. */
  readonly below: number;
  /** In bytes: every placement of the output at input_base + e with e >= above is safe. */
  readonly above: number;
  /** Both bases may be equal; exact, so it can hold where below and above are not 0. */
  readonly inPlace: boolean;
}

interface Times {
  /** By element: writes before its last read (-1: never), or number of its first write (maximum: never). */
  readonly times: Int32Array;
  readonly bytes: number;
}

/** Tracing is cheaper than proving, and a wrong answer costs memory, so more steps are allowed than there. */
const budget = 200_000_000;

/**
 * For every pair of an 'in' and an 'out' parameter. Undefined when the addresses depend on the input, or the
 * kernel has more steps than the budget.
 */
export function overlapOf(kernel: Kernel): readonly Overlap[] | undefined {
  const { complete, trace } = runIntervals(kernel, { trace: true, budget });
  if (!complete || !trace.known) return undefined;
  const by = (role: Param['role']) =>
    kernel.params.flatMap((p, index) => (p.role === role ? [{ index, ...timesOf(trace, p) }] : []));
  return by('in').flatMap((input) =>
    by('out').map((output) => ({
      input: input.index,
      output: output.index,
      ...distances(input, output),
    })),
  );
}

const timesOf = (trace: Trace, { name, role, elem }: Param): Times => ({
  times: must((role === 'in' ? trace.reads : trace.writes).get(name), `'${name}' is traced`),
  bytes: elemBytes[elem],
});

function distances(input: Times, output: Times): Pick<Overlap, 'below' | 'above' | 'inPlace'> {
  const { lowest, highest } = laterReads(input);
  let [below, above] = [0, 0];
  output.times.forEach((time, element) => {
    if (time >= lowest.length) return;
    const first = element * output.bytes;
    below = Math.max(below, first + output.bytes - at(lowest, time));
    above = Math.max(above, at(highest, time) + 1 - first);
  });
  return { below, above, inPlace: safeAtSameBase(input, output) };
}

/** By time t: the lowest and the highest byte that is read after write t. */
function laterReads({ times, bytes }: Times): {
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
} {
  const last = times.reduce((max, t) => Math.max(max, t), -1);
  const lowest = new Float64Array(last + 1).fill(Infinity);
  const highest = new Float64Array(last + 1).fill(-Infinity);
  times.forEach((t, element) => {
    if (t < 0) return;
    lowest[t] = Math.min(at(lowest, t), element * bytes);
    highest[t] = Math.max(at(highest, t), element * bytes + bytes - 1);
  });
  for (let t = last - 1; t >= 0; t--) {
    lowest[t] = Math.min(at(lowest, t), at(lowest, t + 1));
    highest[t] = Math.max(at(highest, t), at(highest, t + 1));
  }
  return { lowest, highest };
}

function safeAtSameBase(input: Times, output: Times): boolean {
  const end = Math.min(input.times.length * input.bytes, output.times.length * output.bytes);
  for (let byte = 0; byte < end; byte++) {
    const read = at(input.times, Math.floor(byte / input.bytes));
    const write = at(output.times, Math.floor(byte / output.bytes));
    if (write <= read) return false;
  }
  return true;
}
