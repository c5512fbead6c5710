import fc from 'fast-check';
import Long from 'long';
import proto, { type onnx } from 'onnx-proto';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { brainToNumber, halfToNumber } from '../../../src/ir/import/half.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { decodeTensor } from '../../../src/ir/import/tensor-proto.ts';
import { encodeModel, valueInfo } from '../../support/onnx-model.ts';

const codes = proto.onnx.TensorProto.DataType;

/** Through the file format, so that Long and unaligned views are as they will be. */
const decoded = (tensor: onnx.ITensorProto, prefix = '') => {
  const bytes = proto.onnx.TensorProto.encode({ name: prefix, ...tensor }).finish();
  return decodeTensor(proto.onnx.TensorProto.decode(bytes), "tensor 'w'");
};

const raw = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

test.each([
  ['float32', codes.FLOAT, Float32Array.of(1.5, -2, 3e38), { floatData: [1.5, -2, 3e38] }],
  ['float64', codes.DOUBLE, Float64Array.of(0.1, -2, 1e300), { doubleData: [0.1, -2, 1e300] }],
  ['int32', codes.INT32, Int32Array.of(-5, 7, 2 ** 31 - 1), { int32Data: [-5, 7, 2 ** 31 - 1] }],
  ['int16', codes.INT16, Int16Array.of(-5, 7, 32767), { int32Data: [-5, 7, 32767] }],
  ['int8', codes.INT8, Int8Array.of(-5, 7, -128), { int32Data: [-5, 7, -128] }],
  ['uint8', codes.UINT8, Uint8Array.of(5, 7, 255), { int32Data: [5, 7, 255] }],
  ['bool', codes.BOOL, Uint8Array.of(1, 0, 1), { int32Data: [1, 0, 1] }],
] satisfies [string, number, ArrayBufferView, onnx.ITensorProto][])(
  '%s, raw and in its field, at any alignment',
  (dtype, dataType, data, field) => {
    const expected = { dtype, shape: [3], data };
    for (const name of ['', 'a', 'ab', 'abc', 'abcd'])
      expect(decoded({ dims: [3], dataType, rawData: raw(data) }, name)).toEqual(expected);
    expect(decoded({ dims: [3], dataType, ...field })).toEqual(expected);
  },
);

test('int64, exact to 2^53', () => {
  const values = [-1, 0, 2 ** 53, -(2 ** 40)];
  const expected = { dtype: 'int64', shape: [2, 2], data: Float64Array.from(values) };
  const rawData = raw(BigInt64Array.from(values.map(BigInt)));
  expect(decoded({ dims: [2, 2], dataType: codes.INT64, rawData })).toEqual(expected);
  const int64Data = values.map((v) => Long.fromNumber(v));
  expect(decoded({ dims: [2, 2], dataType: codes.INT64, int64Data })).toEqual(expected);
});

test('scalars and empty tensors', () => {
  expect(decoded({ dims: [], dataType: codes.FLOAT, floatData: [4] })).toEqual({
    ...{ dtype: 'float32', shape: [], data: Float32Array.of(4) },
  });
  expect(decoded({ dims: [0, 3], dataType: codes.FLOAT }).data).toEqual(new Float32Array(0));
});

/** Half precision to its bits, for numbers that it holds: the format's definition read backward. */
test('every finite binary16 number', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const value = halfToNumber(bits);
    expect(halfToNumber(bits | 0x8000)).toBe(-value);
    if (bits > 0) expect(value).toBeGreaterThan(halfToNumber(bits - 1));
  }
  const known = [0x3c00, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x3555].map(halfToNumber);
  expect(known).toEqual([1, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 65504, 1365 * 2 ** -12]);
  expect([0x7c00, 0xfc00, 0x7e00].map(halfToNumber)).toEqual([Infinity, -Infinity, Number.NaN]);
});

test('bfloat16 is the upper half of a float32', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (x) => {
      const [bits = 0] = new Uint32Array(Float32Array.of(x).buffer);
      const cut = new Float32Array(Uint32Array.of(bits & 0xffff0000).buffer)[0];
      expect(brainToNumber(bits >>> 16)).toBe(cut);
    }),
  );
});

test('16-bit floats become float32, raw and in their field', () => {
  const half = Uint16Array.of(0x3c00, 0xc000);
  const expected = { dtype: 'float32', shape: [2], data: Float32Array.of(1, -2) };
  expect(decoded({ dims: [2], dataType: codes.FLOAT16, rawData: raw(half) })).toEqual(expected);
  expect(decoded({ dims: [2], dataType: codes.FLOAT16, int32Data: [...half] })).toEqual(expected);
  const brain = Uint16Array.of(0x3f80, 0xc000);
  expect(decoded({ dims: [2], dataType: codes.BFLOAT16, rawData: raw(brain) })).toEqual(expected);
  expect(decoded({ dims: [2], dataType: codes.BFLOAT16, int32Data: [...brain] })).toEqual(expected);
});

const external = (entries: Readonly<Record<string, string>>): onnx.ITensorProto => ({
  ...{ name: 'w', dims: [2], dataType: codes.FLOAT, dataLocation: 1 },
  externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
});

const model = (tensor: onnx.ITensorProto) =>
  encodeModel({
    nodes: [{ op: 'Add', inputs: ['x', 'w'] }],
    initializers: [tensor],
    inputs: [valueInfo('x', [1, 2])],
  });

const file = Uint8Array.from([9, ...raw(Float32Array.of(1.5, -2)), 9, 9]);

test('weights in another file', () => {
  const asked: string[] = [];
  const bytes = model(external({ location: 'weights.bin', offset: '1', length: '8' }));
  const graph = importOnnx(bytes, {
    external: (location) => {
      asked.push(location);
      return file;
    },
  });
  expect(asked).toEqual(['weights.bin']);
  expect(graph.tensors.get('w')?.constant?.data).toEqual(Float32Array.of(1.5, -2));
  const rest = importOnnx(model(external({ location: 'weights.bin', offset: '3' })), {
    external: () => file.subarray(0, 11),
  });
  expect(rest.tensors.get('w')?.constant?.data).toHaveLength(2);
});

test.each([
  [
    { location: 'weights.bin' },
    undefined,
    /tensor 'w': data in another file, 'weights.bin'; give that file too/,
  ],
  [
    { location: 'w.bin', offset: '8', length: '8' },
    file,
    /tensor 'w' in 'w.bin': 8 bytes at 8 of a file of 11/,
  ],
  [{ location: 'w.bin', length: '4' }, file, /tensor 'w': 4 bytes of data; supported: 8/],
  [{ location: 'w.bin', offset: '-1' }, file, /bytes at -1 of a file/],
  [{ location: 'w.bin', offset: 'x' }, file, /bytes at NaN of a file/],
  [
    { location: '../../etc/passwd' },
    file,
    /data in the file '..\/..\/etc\/passwd'; supported: files beside the model/,
  ],
  [{ location: 'a/../../b' }, file, /supported: files beside/],
  [{ location: '/etc/passwd' }, file, /supported: files beside/],
  [{ location: 'C:\\weights' }, file, /supported: files beside/],
  [{}, file, /data in the file ''/],
] as const)('external data %j is refused', (entries, bytes, message) => {
  const options = bytes === undefined ? {} : { external: () => bytes };
  const load = () => importOnnx(model(external(entries)), options);
  expect(load).toThrow(InputError);
  expect(load).toThrow(message);
});
