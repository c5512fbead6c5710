/** Progress bars for work that takes over a second, on a terminal. */
import { SingleBar } from 'cli-progress';
import type { OnProgress } from './api.ts';
import type { Io } from './io.ts';

/** Shorter work shows nothing, so that quick commands do not flicker. */
const patience = 1000;

/** Two digits are as many as a glance takes in. */
const rateText = (perSecond: number): string =>
  perSecond >= 10 ? String(Math.round(perSecond)) : perSecond.toFixed(1);

const barFor = (what: string, done: number, total: number): SingleBar => {
  const bar = new SingleBar({
    format: `${what} [{bar}] {value} of {total}, {rate}/s, {eta_formatted} left`,
    barsize: 24,
    clearOnComplete: true,
    gracefulExit: false,
    // Left as it is, so that an end by Ctrl-C leaves no terminal behind that does not wrap.
    linewrap: true,
    fps: 5,
  });
  bar.start(total, done, { rate: '-' });
  return bar;
};

export interface Progress {
  readonly report: OnProgress;
  /** Removes the bar. */
  end(): void;
}

export function progressOn(io: Io, quiet: boolean): Progress {
  if (!io.progress || quiet) return { report: () => undefined, end: () => undefined };
  let task: { readonly what: string; readonly since: number; bar?: SingleBar } | undefined;
  const end = (): void => {
    task?.bar?.stop();
    task = undefined;
  };
  const report: OnProgress = (what, done, total) => {
    if (task?.what !== what) {
      end();
      task = { what, since: Date.now() };
    }
    if (task.bar === undefined && Date.now() - task.since > patience && done < total)
      task.bar = barFor(what, done, total);
    task.bar?.update(done, { rate: rateText((1000 * done) / (Date.now() - task.since)) });
    if (done >= total) end();
  };
  return { report, end };
}
