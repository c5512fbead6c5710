/** Where a command's text goes. */
import pc from 'picocolors';

export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Whether `out` goes to a terminal that shows colours. */
  readonly colours: boolean;
  /** Whether `err` goes to a terminal, where a bar can move. */
  readonly progress: boolean;
  /** Characters per line. */
  readonly columns: number;
}

export const processIo = (): Io => ({
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  colours: process.stdout.isTTY === true && pc.isColorSupported,
  progress: process.stderr.isTTY === true,
  columns: Math.min(process.stdout.columns ?? 80, 100),
});
