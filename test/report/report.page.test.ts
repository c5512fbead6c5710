/** Reports in a real browser: small and wide, light and dark, by keyboard and on paper. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { artifactOf, loadArtifact } from '../../src/artifact/make.ts';
import { compile } from '../../src/compile.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { captureOfTensors } from '../../src/diff/capture.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../src/ir/tensor.ts';
import { encodeInput } from '../../src/program/values.ts';
import { reportHtml } from '../../src/report/report.ts';
import { describeWithChromium, openPage, type Watched } from '../support/chromium.ts';
import { readBytes, root } from '../support/shared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-page-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'report.html');

function digit(i: number): Float32Array {
  const drawn = drawDigit(i % 10, i);
  return Float32Array.from({ length: 1024 }, (_, at) => {
    const [y, x] = [Math.floor(at / 32) - 2, (at % 32) - 2];
    return y >= 0 && y < 28 && x >= 0 && x < 28 ? (drawn[y * 28 + x] ?? 0) / 255 : 0;
  });
}

const build = { ramBytes: 1372, instructions: 1_000_000, right: 1980 };
const sweep = {
  target: 'cortex-m4',
  builds: [
    { ...build, sparsity: 0, weightBits: 8, flashBytes: 63_426, loss: 0, pareto: true },
    { ...build, sparsity: 0.85, weightBits: 4, flashBytes: 11_433, loss: 0.1, pareto: true },
    { ...build, sparsity: 0.98, weightBits: 4, flashBytes: 2_869, loss: 5.4, pareto: false },
  ],
};

/** All sections: LeNet-5, pruned, with targets that were counted, skipped and not comparable. */
async function reportText(): Promise<string> {
  const bytes = readBytes(`${root}/models/lenet5.onnx`);
  const compiled = compile(importOnnx(bytes, { name: 'lenet5' }), {
    name: 'lenet5',
    arith: 'int8',
    calibration: { inputs: Array.from({ length: 10 }, (_, i) => digit(i)) },
    prune: { sparsity: 0.8, method: 'magnitude' },
    formats: { objective: 'flash', target: 'cortex-m4' },
  });
  const { program, floatGraph } = compiled;
  // A path without a place to break.
  const command = `thimble compile /home/${'somebody/'.repeat(9)}lenet5.onnx -o out`;
  const made = { command, version: '1', model: bytes, preprocessing: {} };
  const accuracy = { samples: 2000, labelled: true, float: 1987, compiled: 1985 };
  const files = [...artifactOf(compiled, { ...made, accuracy })];
  const artifact = loadArtifact(new Map(files.map(([name, text]) => [name, new TextEncoder().encode(text)])));
  const inferences = [11, 12].map((i) => {
    const tensors = new Map<string, Tensor>();
    const input = new Map([['input', floats([1, 1, 32, 32], digit(i))]]);
    for (const [name, tensor] of evaluate(floatGraph, input, (name, tensor) => tensors.set(name, tensor)))
      tensors.set(name, tensor);
    const theirs = captureOfTensors(program, (slot) => tensors.get(program.slots[slot]!.name));
    return { input: encodeInput(program, digit(i)), theirs };
  });
  const layers = program.steps.map(({ kernel }, i) => ({ kernel: kernel.name, instructions: 1000 + i }));
  const counted = { instructions: 5010, layers, stackBytes: 96 };
  const sizes = [
    { opt: '-O3', code: 1160, constants: 11_433 },
    { opt: '-Os', code: 1124, constants: 11_433 },
  ];
  const none = { bytesCompared: 0, mismatches: 0 };
  return reportHtml({
    artifact,
    inferences,
    sweep,
    targets: [
      { target: 'cortex-m4', status: 'equal', bytesCompared: 13_710, mismatches: 0, ...counted, sizes },
      { target: 'cortex-m0', status: 'skipped', note: 'arm-none-eabi-gcc: not there', ...none },
    ],
  });
}

interface Text {
  readonly text: string;
  readonly ratio: number;
  readonly size: number;
}

/** Asks test/support/in-page.js. */
const ask = <T>(page: Page, question: string): Promise<T> => page.evaluate(`looks.${question}`);

/** Texts that cannot be read: too little contrast, or too small. */
async function unreadable(page: Page): Promise<readonly Text[]> {
  const texts = await ask<readonly Text[]>(page, 'texts()');
  expect(texts.length).toBeGreaterThan(200);
  return texts.filter(({ ratio, size }) => ratio < 4.5 || size < 9.5);
}

describeWithChromium('a report', (browser) => {
  let watched: Watched;
  beforeAll(async () => {
    writeFileSync(file, await reportText());
    watched = await openPage(browser());
    await watched.page.goto(pathToFileURL(file).href);
    await watched.page.evaluate(readFileSync(path.join(root, 'test/support/in-page.js'), 'utf8'));
  }, 60_000);

  for (const width of [1280, 400])
    for (const colorScheme of ['light', 'dark'] as const)
      test(`${width} pixels, ${colorScheme}: fits, can be read, nothing lies on anything`, async () => {
        const { page, complaints } = watched;
        await page.emulateMedia({ media: 'screen', colorScheme });
        await page.setViewportSize({ width, height: 900 });
        expect(await ask(page, 'width()')).toBe(width);
        expect(await unreadable(page)).toEqual([]);
        expect(await ask(page, 'collisions()')).toEqual([]);
        expect((await ask(page, 'paper()')) === 'rgb(255, 255, 255)').toBe(colorScheme === 'light');
        expect(complaints).toEqual([]);
      });

  test('every section has a caption, pictures, and their numbers as a table', async () => {
    const figures = await watched.page.$$eval('section > figure', (all) =>
      all.map((figure) => ({
        words: figure.querySelector('figcaption')?.textContent?.length ?? 0,
        pictures: figure.querySelectorAll('svg').length,
        rows: figure.querySelectorAll('tbody tr').length,
      })),
    );
    expect(figures).toHaveLength(8);
    for (const { words, pictures, rows } of figures) {
      expect(words).toBeGreaterThan(20);
      expect(pictures).toBeGreaterThan(0);
      expect(rows).toBeGreaterThan(1);
    }
  });

  test('Tab reaches, in order, all that scrolls or can be used, and shows where it is', async () => {
    const { page } = watched;
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
    await page.setViewportSize({ width: 400, height: 900 });
    const wanted = await ask<number>(page, 'markReachable()');
    expect(wanted).toBeGreaterThan(8);
    const seen: string[] = [];
    for (let i = 0; i < wanted + 20; i++) {
      await page.keyboard.press('Tab');
      const { at, outline } = await ask<{ at: string; outline: number }>(page, 'focus()');
      if (at === 'end') break;
      expect(outline).toBeGreaterThanOrEqual(2);
      if (at !== '') seen.push(at);
    }
    expect(seen).toEqual(Array.from({ length: wanted }, (_, i) => String(i)));
  });

  test('paper: all that the screen has, on white, no picture or row in two parts, nothing beyond the edge', async () => {
    const { page } = watched;
    await page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
    const onScreen = await ask<number>(page, 'visible()');
    expect(onScreen).toBeGreaterThan(1000);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    // A4 within margins, at 96 pixels an inch.
    await page.setViewportSize({ width: 718, height: 1000 });
    expect(await ask(page, 'visible()')).toBe(onScreen);
    expect(await unreadable(page)).toEqual([]);
    expect(await ask(page, 'breakable()')).toBe(0);
    expect(await ask(page, 'beyond(718)')).toEqual([]);
    expect(await ask(page, 'paper()')).toBe('rgb(255, 255, 255)');
  });
});
