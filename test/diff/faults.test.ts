/**
 * Faults that people make, put into real C and run under QEMU with the trace on: the cause is named, and no other.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect } from 'vitest';
import { buildOf } from '../../src/artifact/make.ts';
import { compile } from '../../src/compile.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { padPlanes } from '../../src/data/resized.ts';
import type { CauseName, TracedRun } from '../../src/diff/causes/cause.ts';
import { diff } from '../../src/diff/compare.ts';
import { deviceCauses, diagnose, firstSuspect, suspectCauses } from '../../src/diff/diagnose.ts';
import type { Inference } from '../../src/diff/feed.ts';
import { captureOfRun } from '../../src/diff/trace-capture.ts';
import { emitC } from '../../src/emit/package.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { requantizeDouble } from '../../src/ir/kernel/prims/requantize.ts';
import { arrangeInput } from '../../src/program/values.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { traceFirmware, traceNative } from '../../src/targets/trace.ts';
import { readTrace } from '../../src/trace/read.ts';
import { root } from '../support/shared.ts';
import { crossTools, testWith } from '../support/toolchain.ts';

const pixels = (i: number): Uint8Array => padPlanes(drawDigit(i % 10, i), [1, 28, 28], 2);
const images = Array.from({ length: 40 }, (_, i) => pixels(i));
const model = importOnnx(new Uint8Array(readFileSync(path.join(root, 'models/lenet5.onnx'))), {
  name: 'net',
});
const { program } = compile(model, {
  name: 'net',
  arith: 'int8',
  plan: 'disjoint',
  calibration: {
    inputs: images.map((image) => Float32Array.from(image, (x) => Math.fround(x / 255))),
    raw: { mean: [0], std: [255] },
  },
});
const stored = images.map((image) => arrangeInput(program, image));

/** Of most images, two roundings change no byte at all. */
function changesRoundedTwice(input: Uint8Array): boolean {
  const meanings = new Map([['requantize_high', requantizeDouble.js]]);
  const [once, twice] = [{}, { meanings }].map((how) =>
    createSimulator(program, { mode: 'fast', ...how }).run(input, { keepArenas: true }),
  );
  return once!.arenas.some((arena, step) => arena.some((byte, i) => byte !== twice!.arenas[step]![i]));
}

const inputs = [stored.find(changesRoundedTwice)!, stored[1]!];
const build = buildOf(program);
const good = emitC(program, { command: '', version: '', hash: '', build, golden: [] });

interface Fault {
  /** Of net.c. */
  readonly c?: (text: string) => string;
  /** Of the firmware around it. */
  readonly firmware?: (text: string) => string;
  readonly build?: string;
  readonly target?: TargetName;
  readonly cause: CauseName;
  /** In the diagnosis. */
  readonly says: RegExp;
}

/** Replaces all, and something. */
const change =
  (pattern: RegExp, by: string) =>
  (text: string): string => {
    expect(text).toMatch(pattern);
    return text.replaceAll(pattern, by);
  };
const beforeRun = (code: string) => change(/( *)net_run\(&net\);/g, `$1${code}\n$1net_run(&net);`);
const slotNamed = (name: string) => program.slots.find((slot) => slot.name === name)!;

const outputZero = program.slots[program.outputs[0]!.slot]!.quant!.zeroPoint;

const pokeInput = (expression: string): string =>
  `uint8_t *in = net_input(&net); static uint8_t was[1024]; memcpy(was, in, 1024); for (int k = 0; k < 1024; k++) in[k] = (uint8_t)(${expression});`;

const faults: Readonly<Record<string, Fault>> = {
  'bits cut off instead of rounded': {
    c: change(
      /return \(high \+ \(\(int32_t\)1 << \(shift - 2\)\)\) >> \(shift - 1\);/g,
      'return high >> (shift - 1);',
    ),
    cause: 'rounding',
    says: /^conv1 rounds differently: downwards/,
  },
  "TensorFlow Lite's two roundings": {
    c: change(
      /int32_t high = .*\n.*return \(high.*;/g,
      'int32_t mask = ((int32_t)1 << shift) - 1, h = (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << 30)) >> 31);\n    return (h >> shift) + ((h & mask) > (mask >> 1) + (h < 0));',
    ),
    target: 'rv32imc',
    cause: 'rounding',
    says: /twice, as TensorFlow Lite's/,
  },
  'no saturation in the second layer': {
    c: change(
      /\(uint8_t\)net_clamp\(net_requantize_high\(acc0, net_conv2_multiplier\[c\],\s*(.*?)\),\s*0,\s*255\)/g,
      '(uint8_t)(net_requantize_high(acc0, net_conv2_multiplier[c], $1))',
    ),
    cause: 'saturation',
    says: /^conv2 does not saturate/,
  },
  'signed saturation': {
    c: change(
      /net_clamp\(net_requantize_high\(acc0, net_conv1_multiplier\[c\],\s*(.*?)\),\s*0,\s*255\)/g,
      'net_clamp(net_requantize_high(acc0, net_conv1_multiplier[c], $1), 0, 127)',
    ),
    target: 'rv32imc',
    cause: 'saturation',
    says: /^conv1 is cut off above 127/,
  },
  'one shift too many': {
    c: change(/net_conv2_multiplier\[c\],\s*(.*?)\),\s*0/g, 'net_conv2_multiplier[c], $1 + 1), 0'),
    cause: 'scale or zero point',
    says: /off by a factor of 0\.5/,
  },
  'the zero point of the output forgotten': {
    c: change(new RegExp(`\\+\\s+${outputZero}(?=,)`, 'g'), `+ ${outputZero - 12}`),
    cause: 'scale or zero point',
    says: /the zero point of output is off by -12/,
  },
  'an image stored channel by channel': {
    c: change(/out\[\(y \* 14 \+ x\) \* 6 \+ c\]/g, 'out[c * 196 + y * 14 + x]'),
    cause: 'layout',
    says: /has the right numbers in another order: channels/,
  },
  'pixels in 0..1': {
    firmware: beforeRun(pokeInput('was[k] / 255')),
    cause: 'input preprocessing',
    says: /in 0\.\.1 where pixels of 0\.\.255 are expected/,
  },
  'pixels that were normalized before': {
    firmware: beforeRun(pokeInput('40 + was[k] / 2')),
    cause: 'input preprocessing',
    says: /normalization/,
  },
  'rows and columns of the input swapped': {
    firmware: beforeRun(pokeInput('was[k % 32 * 32 + k / 32]')),
    cause: 'input preprocessing',
    says: /rows and columns swapped/,
  },
  'a weight that fell over': {
    c: change(/( int8_t net_linear2_weights\[\d+\] = \{\s*)(-?\d+)/g, '$1-$2 + 1'),
    cause: 'weights differ',
    says: /linear2_weights at 0x/,
  },
  'an interrupt that writes into the arena': {
    c: change(
      /#define NET_HOOK\(net, step\) \(\(void\)0\)/g,
      `#define NET_HOOK(n, step) (void)((step) == 1 && (((struct net *)(uintptr_t)(n))->arena[${slotNamed('/5/MaxPool_output_0').address + 100}] ^= 0x55))`,
    ),
    cause: 'buffer overwritten',
    says: /^arena bytes (\d+) to \1 of .*MaxPool.* changed between conv2, which wrote it, and linear1/,
  },
  'a stack that grows into the arena': {
    firmware: (text) =>
      change(
        /static struct net net;/g,
        `static struct { struct net inner; uint8_t above[64]; } block;
const net_output_t *run_on(struct net *n, void *sp);
__asm__(".thumb_func\\nrun_on:\\n push {r4, lr}\\n mov r4, sp\\n mov sp, r1\\n bl net_run\\n mov sp, r4\\n pop {r4, pc}\\n");`,
      )(text)
        .replaceAll('net_run(&net)', 'run_on(&net, block.above + sizeof block.above)')
        .replaceAll('&net', '&block.inner')
        .replaceAll('sizeof net', 'sizeof block.inner'),
    cause: 'stack ran into the arena',
    says: /the stack pointer was 0x.*give the stack more room/,
  },
  'another build on the device': {
    build: 'feedfacecafebeef',
    cause: 'wrong build',
    says: /the device runs build feedfacecafebeef, this is build /,
  },
};

async function evidenceOf({ c, firmware, build: flashed = build, target = 'cortex-m3' }: Fault) {
  const files = new Map(
    flashed === build
      ? good
      : emitC(program, { command: '', version: '', hash: '', build: flashed, golden: [] }),
  );
  files.set('net.c', (c ?? ((text: string) => text))(files.get('net.c')!));
  const around = (firmware ?? ((text: string) => text))(traceFirmware(program, inputs.length));
  const log = await traceNative(program, files, target, inputs, { level: 2, firmware: around });
  const trace = readTrace(log);
  expect(trace.runs).toHaveLength(inputs.length);
  const tracedRuns = trace.runs.map((run): TracedRun => ({ program, build, trace, run }));
  const inferences = trace.runs.map(
    (run, i): Inference => ({ input: inputs[i]!, theirs: captureOfRun(run) }),
  );
  return { tracedRuns, inferences, found: diff(program, inferences, { mode: 'isolated' }) };
}

describe('a fault is named, and only it', () => {
  testWith(crossTools).each(Object.entries(faults))(
    '%s',
    async (_, fault) => {
      const { tracedRuns, inferences, found } = await evidenceOf(fault);
      const suspect = firstSuspect(program, inferences, found);
      const said = new Set([
        ...tracedRuns.flatMap((t) => deviceCauses.flatMap((cause) => cause(t)?.cause ?? [])),
        ...(suspect === undefined ? [] : suspectCauses.flatMap((cause) => cause(suspect)?.cause ?? [])),
      ]);
      expect([...said]).toEqual([fault.cause]);
      const [diagnosis, ...more] = diagnose(program, inferences, tracedRuns, found);
      // A stack may leave other bytes as they were in each inference.
      expect(more.filter(({ cause }) => cause !== fault.cause)).toEqual([]);
      expect(diagnosis).toMatchObject({ cause: fault.cause, text: expect.stringMatching(fault.says) });
    },
    60_000,
  );

  testWith(crossTools)('without a fault no cause is named', async () => {
    const { tracedRuns, inferences, found } = await evidenceOf({ cause: 'rounding', says: /./ });
    expect(found.first).toBeUndefined();
    expect(found.layers.every(({ measures }) => measures?.equal === measures?.elements)).toBe(true);
    expect(diagnose(program, inferences, tracedRuns, found)).toEqual([]);
  });
});
