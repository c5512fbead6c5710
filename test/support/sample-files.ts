/** Files of drawn digits, as a user would have them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { drawDigit } from '../../src/data/digits.ts';
import { writeNpy } from '../../src/data/npy.ts';

export interface SampleFiles {
  readonly folder: string;
  /** 28x28 uint8: 0 to 9 over and over. */
  readonly images: string;
  readonly labels: string;
  readonly count: number;
  remove(): void;
}

export function sampleFiles(count = 20): SampleFiles {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-cli-'));
  const data = new Uint8Array(count * 784);
  for (let i = 0; i < count; i++) data.set(drawDigit(i % 10, Math.floor(i / 10)), i * 784);
  const images = path.join(folder, 'images.npy');
  const labels = path.join(folder, 'labels.txt');
  writeFileSync(images, writeNpy({ dtype: 'uint8', shape: [count, 28, 28], data }));
  writeFileSync(labels, Array.from({ length: count }, (_, i) => `${i % 10}\n`).join(''));
  return { folder, images, labels, count, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** LeNet-5's input, which the images fit when they are padded. */
export const lenetInput = {
  name: 'input',
  shape: [1, 1, 32, 32],
  sample: [1, 32, 32],
  integers: false,
} as const;
