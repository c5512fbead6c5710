/** What a build says against itself. */

export const warningKinds = [
  'pad value',
  'dead channel',
  'range',
  'clip',
  'calibration',
  'bits',
  'pruning',
  'unread input',
  'unknown',
] as const;

/** A warning about a build. */
export interface Warning {
  readonly kind: (typeof warningKinds)[number];
  /** Of the layer that it is about, and names of the ONNX nodes that the kernel computes; absent: the whole build. */
  readonly kernel?: string;
  readonly nodes?: readonly string[];
  readonly tensor?: string;
  /** Indices along axis 1 of the tensor, where some of them are meant. */
  readonly channels?: readonly number[];
  /** What was measured, in decibels, where that is below a limit. */
  readonly sqnr?: number;
  /** One sentence: what was found, and the evidence. */
  readonly text: string;
  /** What to do. */
  readonly todo: string;
}

/** `3 of 8 (0, 4, 7)`; long lists are cut. */
export function someOf(channels: readonly number[], all: number): string {
  const shown = channels.slice(0, 4).join(', ');
  return `${channels.length} of ${all} (${shown}${channels.length > 4 ? ', ...' : ''})`;
}

export const decibelText = (sqnr: number): string => {
  if (sqnr === Infinity) return 'exact';
  return sqnr === -Infinity ? 'no signal, but an error' : `${sqnr.toFixed(1)} dB`;
};

/** Three digits, without exponents where that is readable. */
export const short = (x: number): string => String(Number(x.toPrecision(3)));
