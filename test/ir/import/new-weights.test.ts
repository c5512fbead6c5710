import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { importModel } from '../../../src/ir/import/import-model.ts';
import { newParameters, newWeights } from '../../../src/ir/import/new-weights.ts';
import { readSafetensors } from '../../../src/ir/import/torch/safetensors.ts';
import { readSaved } from '../../../src/ir/import/torch/saved.ts';
import { namedFor, stateIn } from '../../../src/ir/import/torch/state-dict.ts';
import type { SavedTensor } from '../../../src/ir/import/torch/storage.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { encodeModel, floatTensor, valueInfo } from '../../support/onnx-model.ts';
import { architecture, distance, torchFile } from '../../support/torch-files.ts';

const dynamo = 'retrain_lenet/lenet.torch2.15.dynamo.onnx';

test.each([
  ['retrain_lenet/lenet.torch2.15.retrained.pth', dynamo, 'retrain_lenet'],
  ['retrain_lenet/lenet.torch2.15.retrained.pth', 'lenet/lenet.torch2.15.pt2', 'retrain_lenet'],
  ['lenet/lenet.torch1.13.legacy.pth', dynamo, 'lenet'],
  ['lenet/lenet.torch2.15.safetensors', 'lenet/lenet.torch2.15.pt2', 'lenet'],
  ['half/half.torch2.15.safetensors', dynamo, 'half'],
  ['pruned/pruned.torch2.15.pth', 'pruned/pruned.torch2.15.pt2', 'pruned'],
])('%s in %s computes what PyTorch did', (weights, arch, folder) => {
  const graph = importModel(torchFile(weights), { name: weights, arch: architecture(arch) });
  expect(distance(graph, folder, folder === 'retrain_lenet' ? 'lenet' : folder)).toBeLessThan(1e-6);
});

test('weights alone say how to name their network, and whole networks want none', () => {
  const alone = () => importModel(torchFile('lenet/lenet.torch2.15.safetensors'));
  expect(alone).toThrow(InputError);
  expect(alone).toThrow('--arch model.onnx');
  expect(() => importModel(torchFile(dynamo), { arch: architecture(dynamo) })).toThrow('omit --arch');
});

const saved = (tensor: Tensor, lies?: SavedTensor['lies']): SavedTensor => ({
  ...{ kind: 'tensor', type: tensor.dtype, shape: tensor.shape, read: () => tensor },
  ...(lies === undefined ? {} : { lies }),
});
const ones = (...shape: readonly number[]): Tensor =>
  floats(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));

/** Into a network of some parameters. */
const assign = (
  parameters: Readonly<Record<string, Tensor>>,
  state: Readonly<Record<string, SavedTensor>>,
) => {
  const keys = new Map(Object.keys(parameters).map((name) => [name, name]));
  const weights = newWeights({ tensors: new Map(Object.entries(state)), notes: [] }, () => {});
  return newParameters({ constants: new Map(Object.entries(parameters)), keys }, weights);
};

test('every difference is listed', () => {
  const differing = () =>
    assign({ 'a.w': ones(2, 3), 'b.w': ones(2) }, { 'a.w': saved(ones(3, 2)), 'c.w': saved(ones(2)) });
  expect(differing).toThrow('a.w: 2x3 in the network, 3x2 in the weights');
  expect(differing).toThrow('b.w: 2 in the network, not in the weights');
  expect(differing).toThrow('c.w: in the weights, not in the network');
});

test('batch normalization that the network has folded is refused, whatever its numbers', () => {
  const own = { '0.weight': ones(2), '3.weight': ones(2) };
  const given = { '0.weight': saved(ones(2)), '3.weight': saved(ones(2)), '1.running_mean': saved(ones(2)) };
  expect(() => assign(own, given)).toThrow('has folded into other weights');
});

test('a tied weight counts for both names; equal numbers do not', () => {
  const bytes = new Uint8Array(8);
  const lies = {
    storage: { kind: 'storage', type: 'float32', count: 2, bytes: () => bytes },
    view: { type: 'float32', sizes: [2], strides: [1], offset: 0 },
  } as const;
  const tied = { a: saved(ones(2), lies), b: saved(ones(2), lies) };
  expect([...assign({ a: ones(2) }, tied).keys()]).toEqual(['a']);
  expect(() => assign({ a: ones(2) }, { a: saved(ones(2)), b: saved(ones(2)) })).toThrow('b: in the weights');
  const beside = { ...lies, storage: { ...lies.storage, bytes: () => new Uint8Array(bytes.buffer, 4) } };
  expect(() => assign({ a: ones(2) }, { a: saved(ones(2), lies), b: saved(ones(2), beside) })).toThrow(
    'b: in',
  );
});

test('weights that the exporter has transposed and renamed are found by the name of their node', () => {
  const model = encodeModel({
    nodes: [{ op: 'MatMul', name: '/net/fc/MatMul', inputs: ['x', 'onnx::MatMul_3'], outputs: ['y'] }],
    initializers: [floatTensor('onnx::MatMul_3', [2, 3], [0, 0, 0, 0, 0, 0])],
    inputs: [valueInfo('x', [1, 2])],
  });
  const header = { 'net.fc.weight': place(0, 24, [3, 2]) };
  const bytes = safetensors(header, 24);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 6; i++) view.setFloat32(bytes.length - 24 + 4 * i, i + 1, true);
  const graph = importModel(bytes, { arch: { name: 'model.onnx', bytes: model } });
  const constant = graph.tensors.get('onnx::MatMul_3')?.constant;
  expect([constant?.shape, [...(constant?.data ?? [])]]).toEqual([
    [2, 3],
    [1, 3, 5, 2, 4, 6],
  ]);
});

test('a checkpoint: the set of weights in it, and a prefix that all have', () => {
  const state = stateIn(readSaved(torchFile('ckpt/ckpt.torch2.15.pth')));
  expect(state?.notes).toEqual(["the weights are those under 'model_state_dict'"]);
  const parallel = stateIn(readSaved(torchFile('ckpt/ckpt.torch2.15.dp.pth')));
  const named = namedFor(parallel ?? { tensors: new Map(), notes: [] }, (name) => name === 'a.weight');
  expect([...named.tensors.keys()]).toEqual(
    [...(state?.tensors.keys() ?? [])].filter((key) => !key.includes('num_batches')),
  );
  expect(named.notes.join()).toContain("'module.'");
});

test('weights in two factors', () => {
  const [g, v] = [
    saved(floats([2, 1], Float32Array.of(10, 1))),
    saved(floats([2, 2], Float32Array.of(3, 4, 0, 2))),
  ];
  for (const [first, second] of [
    ['l.weight_g', 'l.weight_v'],
    ['l.parametrizations.weight.original0', 'l.parametrizations.weight.original1'],
  ] as const) {
    const { tensors } = namedFor(
      {
        tensors: new Map([
          [first, g],
          [second, v],
        ]),
        notes: [],
      },
      () => false,
    );
    expect([...(tensors.get('l.weight')?.read().data ?? [])]).toEqual([6, 8, 0, 1]);
  }
});

const safetensors = (header: unknown, data: number): Uint8Array => {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
};
const place = (begin: number, end: number, shape = [1], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

test.each([
  ['a hole', { a: place(0, 4), b: place(8, 12) }, 12, 'leaves a hole'],
  ['an overlap', { a: place(0, 4), b: place(0, 4) }, 4, 'overlaps'],
  ['bytes behind the end', { a: place(0, 4) }, 5, '5 bytes of numbers, of which 4'],
  ['another size', { a: place(0, 4, [2]) }, 4, 'does not fit its shape'],
  ['a type without a counterpart', { a: place(0, 1, [1], 'F8_E4M3') }, 1, 'F8_E4M3'],
  ['no place', { a: { dtype: 'F32', shape: [1] } }, 0, 'without type, shape and place'],
  ['a size below zero', { a: place(0, 4, [-1]) }, 4, 'without type, shape and place'],
])('.safetensors with %s', (_, header, data, message) => {
  expect(() => readSafetensors(safetensors(header, data))).toThrow(InputError);
  expect(() => readSafetensors(safetensors(header, data))).toThrow(message);
});

test('.safetensors has copies that were left out under their names', () => {
  const tensors = readSafetensors(safetensors({ e: place(0, 4), __metadata__: { o: 'e' } }, 4));
  expect(tensors.get('o')).toBe(tensors.get('e'));
});

/** A MatMul by a constant that its exporter has named. */
const renamedIn = (shape: readonly [number, number], more: Readonly<Record<string, Tensor>> = {}) => {
  const model = encodeModel({
    nodes: [
      { op: 'MatMul', inputs: ['x', 'val_4'], outputs: ['m'] },
      { op: 'Add', inputs: ['m', 'p.bias'], outputs: ['y'] },
    ],
    initializers: [
      floatTensor('val_4', shape, new Array(shape[0] * shape[1]).fill(0)),
      floatTensor('p.bias', [shape[1]], new Array(shape[1]).fill(0)),
    ],
    inputs: [valueInfo('x', [1, shape[0]])],
  });
  const state = { 'p.bias': ones(shape[1]), ...more };
  let next = 0;
  const header = Object.fromEntries(
    Object.entries(state).map(([key, tensor]) => {
      const from = next;
      next += 4 * tensor.data.length;
      return [key, place(from, next, [...tensor.shape])];
    }),
  );
  const bytes = safetensors(header, next);
  const view = new DataView(bytes.buffer);
  const numbers = Object.values(state).flatMap(({ data }) => [...data]);
  for (const [i, x] of numbers.entries()) view.setFloat32(bytes.length - next + 4 * i, x, true);
  return importModel(bytes, { arch: { name: 'model.onnx', bytes: model } });
};

test('a weight without a name in the network goes where its shape alone fits, and that is said', () => {
  const turned = renamedIn([2, 3], { p: floats([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)) });
  expect([...(turned.tensors.get('val_4')?.constant?.data ?? [])]).toEqual([1, 3, 5, 2, 4, 6]);
  expect(turned.notes?.join()).toContain("'p' is 'val_4' of the network by its shape, transposed");
  const straight = renamedIn([2, 3], { p: floats([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)) });
  expect([...(straight.tensors.get('val_4')?.constant?.data ?? [])]).toEqual([1, 2, 3, 4, 5, 6]);
});

test('where shapes do not tell, nothing is guessed', () => {
  expect(() => renamedIn([3, 3], { p: ones(3, 3) })).toThrow(/p: in the weights.*of its shape are 'val_4'/s);
  const two = () => renamedIn([2, 3], { p: ones(3, 2), q: ones(2, 3) });
  expect(two).toThrow(/p: in the weights.*'val_4'.*q: in the weights/s);
});
