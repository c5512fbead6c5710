/** thimble is a library for browsers too: its door there needs nothing of Node, and computes the same bytes. */
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { rolldown } from 'rolldown';
import { beforeAll, expect, test } from 'vitest';
import { compile, loadOnnx, netOf } from '../src/node.ts';
import { describeWithChromium, openPage } from './support/chromium.ts';
import { everything } from './support/in-browser.ts';
import { readBytes, root } from './support/shared.ts';

const model = readBytes(join(root, 'models/lenet5.onnx'));

interface Bundle {
  readonly code: string;
  readonly imports: readonly string[];
}

async function bundled(input: string): Promise<Bundle> {
  const build = await rolldown({
    input: join(root, input),
    platform: 'browser',
    external: /^node:/,
    logLevel: 'silent',
  });
  const { output } = await build.generate({
    format: 'iife',
    name: 'core',
    minify: true,
    codeSplitting: false,
  });
  await build.close();
  const [{ code, imports, moduleIds }] = output;
  expect(moduleIds.some((id) => id.endsWith('src/sim/simulate.ts'))).toBe(true);
  return { code, imports };
}

let bundle: Bundle;
let door: Bundle;
beforeAll(async () => {
  bundle = await bundled('test/support/in-browser.ts');
  door = await bundled('src/browser.ts');
});

test('the door of browsers bundles without a module of Node', () => {
  expect([...bundle.imports, ...door.imports]).toEqual([]);
  const nodes = /\b(?:from|import|require)\b[\s(]*["'`](?:node:|fs|path|os)/;
  expect(nodes.test(door.code)).toBe(false);
});

test('a net runs where there is nothing of Node', () => {
  const realm = createContext({ TextDecoder, TextEncoder, bytes: model });
  const there = runInContext(
    `${door.code};
    const graph = core.loadOnnx(Uint8Array.from(bytes), { name: 'lenet5' });
    const net = core.netOf(core.compile(graph, { name: 'lenet5', arith: 'float32' }));
    [net.engine, ...net.run(new Float32Array(1024).map((_, i) => Math.sin(i))).output.real]`,
    realm,
  );
  const here = netOf(compile(loadOnnx(model, { name: 'lenet5' }), { name: 'lenet5', arith: 'float32' }));
  const { real } = here.run(new Float32Array(1024).map((_, i) => Math.sin(i))).output;
  expect([...there]).toEqual([here.engine, ...real]);
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
