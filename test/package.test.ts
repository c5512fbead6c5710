/** The package as a user gets it: installed without a network, its doors, types and licences, and the compiler in a page. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawDigit } from '../src/data/digits.ts';
import * as node from '../src/node.ts';
import { describeWithChromium, openPage } from './support/chromium.ts';
import type * as InBrowser from './support/in-browser.ts';
import { everything } from './support/in-browser.ts';
import { diskBytes, filesIn, type Installed, installed } from './support/installed.ts';
import { readBytes, root } from './support/shared.ts';

let user: Installed;
beforeAll(async () => {
  user = await installed();
}, 180_000);
afterAll(() => user.remove());

const text = (file: string): string => readFileSync(file, 'utf8');
const inPackage = (file: string): string => join(user.folder, 'node_modules/thimble', file);
const doors = ['thimble', 'thimble/node', 'thimble/browser', 'thimble/compress'];

test('it is at most 15 MB of node_modules, and all of it is thimble', () => {
  const modules = join(user.folder, 'node_modules');
  const bytes = diskBytes(modules);
  console.log(
    `node_modules of an installation: ${(bytes / 1e6).toFixed(1)} MB, ${filesIn(modules).length} files`,
  );
  expect(bytes).toBeLessThan(15e6);
  const others = filesIn(modules).filter(
    (file) => !file.startsWith(inPackage('')) && !file.endsWith('.package-lock.json'),
  );
  expect(others.filter((file) => !file.includes('/.bin/'))).toEqual([]);
});

/** Files that a declaration or a module reaches, and what it imports besides. */
function reached(file: string, seen = new Set<string>(), packages = new Set<string>()) {
  if (seen.has(file)) return { files: seen, packages };
  seen.add(file);
  for (const [, name = ''] of text(file).matchAll(/(?:\bfrom ?|\bimport ?\(?)['"]([@.\w][-\w@./:]*)['"]/g)) {
    if (!name.startsWith('.')) packages.add(name);
    else
      reached(
        resolve(file, '..', file.endsWith('.d.ts') ? name.replace(/\.[jt]s$/, '.d.ts') : name),
        seen,
        packages,
      );
  }
  return { files: seen, packages };
}

test('what a browser gets imports nothing of Node, and no other package', () => {
  for (const door of ['browser', 'compress']) {
    const { files, packages } = reached(inPackage(`dist/${door}.js`));
    expect(files.size).toBeGreaterThan(100);
    expect([...packages]).toEqual([]);
  }
});

test('every package that is inside has its licence in NOTICES.txt', () => {
  const notices = text(inPackage('dist/vendor/NOTICES.txt'));
  const headings = [...notices.matchAll(/^-{78}\n\n(\S+ [\d.]+, [\w.-]+)\n\n(.*)/gm)].map(
    ([, heading]) => heading,
  );
  expect(headings.length).toBeGreaterThan(40);
  for (const name of [
    '@observablehq/plot',
    'd3-array',
    'linkedom',
    'long',
    'onnx-proto',
    'protobufjs',
    'valibot',
  ])
    expect(
      headings.some((heading) => heading?.startsWith(`${name} `)),
      name,
    ).toBe(true);
  expect(
    headings.filter((heading) => !/, (MIT|ISC|BSD-[23]-Clause|Apache-2.0)$/.test(String(heading))),
  ).toEqual([]);
});

const config = (moduleResolution: string, module: string) => ({
  compilerOptions: {
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2023',
    lib: ['es2023'],
    types: [],
    moduleResolution,
    module,
  },
  include: ['user.ts'],
});

/** Fails to compile where an export of a door, or what it gives, is `any`. */
const typed = `
type IsAny<T> = 0 extends 1 & T ? true : false;
type Result<F> = F extends (...args: never) => infer R ? R : never;
type Anys<M> = { [K in keyof M]-?: IsAny<M[K]> extends true ? K : IsAny<Result<M[K]>> extends true ? K : never }[keyof M];
const none = <T extends never>(): T[] => [];
${doors.map((door, i) => `import * as door${i} from '${door}';\nnone<Anys<typeof door${i}>>();`).join('\n')}
import type { Manifest, NdArray, Values } from 'thimble';
none<Anys<Values>>();
none<Anys<Manifest>>();
none<Anys<NdArray>>();
const net = await door1.load('out');
const { output } = net.run(new Float32Array(4));
export const first: number = output.ndarray.get(0, 0);
// @ts-expect-error
export const text: string = output.ndarray.get(0, 0);
`;

test.each([
  ['nodenext', 'nodenext'],
  ['bundler', 'esnext'],
])('types stand alone: strict, libraries checked, %s, without @types', async (moduleResolution, module) => {
  const project = `tsconfig.${moduleResolution}.json`;
  writeFileSync(join(user.folder, project), JSON.stringify(config(moduleResolution, module)));
  writeFileSync(join(user.folder, 'user.ts'), typed);
  const complaints = await user
    .run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project])
    .catch(({ stdout }: { stdout: string }) => stdout);
  expect(complaints).toBe('');
  for (const door of ['node', 'browser', 'compress']) {
    const { files, packages } = reached(inPackage(`dist/${door}.d.ts`));
    expect([...packages]).toEqual([]);
    const anys = [...files].filter((file) => /[:<|,] ?any\b/.test(text(file).replace(/\/\*.*?\*\//gs, '')));
    expect(anys).toEqual([]);
  }
});

test('the command runs, and a report is drawn', async () => {
  const version = await user.run(join(user.folder, 'node_modules/.bin/thimble'), ['--version']);
  expect(version.trim()).toBe(JSON.parse(text(join(root, 'package.json'))).version);
  const script = `
    import { readFileSync } from 'node:fs';
    import * as thimble from 'thimble';
    for (const door of ${JSON.stringify(doors)}) await import(door);
    const model = new Uint8Array(readFileSync('node_modules/thimble/models/lenet5.onnx'));
    const compiled = thimble.compile(thimble.loadOnnx(model), { name: 'net', arith: 'float32' });
    const texts = thimble.artifactOf(compiled, { command: '', version: '', model, preprocessing: {} });
    const files = new Map([...texts].map(([name, text]) => [name, new TextEncoder().encode(text)]));
    console.log(await thimble.reportHtml({ artifact: thimble.loadArtifact(files) }));`;
  const page = await user.run(process.execPath, ['--input-type=module', '-e', script]);
  expect(page).toContain('<svg');
});

const count = 4;
const model = readBytes(join(root, 'models/lenet5.onnx'));

/** Digits as LeNet-5 was trained on them. */
const digits = Array.from({ length: count }, (_, i) => {
  const pixels = drawDigit(i % 10, 40 + i);
  const padded = new Float32Array(32 * 32);
  pixels.forEach((pixel, at) => {
    padded[(Math.floor(at / 28) + 2) * 32 + (at % 28) + 2] = pixel / 255;
  });
  return padded;
});

/** As any bundler would: no plugin, nothing left out, no word on what a module of Node might be. */
async function bundled(cwd: string, input: string, name: string): Promise<string> {
  const build = await rolldown({ input, cwd, platform: 'browser', logLevel: 'silent' });
  const { output } = await build.generate({ format: 'iife', name, codeSplitting: false });
  await build.close();
  expect(output[0].imports).toEqual([]);
  return output[0].code;
}

describeWithChromium('in Chromium', (browser) => {
  test('the compiler gives the same C as in Node, and the same bytes after every kernel', async () => {
    const { page, complaints } = await openPage(browser());
    writeFileSync(join(user.folder, 'page.js'), "export * from 'thimble/browser';");
    await page.addScriptTag({ content: await bundled(user.folder, 'page.js', 'thimble') });
    await page.addScriptTag({ content: await bundled(root, 'test/support/in-browser.ts', 'steps') });
    const there = await page.evaluate(
      ({ bytes, inputs }) => {
        const { thimble, steps } = globalThis as unknown as { thimble: typeof node; steps: typeof InBrowser };
        const samples = inputs.map((input) => Float32Array.from(input));
        return steps.everything(thimble, Uint8Array.from(bytes), samples);
      },
      { bytes: [...model], inputs: digits.map((digit) => [...digit]) },
    );
    const here = everything(node, model, digits);
    expect(here.arenas).toHaveLength(5 * count);
    expect(here.files.map(([name]) => name)).toContain('lenet5.c');
    expect(there).toEqual(here);
    expect(complaints).toEqual([]);
  });
});
