/** The arena over time, drawn in characters: addresses across, steps down. */

import { must } from '../base/errors.ts';
import { formatBytes, formatCount } from '../text/numbers.ts';
import type { Program, Slot } from './program.ts';
import { slotAt, slotBytes } from './slots.ts';

/** What a step does with a byte, the most telling first: a column shows the first that any of its bytes has. */
const glyphs = { both: '▓', writes: '█', reads: '▒', keeps: '░', free: '·' } as const;
type Use = keyof typeof glyphs;

const legend = [
  `${glyphs.reads} read`,
  `${glyphs.writes} written`,
  `${glyphs.both} both`,
  `${glyphs.keeps} kept`,
  `${glyphs.free} free`,
].join('  ');

/** A stretch of bytes, from `start` to before `end`. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

const meet = (...stretches: readonly Stretch[]): boolean =>
  Math.max(...stretches.map(({ start }) => start)) < Math.min(...stretches.map(({ end }) => end));

const stretchOf = (slot: Slot): Stretch => ({ start: slot.address, end: slot.address + slotBytes(slot) });

function useOf(program: Program, step: number, bytes: Stretch): Use {
  const { kernel, args } = must(program.steps[step], 'a step of the program');
  const touched = args
    .map((index, i) => ({
      ...stretchOf(slotAt(program, index)),
      read: kernel.params[i]?.role === 'in',
    }))
    .filter((argument) => meet(argument, bytes));
  const read = touched.filter((argument) => argument.read);
  const written = touched.filter((argument) => !argument.read);
  if (read.some((r) => written.some((w) => meet(r, w, bytes)))) return 'both';
  if (written.length > 0) return 'writes';
  if (read.length > 0) return 'reads';
  const kept = program.slots.some(
    (s) => s.firstStep < step && s.lastStep > step && meet(stretchOf(s), bytes),
  );
  return kept ? 'keeps' : 'free';
}

/**
 * A line per step; every character stands for the same number of bytes (the last for what is left).
 * @param width of the longest line, in characters.
 */
export function arenaMap(program: Program, width = 80): string {
  const names = program.steps.map(({ kernel }) => kernel.name);
  const label = Math.min(20, Math.max(...names.map((name) => name.length))) + 2;
  const bytesEach = Math.max(1, Math.ceil(program.arenaBytes / Math.max(8, width - label)));
  const columns = Math.ceil(program.arenaBytes / bytesEach);
  const line = (step: number): string =>
    Array.from(
      { length: columns },
      (_, c) =>
        glyphs[
          useOf(program, step, {
            start: c * bytesEach,
            end: Math.min(program.arenaBytes, (c + 1) * bytesEach),
          })
        ],
    ).join('');
  const last = formatCount(program.arenaBytes - 1);
  const ruler = `0${last.padStart(Math.max(last.length + 1, columns - 1))}`;
  const shorten = (name: string): string => (name.length > label - 2 ? `${name.slice(0, label - 3)}…` : name);
  return [
    `the arena, ${formatBytes(bytesEach)} a character: ${legend}`,
    `${' '.repeat(label)}${ruler}`,
    ...names.map((name, step) => `${shorten(name).padEnd(label)}${line(step)}`),
  ].join('\n');
}
