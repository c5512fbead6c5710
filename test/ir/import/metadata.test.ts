/** Modules in the metadata of nodes, which the schema of the reader does not have. */
import proto from 'onnx-proto';
import { expect, test } from 'vitest';
import { metadataIn } from '../../../src/ir/import/metadata.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { withMetadata } from '../../support/metadata.ts';
import { encodeModel } from '../../support/onnx-model.ts';

const scopesIn = (bytes: Uint8Array) => metadataIn(bytes).map(({ scopes }) => scopes);

const model = encodeModel({
  nodes: [
    { op: 'Relu', name: 'node_relu', outputs: ['relu'] },
    { op: 'Relu', name: 'node_relu_1', inputs: ['relu'], outputs: ['relu_1'] },
    { op: 'Relu', name: 'node_relu_2', inputs: ['relu_1'] },
  ],
});

const both = withMetadata(model, [
  { 'pkg.torch.onnx.name_scopes': `['', 'network', "network.0", 'relu']`, other: 'x'.repeat(300) },
  {
    namespace:
      ': __main__.Net/network: torch.nn.Sequential/network.1@1: torch.nn.ReLU/relu_1: aten.relu.default',
  },
  {},
]);

test('scopes of both spellings; what is not said is empty', () => {
  expect(scopesIn(both)).toEqual([['network', 'network.0'], ['network', 'network.1'], []]);
  expect(scopesIn(model)).toEqual([[], [], []]);
});

test('an imported node knows its modules, and nothing else changes', () => {
  const [first, second, third] = importOnnx(both).nodes;
  expect(first).toMatchObject({ name: 'node_relu', scopes: ['network', 'network.0'] });
  expect(second).toMatchObject({ scopes: ['network', 'network.1'] });
  expect(third).not.toHaveProperty('scopes');
  expect(importOnnx(model).nodes.map(({ name }) => name)).toEqual(
    importOnnx(both).nodes.map(({ name }) => name),
  );
});

test('the bytes of the test are what ONNX reads', () => {
  expect(proto.onnx.ModelProto.decode(both).graph?.node?.map(({ name }) => name)).toEqual([
    'node_relu',
    'node_relu_1',
    'node_relu_2',
  ]);
});

test('cut anywhere, nothing is thrown', () => {
  for (let end = 0; end < both.length; end++) expect(() => scopesIn(both.subarray(0, end))).not.toThrow();
});

test('the place in the PyTorch source: the innermost frame that is not PyTorch', () => {
  const stack = `File "/home/me/train.py", line 90, in <module>
    export(net)
File "/home/me/net.py", line 41, in forward
    y, _ = self.rnn(x)
File "/usr/lib/python3/site-packages/torch/nn/modules/rnn.py", line 1, in forward
    result = _VF.lstm(input)`;
  const stacked = withMetadata(encodeModel({ nodes: [{ op: 'Det', name: 'n' }] }), [
    { 'pkg.torch.onnx.stack_trace': stack },
  ]);
  expect(metadataIn(stacked)[0]?.source).toBe('net.py:41: y, _ = self.rnn(x)');
  expect(() => canonicalize.run(importOnnx(stacked))).toThrow(
    /^node 'n' \(Det; net\.py:41: y, _ = self\.rnn\(x\)\): Det is not supported/,
  );
  const doc = proto.onnx.ModelProto.decode(encodeModel({ nodes: [{ op: 'Det' }] }));
  doc.graph!.node![0]!.docString =
    '/usr/lib/python3/site-packages/torch/nn/modules/module.py(1120): forward\n/home/me/net.py(7): forward\n/home/me/a.py(3): main\n';
  expect(metadataIn(proto.onnx.ModelProto.encode(doc).finish())[0]?.source).toBe('net.py:7');
  expect(() =>
    canonicalize.run(
      importOnnx(
        withMetadata(encodeModel({ nodes: [{ op: 'RoiAlign', name: 'g' }] }), [
          { 'pkg.torch.onnx.name_scopes': "['', 'net.rnn', 'gru']" },
        ]),
      ),
    ),
  ).toThrow(/^node 'g' \(RoiAlign; module 'net.rnn'\)/);
});
