/** Debian's Chromium for pages that thimble makes. Missing, it skips tests loudly; in CI it fails them. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium, type Page, type Request } from 'playwright-core';
import { afterAll, beforeAll, describe, test } from 'vitest';

/** THIMBLE_CHROMIUM, else the first of these names on PATH. */
function executable(): string | undefined {
  const { THIMBLE_CHROMIUM: chosen, PATH = '' } = process.env;
  if (chosen !== undefined) return existsSync(chosen) ? chosen : undefined;
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const places = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return places.find((path) => existsSync(path));
}

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with an empty profile of its own, which `close` removes. Nothing reaches a network. */
export async function launchChromium(): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), 'thimble-chromium-'));
  const path = executable();
  if (path === undefined) throw new Error('no chromium');
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: path,
    headless: true,
    args,
    offline: true,
  });
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context, close };
}

export interface Watched {
  readonly page: Page;
  /** Console errors and warnings, uncaught exceptions, and each request for anything but a file or data. */
  readonly complaints: readonly string[];
}

const isLocal = (request: Request): boolean => /^(file|data|blob|about):/.test(request.url());

/** A new page of `width` x `height` CSS pixels that writes down what should not happen. */
export async function openPage(
  context: BrowserContext,
  { width, height }: { width: number; height: number } = { width: 1280, height: 900 },
): Promise<Watched> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!isLocal(request)) complaints.push(`request: ${request.url()}`);
  });
  await page.setViewportSize({ width, height });
  return { page, complaints };
}

const advice = 'missing: chromium; install it (Debian: apt-get install chromium) or set THIMBLE_CHROMIUM';

/**
 * `describe` with one browser for all of its tests, launched before the first and closed after the last.
 * @param body gets a function that returns the browser, to be called inside of tests.
 */
export function describeWithChromium(title: string, body: (browser: () => BrowserContext) => void): void {
  if (executable() === undefined) {
    if (process.env.CI) {
      test(title, () => {
        throw new Error(advice);
      });
      return;
    }
    console.warn(`SKIPPED: ${title}: ${advice}`);
    test.skip(`${title} (${advice})`);
    return;
  }
  describe(title, () => {
    let launched: Awaited<ReturnType<typeof launchChromium>> | undefined;
    beforeAll(async () => {
      launched = await launchChromium();
    }, 60_000);
    afterAll(() => launched?.close());
    body(() => launched?.context ?? unreachable());
  });
}

function unreachable(): never {
  throw new Error('the browser is there only while tests run');
}
