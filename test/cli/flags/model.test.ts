import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { identifierOf, loadModel, onlyInput, spread } from '../../../src/cli/flags/model.ts';
import { readBeside } from '../../../src/data/node-files.ts';
import { checkIdentifier } from '../../../src/emit/c/identifier.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
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
    const loadOnnx: typeof api.loadOnnx = (_bytes, { external }) => {
      found = Buffer.from(external(location)).toString();
      return {} as Graph<'imported'>;
    };
    loadModel({ ...api, loadOnnx }, model);
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
    expect(() => reading('missing.data')).toThrow('there is no such file');
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

test('models with several inputs are refused by name', () => {
  const graph = { name: 'net', inputs: ['a', 'b'] } as unknown as Graph<'imported'>;
  expect(() => onlyInput(graph)).toThrow('net: 2 inputs (a, b)');
});
