/** Child processes with a time limit, capped output, and only so many at once. */
import { spawn } from 'node:child_process';

export interface Ran {
  /** Undefined when a signal or the time limit ended it, or when it did not start. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** Why it did not start: ENOENT, EACCES, ... */
  readonly notStarted: string | undefined;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Besides this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Of stdout and stderr each, in bytes; the process is ended when it prints more. */
  readonly maxOutput?: number;
}

/** At most `limit` tasks at a time, in the order in which they came. */
export function limiter(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

/** Compilers and QEMU use one processor each. */
const two = limiter(2);

/** Collects a stream up to the cap; calls `over` when there is more. */
function capped(stream: NodeJS.ReadableStream, cap: number, over: () => void): () => string {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on('data', (part: Buffer) => {
    if (size < cap) parts.push(part.subarray(0, cap - size));
    size += part.length;
    if (size > cap) over();
  });
  return () => Buffer.concat(parts).toString('utf8');
}

function start(command: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  return new Promise((resolve) => {
    // Linkers' and compilers' messages are read in English.
    const env = { ...process.env, LC_ALL: 'C', ...options.env };
    const child = spawn(command, args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let timedOut = false;
    const kill = (): boolean => child.kill('SIGKILL');
    const cap = options.maxOutput ?? 1_000_000;
    const stdout = capped(child.stdout, cap, kill);
    const stderr = capped(child.stderr, cap, kill);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs);
    const end = (status: number | null, signal: string | null, notStarted?: string): void => {
      clearTimeout(timer);
      const how = { status: status ?? undefined, signal: signal ?? undefined, timedOut, notStarted };
      resolve({ ...how, stdout: stdout(), stderr: stderr() });
    };
    child.on('error', (error: NodeJS.ErrnoException) => end(null, null, error.code ?? error.message));
    child.on('close', (status, signal) => end(status, signal));
  });
}

/** Runs a program to its end. Never throws: how it ended is the result. */
export const runProcess = (command: string, args: readonly string[], options: RunOptions): Promise<Ran> =>
  two(() => start(command, args, options));
