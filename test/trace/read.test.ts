import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import type { Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { lineText } from '../../src/trace/line.ts';
import { readTrace, readTraces } from '../../src/trace/read.ts';
import type { DeviceTrace, TraceLayer, TraceProblem } from '../../src/trace/trace.ts';
import { createTrace } from '../../src/trace/write.ts';
import { int8Sample, samples } from '../support/sample-programs.ts';

const floatSample = samples.find(({ program }) => program.arith === 'float32')!.program;
const build = 'feedfacecafebeef';
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** A run's text, and the arenas that it tells of. */
function traced(program: Program, seed: number, level: 1 | 2 = 2) {
  const slot = program.slots[program.inputs[0]!.slot]!;
  const input = Uint8Array.from(
    { length: slot.length * (slot.elem === 'f32' ? 4 : 1) },
    (_, i) => (i * 7 + seed * 31) & 63,
  );
  const outcome = createSimulator(program, { mode: 'fast' }).run(input, { keepArenas: true });
  const where = { arena: 0x2000_0100, stack: 0x2000_3fc0, tableAddresses: [0x1000, 0x1100, 0x1200, 0x1300] };
  return { input, outcome, text: createTrace(program, { input, outcome }, { level, build, ...where }) };
}

const { input, outcome, text } = traced(int8Sample, 1);
const lines = text.split(/(?<=\n)/);
const others = (trace: DeviceTrace): readonly TraceProblem[] =>
  trace.problems.filter((p) => p.kind !== 'noise');

describe('one undamaged run', () => {
  const trace = readTrace(bytesOf(text));

  test('says everything', () => {
    expect(trace).toMatchObject({ name: 'sample_int8', build, problems: [] });
    expect(trace.runs).toHaveLength(1);
    expect(trace.runs[0]).toMatchObject({
      index: 0,
      level: 2,
      steps: 3,
      arena: 0x2000_0100,
      stack: 0x2000_3fc0,
      complete: true,
      offset: 0,
    });
    expect(trace.runs[0]!.tables.map(({ index, address, length }) => [index, address, length])).toEqual([
      [0, 0x1000, 36],
      [1, 0x1100, 16],
      [2, 0x1200, 16],
      [3, 0x1300, 4],
    ]);
  });

  test('has the bytes of every tensor when it was written and when it was read', () => {
    const [run] = trace.runs;
    expect(run!.layers.map(({ step }) => step)).toEqual([-1, 0, 1, 2, 3]);
    const arenaAt = (step: number, slot: number) => {
      const { address, length } = int8Sample.slots[slot]!;
      return step < 0 ? input : outcome.arenas[step]!.slice(address, address + length);
    };
    for (const { step, inputs, outputs } of run!.layers) {
      for (const { slot, bytes, changed } of inputs) {
        expect(bytes).toEqual(arenaAt(step - 1, slot));
        expect(changed).toBe(false);
      }
      for (const { slot, bytes } of outputs) expect(bytes).toEqual(arenaAt(step, slot));
    }
    expect(run!.layers.at(-1)!.inputs[0]!.bytes).toEqual(outcome.output);
  });

  test('checksums only', () => {
    const { text: short } = traced(int8Sample, 1, 1);
    const { runs, problems } = readTrace(bytesOf(short));
    expect(problems).toEqual([]);
    expect(runs[0]).toMatchObject({ level: 1, complete: true });
    const crcs = (layers: readonly TraceLayer[]) =>
      layers.map(({ inputs, outputs }) =>
        [...inputs, ...outputs].map(({ slot, crc, length }) => [slot, crc, length]),
      );
    expect(crcs(runs[0]!.layers)).toEqual(crcs(trace.runs[0]!.layers));
    expect(runs[0]!.layers.flatMap(({ outputs }) => outputs).every(({ bytes }) => bytes === undefined)).toBe(
      true,
    );
  });

  test('lines fit a terminal', () => {
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(81);
  });
});

describe('damage', () => {
  const whole = readTrace(bytesOf(text)).runs[0]!;
  const half = (line: string): number => Math.floor(line.length / 2);

  /** The trace with line `i` as `damage` leaves it. */
  function damaged(i: number, damage: (line: string) => string): DeviceTrace {
    const before = lines.slice(0, i).join('');
    const after = lines.slice(i + 1).join('');
    return readTrace(bytesOf(before + damage(lines[i]!) + after));
  }

  test.each<[string, (line: string) => string]>([
    ['another character', (line) => `${line.slice(0, half(line))}!${line.slice(half(line) + 1)}`],
    ['a character less', (line) => line.slice(0, half(line)) + line.slice(half(line) + 1)],
    ['text on it', (line) => `${line.slice(0, half(line))}irq 7${line.slice(half(line))}`],
    ['lines in it', (line) => `${line.slice(0, half(line))}\r\nirq 7\r\n${line.slice(half(line))}`],
    ['no second half', (line) => line.slice(0, half(line))],
    ['no first half', (line) => line.slice(half(line))],
    ['nothing', () => ''],
  ])('%s costs one line, and no other', (_, damage) => {
    for (const [i, line] of lines.entries()) {
      const trace = damaged(i, damage);
      expect(trace.name).toBe('sample_int8');
      expect(trace.runs).toHaveLength(1);
      const [run] = trace.runs;
      expect(run!.complete).toBe(false);
      expect(others(trace).filter(({ kind }) => kind === 'lost')).toHaveLength(1);
      const kind = line[1]!;
      if (kind === 'T') expect(run!.tables).toHaveLength(whole.tables.length - 1);
      else expect(run!.tables).toEqual(whole.tables);
      const missing = run!.layers.flatMap(({ outputs }) => outputs.flatMap((tensor) => tensor.missing));
      if (kind === 'o') expect(missing).toHaveLength(1);
      else expect(missing).toEqual([]);
      // What another line says too, or what follows from all the bytes, is not lost.
      if ('BTEO'.includes(kind)) expect(run!.layers).toEqual(whole.layers);
    }
  });

  test('is reported where it is', () => {
    const { problems } = damaged(7, (line) => line.replace('*', '!'));
    expect(problems).toEqual([
      { kind: 'damaged', line: 8, offset: lines.slice(0, 7).join('').length, what: expect.any(String) },
      {
        kind: 'lost',
        line: 9,
        offset: lines.slice(0, 8).join('').length,
        what: expect.stringContaining('line 7 of run'),
      },
    ]);
  });

  test('undamaged lines of other forms', () => {
    const strange = [
      lineText(['O', '1', '0', '-1']),
      lineText(['o', '1', '0', '0', '0', '0', 'A']),
      lineText(['I', '1', '0', '0', '0', 'fffffffff', '0']),
    ];
    const { runs, problems } = readTrace(bytesOf(strange.join('')));
    expect(runs).toEqual([]);
    expect(problems.map(({ kind }) => kind)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('bytes beyond their tensor', () => {
    const said = [
      lineText(['O', '1', '0', '-1', '0', '2', '0']),
      lineText(['o', '1', '1', '-1', '0', '1', 'AAA']),
    ];
    const { runs, problems } = readTrace(bytesOf(said.join('')));
    expect(runs[0]!.layers[0]!.outputs).toEqual([{ slot: 0, length: 2, crc: 0, missing: [] }]);
    expect(problems.map(({ kind }) => kind)).toContain('unknown');
  });
});

describe('other text', () => {
  test('before, after and on the lines', () => {
    const noisy = `boot ~ok *1234\r\n${text.replaceAll('\n', '\r\nirq 7\r\n').replaceAll('~', 'adc=12 ~')}bye ~`;
    const trace = readTrace(bytesOf(noisy));
    expect(others(trace)).toEqual([]);
    expect(trace.problems[0]).toMatchObject({ kind: 'noise', offset: 0, line: 1 });
    const { offset: _, ...run } = trace.runs[0]!;
    const { offset: __, ...expected } = readTrace(bytesOf(text)).runs[0]!;
    expect(run).toEqual(expected);
  });

  test('alone is an empty trace', () => {
    expect(readTrace(bytesOf('hello\n'))).toEqual({
      runs: [],
      problems: [{ kind: 'noise', offset: 0, line: 1, what: "'hello'" }],
    });
    expect(readTraces(new Uint8Array())).toEqual([]);
  });
});

describe('several runs', () => {
  const second = traced(int8Sample, 2).text;
  const float = traced(floatSample, 1).text;

  test('one after the other, of equal and of different inputs', () => {
    const { runs, problems } = readTrace(bytesOf(text + second + text + text));
    expect(problems).toEqual([]);
    expect(runs.map(({ complete, index }) => [complete, index])).toEqual([0, 1, 2, 3].map((i) => [true, i]));
    expect(runs[2]!.layers).toEqual(runs[0]!.layers);
    expect(runs[1]!.layers).not.toEqual(runs[0]!.layers);
  });

  test('by turns, line by line, of two networks', () => {
    const b = float.split(/(?<=\n)/);
    const mixed = Array.from(
      { length: Math.max(lines.length, b.length) },
      (_, i) => (lines[i] ?? '') + (b[i] ?? ''),
    );
    const found = readTraces(bytesOf(mixed.join('')));
    expect(found.map(({ name }) => name)).toEqual(['sample_int8', 'sample_float']);
    for (const { runs, problems } of found) {
      expect(problems).toEqual([]);
      expect(runs.map(({ complete }) => complete)).toEqual([true]);
    }
    expect(readTrace(bytesOf(mixed.join('')), 'sample_int8').name).toBe('sample_int8');
    expect(readTrace(bytesOf(mixed.join('')), 'other')).toEqual({ runs: [], problems: [] });
  });

  test('the device starts again in the middle', () => {
    const cut = lines.slice(0, 9).join('');
    const trace = readTrace(bytesOf(cut + text));
    expect(trace.runs.map(({ complete }) => complete)).toEqual([false, true]);
    expect(others(trace).map(({ kind }) => kind)).toEqual(['lost']);
  });

  test('a run without its first and last line belongs to the build whose tables it has, or to none', () => {
    const middle = lines.slice(1, -1).join('');
    const mine = readTraces(bytesOf(float + middle + second));
    expect(mine.map(({ name, runs }) => [name, runs.length])).toEqual([
      ['sample_float', 1],
      ['sample_int8', 2],
    ]);
    expect(mine[1]!.runs.map(({ complete }) => complete)).toEqual([false, true]);
    const unowned = readTraces(bytesOf(float + middle));
    expect(unowned.map(({ name, runs }) => [name, runs.length])).toEqual([
      [undefined, 1],
      ['sample_float', 1],
    ]);
    expect(readTrace(bytesOf(middle), 'sample_int8').runs).toHaveLength(1);
    expect(readTrace(bytesOf(float + middle)).name).toBe('sample_float');
  });

  test('lines that come twice', () => {
    const doubled = lines.map((line, i) => (i % 3 === 0 ? line + line : line)).join('');
    const trace = readTrace(bytesOf(doubled));
    expect(trace.runs.map(({ complete }) => complete)).toEqual([true]);
    expect(new Set(trace.problems.map(({ kind }) => kind))).toEqual(new Set(['repeated']));
  });
});

test('an outcome without its arenas cannot be traced', () => {
  const { output } = outcome;
  expect(() => createTrace(int8Sample, { input, outcome: { output, arenas: [] } }, { level: 1 })).toThrow(
    InputError,
  );
});

describe('any bytes', () => {
  const log = bytesOf(`*** boot ***\r\n${text}temp 21\r\n${traced(floatSample, 3).text}`);
  const at = fc.nat(log.length - 1);
  /** Edits of the capture, as a serial line and a careless hand make them. */
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('cut'), at, length: fc.nat(300) }),
    fc.record({ kind: fc.constant('flip'), at, length: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('insert'), at, length: fc.nat(40) }),
    fc.record({ kind: fc.constant('repeat'), at, length: fc.nat(400) }),
  );
  const edited = (
    bytes: Uint8Array,
    { kind, at: i, length }: { kind: string; at: number; length: number },
  ) => {
    const [head, tail] = [bytes.subarray(0, i), bytes.subarray(i)];
    if (kind === 'cut') return Buffer.concat([head, tail.subarray(length)]);
    if (kind === 'insert') return Buffer.concat([head, Buffer.alloc(length, `irq ${length}\r\n`), tail]);
    if (kind === 'repeat') return Buffer.concat([head, tail.subarray(0, length), tail]);
    return Uint8Array.from(bytes, (byte, j) => (j === i ? byte ^ length : byte));
  };

  test('nothing is thrown, and what is believed is true', () => {
    const truth = readTraces(log).flatMap(({ name, runs }) => runs.map((run) => ({ name, run })));
    const known = new Map(
      truth.flatMap(({ name, run }) =>
        run.layers.flatMap(({ step, inputs, outputs }) =>
          [...inputs, ...outputs].map((t) => [`${name} ${step} ${t.slot}`, t] as const),
        ),
      ),
    );
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const bytes = edits.reduce(edited, log);
        for (const { name, runs } of readTraces(bytes))
          for (const { layers } of runs)
            for (const { step, inputs, outputs } of layers)
              for (const tensor of [...inputs, ...outputs]) {
                const right = known.get(`${name} ${step} ${tensor.slot}`);
                if (name === undefined) continue;
                if (tensor.crc !== undefined) expect(tensor.crc).toBe(right!.crc);
                if (tensor.length !== undefined) expect(tensor.length).toBe(right!.length);
                tensor.bytes?.forEach((byte, i) => {
                  const lost = tensor.missing.some(({ from, to }) => i >= from && i < to);
                  if (!lost && byte !== right!.bytes![i]) throw new Error(`byte ${i} of ${tensor.slot}`);
                });
              }
      }),
      { numRuns: 300 },
    );
  });

  test('garbage', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 30 }).map((a) => Buffer.from(a)),
      fc.constantFrom('~B 1 0', '~o 1 2 3 4 5 ', '*00000000', '~', '\r\n', '*').map((s) => Buffer.from(s)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
        expect(readTrace(Buffer.concat(chunks)).runs).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
