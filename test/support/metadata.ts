/** ONNX files whose nodes carry metadata: field 9 of a node, entries of a key (1) and a value (2). */
import proto from 'onnx-proto';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function varint(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))];
}

/** A field with a length. */
const field = (number: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);

const entry = ([key, value]: readonly [string, string]): Uint8Array =>
  field(9, Buffer.concat([field(1, utf8(key)), field(2, utf8(value))]));

/** @param metadata of each node, in order */
export function withMetadata(
  model: Uint8Array,
  metadata: readonly Readonly<Record<string, string>>[],
): Uint8Array {
  const { ModelProto, GraphProto, NodeProto } = proto.onnx;
  const { graph, ...rest } = ModelProto.decode(model);
  const { node, ...around } = graph!;
  const nodes = node!.map((one, i) =>
    field(
      1,
      Buffer.concat([NodeProto.encode(one).finish(), ...Object.entries(metadata[i] ?? {}).map(entry)]),
    ),
  );
  const bytes = Buffer.concat([GraphProto.encode(around).finish(), ...nodes]);
  return Buffer.concat([ModelProto.encode(rest).finish(), field(7, bytes)]);
}
