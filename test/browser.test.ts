/** The core is a library for browsers too: it needs nothing of Node, and computes the same bytes there. */
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { beforeAll, expect, test } from 'vitest';
import { describeWithChromium, openPage } from './support/chromium.ts';
import { everything } from './support/in-browser.ts';
import { readBytes, root } from './support/shared.ts';

const model = readBytes(join(root, 'models/lenet5.onnx'));

async function bundled(): Promise<{ readonly code: string; readonly imports: readonly string[] }> {
  const build = await rolldown({
    input: join(root, 'test/support/in-browser.ts'),
    platform: 'browser',
    external: /^node:/,
    logLevel: 'silent',
  });
  const { output } = await build.generate({ format: 'iife', name: 'core', minify: true });
  await build.close();
  const [{ code, imports, moduleIds }] = output;
  expect(moduleIds.some((id) => id.endsWith('src/sim/simulate.ts'))).toBe(true);
  return { code, imports };
}

let bundle: Awaited<ReturnType<typeof bundled>>;
beforeAll(async () => {
  bundle = await bundled();
});

test('the compiler and the simulator bundle for a browser without a module of Node', () => {
  expect(bundle.imports).toEqual([]);
  expect(/\b(?:from|import|require)\b[\s(]*["'`](?:node:|fs|path|os)/.test(bundle.code)).toBe(false);
});

describeWithChromium('in Chromium', (browser) => {
  test('compiling and simulating give the same bytes as in Node, after every kernel', async () => {
    const { page, complaints } = await openPage(browser());
    await page.addScriptTag({ content: bundle.code });
    const there = await page.evaluate((base64) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      return (globalThis as unknown as { core: typeof import('./support/in-browser.ts') }).core.everything(
        bytes,
      );
    }, Buffer.from(model).toString('base64'));
    const here = everything(model);
    expect(here.arenas.length).toBe(60);
    expect(there).toEqual(here);
    expect(complaints).toEqual([]);
  });
});
