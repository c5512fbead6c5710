import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseCodebook } from '../../src/cli/compress.ts';
import { bench } from '../support/cli.ts';
import { sampleFiles } from '../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const int8 = ['compile', 'models/lenet5.onnx', '--calibrate', files.images, '--pad', '2'];

describe('--codebook', () => {
  test('of all layers, or of layers by name', () => {
    expect(parseCodebook('16')).toBe(16);
    expect(parseCodebook('4')).toBe(4);
    expect(parseCodebook('/3/Conv=16,a=b=4')).toEqual(
      new Map([
        ['/3/Conv', 16],
        ['a=b', 4],
      ]),
    );
    for (const wrong of ['', '8', 'x=', 'x=8', '=16', '16,4', 'x=16,4'])
      expect(() => parseCodebook(wrong)).toThrow(/16, 4, or layers with one of them/);
  });

  test('one layer shares values, is stored as indices, and says so', async () => {
    const out = path.join(files.folder, 'shared');
    const result = await bench().run(...int8, '--codebook', '/0/Conv=4', '--json', '-o', out);
    expect(result).toMatchObject({ code: 0, err: '' });
    const { formats } = JSON.parse(result.out) as { formats: readonly Record<string, unknown>[] };
    expect(formats[0]).toMatchObject({ node: '/0/Conv', format: 'dense2', codebook: 4 });
    expect(formats[0]!.why).toMatch(/^dense2 codebook/);
    const report = readFileSync(path.join(out, 'report.md'), 'utf8');
    expect(report).toContain(`: ${formats[0]!.why}\n`);
    expect(formats.slice(1).map(({ codebook }) => codebook)).toEqual([null, null, null, null]);
  });

  test.each([
    [['--codebook', '16', '--weight-bits', '4'], 'codebook: weights of fewer than 8 bits in the same layers'],
    [['--codebook', 'nobody=16'], "codebook of 'nobody': no such node; supported: /0/Conv, /3/Conv"],
    [['--codebook', '--requant', 'pow2'], "codebook: requantization 'pow2'"],
    [['--codebook', '--finetune', '1'], '--finetune: --codebook; supported: --weight-bits'],
  ])('%j is refused with exit code 2', async (flags, message) => {
    const result = await bench().run(...int8, ...flags);
    expect(result).toMatchObject({ code: 2, out: '' });
    expect(result.err).toContain(message);
    expect(result.err).toMatch(/^thimble: [^\n]+\n$/);
  });
});
