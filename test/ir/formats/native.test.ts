/** The C of every storage format, byte for byte: the host's compilers with sanitizers, and chips under QEMU. */
import { expect } from 'vitest';
import { emitC } from '../../../src/emit/package.ts';
import { isCoded } from '../../../src/ir/formats/codes.ts';
import { fits } from '../../../src/ir/formats/index.ts';
import { requantOf } from '../../../src/ir/integers/requant.ts';
import { formatName } from '../../../src/ir/kernel/weight-format.ts';
import { type BatchItem, runNativeBatch } from '../../../src/targets/batch.ts';
import type { TargetName } from '../../../src/targets/targets.ts';
import {
  allFormats,
  codebookFor,
  inMemory,
  type LayerRecipe,
  layerOf,
  programOf,
} from '../../support/stored-layers.ts';
import { crossTools, hostTools, testWith } from '../../support/toolchain.ts';

const image = {
  channels: 3,
  height: 8,
  width: 11,
  kernel: [3, 3],
  stride: 1,
  dilation: 1,
  pad: 1,
  pooled: true,
  groups: 1,
} as const;

const recipes: readonly LayerRecipe[] = [
  { seed: 1, density: 0.3, bits: 2, inputs: 70, outputs: 7 },
  { seed: 2, density: 0.01, bits: 2, inputs: 600, outputs: 3 },
  { seed: 3, density: 0.4, bits: 2, inputs: 1, outputs: 6, image },
  { seed: 4, density: 0.2, bits: 2, inputs: 1, outputs: 5, image: { ...image, pad: 0, pooled: false } },
  { seed: 5, density: 0.3, bits: 8, shared: 16, inputs: 90, outputs: 6 },
  { seed: 6, density: 0.6, bits: 8, shared: 16, inputs: 1, outputs: 6, image },
  { seed: 7, density: 0.5, bits: 8, shared: 4, inputs: 1, outputs: 5, image: { ...image, pad: 0 } },
];

interface Expected {
  readonly what: string;
  readonly item: BatchItem;
  readonly output: readonly number[];
}

/** Every format on every recipe; both ways to requantize. */
const items: readonly Expected[] = recipes.flatMap((recipe, r) => {
  const layer = layerOf(recipe);
  const { layout } = layer.kernel({}).weights!;
  const codebook = recipe.shared === undefined ? undefined : codebookFor(layer.mac.weights)!;
  const largest = codebook === undefined ? 1 : 127;
  return allFormats
    .filter((format) => fits(layout, largest, format, codebook))
    .filter((format) => codebook === undefined || ('bits' in format && isCoded(format.bits, codebook)))
    .map((format, f) => {
      const compact = requantOf('compact', Array.from(layer.mac.requant.scale));
      const { mac, expected } = f % 2 === 0 ? layer : layerOf(recipe, { requant: compact });
      const program = programOf(
        layer,
        layer.kernel({ ...mac, format, lanes: f % 3 ? 4 : 8, ...(codebook && { codebook }) }),
        `net${r}_${f}`,
      );
      const files = emitC(program, { command: '', version: '0', hash: '', golden: [] });
      const inputs = [inMemory(layer.inputPlace, layer.input)];
      const output = [...inMemory(layer.outputPlace, expected)];
      return { what: formatName(format), item: { program, files, inputs }, output };
    });
});

async function requireEqual(target: TargetName, some: readonly Expected[], opt = '-O1'): Promise<void> {
  const all = await runNativeBatch(
    some.map(({ item }) => item),
    target,
    { opt },
  );
  some.forEach(({ what, output, item }, i) => {
    expect([...all[i]![0]!.output], `${item.program.name} ${what}`).toEqual(output);
  });
}

// Sanitized builds are slow: each compiler takes every second one. gcc optimizes below, on chips: here it sees most at -O0.
const hosts = [
  ['host-gcc', '-O0'],
  ['host-clang', '-O1'],
] as const;
hosts.forEach(([target, opt], half) => {
  const some = items.filter((_, i) => i % 2 === half);
  testWith(hostTools)(`${target} with sanitizers`, () => requireEqual(target, some, opt), 300_000);
});

// Each chip takes others.
(['cortex-m0', 'cortex-m4', 'rv32imc'] as const).forEach((target, turn) => {
  testWith(crossTools)(
    target,
    () =>
      requireEqual(
        target,
        items.filter((_, i) => i % 4 === turn),
      ),
    300_000,
  );
});
