/** What is generated of `examples/`: the C of one program, and digits to run it on. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { buildOf } from '../../src/artifact/make.ts';
import { digitSide, drawDigit } from '../../src/data/digits.ts';
import { textLines } from '../../src/emit/c/tables.ts';
import { emitC } from '../../src/emit/package.ts';
import { programText } from '../../src/program/json.ts';
import type { Program } from '../../src/program/program.ts';
import { arrangeInput } from '../../src/program/values.ts';
import { proveProgram } from '../../src/prove/prove.ts';
import { createSimulator } from '../../src/sim/simulate.ts';

export const exampleDigits = [7, 2, 5];

/** LeNet-5's input has a margin of two pixels. */
function padded(pixels: Uint8Array, margin = 2): Uint8Array {
  const side = digitSide + 2 * margin;
  const all = new Uint8Array(side * side);
  for (let y = 0; y < digitSide; y++)
    all.set(pixels.subarray(y * digitSide, (y + 1) * digitSide), (y + margin) * side + margin);
  return all;
}

const digitsHeader = (images: readonly Uint8Array[]): string =>
  [
    '/* Digits as the example draws them: 32x32 pixels, 0 to 255. Made by npm run examples. */',
    '#ifndef DIGITS_H',
    '#define DIGITS_H',
    '',
    '#include <stdint.h>',
    '',
    `#define DIGITS ${images.length}`,
    '',
    `static const uint8_t digit_labels[DIGITS] = { ${exampleDigits.join(', ')} };`,
    '',
    `static const uint8_t digits[DIGITS][${images[0]!.length}] = {`,
    ...images.flatMap((image) => ['    {', textLines(image.length, (i) => String(image[i]), 8), '    },']),
    '};',
    '',
    '#endif',
    '',
  ].join('\n');

/** Paths below `examples/`, and contents. @param model the bytes of its file */
export function exampleFiles(program: Program, model: Uint8Array, version: string): Map<string, string> {
  const simulator = createSimulator(program, { mode: 'checked' });
  const images = exampleDigits.map((digit, i) => padded(drawDigit(digit, 1000 + i)));
  const golden = images.map((image) => {
    const input = arrangeInput(program, image);
    return { input, output: simulator.run(input).output };
  });
  const facts = proveProgram(program);
  const ranges = new Map([...facts].map(([kernel, found]) => [kernel.name, found.ranges]));
  const hash = `sha256 ${bytesToHex(sha256(model))}`;
  const about = { command: 'npm run examples', version, hash, build: buildOf(program) };
  const files = emitC(program, { ...about, golden, ranges, package: 'arduino' });
  return new Map([
    ['digits.h', digitsHeader(images)],
    ['lenet5/lenet5.program.json', programText(program)],
    ...[...files].map(([file, text]) => [`lenet5/${file}`, text] as const),
  ]);
}
