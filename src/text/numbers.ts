/** Numbers as people read them. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `12,300` */
export const formatCount = (n: number): string => grouped.format(n);

/** `12,300 B`: never kilobytes, whose size is disputed. */
export const formatBytes = (n: number): string => `${formatCount(n)} B`;

/** 0.9935 is `99.35 %`. */
export const formatPercent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** `1 file`, `2 files` */
export const formatMany = (n: number, one: string, many = `${one}s`): string =>
  `${formatCount(n)} ${n === 1 ? one : many}`;

/** `16 MHz`, `32.8 kHz` */
export const formatHertz = (hz: number): string =>
  hz >= 1e6 ? `${Number((hz / 1e6).toPrecision(4))} MHz` : `${Number((hz / 1e3).toPrecision(4))} kHz`;

interface Timed {
  readonly cycles?: number;
  readonly cyclesBy?: 'simulator' | 'model';
  readonly milliseconds?: number;
  readonly clockHz?: number;
}

/** `1,234`; what is modelled to three digits, `~1,230`. Empty where there are none. */
export function cyclesText({ cycles, cyclesBy }: Timed): string {
  if (cycles === undefined) return '';
  return cyclesBy === 'model' ? `~${formatCount(Number(cycles.toPrecision(3)))}` : formatCount(cycles);
}

/** `4.21` or `2,580`, of three digits; empty where no cycles are known. */
export function millisecondsText({ milliseconds }: Timed): string {
  if (milliseconds === undefined) return '';
  const rounded = Number(milliseconds.toPrecision(3));
  return rounded < 1000 ? String(rounded) : formatCount(rounded);
}
