/** Other programs, run from tests. */
import { spawn, spawnSync } from 'node:child_process';

/** What a command prints; it has to succeed. */
export function runTool(command: string, args: readonly string[], cwd: string): string {
  const ran = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}

/** What a program that never ends prints, up to `last`, which it has to print within a minute. */
export function printedUntil(last: string, command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [printed, ended] = ['', false];
    const end = (finish: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(clock);
      child.kill('SIGKILL');
      finish();
    };
    const failed = (why: string) => end(() => reject(new Error(`${command} ${why}: ${printed}`)));
    const clock = setTimeout(() => failed(`did not print '${last}'`), 60_000);
    const more = (text: Buffer): void => {
      printed += text.toString();
      if (printed.includes(last)) end(() => resolve(printed));
    };
    child.stdout.on('data', more);
    child.stderr.on('data', more);
    child.on('error', (error) => failed(error.message));
    child.on('exit', (status) => failed(`ended with status ${status}`));
  });
}
