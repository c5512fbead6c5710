import { zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { recognise } from '../../../src/ir/import/file-kinds.ts';
import { encodeModel } from '../../support/onnx-model.ts';
import { torchFile } from '../../support/torch-files.ts';

const bytes = (...parts: readonly (number | string)[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : [part])),
  );
const zip = (...names: readonly string[]): Uint8Array =>
  zipSync(Object.fromEntries(names.map((name) => [name, bytes('x')])));

test.each([
  ['an ONNX model', encodeModel({ nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }] }), 'onnx'],
  ['an exported program', torchFile('lenet/lenet.torch2.15.pt2'), 'exported'],
  ['one of torch 2.6', zip('serialized_exported_program.json'), 'exported'],
  ['a saved module', torchFile('seqmix/seqmix.torch2.15.pt'), 'saved'],
  ['one before zip', torchFile('seqmix/seqmix.torch2.15.legacy.pt'), 'saved'],
  ['.safetensors', torchFile('half/half.torch2.15.safetensors'), 'safetensors'],
])('%s is read', (_, file, kind) => expect(recognise(file).kind).toBe(kind));

test.each([
  ['a TensorFlow Lite model', torchFile('foreign/tiny.tflite'), '--tflite'],
  ['an ExecuTorch program', torchFile('foreign/tiny.pte'), 'to_edge'],
  ['a Core ML model', torchFile('foreign/tiny.mlmodel'), 'torch.export.save'],
  ['a GGUF model', torchFile('foreign/tiny.gguf'), 'torch.export.save'],
  ['a Python pickle (of sklearn.', torchFile('foreign/sk.joblib'), 'skl2onnx.to_onnx'],
  ['a Python pickle (of os.system)', bytes(0x80, 2, 'cos\nsystem\n'), 'torch.export.save'],
  ['a compressed file', bytes(0x1f, 0x8b, 8, 0), 'unpack'],
  ['an HDF5 file', bytes(0x89, 'HDF', 0x0d, 0x0a, 0x1a, 0x0a), 'format="onnx"'],
  ['a TensorFlow SavedModel', bytes(8, 1, 0x12, 2, 0x0a, 0), '--saved-model'],
  ['a TensorFlow graph', bytes(0x0a, 10, 0x0a, 1, 'x', 0x12, 5, 'AddV2'), '--graphdef'],
  ['a TorchScript program', zip('m/data.pkl', 'm/constants.pkl', 'm/code/a.py'), 'torch.export.save'],
  ['a package of AOTInductor', zip('m/data/aotinductor/model/c.so'), 'exported program'],
  ['a Keras model', zip('config.json', 'metadata.json', 'model.weights.h5'), 'format="onnx"'],
  ['arrays of NumPy', zip('a.npy'), 'torch.export.save'],
  ["a zip archive of 1 file ('letter.txt')", zip('letter.txt'), 'torch.export.save'],
  ['a tar archive', bytes('x'.repeat(257), 'ustar'), 'torch.export.save'],
  ['a pointer of Git LFS', bytes('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
  ['a web page', bytes('<!DOCTYPE html>'), 'download'],
  ['an empty file', bytes(), 'again'],
  ['a zip archive without its end', torchFile('lenet/lenet.torch2.15.pt2').subarray(0, 9000), 'whole file'],
])('%s is refused', (what, file, todo) => {
  expect(() => recognise(file)).toThrow(InputError);
  expect(() => recognise(file)).toThrow(what);
  expect(() => recognise(file)).toThrow(todo);
});
