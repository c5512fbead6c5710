/** ONNX's Attention and RotaryEmbedding: against sums that are written out, then float32 and int8 programs. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { countOf, floats, type Tensor } from '../../../src/ir/tensor.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

type Constants = NonNullable<ModelSpec['initializers']>;

const [rows, depth] = [4, 3];
const heads = { q: 4, kv: 2 };

/** Rows of 5 numbers become queries of four heads, keys and values of two. */
function model(nodes: readonly NodeSpec[], constants: Constants = []): Uint8Array {
  const draw = new Draw(3);
  const weights = (name: string, count: number) =>
    floatTensor(name, [5, count * depth], [...draw.floats(5 * count * depth, -1, 1)]);
  return encodeModel({
    opset: 23,
    inputs: [valueInfo('x', [1, rows, 5])],
    nodes: [
      ...['q', 'k', 'v'].map((name) => ({ op: 'MatMul', inputs: ['x', `w${name}`], outputs: [name] })),
      ...nodes,
    ],
    initializers: [weights('wq', heads.q), weights('wk', heads.kv), weights('wv', heads.kv), ...constants],
  });
}

function values(bytes: Uint8Array): ReadonlyMap<string, readonly number[]> {
  const seen = new Map<string, readonly number[]>();
  const x = floats([1, rows, 5], new Draw(8).floats(rows * 5, -1, 1));
  evaluate(importOnnx(bytes), new Map([['x', x]]), (name: string, { data }: Tensor) =>
    seen.set(name, [...data]),
  );
  return seen;
}

/** Head h of row t of a tensor whose heads are one behind the other. */
const vector = (of: readonly number[], count: number, h: number, t: number): readonly number[] =>
  of.slice((t * count + h) * depth, (t * count + h + 1) * depth);

function attended(
  seen: ReadonlyMap<string, readonly number[]>,
  scale: number,
  bias: (s: number, t: number) => number,
) {
  const [q, k, v] = ['q', 'k', 'v'].map((name) => seen.get(name)!) as [number[], number[], number[]];
  const made: number[] = [];
  for (let s = 0; s < rows; s++)
    for (let h = 0; h < heads.q; h++) {
      const own = h < 2 ? 0 : 1;
      const shares = Array.from({ length: rows }, (_, t) => {
        const key = vector(k, heads.kv, own, t);
        const score = vector(q, heads.q, h, s).reduce((sum, x, d) => sum + x * key[d]!, 0);
        return Math.exp(scale * score + bias(s, t));
      });
      const total = shares.reduce((sum, e) => sum + e, 0);
      for (let d = 0; d < depth; d++)
        made.push(shares.reduce((sum, e, t) => sum + e * vector(v, heads.kv, own, t)[d]!, 0) / total);
    }
  return made;
}

const split = [int('q_num_heads', heads.q), int('kv_num_heads', heads.kv)];
const bias = [...new Draw(4).floats(rows * rows, -1, 1)];
const seenKeys = Array.from({ length: rows * rows }, (_, i) => Number(i % rows !== 2 || i < rows));

const cases: readonly (readonly [
  string,
  NodeSpec['attributes'],
  Constants,
  number,
  (s: number, t: number) => number,
])[] = [
  ['as it is', [], [], depth ** -0.5, () => 0],
  [
    'causal, of a scale',
    [int('is_causal', 1), float('scale', 0.25)],
    [],
    0.25,
    (s, t) => (t > s ? -Infinity : 0),
  ],
  ['a bias', [], [floatTensor('m', [rows, rows], bias)], depth ** -0.5, (s, t) => bias[s * rows + t]!],
  [
    'keys that are hidden',
    [],
    [
      {
        name: 'm',
        dims: [1, 1, rows, rows],
        dataType: proto.onnx.TensorProto.DataType.BOOL,
        int32Data: seenKeys,
      },
    ],
    depth ** -0.5,
    (s, t) => (seenKeys[s * rows + t] === 1 ? 0 : -Infinity),
  ],
];

describe('Attention', () => {
  for (const [title, attributes = [], constants, scale, mask] of cases)
    test(title, () => {
      const inputs = ['q', 'k', 'v', ...(constants.length > 0 ? ['m'] : [])];
      const bytes = model(
        [{ op: 'Attention', inputs, outputs: ['y'], attributes: [...split, ...attributes] }],
        constants,
      );
      const seen = values(bytes);
      const wanted = attended(seen, scale, mask);
      seen.get('y')!.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!), `element ${i}`).toBeLessThan(1e-6);
      });
      const { float32 } = holdsModel(bytes, { seed: 5, float: 2e-6 });
      expect(float32.floatGraph.nodes.filter(({ op }) => op.kind === 'attention').length).toBe(1);
    });

  test('softcap and a past are refused by name', () => {
    const node = { op: 'Attention', inputs: ['q', 'k', 'v'], outputs: ['y'] };
    const refused =
      (attributes: NodeSpec['attributes'], more: readonly string[] = []) =>
      () =>
        compile(
          importOnnx(
            model(
              [{ ...node, inputs: [...node.inputs, ...more], attributes: [...split, ...(attributes ?? [])] }],
              [floatTensor('p', [1, heads.kv, 1, depth], [1, 2, 3, 4, 5, 6])],
            ),
          ),
          { name: 'net', arith: 'float32' },
        );
    expect(refused([float('softcap', 2)])).toThrow('softcap = 2');
    expect(refused([], ['', 'p', 'p'])).toThrow('keys and values of the past');
  });
});

describe('RotaryEmbedding', () => {
  const angles = [...new Draw(6).floats(rows, -2, 2)];
  const caches = (of: (angle: number) => number, name: string) =>
    floatTensor(name, [rows, 1], angles.map(of));
  for (const interleaved of [0, 1])
    test(`two of three numbers of each head, ${interleaved ? 'neighbours' : 'halves'}`, () => {
      const order = [2, 0, 3, 1];
      const attributes = [
        int('num_heads', heads.q),
        int('rotary_embedding_dim', 2),
        int('interleaved', interleaved),
      ];
      const bytes = model(
        [{ op: 'RotaryEmbedding', inputs: ['q', 'cos', 'sin', 'at'], outputs: ['y'], attributes }],
        [caches(Math.cos, 'cos'), caches(Math.sin, 'sin'), intTensor('at', [1, rows], order)],
      );
      const seen = values(bytes);
      const q = seen.get('q')!;
      const wanted = Array.from({ length: countOf([rows, heads.q]) }).flatMap((_, i) => {
        const [a, b, c] = q.slice(i * depth, (i + 1) * depth) as [number, number, number];
        const angle = angles[order[Math.floor(i / heads.q)]!]!;
        return [a * Math.cos(angle) - b * Math.sin(angle), a * Math.sin(angle) + b * Math.cos(angle), c];
      });
      seen.get('y')!.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!), `element ${i}`).toBeLessThan(1e-6);
      });
      holdsModel(bytes, { seed: 5, float: 2e-6 });
    });
});
