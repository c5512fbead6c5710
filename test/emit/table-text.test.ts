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

/** The weights of each output, in the order of the inputs. */
function readWeights(tables: ReadonlyMap<string, Read>): number[][] {
  const [name, stream] = [...tables].find(([, { words }]) => / outputs? of /.test(words))!;
  const said = stream.words;
  const outputs = number(said, /(\d+) outputs? of/);
  const weights = number(said, /outputs? of (\d+) weights?/);
  const [windowRows, rowStride] = [
    number(said, /(\d+) rows of the window/),
    number(said, /window, (\d+) input/),
  ];
  const [stretches, stretchStride] = [
    number(said, /(\d+) stretches of it/),
    number(said, /of it, (\d+) apart/),
  ];
  const run = weights / windowRows / stretches;
  const book = /codes of table (\w+)/.exec(said)?.[1];
  const codes = book && [...tables].find(([table]) => table.endsWith(book))![1].numbers;
  const bits = number(said, /(\d) bits each/, 8);
  const value = (raw: number, width: number): number =>
    codes && width < 8 ? codes[raw]! : complement(raw, width);
  const parts = (byte: number, width: number): number[] =>
    Array.from({ length: 8 / width }, (_, i) => ((byte & 255) >> (i * width)) & (2 ** width - 1));
  const counts = [...tables].find(([table]) => table !== name && /counts|masks/.test(table))?.[1];
  const rows = Array.from({ length: outputs }, () => Array<number>(weights).fill(0));
  const bytes = [...stream.numbers];
  const take = (): number => bytes.shift()! & 255;
  if (said.includes('Every weight')) {
    const turns = number(said, /(\d+) outputs at a time/);
    for (let first = 0; first < outputs; first += turns) {
      const block = rows.slice(first, first + turns);
      const width = bits === 8 ? weights : run;
      for (let start = 0; start < weights; start += width)
        for (let i = 0; i < width; i += 8 / bits)
          for (const row of block)
            parts(take(), bits).forEach((raw, k) => {
              if (i + k < width) row[start + i + k] = value(raw, bits);
            });
    }
    return rows;
  }
  if (said.includes('a bit of the table of counts')) {
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
    return rows;
  }
  const perCount = number(counts!.words, /has \/ (\d)/);
  const bySegment = counts!.words.includes('and row of the window');
  const termAt = (offset: number, segment: number): number => {
    const row = bySegment ? segment : Math.floor(offset / rowStride);
    const within = bySegment ? offset : offset - (windowRows > 1 ? row * rowStride : 0);
    const stretch = stretches > 1 ? Math.floor(within / stretchStride) : 0;
    const at = within - stretch * stretchStride;
    return ((windowRows > 1 ? row : 0) * stretches + stretch) * run + (stretches > 1 ? at : within);
  };
  const unit = (): readonly (readonly [number, readonly number[]])[] => {
    if (said.includes('Stretches of'))
      return [
        [take(), Array.from({ length: number(said, /Stretches of (\d)/) }, () => complement(take(), 8))],
      ];
    if (said.includes('a byte has both weights'))
      return parts(take(), 4).map((raw) => [take(), [value(raw, 4)]] as const);
    if (said.includes('a byte has both distances'))
      return parts(take(), 4).map((distance) => [distance, [complement(take(), 8)]] as const);
    if (said.includes('in its low half')) {
      const [distance = 0, raw = 0] = parts(take(), 4);
      return [[distance, [value(raw, 4)]]];
    }
    return [[take(), [complement(take(), 8)]]];
  };
  const left = [...counts!.numbers];
  for (const row of rows)
    for (let segment = 0; segment < (bySegment ? windowRows : 1); segment++) {
      let offset = 0;
      for (let units = left.shift()! * perCount; units > 0; units--)
        for (const [distance, values] of unit()) {
          offset += distance;
          values.forEach((weight, i) => {
            if (weight !== 0) row[termAt(offset + i, segment)] = weight;
          });
        }
    }
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
