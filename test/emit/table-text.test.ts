/** A reader of the C finds every weight, by the comments above the tables and nothing else. */
import { expect, test } from 'vitest';
import { emitC } from '../../src/emit/package.ts';
import { isCoded } from '../../src/ir/formats/codes.ts';
import { fits } from '../../src/ir/formats/index.ts';
import { formatName } from '../../src/ir/kernel/weight-format.ts';
import { decodeRows } from '../../src/program/rows.ts';
import {
  allFormats,
  codebookFor,
  type LayerRecipe,
  layerOf,
  plainImage,
  programOf,
} from '../support/stored-layers.ts';

const info = { command: '', version: '', hash: '', golden: [] };

interface Read {
  readonly words: string;
  readonly numbers: readonly number[];
}

/** Each table of the C by name, with the comment that stands above it. */
function tablesIn(text: string): ReadonlyMap<string, Read> {
  const found = new Map<string, Read>();
  const pattern = /(?:\/\*((?:(?!\*\/)[\s\S])*)\*\/\n)?static const [^(;{]*? (\w+)\[\d+\] = \{([^}]*)\}/g;
  for (const [, comment = '', name = '', body = ''] of text.matchAll(pattern))
    found.set(name, {
      words: comment.replaceAll(/\s*\n \* */g, ' ').trim(),
      numbers: body
        .split(',')
        .filter((x) => x.trim() !== '')
        .map(Number),
    });
  return found;
}

const number = (words: string, pattern: RegExp, otherwise = 1): number =>
  Number(pattern.exec(words)?.[1] ?? otherwise);

const complement = (raw: number, bits: number): number => {
  const low = ((raw % 2 ** bits) + 2 ** bits) % 2 ** bits;
  return low >= 2 ** (bits - 1) ? low - 2 ** bits : low;
};

const parts = (byte: number, bits: number): number[] =>
  Array.from({ length: 8 / bits }, (_, i) => ((byte & 255) >> (i * bits)) & (2 ** bits - 1));

/** What the comment above the weights says, in numbers, and how to go on reading. */
interface Said {
  readonly words: string;
  readonly counts: Read | undefined;
  readonly outputs: number;
  readonly weights: number;
  readonly windowRows: number;
  readonly rowStride: number;
  readonly stretches: number;
  readonly stretchStride: number;
  /** Neighbours in each stretch. */
  readonly run: number;
  readonly bits: number;
  readonly value: (raw: number, bits: number) => number;
  /** The next byte of the weights. */
  readonly take: () => number;
}

function saidIn(tables: ReadonlyMap<string, Read>): Said {
  const [name, { words, numbers }] = [...tables].find(([, read]) => / outputs? of /.test(read.words))!;
  const [weights, windowRows] = [
    number(words, /outputs? of (\d+) weights?/),
    number(words, /(\d+) rows of the window/),
  ];
  const stretches = number(words, /(\d+) stretches of it/);
  const book = /codes of table (\w+)/.exec(words)?.[1];
  const codes = book && [...tables].find(([table]) => table.endsWith(book))![1].numbers;
  const left = [...numbers];
  return {
    words,
    counts: [...tables].find(([table]) => table !== name && /counts|masks/.test(table))?.[1],
    outputs: number(words, /(\d+) outputs? of/),
    weights,
    windowRows,
    rowStride: number(words, /window, (\d+) input/),
    stretches,
    stretchStride: number(words, /of it, (\d+) apart/),
    run: weights / windowRows / stretches,
    bits: number(words, /(\d) bits each/, 8),
    value: (raw, bits) => (codes && bits < 8 ? codes[raw]! : complement(raw, bits)),
    take: () => left.shift()! & 255,
  };
}

function readDense({ words, weights, run, bits, value, take }: Said, rows: readonly number[][]): void {
  const turns = number(words, /(\d+) outputs at a time/);
  const width = bits === 8 ? weights : run;
  for (let first = 0; first < rows.length; first += turns)
    for (let start = 0; start < weights; start += width)
      for (let i = 0; i < width; i += 8 / bits)
        for (const row of rows.slice(first, first + turns))
          parts(take(), bits).forEach((raw, k) => {
            if (i + k < width) row[start + i + k] = value(raw, bits);
          });
}

function readBitmap({ counts, weights, run, bits, value, take }: Said, rows: readonly number[][]): void {
  const masks = [...counts!.numbers];
  const held: number[] = [];
  for (const row of rows)
    for (let start = 0; start < weights; start += run)
      for (let i = 0; i < run; i += 8)
        parts(masks.shift()!, 1).forEach((bit, k) => {
          if (bit === 0) return;
          if (held.length === 0) held.push(...parts(take(), bits));
          row[start + i + k] = value(held.shift()!, bits);
        });
}

type Entry = readonly [distance: number, weights: readonly number[]];

/** What is decoded in one go. */
function readUnit({ words, value, take }: Said): readonly Entry[] {
  if (words.includes('Stretches of')) {
    const width = number(words, /Stretches of (\d)/);
    return [[take(), Array.from({ length: width }, () => complement(take(), 8))]];
  }
  if (words.includes('a byte has both weights'))
    return parts(take(), 4).map((raw): Entry => [take(), [value(raw, 4)]]);
  if (words.includes('a byte has both distances'))
    return parts(take(), 4).map((distance): Entry => [distance, [complement(take(), 8)]]);
  if (!words.includes('in its low half')) return [[take(), [complement(take(), 8)]]];
  const [distance = 0, raw = 0] = parts(take(), 4);
  return [[distance, [value(raw, 4)]]];
}

/** The weight whose input lies so many elements from the start. */
function termAt(said: Said, offset: number, segment: number): number {
  const { windowRows, rowStride, stretches, stretchStride, run } = said;
  const row = segment >= 0 ? segment : windowRows > 1 ? Math.floor(offset / rowStride) : 0;
  const within = segment >= 0 ? offset : offset - (windowRows > 1 ? row * rowStride : 0);
  const stretch = stretches > 1 ? Math.floor(within / stretchStride) : 0;
  return (row * stretches + stretch) * run + within - stretch * (stretches > 1 ? stretchStride : 0);
}

function readEntries(said: Said, rows: readonly number[][]): void {
  const counts = said.counts!;
  const perCount = number(counts.words, /has \/ (\d)/);
  const segments = counts.words.includes('and row of the window') ? [...Array(said.windowRows).keys()] : [-1];
  const left = [...counts.numbers];
  for (const row of rows)
    for (const segment of segments) {
      let offset = 0;
      for (let units = left.shift()! * perCount; units > 0; units--)
        for (const [distance, weights] of readUnit(said)) {
          offset += distance;
          weights.forEach((weight, i) => {
            if (weight !== 0) row[termAt(said, offset + i, segment)] = weight;
          });
        }
    }
}

/** The weights of each output, in the order of the inputs. */
function readWeights(tables: ReadonlyMap<string, Read>): number[][] {
  const said = saidIn(tables);
  const rows = Array.from({ length: said.outputs }, () => Array<number>(said.weights).fill(0));
  if (said.words.includes('Every weight')) readDense(said, rows);
  else if (said.words.includes('a bit of the table of counts')) readBitmap(said, rows);
  else readEntries(said, rows);
  return rows;
}

const recipes: readonly LayerRecipe[] = [
  { seed: 1, density: 0.3, bits: 2, inputs: 70, outputs: 7 },
  { seed: 3, density: 0.4, bits: 2, inputs: 1, outputs: 6, image: plainImage },
  { seed: 4, density: 0.2, bits: 8, inputs: 1, outputs: 5, image: { ...plainImage, dilation: 2 } },
  { seed: 8, density: 0.4, bits: 8, inputs: 1, outputs: 6, image: { ...plainImage, channels: 4, groups: 2 } },
  { seed: 5, density: 0.3, bits: 8, shared: 16, inputs: 90, outputs: 6 },
];

test('every format, on layers of all kinds', () => {
  const read = new Set<string>();
  for (const recipe of recipes) {
    const layer = layerOf(recipe);
    const { layout } = layer.kernel({}).weights!;
    const codebook = recipe.shared === undefined ? undefined : codebookFor(layer.mac.weights)!;
    const largest = layer.mac.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    for (const format of allFormats) {
      if (!fits(layout, codebook === undefined ? largest : 127, format, codebook)) continue;
      if (codebook !== undefined && !('bits' in format && isCoded(format.bits, codebook))) continue;
      const kernel = layer.kernel({ format, ...(codebook === undefined ? {} : { codebook }) });
      const text = emitC(programOf(layer, kernel), info).get('net.c')!;
      const found = readWeights(tablesIn(text));
      const name = formatName(format, codebook !== undefined);
      expect(found, name).toEqual(decodeRows(kernel).map((row) => [...row]));
      read.add(name);
    }
  }
  expect(read.size).toBeGreaterThan(30);
});
