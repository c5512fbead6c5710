import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { identifierOf, loadModel, readPrepared, spread } from '../../../src/cli/flags/model.ts';
import type { ModelInput } from '../../../src/data/model-inputs.ts';
import { readBeside } from '../../../src/data/node-files.ts';
import { writeNpy } from '../../../src/data/npy.ts';
import { writeNpz } from '../../../src/data/npz.ts';
import { checkIdentifier } from '../../../src/emit/c/identifier.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import type { Tensor } from '../../../src/ir/tensor.ts';
import { fakeApi } from '../../support/cli.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('spread: distinct indices in order, from the first on, evenly', () => {
  expect(spread(10, 4)).toEqual([0, 2, 5, 7]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 600 }), (count, wanted) => {
      const chosen = spread(count, wanted);
      expect(chosen).toHaveLength(Math.min(count, wanted));
      const gaps = chosen.map((at, i) => (chosen[i + 1] ?? count) - at);
      expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1);
    }),
  );
});

test('every file name makes a C identifier', () => {
  expect(identifierOf('a/LeNet-5.opset13.onnx')).toBe('lenet_5_opset13');
  expect(identifierOf('INT.onnx')).toBe('n_int');
  fc.assert(
    fc.property(fc.string(), (name) => {
      const id = identifierOf(`${name}.onnx`);
      expect(checkIdentifier(id, 'test')).toBe(id);
    }),
  );
});

describe('weights in files of their own', () => {
  const { api } = fakeApi();
  const model = path.join(folder, 'net.onnx');
  writeFileSync(model, 'model');
  writeFileSync(path.join(folder, 'net.data'), 'weights');
  const reading = (location: string): string => {
    let found = '';
    const read: typeof api.loadModel = (_bytes, { external }) => {
      found = Buffer.from(external(location)).toString();
      return {} as Graph<'imported'>;
    };
    loadModel({ ...api, loadModel: read }, model);
    return found;
  };

  test("are read from the model's folder", () => {
    expect(reading('net.data')).toBe('weights');
    expect(reading('./net.data')).toBe('weights');
  });

  test('and from nowhere else', () => {
    for (const location of ['../secret', '/etc/hostname', 'a/../../b']) {
      expect(() => reading(location)).toThrow(InputError);
      expect(() => reading(location)).toThrow("outside of the model's folder");
    }
    expect(() => reading('missing.data')).toThrow(
      "'missing.data': there is no such file; copy it beside the model: it holds the model's weights",
    );
    expect(() => reading('.')).toThrow(InputError);
  });

  test('links, folders, pipes and giants are refused before anything is read', () => {
    mkdirSync(path.join(folder, 'inner'));
    writeFileSync(path.join(folder, 'inner', 'w.data'), 'below');
    expect(reading('inner/w.data')).toBe('below');
    symlinkSync('net.data', path.join(folder, 'link.data'));
    symlinkSync('/etc/hostname', path.join(folder, 'out.data'));
    symlinkSync('inner', path.join(folder, 'linked'));
    for (const location of ['link.data', 'out.data', 'linked/w.data'])
      expect(() => reading(location)).toThrow('behind a symbolic link');
    expect(() => reading('inner')).toThrow('which is no regular file');
    execFileSync('mkfifo', [path.join(folder, 'pipe.data')]);
    expect(() => reading('pipe.data')).toThrow('which is no regular file');
    writeFileSync(path.join(folder, 'giant.data'), '');
    truncateSync(path.join(folder, 'giant.data'), 2 ** 30 + 1);
    expect(() => reading('giant.data')).toThrow('1073741825 bytes; supported: up to 1024 MiB');
  });

  test('a linked folder in front of the model is the user’s own', () => {
    const linked = mkdtempSync(path.join(tmpdir(), 'thimble-link-'));
    symlinkSync(folder, path.join(linked, 'models'));
    const bytes = readBeside(path.join(linked, 'models', 'net.onnx'), 'net.data');
    expect(Buffer.from(bytes).toString()).toBe('weights');
    rmSync(linked, { recursive: true });
  });
});

describe('samples of several inputs', () => {
  const input = (name: string, shape: readonly number[], integers = false): ModelInput => ({
    ...{ name, shape, integers },
    sample: shape.slice(1),
  });
  const inputs = [input('audio', [1, 4]), input('ids', [2], true), input('state:0', [2, 2])];
  const array = (dtype: 'float32' | 'int64', shape: number[], data: number[]): Tensor => ({
    ...{ dtype, shape },
    data: dtype === 'float32' ? Float32Array.from(data) : Float64Array.from(data),
  });
  const arrays = new Map([
    ['audio', array('float32', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
    ['ids', array('int64', [2, 2], [9, 8, 7, 6])],
    ['state:0', array('float32', [2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1])],
  ]);
  const file = (name: string, bytes: Uint8Array): string => {
    const written = path.join(folder, name);
    mkdirSync(path.dirname(written), { recursive: true });
    writeFileSync(written, bytes);
    return written;
  };
  const npz = file('all.npz', writeNpz(arrays));
  const files = [...arrays].map(([name, tensor]) =>
    file(`each/${name.replace(':', '_')}.npy`, writeNpy(tensor)),
  );
  const named = [...arrays.keys()].map((name, i) => `${name}=${files[i]}`);

  test.each<[string, readonly string[]]>([
    ['an archive with an array of each name', [npz]],
    ['a file for each, by name', named],
    ['the same in another order', named.toReversed()],
    ['a folder with a file for each', [path.dirname(files[0]!)]],
  ])('%s: one after the other, in the order of the model', (_, given) => {
    const prepared = readPrepared(given, inputs, {});
    expect(prepared.count).toBe(2);
    expect([...prepared.real(0)]).toEqual([1, 2, 3, 4, 9, 8, 0, 0, 0, 0]);
    expect([...prepared.real(1)]).toEqual([5, 6, 7, 8, 7, 6, 1, 1, 1, 1]);
  });

  test.each<[string, readonly string[], RegExp]>([
    ['none of one input', named.slice(1), /no samples of input 'audio'; supported: inputs 'audio', 'ids'/],
    ['two of one', [...named, named[1]!], /input 'ids' twice/],
    ['one without a name', [named[0]!, files[1]!], /no input of that name/],
    [
      'another count',
      named.with(2, `state:0=${file('one.npy', writeNpy(array('float32', [1, 2, 2], [1, 2, 3, 4])))}`),
      /1 samples for input 'state:0'; supported: 2/,
    ],
    [
      'another shape',
      named.with(1, `ids=${files[0]}`),
      /an array of shape 2x4; supported: samples by 2, for input 'ids'/,
    ],
    [
      'indices that are none',
      named.with(1, `ids=${file('half.npy', writeNpy(array('float32', [2, 2], [1, 2, 0.5, 3])))}`),
      /sample 1 holds 0.5; supported: integers/,
    ],
  ])('%s: refused', (_, given, says) => {
    expect(() => readPrepared(given, inputs, {})).toThrow(says);
  });

  test('options about pictures are refused', () => {
    expect(() => readPrepared(named, inputs, { pad: 2 })).toThrow(/--pad for input 'audio' of 1x4/);
  });

  test('the only input may be named too', () => {
    expect(readPrepared([`audio=${files[0]}`], inputs.slice(0, 1), {}).count).toBe(2);
  });
});
