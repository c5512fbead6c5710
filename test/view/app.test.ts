/** The page at work in Chromium: drawn on, stepped through, pointed at. */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { drawDigit } from '../../src/data/digits.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { decodeOutput, decodePort, encodeInput } from '../../src/program/values.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { addressOf } from '../../src/view/element.ts';
import { viewPage } from '../../src/view/page.ts';
import { createRecorder } from '../../src/view/recording.ts';
import { frameOf, sampleOfExample, sampleOfInk } from '../../src/view/sample.ts';
import { describeWithChromium, openPage } from '../support/chromium.ts';
import { packPng } from '../support/png.ts';
import { root } from '../support/shared.ts';
import { demoData } from '../support/view.ts';

const data = demoData();
const { program } = data;
const frame = frameOf(program, data.preprocessing)!;
const simulator = createSimulator(program, { mode: 'checked' });

async function bundledPage(): Promise<string> {
  const build = await rolldown({
    input: join(root, 'src/view/app/main.ts'),
    platform: 'browser',
    external: /^node:/,
    logLevel: 'silent',
  });
  const { output } = await build.generate({ format: 'iife', minify: true });
  await build.close();
  const [{ code, imports }] = output;
  expect(imports).toEqual([]);
  const style = readFileSync(join(root, 'src/view/app/app.css'), 'utf8');
  return viewPage(data, { script: code, style });
}

/** Everything that was asked for so far is drawn. */
const settled = (page: Page): Promise<unknown> =>
  page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');

/** The outputs of the bars, as they are written there once all that was asked for is drawn. */
async function shownOutputs(page: Page): Promise<readonly number[]> {
  await settled(page);
  const texts = await page.locator('.bars .value').allTextContents();
  return texts.map((text) => Number(text.replace('−', '-')));
}

/** What Node's simulator says of a drawn picture of 28x28. */
function outputsFor(ink: Uint8Array): readonly number[] {
  const { real } = sampleOfInk(program, data.preprocessing, frame, ink);
  const output = decodeOutput(program, simulator.run(encodeInput(program, real)).output);
  return Array.from(output, (x) => Number(x.toPrecision(4)));
}

/** Between conv1's output in int8 and in float, for the example that the page begins with. */
function largestDifference(): number {
  if (data.float.kind === 'none') throw new Error('the page has a float side');
  const sample = sampleOfExample(program, data.preprocessing, data.examples[0]!);
  const [int8, float] = [program, data.float.program].map((p) => {
    const slot = p.slots.findIndex(({ firstStep }) => firstStep === 0);
    return decodePort(p, slot, createRecorder(p)(sample).tensors.get(slot)!);
  });
  return Math.max(...int8!.map((x, i) => Math.abs(x - float![i]!)));
}

/** The 32x32 pixels that the page says the network sees, from its table of numbers. */
async function seenPixels(page: Page): Promise<Uint8Array> {
  await page.locator('.stop').first().click();
  await page.getByRole('radio', { name: 'numbers' }).check();
  await settled(page);
  const texts = await page.locator('.numbers td').allTextContents();
  await page.getByRole('radio', { name: 'pictures' }).check();
  return Uint8Array.from(texts, Number);
}

async function draw(page: Page, points: readonly (readonly [number, number])[]): Promise<void> {
  const box = (await page.locator('.pad').boundingBox())!;
  const at = ([x, y]: readonly [number, number]) => [box.x + x * box.width, box.y + y * box.height] as const;
  await page.mouse.move(...at(points[0]!));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 3 });
  await page.mouse.up();
}

const seven = [
  [0.3, 0.22],
  [0.5, 0.2],
  [0.7, 0.2],
  [0.6, 0.42],
  [0.5, 0.62],
  [0.44, 0.82],
] as const;

/** Waits until the page says so. */
const says = (locator: Locator, text: string | RegExp): Promise<void> =>
  expect.poll(() => locator.textContent(), { timeout: 5000, interval: 20 }).toMatch(text);

async function dropFile(page: Page, name: string, bytes: Uint8Array, type: string): Promise<void> {
  const base64 = JSON.stringify(Buffer.from(bytes).toString('base64'));
  await page.evaluate(`{
    const bytes = Uint8Array.from(atob(${base64}), (c) => c.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], ${JSON.stringify(name)}, { type: ${JSON.stringify(type)} }));
    document.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
  }`);
}

const rowsOf = (ink: Uint8Array): number[][] =>
  Array.from({ length: 28 }, (_, y) => [...ink.subarray(28 * y, 28 * y + 28)]);

let folder: string;
let url: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thimble-view-'));
  writeFileSync(join(folder, 'view.html'), await bundledPage());
  url = `file://${join(folder, 'view.html')}`;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeWithChromium('the page', (browser) => {
  let page: Page;
  let complaints: readonly string[];
  beforeAll(async () => {
    ({ page, complaints } = await openPage(browser()));
    page.setDefaultTimeout(5000);
  });
  beforeEach(async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(url);
    await page.mouse.move(1, 1);
  });

  test('predicts for a drawn digit what Node simulates for the same pixels', async () => {
    await draw(page, seven);
    await says(page.locator('.verdict'), 'It reads 7');
    await says(page.locator('.input'), 'Shown: your drawing');
    const outputs = await shownOutputs(page);
    const pixels = await seenPixels(page);
    expect(pixels.length).toBe(1024);
    const output = decodeOutput(program, simulator.run(pixels).output);
    expect(outputs).toEqual(Array.from(output, (x) => Number(x.toPrecision(4))));
    await page.getByRole('button', { name: 'Clear' }).click();
    expect((await seenPixels(page)).every((p) => p === 0)).toBe(true);
  });

  test('takes dropped PNG pictures and arrays, and says what is wrong with others', async () => {
    const digits = [8, 2].map((digit) => drawDigit(digit, 31));
    await dropFile(page, 'eight.png', packPng(28, 28, 8, 0, rowsOf(digits[0]!)), 'image/png');
    await says(page.locator('.input'), 'Shown: eight.png');
    expect(await shownOutputs(page)).toEqual(outputsFor(digits[0]!));
    const array = new Uint8Array(digits.flatMap((digit) => [...digit]));
    const npy = writeNpy({ dtype: 'uint8', shape: [2, 28, 28], data: array });
    await dropFile(page, 'two.npy', npy, '');
    await says(page.locator('.input'), 'Shown: two.npy, sample 1 of 2');
    await page.getByRole('button', { name: 'next sample' }).click();
    await says(page.locator('.input'), 'sample 2 of 2');
    expect(await shownOutputs(page)).toEqual(outputsFor(digits[1]!));
    await dropFile(page, 'notes.txt', new TextEncoder().encode('no samples'), 'text/plain');
    await says(page.locator('.complaint'), /^notes\.txt: a file of unknown format/);
    await says(page.locator('.input'), 'sample 2 of 2');
  });

  test('steps with keys and buttons, and shows what the step reads and writes', async () => {
    const heads = page.locator('.pane h3');
    await says(page.locator('#layer-title'), 'Step 1: conv1');
    expect(await heads.allTextContents()).toEqual([
      'reads input u8 1×32×32',
      'writes conv1 output u8 6×14×14',
    ]);
    await page.keyboard.press('ArrowRight');
    await says(page.locator('#layer-title'), 'Step 2: conv2');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await says(page.locator('#layer-title'), 'The input arrives');
    expect(await heads.allTextContents()).toEqual(['writes input u8 1×32×32']);
    expect(await page.getByRole('button', { name: 'step back' }).isDisabled()).toBe(true);
    await page.locator('.map-row').nth(6).locator('.track').click();
    await says(page.locator('#layer-title'), 'Step 5: linear3');
    await page.getByText('The C of linear3').click();
    await says(page.locator('.source code'), /void lenet5_linear3\(const uint8_t \*in, uint8_t \*out\)\n\{/);
  });

  test('tells of a byte its tensor, element, value and history', async () => {
    const slot = program.slots.find(({ firstStep }) => firstStep === 0)!;
    const element = 3 * 196 + 4 * 14 + 5;
    const address = addressOf(slot, element);
    const bytes = page.locator('.bytes');
    await bytes.focus();
    await page.keyboard.press('ArrowRight');
    await says(page.locator('.inspector h3'), /^Byte 1$/);
    await page.locator('h1').click();
    const tiles = page.locator('.tiles').nth(1);
    const box = (await tiles.boundingBox())!;
    const gapOf = (scale: number): number => Math.min(8, scale);
    const scales = Array.from({ length: 24 }, (_, i) => i + 1);
    // Two rows of three tiles, 14 elements each.
    const scale = scales.find((s) => 3 * (14 * s + gapOf(s)) - gapOf(s) === Math.round(box.width))!;
    const [x, y] = [5.5 * scale, 14 * scale + gapOf(scale) + 4.5 * scale];
    await tiles.hover({ position: { x, y } });
    const inspector = page.locator('.inspector');
    await says(inspector.locator('h3'), `Byte ${address.toLocaleString('en-US')}`);
    await says(inspector.locator('dl'), /tensorconv1 output \[c=3, y=4, x=5\]/);
    const example = data.examples[0]!;
    const run = simulator.run(Uint8Array.from(example.numbers), { keepArenas: true });
    const stored = run.arenas[0]![address]!;
    const real = stored * slot.quant!.scale;
    await says(
      inspector.locator('dl'),
      `stored ${stored}, real ${real === 0 ? 0 : Number(real.toPrecision(4))}`,
    );
    const writers = program.slots.filter((s) => s.address <= address && address < s.address + s.length);
    const history = await inspector.locator('.history li').allTextContents();
    expect(history.length).toBe(writers.length);
    expect(history).toContain(`step 1conv1 wrote conv1 output [c=3, y=4, x=5] = ${stored}`);
    await says(page.locator('.readout'), `conv1 output [c=3, y=4, x=5] stored ${stored}`);
    await tiles.click({ position: { x, y } });
    await page.mouse.move(1, 1);
    await says(inspector.locator('h3'), 'kept');
    await page.keyboard.press('Escape');
    await says(inspector.locator('h3'), 'No byte chosen');
  });

  test('switches to float and to the difference, on scales of their own', async () => {
    const legends = page.locator('.keys');
    const before = await legends.allTextContents();
    await page.getByRole('radio', { name: 'difference' }).check();
    await says(page.locator('.layer .note').first(), 'minus the float');
    const after = await legends.allTextContents();
    expect(after).not.toEqual(before);
    expect(after[0]).toBe('equal everywhere');
    const limit = Number(largestDifference().toPrecision(4));
    expect(limit).toBeGreaterThan(0);
    expect(after[1]).toBe(`−${limit}${limit}`);
    await page.getByRole('radio', { name: 'float' }).check();
    await says(page.locator('.layer .note').first(), 'was trained');
    expect(await legends.allTextContents()).toEqual(before);
  });

  test('has two themes, and no sideways scrolling at 400 pixels', async () => {
    const theme = () => page.locator('html').getAttribute('data-theme');
    expect(await theme()).toBe('light');
    await page.getByRole('button', { name: 'Dark theme' }).click();
    await expect.poll(theme).toBe('dark');
    await page.getByRole('button', { name: 'Light theme' }).click();
    await expect.poll(theme).toBe('light');
    await page.setViewportSize({ width: 400, height: 800 });
    for (const look of ['numbers', 'pictures']) {
      await page.getByRole('radio', { name: look }).check();
      for (let moment = 0; moment <= program.steps.length; moment++) {
        await page.locator('.stop').nth(moment).click();
        await settled(page);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400);
      }
    }
  });

  test('asks for nothing and complains about nothing', async () => {
    const content = await page.locator('meta[http-equiv]').getAttribute('content');
    expect(content).toMatch(/^default-src 'none'; script-src 'sha256-/);
    const unnamed = await page.evaluate(`[...document.querySelectorAll('button, input, canvas')].filter((e) =>
      !e.ariaLabel && !e.labels?.length && !e.textContent && !e.closest('button, [aria-hidden]')).length`);
    expect(unnamed).toBe(0);
    expect(complaints).toEqual([]);
  });
});
