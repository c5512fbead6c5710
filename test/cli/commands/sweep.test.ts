/** A sweep in shares: what one machine would have given, or a refusal that says which part is wrong. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseShard, shareOf } from '../../../src/cli/flags/shares.ts';
import { writeNpy } from '../../../src/data/npy.ts';
import { bench } from '../../support/cli.ts';
import { root } from '../../support/shared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-sweep-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...names: readonly string[]): string => path.join(folder, ...names);

const model = path.join(root, 'test/fixtures/torch/kinds/mlp.onnx');
function samples(name: string, step: number): string {
  const data = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(step * i));
  writeFileSync(at(name), writeNpy({ dtype: 'float32', shape: [40, 6], data }));
  return at(name);
}
const input = samples('samples.npy', 1.3);
/** Six builds: three sparsities, of which one is given twice, with two grids. */
const options = ['--calibrate', input, '--samples', '20', '--sparsities', '0,0.6,0.3,0.6'];
const files = ['sweep.json', 'sweep.txt', 'sweep.html', 'manifest.json'];

const run = (...words: readonly string[]) => bench().run('sweep', ...words);
const share = (shard: string, out: string, ...more: readonly string[]) =>
  run(model, ...options, '--shard', shard, '-o', at(out), ...more);
const contentOf = (out: string): readonly string[] =>
  files.map((file) => readFileSync(at(out, file), 'utf8'));

let alone: Awaited<ReturnType<typeof run>>;
beforeAll(async () => {
  alone = await run(model, ...options, '-o', at('alone'));
});

describe('--merge gives the bytes of one machine', () => {
  test.each([1, 2, 4, 8])('from %s shares of 6 builds', async (count) => {
    const parts: string[] = [];
    for (let i = count; i >= 1; i--) {
      const out = `${count}-part-${i}`;
      parts.push(at(out));
      expect(await share(`${i}/${count}`, out)).toMatchObject({ code: 0, err: '' });
    }
    const out = `merged-${count}`;
    expect(await run('--merge', ...parts, '-o', at(out))).toEqual(alone);
    expect(contentOf(out)).toEqual(contentOf('alone'));
    expect((await run('--merge', ...parts, '--json')).out).toBe(contentOf('alone')[0]);
  });

  test('the same files elsewhere are the same', async () => {
    mkdirSync(at('other'));
    copyFileSync(model, at('other/mlp.onnx'));
    copyFileSync(input, at('other/moved.npy'));
    const moved = [...options.slice(2), '--calibrate', at('other/moved.npy')];
    await run(at('other/mlp.onnx'), ...moved, '--shard', '2/2', '-o', at('moved'));
    expect(await run('--merge', at('2-part-1'), at('moved'))).toEqual(alone);
  });
});

test.each(['--sparsity=0.5', '--flash=12KB', '--ram=2KB', '--instructions=1M', '--max-loss=1'])(
  'an option of one build is no option of a sweep: %s',
  async (option) => {
    const { code, err } = await run(model, ...options, option);
    expect(code).toBe(2);
    expect(err).toContain(`thimble: thimble sweep: ${option.split('=')[0]}; supported: --sparsities`);
  },
);

test('a share says what it holds, as text and as JSON', async () => {
  expect((await share('1/8', 'text')).out).toBe(
    `share 1/8: 0 of 6 builds, in ${at('text')}\nwhen all shares are there: thimble sweep --merge PART... -o FOLDER\n`,
  );
  const { out } = await share('2/8', 'json', '--json');
  expect(out).toBe(readFileSync(at('json', 'sweep-part.json'), 'utf8'));
  expect(JSON.parse(out)).toMatchObject({
    command: 'sweep',
    shard: '2/8',
    points: 6,
    builds: [{ index: 0 }],
  });
});

describe('refused', () => {
  const merge = async (...parts: readonly string[]): Promise<string> => {
    const { code, err, out } = await run('--merge', ...parts.map((part) => at(part)));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    return err.replaceAll(`${folder}/`, '');
  };

  test('a missing share', async () => {
    const err = await merge('4-part-4', '4-part-2');
    expect(err).toContain(
      '--merge: 2 of 4 parts; missing: 1/4, 3/4; name them too, or run --shard 1/4 and so on',
    );
    expect(err).toContain('--sparsities 0,0.6,0.3,0.6 --shard 2/4 -o 4-part-2');
    expect(await merge('8-part-8')).toContain('missing: 1/8, 2/8, 3/8, 4/8, 5/8, 6/8, 7/8;');
  });

  test('a share that is there twice', async () => {
    const err = await merge('2-part-2', '2-part-1', 'moved');
    expect(err).toBe(
      'thimble: moved: it is share 2/2, as is 2-part-2; supported: each share once; leave one of them out\n',
    );
  });

  test('of another number of shares', async () => {
    expect(await merge('2-part-1', '4-part-4')).toContain(
      '4-part-4: it is one of 4 shares, and 2-part-1 one of 2; supported: parts of one split',
    );
  });

  const edited = (name: string, change: (part: Record<string, unknown>) => object): string => {
    const part = JSON.parse(readFileSync(at('2-part-2/sweep-part.json'), 'utf8')) as Record<string, unknown>;
    mkdirSync(at(name), { recursive: true });
    writeFileSync(at(name, 'sweep-part.json'), JSON.stringify({ ...part, ...change(part) }));
    return name;
  };

  test.each<readonly [string, readonly string[], string]>([
    ['an option', ['--samples', '21'], '--samples is 21, and 20 in 2-part-1'],
    ['an option that was not given', ['--codebook', '4'], '--codebook is 4, and not given in 2-part-1'],
    ['the sparsities', ['--sparsities', '0.3'], '--sparsities is [0.3], and [0,0.6,0.3,0.6] in 2-part-1'],
    ['samples', ['--calibrate', samples('others.npy', 1.7)], '--calibrate is another than in 2-part-1'],
  ])('of another sweep: %s', async (_name, more, complaint) => {
    await share('2/2', 'foreign', ...more);
    const err = await merge('2-part-1', 'foreign');
    expect(err).toContain(
      `foreign: ${complaint}; supported: parts of the same work; leave it out, or run --shard 2/2`,
    );
  });

  test('of another model', async () => {
    const other = path.join(root, 'test/fixtures/torch/kinds/mlp.safetensors');
    const bytes = new Uint8Array(readFileSync(other));
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    writeFileSync(at('mlp.safetensors'), bytes);
    const rest = ['--arch', model, ...options, '--shard'];
    await run(other, ...rest, '1/2', '-o', at('weights-1'));
    await run(at('mlp.safetensors'), ...rest, '2/2', '-o', at('weights-2'));
    expect(await merge('weights-1', 'weights-2')).toContain(
      'weights-2: the model is another than in weights-1',
    );
  });

  test('of another version, or a machine that computes differently', async () => {
    const made = edited('old', ({ made }) => ({ made: { ...(made as object), thimble: '0.0.9' } }));
    expect(await merge('2-part-1', made)).toMatch(/old: thimble is 0\.0\.9, and \d\S* in 2-part-1;/);
    const wrong = edited('wrong', () => ({ floatRight: 3 }));
    expect(await merge('2-part-1', wrong)).toMatch(
      /wrong: the number of samples that the float model gets right is 3,/,
    );
  });

  test('damaged, cut off, or nothing', async () => {
    expect(await merge('alone')).toContain('alone: no sweep-part.json there; supported: folders that');
    expect(await merge(edited('few', () => ({ builds: [] })))).toContain('it is damaged (0 of its 3 builds)');
    expect(await merge(edited('shard', () => ({ shard: '3/2' })))).toContain('it is damaged');
    const builds = (part: Record<string, unknown>) => part.builds as readonly object[];
    const twice = edited('twice', (part) => ({ builds: builds(part).map((b) => ({ ...b, index: 1 })) }));
    expect(await merge('2-part-1', twice)).toContain('two parts have the same build, or none has build 1');
    writeFileSync(at('few/sweep-part.json'), '{"command": "sw');
    expect(await merge('few')).toContain('few/sweep-part.json: it is damaged');
  });

  test.each<readonly [readonly string[], string]>([
    [[model, ...options, '--shard', '1/2'], '--shard: no -o; say where the part goes: -o part-1'],
    [[...options], 'thimble sweep: no model'],
    [[model, '--merge', 'a'], '--merge: a model too ('],
    [['--seed', '1', '--merge', 'a'], '--merge: --seed too; supported: --out and --json'],
    [[model, '--shard', '0/2', '-o', 'a'], '1/16 is the first of 16'],
    [[model, '--shard', '3/2', '-o', 'a'], '1/16 is the first of 16'],
    [[model, '--shard', '1', '-o', 'a'], '1/16 is the first of 16'],
  ])('%j', async (words, complaint) => {
    const { code, err } = await run(...words);
    expect(code).toBe(2);
    expect(err).toContain(complaint);
  });
});

test('shares are in order, even, and together everything', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 40 }), (length, count) => {
      const items = Array.from({ length }, (_, i) => i);
      const shares = Array.from({ length: count }, (_, i) => shareOf(items, parseShard(`${i + 1}/${count}`)));
      expect(shares.flat()).toEqual(items);
      const sizes = shares.map((each) => each.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});
