/** The page of a build: every picture has its numbers beside it, and nothing in it can run. */
import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Artifact, artifactOf, loadArtifact } from '../../src/artifact/make.ts';
import { mulberry32 } from '../../src/base/random.ts';
import { type Compiled, compile } from '../../src/compile.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { elemBytes } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import { labelOf } from '../../src/report/arena.ts';
import {
  activationLayers,
  arenaRects,
  flashParts,
  floatLayers,
  instructionCounts,
  overlapsOf,
  rangeOf,
  storedLayers,
} from '../../src/report/facts.ts';
import { reportHtml, sweepHtml } from '../../src/report/report.ts';
import { smallest } from '../../src/report/sections.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../support/onnx-model.ts';

const random = mulberry32(3);
const numbers = (count: number): number[] => Array.from({ length: count }, () => random() * 2 - 1);
const evil = '<script>alert("1")</script>';

function compiledWith(options: Partial<Parameters<typeof compile>[1]>): Compiled {
  const bytes = encodeModel({
    inputs: [valueInfo('x', [1, 6])],
    initializers: [floatTensor('w', [5, 6], numbers(30)), floatTensor('v', [3, 5], numbers(15))],
    nodes: [
      { op: 'Gemm', name: evil, inputs: ['x', 'w'], outputs: [evil], attributes: [int('transB', 1)] },
      { op: 'Relu', inputs: [evil], outputs: ['h'] },
      { op: 'Gemm', inputs: ['h', 'v'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
  });
  const inputs = Array.from({ length: 8 }, () => Float32Array.from(numbers(6)));
  return compile(importOnnx(bytes, { name: 'net' }), {
    name: 'net',
    arith: 'int8',
    calibration: { inputs },
    ...options,
  });
}

const artifactFrom = (compiled: Compiled): Artifact => {
  const accuracy = { samples: 200, labelled: true, float: 199, compiled: 198 };
  const files = artifactOf(compiled, {
    command: `thimble ${evil}`,
    version: '1',
    model: new Uint8Array(),
    preprocessing: {},
    accuracy,
  });
  return loadArtifact(new Map([...files].map(([name, text]) => [name, new TextEncoder().encode(text)])));
};

const sweep = {
  target: 'cortex-m4',
  builds: [
    {
      sparsity: 0,
      weightBits: 8,
      flashBytes: 900,
      ramBytes: 9,
      instructions: 500,
      right: 9,
      loss: 0,
      pareto: true,
    },
    {
      sparsity: 0.5,
      weightBits: 4,
      flashBytes: 300,
      ramBytes: 9,
      instructions: 400,
      right: 8,
      loss: 1.25,
      pareto: true,
    },
    {
      sparsity: 0.5,
      weightBits: 8,
      flashBytes: 600,
      ramBytes: 9,
      instructions: 450,
      right: 8,
      loss: 1.5,
      pareto: false,
    },
  ],
};

let program: Program;
let text: string;
let document: ReturnType<typeof parseHTML>['document'];
beforeAll(async () => {
  const artifact = artifactFrom(compiledWith({ formats: { objective: 'flash', target: 'cortex-m4' } }));
  program = artifact.program;
  text = await reportHtml({ artifact, sweep });
  document = parseHTML(text).document;
});

const rowsOf = (title: string): string[][] => {
  const section = [...document.querySelectorAll('section')].find(
    (s) => s.querySelector('h2')?.textContent === title,
  );
  return [...section!.querySelectorAll('tbody tr')].map((row) =>
    [...row.children].map((cell) => cell.textContent!),
  );
};
const whole = (n: string | undefined): number => Number(n!.replaceAll(',', ''));

describe('the facts', () => {
  test('buffers as the plan has them, while steps run', () => {
    const rects = arenaRects(program);
    expect(rects).toHaveLength(program.slots.length);
    for (const [i, rect] of rects.entries()) {
      const slot = program.slots[i]!;
      expect(rect).toMatchObject({ from: slot.address, to: slot.address + slot.length, name: slot.name });
      expect(rect.first).toBeGreaterThanOrEqual(0);
      expect(rect.last).toBeLessThan(program.steps.length);
    }
  });

  test('flash: all tables, once', () => {
    const total = program.steps
      .flatMap(({ kernel }) => kernel.tables)
      .reduce((n, t) => n + t.data.length * elemBytes[t.elem], 0);
    expect(flashParts(program).reduce((n, { bytes }) => n + bytes, 0)).toBe(total);
    expect(flashParts(program).find(({ kind }) => kind === 'biases')?.bytes).toBe(20);
  });

  test('weights: as many as the model has', () => {
    expect(storedLayers(program).map(({ weights }) => weights)).toEqual([30, 15]);
    for (const { counts, weights } of storedLayers(program))
      expect(counts.reduce((n, { count }) => n + count, 0)).toBe(weights);
  });

  test('activations: every byte of every layer, over all inputs', () => {
    const inputs = [0, 100, 255].map((byte) => new Uint8Array(6).fill(byte));
    const layers = activationLayers(program, inputs);
    expect(layers.map(({ kernel }) => kernel)).toEqual(program.steps.map(({ kernel }) => kernel.name));
    const slot = program.slots[program.outputs[0]!.slot]!;
    const last = layers.at(-1)!;
    expect(last.counts.reduce((a, b) => a + b, 0)).toBe(3 * slot.length);
    const outputs = inputs.flatMap((x) => [...createSimulator(program, { mode: 'fast' }).run(x).output]);
    for (const byte of outputs) expect(last.counts[byte]).toBe(outputs.filter((b) => b === byte).length);
    expect(last).toMatchObject({ scale: slot.quant!.scale, zeroPoint: slot.quant!.zeroPoint });
  });

  test('instructions, per layer and target', () => {
    const counts = instructionCounts(program, ['cortex-m0', 'cortex-m4']);
    expect(counts).toHaveLength(4);
    for (const { instructions } of counts) expect(instructions).toBeGreaterThan(0);
  });
});

describe('the arena', () => {
  test('bytes that two buffers share while a layer runs, once per pair', () => {
    const rects = arenaRects(program);
    const shared = (step: number, byte: number) =>
      rects.filter((r) => r.first <= step && step <= r.last && r.from <= byte && byte < r.to).length;
    const marked = (step: number, byte: number) =>
      overlapsOf(rects).filter((o) => o.first <= step && step <= o.last && o.from <= byte && byte < o.to)
        .length;
    let doubled = 0;
    for (let step = 0; step < program.steps.length; step++)
      for (let byte = 0; byte < program.arenaBytes; byte++) {
        const n = shared(step, byte);
        expect(marked(step, byte)).toBe(n === 0 ? 0 : (n * (n - 1)) / 2);
        doubled += Number(n > 1);
      }
    expect(doubled).toBeGreaterThan(0);
  });

  test('names stand only where they fit', () => {
    const two = { arenaBytes: 100, steps: program.steps.slice(0, 2) };
    const rect = { name: 'input', from: 0, to: 50, first: 0, last: 0, scratch: false };
    expect(labelOf(rect, two)).toBe('input');
    expect(labelOf({ ...rect, to: 5 }, two)).toBe('');
    expect(labelOf({ ...rect, name: 'x'.repeat(60) }, two)).toBe('');
  });
});

describe('what float computes where bytes are stored', () => {
  const layer = (...values: number[]) =>
    floatLayers(program, [
      {
        theirs: {
          written: (slot) => ({
            kind: 'real',
            values: slot === program.outputs[0]!.slot ? Float32Array.from(values) : new Float32Array(5),
          }),
        },
      },
    ]).at(-1)!;

  test('what is beyond the range by over half a step is cut off; zeros are counted apart', () => {
    const { quant } = program.slots[program.outputs[0]!.slot]!;
    const [least, most] = rangeOf(quant!);
    const found = layer(0, most + 0.4 * quant!.scale, most + 3 * quant!.scale, least - quant!.scale);
    expect(found).toMatchObject({ below: 0.25, above: 0.25, zeros: 0.25 });
    expect(found.bins.counts.reduce((a, b) => a + b, 0)).toBe(3);
    expect(found.bins.from).toBeCloseTo(least - quant!.scale, 5);
    expect(found.bins.from + found.bins.width * found.bins.counts.length).toBeCloseTo(
      most + 3 * quant!.scale,
      5,
    );
  });
});

test('the front by size and loss alone', () => {
  expect(smallest(sweep.builds).map(({ flashBytes }) => flashBytes)).toEqual([300, 900]);
});

describe('the page', () => {
  test('every figure has a caption, a picture and the same numbers as a table', () => {
    const figures = [...document.querySelectorAll('section > figure')];
    expect(figures.length).toBe(5);
    for (const figure of figures) {
      expect(figure.querySelector('figcaption')!.textContent!.length).toBeGreaterThan(20);
      expect(figure.querySelector('svg')).not.toBeNull();
      expect(figure.querySelector('tbody tr')).not.toBeNull();
    }
  });

  test('its numbers', () => {
    expect(rowsOf('The arena over time').map(([name]) => name)).toEqual(
      program.slots.map(({ name }) => name),
    );
    const bytes = rowsOf('Constants by layer').map((row) => whole(row.at(-1)));
    expect(bytes.reduce((a, b) => a + b, 0)).toBe(flashParts(program).reduce((n, p) => n + p.bytes, 0));
    expect(rowsOf('Size against accuracy').map((row) => row.at(-1))).toEqual(['yes', '', 'yes']);
    const big = [...document.querySelectorAll('.big div')].map((div) => div.textContent!);
    expect(big.find((words) => words.startsWith('top-1'))).toContain(
      '99.00 %95 % interval 96.43 % to 99.73 %, 200 held-out samples; float 99.50 %',
    );
  });

  test('nothing that a model or a command line is called can run', () => {
    expect(text).not.toContain('<script');
    expect(document.querySelectorAll('script, iframe, link, img, [onload], [onclick]')).toHaveLength(0);
    expect(text).toContain("default-src 'none'");
    expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(rowsOf('The arena over time').flat()).toContain('h');
    expect(document.querySelector('main > p')!.textContent).toContain(evil);
  });

  test('is the same every time', async () => {
    const artifact = artifactFrom(compiledWith({ formats: { objective: 'flash', target: 'cortex-m4' } }));
    expect((await reportHtml({ artifact, sweep })).length).toBe(
      (await reportHtml({ artifact, sweep })).length,
    );
    expect(await reportHtml({ artifact, sweep })).toBe(await reportHtml({ artifact, sweep }));
  });

  test('of a float32 program, and of a sweep alone', async () => {
    const float = await reportHtml({ artifact: artifactFrom(compiledWith({ arith: 'float32' })) });
    expect(float).toContain('The arena over time');
    expect(float).not.toContain('<h2>Weights</h2>');
    // The model of instructions knows int8 code only.
    expect(float).toContain('there is no model of float32 code');
    expect(float).not.toContain('modelled');
    const shared = sweep.builds.map((b) => ({ ...b, codebook: b.weightBits === 4 ? 16 : null }));
    const swept = await sweepHtml('net', sweep.target, shared);
    expect(swept).toContain('3 builds, 2 of them unbeaten.');
    for (const words of ['8 bits', '16 values']) expect(swept).toContain(`<td class="text">${words}</td>`);
    expect(swept).not.toContain('4 bits');
  });
});
