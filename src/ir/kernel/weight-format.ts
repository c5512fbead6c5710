/**
 * How integer weights are stored. A row is the weights of one output; its terms are in the order of the
 * activation's memory, so that a walk over them is a walk over addresses. Everything here is plain data.
 */

/** Every weight, in `bits`; two or four of them to a byte from the lowest bits up. */
export interface DenseFormat {
  readonly kind: 'dense';
  readonly bits: 8 | 4 | 2;
  /** A term a pass of the loop: the same tables, less code. Of 8 bits only. */
  readonly rolled?: true;
}

/**
 * One entry per nonzero: its distance from the one before in elements of memory, and its value.
 * `csr` has 8 bits for the distance, `rel` 4. Distances beyond that are bridged by entries of value 0.
 */
export interface GatherFormat {
  readonly kind: 'csr' | 'rel';
  readonly bits: 8 | 4;
  /** Units (of one entry, or two where they share bytes) decoded per pass of the loop. */
  readonly unroll: 1 | 2 | 4;
  /** A count for every row of the window instead of one for all of it: short distances, more counts. */
  readonly segmented: boolean;
}

/** One entry per stretch of `width` neighbours, some of which may be 0: an 8-bit distance and 8-bit values. */
export interface BlockFormat {
  readonly kind: 'block';
  readonly width: 2 | 4;
  readonly unroll: 1 | 2 | 4;
  readonly segmented: boolean;
}

/** One bit per weight, eight weights to a byte, and the values of those that are not 0. */
export interface BitmapFormat {
  readonly kind: 'bitmap';
  readonly bits: 8 | 4 | 2;
}

/** The storage format of a layer's weights (docs/sparse.md). */
export type WeightFormat = DenseFormat | GatherFormat | BlockFormat | BitmapFormat;

export const dense8: DenseFormat = { kind: 'dense', bits: 8 };

/**
 * Where the inputs of a row's terms lie, from the row's first input on, in elements: term (segment, piece, i)
 * at segment * segmentStride + piece * pieceStride + i. The same for all rows.
 */
export interface WeightLayout {
  readonly rows: number;
  /** Rows of the window; 1 for linear layers. */
  readonly segments: number;
  readonly segmentStride: number;
  /** Stretches of a segment that are apart in memory: dilated or grouped windows. */
  readonly pieces: number;
  readonly pieceStride: number;
  /** Neighbouring terms of a piece. */
  readonly run: number;
  /** Rows that are stored interleaved, byte by byte; 1: one row after the other. */
  readonly lanes: number;
}

export const termsOf = (l: WeightLayout): number => l.segments * l.pieces * l.run;

/** Offsets of a segment's terms from its first input; ascending. */
export const segmentOffsets = (l: WeightLayout): number[] =>
  Array.from({ length: l.pieces * l.run }, (_, i) => Math.floor(i / l.run) * l.pieceStride + (i % l.run));

/** `csr8`, `rel4 x2 by rows`, ...; `coded`: its values are indices into a codebook. */
export function formatName(f: WeightFormat, coded = false): string {
  const unroll = 'unroll' in f && f.unroll > 1 ? ` x${f.unroll}` : '';
  const rows = 'segmented' in f && f.segmented ? ' by rows' : '';
  const rolled = 'rolled' in f ? ' rolled' : '';
  return `${f.kind}${f.kind === 'block' ? f.width : f.bits}${unroll}${rows}${rolled}${coded ? ' codebook' : ''}`;
}
