/**
 * In which modules a node was called, where PyTorch's second exporter says so: in the node's metadata, a field of
 * newer files that the schema behind `proto.ts` does not have. It is read from the wire format: keys of a field's
 * number and type, then a number or a length and as many bytes.
 */
import { at, must } from '../../base/errors.ts';

/** Numbers of fields in ONNX's schema. */
const field = { graphOfModel: 7, nodeOfGraph: 1, metadataOfNode: 9, key: 1, value: 2 } as const;

interface Field {
  readonly number: number;
  /** Of a field with a length; of others there is nothing to read here. */
  readonly bytes?: Uint8Array;
}

/** A base-128 number at `from`, and where it ends. */
function varint(bytes: Uint8Array, from: number): readonly [number, number] {
  let [value, unit] = [0, 1];
  for (let i = from; i < bytes.length; i++) {
    const byte = at(bytes, i);
    value += (byte & 127) * unit;
    if (byte < 128) return [value, i + 1];
    unit *= 128;
  }
  return [value, bytes.length];
}

const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The fields of a message; what is damaged ends them, since whoever decodes the whole model complains. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let next = 0;
  while (next < bytes.length) {
    const [key, start] = varint(bytes, next);
    const [number, type] = [Math.floor(key / 8), key % 8];
    if (type === 2) {
      const [length, from] = varint(bytes, start);
      yield { number, bytes: bytes.subarray(from, from + length) };
      next = from + length;
    } else if (type === 0) {
      next = varint(bytes, start)[1];
    } else {
      const size = fixedBytes[type];
      if (size === undefined) return;
      next = start + size;
    }
  }
}

const inside = (bytes: Uint8Array, number: number): readonly Uint8Array[] =>
  [...fieldsOf(bytes)].flatMap((found) => (found.number === number && found.bytes ? [found.bytes] : []));

const text = new TextDecoder();
const textIn = (bytes: Uint8Array, number: number): string =>
  text.decode(inside(bytes, number).at(-1) ?? new Uint8Array());

/** `['', 'features', 'features.0', 'conv2d']`, a Python list of strings. */
const listed = (value: string): readonly string[] =>
  [...value.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => must(a ?? b, 'one way of quoting'));

/** `: net.Net/features: torch.nn.Sequential/features.0: torch.nn.Conv2d/conv2d: aten.conv2d.default`. */
const spaced = (value: string): readonly string[] =>
  value.split('/').map((part) => at(part.split(': '), 0).replace(/:$/, '').trim());

const keys: readonly (readonly [string, (value: string) => readonly string[]])[] = [
  ['pkg.torch.onnx.name_scopes', listed],
  ['namespace', spaced],
];

/** The last entry is the operation itself; `@1` behind a module is its second call. */
const modules = (scopes: readonly string[]): readonly string[] =>
  scopes.slice(0, -1).flatMap((scope) => scope.replaceAll(/@\d+/g, '') || []);

function scopesOfNode(node: Uint8Array): readonly string[] {
  const entries = new Map(
    inside(node, field.metadataOfNode).map((entry) => [textIn(entry, field.key), textIn(entry, field.value)]),
  );
  for (const [key, read] of keys) {
    const value = entries.get(key);
    if (value !== undefined) return modules(read(value));
  }
  return [];
}

/** Of each node of a model, in the file's order: the modules in which it was called, outermost first. */
export function scopesIn(model: Uint8Array): readonly (readonly string[])[] {
  const [graph] = inside(model, field.graphOfModel);
  return graph === undefined ? [] : inside(graph, field.nodeOfGraph).map(scopesOfNode);
}
