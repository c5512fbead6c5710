/** Folders that must not outlive the process, even when a signal ends it. */
import { rmSync } from 'node:fs';

const folders = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Signals that other code listens to, which then decides what becomes of the process. */
const heeded = new Set<NodeJS.Signals>();

/** Ends the process as the signal would have. */
function onSignal(signal: NodeJS.Signals): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  for (const name of signals) process.off(name, onSignal);
  folders.clear();
  if (!heeded.has(signal)) process.kill(process.pid, signal);
}

function listen(): void {
  if (folders.size !== 1) return;
  heeded.clear();
  for (const name of signals) {
    if (process.listenerCount(name) > 0) heeded.add(name);
    process.on(name, onSignal);
  }
}

function unlisten(): void {
  if (folders.size === 0) for (const name of signals) process.off(name, onSignal);
}

/** Runs `work`; then, or when a signal comes before, `folder` is removed with all that is in it. */
export async function removingAfter<T>(folder: string, work: () => Promise<T>): Promise<T> {
  folders.add(folder);
  listen();
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
    unlisten();
  }
}
