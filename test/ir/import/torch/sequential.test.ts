import { describe, expect, test } from 'vitest';
import { InputError } from '../../../../src/base/errors.ts';
import { compile } from '../../../../src/compile.ts';
import { emitC } from '../../../../src/emit/package.ts';
import type { Graph } from '../../../../src/ir/graph/graph.ts';
import { importModel } from '../../../../src/ir/import/import-model.ts';
import type { Instance, Value } from '../../../../src/ir/import/torch/pickle.ts';
import { sequentialProgram } from '../../../../src/ir/import/torch/sequential.ts';
import { architecture, distance, sequential, torchFile } from '../../../support/torch-files.ts';

test.each([
  'lenet/lenet.torch1.13.model.pt',
  'lenet/lenet.torch2.15.model.pt',
  'cnn_bn/cnn_bn.torch2.15.model.pt',
  'seqmix/seqmix.torch2.15.pt',
  'seqmix/seqmix.torch2.15.legacy.pt',
  'legacyseq/legacyseq.torch2.15.nocrc.pt',
  'bf16/bf16.torch2.15.pt',
])('%s computes what PyTorch did', (name) => {
  expect(distance(sequential(name), name.split('/')[0] ?? '')).toBeLessThan(1e-6);
});

const c = (graph: Graph<'imported'>): string =>
  [
    ...emitC(compile(graph, { name: 'net', arith: 'float32' }).program, {
      command: '',
      version: '',
      hash: '',
      golden: [],
    }),
  ]
    .flat()
    .join('\n');

test('a .pt, a .pt2 and an ONNX file of one network are one C', () => {
  const bare = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const saved = c(sequential('lenet/lenet.torch2.15.model.pt'));
  expect(saved).toBe(c(importModel(torchFile('lenet/lenet.torch2.15.pt2'), { name: 'net' })));
  const weights = torchFile('lenet/lenet.torch2.15.safetensors');
  const arch = architecture('retrain_lenet/lenet.torch2.15.dynamo.onnx');
  expect(bare(saved)).toBe(bare(c(importModel(weights, { name: 'net', arch }))));
});

test('sizes: asked for, or those of a Linear layer in front', () => {
  const lenet = () => importModel(torchFile('lenet/lenet.torch2.15.model.pt'), { name: 'lenet.pt' });
  expect(lenet).toThrow(InputError);
  expect(lenet).toThrow('--shape input=1x1x28x28');
  const other = () =>
    importModel(torchFile('lenet/lenet.torch2.15.model.pt'), { shapes: { x: [1, 1, 28, 28] } });
  expect(other).toThrow("supported: input 'input'");
});

describe('modules', () => {
  const dict = (entries: Readonly<Record<string, Value>>): Value => ({
    kind: 'dict',
    entries: new Map(Object.entries(entries)),
  });
  const module = (name: string, state: Readonly<Record<string, Value>> = {}): Instance => ({
    ...{ kind: 'object', class: `torch.nn.modules.${name}`, args: [] },
    states: [dict({ _parameters: dict({}), _buffers: dict({}), _modules: dict({}), ...state })],
  });
  const sequence = (children: Readonly<Record<string, Value>>): Instance =>
    module('container.Sequential', { _modules: dict(children) });
  const read = (network: Instance) => sequentialProgram(network, 'net', { shapes: { input: [1, 4, 6, 6] } });

  test('attributes that a file of an old PyTorch does not have get their defaults', () => {
    const [node] = read(sequence({ 0: module('activation.GELU') })).nodes;
    expect(node?.args.get('approximate')).toEqual({ kind: 'text', value: 'none' });
  });

  test.each([
    ['a hook', { _forward_hooks: dict({ 7: null }) }, '_forward_hooks'],
    [
      'indices',
      { return_indices: true, kernel_size: 2, stride: 2, padding: 0, dilation: 1 },
      'return_indices = true',
    ],
    ['no window', { stride: 2, padding: 0, dilation: 1 }, 'kernel_size = None'],
  ])('%s is refused by the name of the module', (_, state, message) => {
    const broken = () => read(sequence({ body: sequence({ pool: module('pooling.MaxPool2d', state) }) }));
    expect(broken).toThrow(InputError);
    expect(broken).toThrow("module 'body.pool'");
    expect(broken).toThrow(message);
  });

  test('statistics of the batch', () => {
    const norm = module('batchnorm.BatchNorm2d', {
      _buffers: dict({ running_mean: null, running_var: null }),
    });
    expect(() => read(sequence({ 0: norm }))).toThrow('no running statistics');
  });

  test('a network in itself', () => {
    const children = new Map<Value, Value>();
    const network = module('container.Sequential', { _modules: { kind: 'dict', entries: children } });
    children.set('0', network).set('1', network);
    expect(() => read(network)).toThrow('contains itself');
  });

  test('names with dots, which could stand for another module', () => {
    expect(() => read(sequence({ '0.1': module('activation.ReLU') }))).toThrow("a child '0.1'");
  });
});
