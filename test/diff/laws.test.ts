/**
 * Random programs, the other side falsified in random layers, other layers not captured, lines lost, logs cut: a
 * falsified layer that was compared is found, no other is accused before it, and what was not compared is counted.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Capture, captureOfTensors } from '../../src/diff/capture.ts';
import { type Diff, diff, type LayerDiff } from '../../src/diff/compare.ts';
import type { DiffMode } from '../../src/diff/feed.ts';
import { captureOfRun } from '../../src/diff/trace-capture.ts';
import { coverageOf, verdictOf } from '../../src/diff/verdict.ts';
import type { Program } from '../../src/program/program.ts';
import { decodeSlot } from '../../src/program/values.ts';
import { readTrace } from '../../src/trace/read.ts';
import { oneByteOff, outputOf, slotsOfRun, traceOfSlots } from '../support/devices.ts';
import { built } from '../support/pipeline.ts';
import { Reached } from '../support/reached.ts';
import { type Recipe, recipes } from '../support/recipes.ts';

/** Counts add up, and only what was compared whole is right. */
function requireCounted(found: Diff): void {
  const { layers, compared, partly, notCompared } = coverageOf(found);
  expect(compared + partly + notCompared).toBe(layers);
  for (const layer of found.layers) {
    const left = layer.gaps.reduce((sum, { inferences }) => sum + inferences, 0);
    expect(layer.compared + left, layer.kernel).toBe(found.inferences);
    if (layer.wrong) expect(layer.compared, layer.kernel).toBeGreaterThan(0);
  }
  expect(verdictOf(found) === 'right').toBe(found.first === undefined && compared === layers);
}

const int8 = recipes().map((recipe): Recipe => ({ ...recipe, arith: 'int8' }));
/** As shares of the program's steps. */
const shares = (least: number, most: number) =>
  fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: least, maxLength: most });
const stepsAt = (program: Program, at: readonly number[]): ReadonlySet<number> =>
  new Set(at.map((share) => Math.floor(share * program.steps.length)));
const layerOf = (found: Diff, step: number): LayerDiff => found.layers.find((layer) => layer.step === step)!;

const damage = fc.oneof(
  fc.record({ kind: fc.constant('none' as const) }),
  fc.record({ kind: fc.constant('lines' as const), at: shares(2, 6) }),
  fc.record({ kind: fc.constant('layer' as const), at: shares(1, 2) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

const stepOfLine = (line: string): number =>
  Number.parseInt(/^~[Oo] \S+ \S+ (\S+)/.exec(line)?.[1] ?? '', 16);

function damaged(log: string, program: Program, how: Damage): string {
  if (how.kind === 'none') return log;
  if (how.kind === 'cut') return log.slice(0, Math.floor(how.at * log.length));
  const lines = log.split('\n');
  if (how.kind === 'layer') {
    const lost = stepsAt(program, how.at);
    return lines.filter((line) => !lost.has(stepOfLine(line))).join('\n');
  }
  const gone = new Set(how.at.map((share) => Math.floor(share * lines.length)));
  return lines.filter((_, i) => !gone.has(i)).join('\n');
}

test("of a device's log nothing is believed that is not there", () => {
  const reached = new Reached();
  const property = fc.property(
    int8,
    shares(0, 2),
    fc.nat(),
    fc.constantFrom(1 as const, 2 as const),
    fc.boolean(),
    damage,
    (recipe, at, seed, level, given, how) => {
      const { program, inputs } = built(recipe, 'net');
      const wrong = stepsAt(program, at);
      const [input] = inputs;
      const held = slotsOfRun(program, input!, (step, bytes) =>
        wrong.has(step) ? oneByteOff(bytes, seed + step) : bytes,
      );
      const log = damaged(traceOfSlots(program, held, { level }), program, how);
      const { runs } = readTrace(Buffer.from(log, 'latin1'));
      const mode: DiffMode = level === 1 ? 'cumulative' : 'isolated';
      const inferences = runs.map((run) => ({
        ...(given ? { input: input! } : {}),
        theirs: captureOfRun(run),
      }));
      const found = diff(program, inferences, { mode });
      requireCounted(found);
      if (found.first !== undefined) expect(wrong).toContain(found.first.step);
      const first = Math.min(...wrong);
      if (wrong.size > 0 && layerOf(found, first).compared > 0) {
        expect(found.first?.step).toBe(first);
        reached.add('found');
      }
      if (how.kind === 'none' && wrong.size === 0 && (given || level === 2)) {
        expect(verdictOf(found)).toBe('right');
        reached.add('right');
      }
      const kinds = found.layers.flatMap(({ gaps }) => gaps.map(({ kind }) => kind));
      reached.add(...runs.map(() => 'runs'));
      if (level === 1 && found.layers.some(({ checksums }) => checksums !== undefined))
        reached.add('checksums');
      if (kinds.includes('lost')) reached.add('lost');
      if (kinds.includes('unclear')) reached.add('unclear');
      if (coverageOf(found).compared > 0 && verdictOf(found) === 'unknown') reached.add('partly');
    },
  );
  fc.assert(property, { numRuns: 240 });
  reached.atLeast({ runs: 45, found: 13, lost: 13, unclear: 2, right: 2, partly: 6, checksums: 13 });
}, 600_000);

/** Far from everything that the layer held, constants included. */
const farOff = (values: Float32Array): Float32Array => {
  const most = values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return values.map((x) => 10 * (most + 1) - x);
};

function captured(
  program: Program,
  held: ReadonlyMap<number, Uint8Array>,
  wrong: ReadonlySet<number>,
  missing: ReadonlySet<number>,
): Capture {
  const wrongSlots = new Set([...wrong].map((step) => outputOf(program, step)));
  const missingSlots = new Set([...missing].map((step) => outputOf(program, step)));
  return captureOfTensors(program, (index) => {
    const slot = program.slots[index]!;
    const bytes = held.get(index);
    if (bytes === undefined || missingSlots.has(index)) return undefined;
    const real = decodeSlot(slot, bytes);
    return {
      dtype: 'float32',
      shape: slot.shape,
      data: wrongSlots.has(index) ? farOff(real) : real,
    };
  });
}

test('of captured numbers a falsified layer is found, and none is accused before it', () => {
  const reached = new Reached();
  const property = fc.property(
    int8,
    shares(0, 2),
    shares(0, 3),
    fc.constantFrom<DiffMode>('isolated', 'cumulative'),
    (recipe, at, gone, mode) => {
      const { program, inputs } = built({ ...recipe, raw: 'no' }, 'net');
      // A capture has the channels of the model, which a program need not have all.
      fc.pre(program.slots.every(({ kept }) => kept === undefined));
      const [wrong, missing] = [stepsAt(program, at), stepsAt(program, gone)];
      const [input] = inputs;
      const held = slotsOfRun(program, input!, (_, bytes) => bytes);
      const theirs = captured(program, held, wrong, missing);
      const found = diff(program, [{ input: input!, theirs }], { mode });
      requireCounted(found);
      const seen = [...wrong].filter((step) => !missing.has(step));
      expect(found.first?.step).toBe(seen.length === 0 ? undefined : Math.min(...seen));
      expect(coverageOf(found).notCompared).toBe(missing.size);
      if (seen.length > 0) reached.add('found');
      else if (missing.size > 0) reached.add('unknown');
      else reached.add('right');
      reached.add(...[...missing].map(() => 'missing'));
    },
  );
  fc.assert(property, { numRuns: 120 });
  reached.atLeast({ found: 8, unknown: 15, right: 2, missing: 25 });
}, 600_000);
