/** Whose array is whose tensor: the names of both exporters, what was folded, and what cannot be told. */
import { describe, expect, test } from 'vitest';
import { assign } from '../../src/diff/assign.ts';
import { type NamedNode, pathsOf } from '../../src/diff/modules.ts';
import { floats, type Tensor } from '../../src/ir/tensor.ts';

const image = [1, 4, 8, 8];
const arraysOf = (names: readonly string[], shape = image): ReadonlyMap<string, Tensor> =>
  new Map(names.map((name) => [name, floats(shape, new Float32Array(256))]));

interface Given {
  readonly output?: string;
  readonly scopes?: readonly string[];
  /** Names of weight and bias. */
  readonly weights?: readonly string[];
}

const node = (
  name: string,
  { output = `${name}_output_0`, scopes = [], weights = [] }: Given = {},
): NamedNode => ({
  name,
  inputs: ['before', ...weights],
  output,
  scopes,
  weighted: weights.length > 0,
});
const port = (name: string) => ({ name, tensor: name });
const ports = { inputs: [port('images')], outputs: [port('scores')] };
const found = (nodes: readonly NamedNode[], names: readonly string[]) =>
  Object.fromEntries(assign(nodes, arraysOf(names), ports));

test.each([
  [['c'], ['c']],
  [
    ['l', 'l.0', 'c1'],
    ['l', 'l.0', 'l.0.c1'],
  ],
  [
    ['layer1', 'layer1.0', 'downsample', 'downsample.0'],
    ['layer1', 'layer1.0', 'layer1.0.downsample', 'layer1.0.downsample.0'],
  ],
  [
    ['features', 'features.0', 'features.0.0'],
    ['features', 'features.0', 'features.0.0'],
  ],
  [
    ['blocks.2', 'conv'],
    ['blocks.2', 'blocks.2.conv'],
  ],
  [
    ['l', 'l'],
    ['l', 'l.l'],
  ],
])('scopes %s', (segments, paths) => {
  expect(pathsOf(segments)).toEqual(paths);
});

describe("the first exporter's names", () => {
  const block = [
    node('/l/l.0/c1/Conv', { weights: ['l.0.c1.weight'] }),
    node('/l/l.0/relu/Relu'),
    node('/l/l.0/c2/Conv', { weights: ['l.0.c2.weight'] }),
    node('/l/l.0/Add'),
    node('/l/l.0/relu_1/Relu'),
    node('/l/l.1/c1/Conv', { weights: ['l.1.c1.weight'] }),
  ];

  test('a nested module, its block, and a container', () => {
    expect(found(block, ['l.0.c1', 'l.0.c2', 'l.0', 'l.1.c1', 'l'])).toEqual({
      '/l/l.0/c1/Conv_output_0': ['l.0.c1'],
      '/l/l.0/c2/Conv_output_0': ['l.0.c2'],
      '/l/l.0/relu_1/Relu_output_0': ['l.0'],
      // What ends a container is its last layer; the containers' array is taken for it.
      '/l/l.1/c1/Conv_output_0': ['l'],
    });
  });

  test('of a module that is called twice, the last call is what a hook has kept', () => {
    const made = found(block, ['l.0.c1', 'l.0.relu', 'l.0.c2']);
    expect(made['/l/l.0/relu/Relu_output_0']).toBeUndefined();
    expect(made['/l/l.0/relu_1/Relu_output_0']).toEqual(['l.0.relu']);
  });

  test('a wrapper around the captured or the exported model', () => {
    expect(found(block, ['module.l.0.c1', 'module.l.0.c2'])['/l/l.0/c1/Conv_output_0']).toEqual([
      'module.l.0.c1',
    ]);
    const wrapped = [node('/model/c1/Conv', { weights: ['model.c1.weight'] }), node('/model/c1a/Conv')];
    expect(found(wrapped, ['c1', 'c1a'])['/model/c1/Conv_output_0']).toEqual(['c1']);
  });

  test("without scopes, by the weights' names", () => {
    const nodes = [
      node('Conv_0', { weights: ['0.weight', '0.bias'], output: '9' }),
      node('Relu_1', { output: '10' }),
    ];
    expect(found(nodes, ['0', '1'])).toEqual({ 9: ['0'] });
  });
});

describe("the second exporter's names", () => {
  const nodes = [
    node('node_conv2d', { output: 'conv2d', scopes: ['stem', 'stem.conv'], weights: ['stem.conv.weight'] }),
    node('node_relu', { output: 'relu', scopes: ['relu'] }),
    node('node_conv2d_1', { output: 'conv2d_1', scopes: ['head'], weights: ['head.weight'] }),
    node('node_relu_1', { output: 'relu_1', scopes: ['relu'] }),
  ];

  test('by the scopes in the metadata', () => {
    const made = found(nodes, ['stem.conv', 'head', 'relu']);
    expect(made).toEqual({ conv2d: ['stem.conv'], conv2d_1: ['head'], relu_1: ['relu'] });
  });

  test('a file by the names of tensors is read as such, whatever modules are called', () => {
    const made = found(nodes, ['conv2d', 'relu', 'conv2d_1', 'relu_1']);
    expect(made).toEqual({ conv2d: ['conv2d'], relu: ['relu'], conv2d_1: ['conv2d_1'], relu_1: ['relu_1'] });
  });
});

describe('what an exporter folded into a layer', () => {
  const folded = { weights: ['onnx::Conv_12', 'onnx::Conv_13'] };
  const own = { weights: ['f.weight', 'f.bias'] };
  const nodes = [node('/c1/Conv', folded), node('/Relu'), node('/c2/Conv', folded), node('/f/Gemm', own)];
  const [c1, c2, f] = ['/c1/Conv_output_0', '/c2/Conv_output_0', '/f/Gemm_output_0'] as const;

  test('is what follows it in the order of execution', () => {
    expect(found(nodes, ['c1', 'b1', 'c2', 'other', 'f'])).toEqual({
      [c1]: ['b1'],
      [c2]: ['other'],
      [f]: ['f'],
    });
  });

  test('in another order it is what has its number', () => {
    expect(found(nodes, ['b1', 'b2', 'c1', 'c2', 'f'])).toEqual({ [c1]: ['b1'], [c2]: ['b2'], [f]: ['f'] });
  });

  test('is ambiguous where nothing tells', () => {
    const made = found(nodes, ['first', 'second', 'c1', 'c2', 'f']);
    for (const tensor of [c1, c2]) expect(made[tensor]).toMatchObject({ kind: 'ambiguous' });
    expect(made[f]).toEqual(['f']);
  });

  test('is ambiguous where it was not captured: the module itself is something else', () => {
    const made = found(nodes, ['c1', 'c2', 'f']);
    for (const tensor of [c1, c2])
      expect(made[tensor]).toMatchObject({ kind: 'ambiguous', why: expect.stringContaining('not captured') });
    expect(made[f]).toEqual(['f']);
  });

  test('is the array of the module around both', () => {
    const inside = [node('/a/a.0/conv/Conv', folded), node('/f/Gemm', own)];
    expect(found(inside, ['a.0.conv', 'a.0.norm', 'a.0', 'f'])['/a/a.0/conv/Conv_output_0']).toEqual(['a.0']);
  });

  test('a layer with its own weights is its own module', () => {
    const plain = [
      node('/0/Conv', { weights: ['0.weight', '0.bias'] }),
      node('/1/Relu'),
      node('/2/Conv', folded),
    ];
    expect(found(plain, ['0', '1', '2', '3'])).toEqual({
      '/0/Conv_output_0': ['0'],
      '/1/Relu_output_0': ['1'],
      '/2/Conv_output_0': ['3'],
    });
  });
});

test('the network has names of its own for its ends', () => {
  const nodes = [node('/f/Gemm', { output: 'scores', weights: ['f.weight'] })];
  expect(found(nodes, ['x', 'f', 'logits'])).toEqual({ images: ['x'], scores: ['f', 'logits'] });
});
