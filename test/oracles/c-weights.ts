/**
 * Reads weights out of generated C by the comments above its tables and nothing else: it shares no code with what
 * writes them.
 */

export interface Read {
  readonly words: string;
  readonly numbers: readonly number[];
}

/** Each table of the C by name, with the comment that stands above it. */
export function tablesIn(text: string): ReadonlyMap<string, Read> {
  const found = new Map<string, Read>();
  const pattern =
    /(?:\/\*((?:(?!\*\/)[\s\S])*)\*\/\n)?(?:static )?const [^(;{]*? (\w+)\[\d+\] = \{([^}]*)\}/g;
  for (const [, comment = '', name = '', body = ''] of text.matchAll(pattern))
    found.set(name, {
      words: comment.replaceAll(/\s*\n \* */g, ' ').trim(),
      numbers: body
        .split(',')
        .filter((x) => x.trim() !== '')
        .map((x) =>
          Number(x.replace('INT32_MIN', '-2147483648').replace('INT32_MAX', '2147483647').replace(/f$/, '')),
        ),
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

/** One number after the other. */
function taker(numbers: readonly number[]): () => number {
  let next = 0;
  return () => numbers[next++]!;
}

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

function saidIn(tables: ReadonlyMap<string, Read>, name: string): Said {
  const { words, numbers } = tables.get(name)!;
  const [weights, windowRows] = [
    number(words, /outputs? of (\d+) weights?/),
    number(words, /(\d+) rows of the window/),
  ];
  const stretches = number(words, /(\d+) stretches of it/);
  const book = /codes of table (\w+)/.exec(words)?.[1];
  const codes = book && [...tables].find(([table]) => table.endsWith(book))![1].numbers;
  const take = taker(numbers);
  return {
    words,
    counts: tables.get(name.replace(/weights$/, 'counts')) ?? tables.get(name.replace(/weights$/, 'masks')),
    outputs: number(words, /(\d+) outputs? of/),
    weights,
    windowRows,
    rowStride: number(words, /window, (\d+) input/),
    stretches,
    stretchStride: number(words, /of it, (\d+) apart/),
    run: weights / windowRows / stretches,
    bits: number(words, /(\d) bits each/, 8),
    value: (raw, bits) => (codes && bits < 8 ? codes[raw]! : complement(raw, bits)),
    take: () => take() & 255,
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
  const mask = taker(counts!.numbers);
  const held: number[] = [];
  for (const row of rows)
    for (let start = 0; start < weights; start += run)
      for (let i = 0; i < run; i += 8)
        parts(mask(), 1).forEach((bit, k) => {
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
  const count = taker(counts.numbers);
  for (const row of rows)
    for (const segment of segments) {
      let offset = 0;
      for (let units = count() * perCount; units > 0; units--)
        for (const [distance, weights] of readUnit(said)) {
          offset += distance;
          weights.forEach((weight, i) => {
            if (weight !== 0) row[termAt(said, offset + i, segment)] = weight;
          });
        }
    }
}

/** Of a network with one table of weights. */
export const weightsTable = (tables: ReadonlyMap<string, Read>): string =>
  [...tables.keys()].find((name) => name.endsWith('_weights'))!;

/** The weights of each output, in the order of the inputs. */
export function readWeights(tables: ReadonlyMap<string, Read>, name: string): number[][] {
  const said = saidIn(tables, name);
  const rows = Array.from({ length: said.outputs }, () => Array<number>(said.weights).fill(0));
  if (said.words.includes('Every weight')) readDense(said, rows);
  else if (said.words.includes('a bit of the table of counts')) readBitmap(said, rows);
  else readEntries(said, rows);
  return rows;
}
