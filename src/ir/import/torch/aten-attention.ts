/** Attention in one call, as the nodes that PyTorch's exporters to ONNX write for it. */
import { at, complain } from '../../../base/errors.ts';
import { numbersFor } from '../../tensor.ts';
import type { AtenCall, Translations } from './aten-call.ts';
import { transposed } from './aten-common.ts';
import { int } from './aten-draft.ts';

/** Softmax(q k^T * scale + mask) v; the root of the scale is a factor of both q and k. */
function attention(call: AtenCall): string {
  const query = call.tensor('query');
  const [key, value] = [grouped(call, 'key', query), grouped(call, 'value', query)];
  const rank = call.rankOf(query);
  const scale = call.number('scale', 1 / Math.sqrt(at(call.shapeOf(query), rank - 1)));
  const root = call.scalar(Math.sqrt(scale));
  const axes = [...call.shapeOf(key).keys()];
  const turned = transposed(call, key, axes.with(rank - 2, rank - 1).with(rank - 1, rank - 2));
  const scores = call.make('MatMul', [call.make('Mul', [query, root]), call.make('Mul', [turned, root])]);
  const masked = maskOf(call, scores);
  const shares = call.make('Softmax', [masked], { axis: int(-1) });
  return call.make('MatMul', [shares, value]);
}

/** With enable_gqa several heads of queries share one of keys. */
function grouped(call: AtenCall, name: string, query: string): string {
  const x = call.tensor(name);
  if (!call.flag('enable_gqa', false)) return x;
  const axis = call.rankOf(x) - 3;
  const [heads, wanted] = [at(call.shapeOf(x), axis), at(call.shapeOf(query), axis)];
  if (wanted % heads !== 0) throw complain(`${wanted} heads of queries on ${heads}`, 'a multiple');
  if (wanted === heads) return x;
  const index = Array.from({ length: wanted }, (_, i) => Math.floor((i * heads) / wanted));
  return call.make('Gather', [x, call.list(index)], { axis: int(axis) });
}

function maskOf(call: AtenCall, scores: string): string {
  const mask = call.optional('attn_mask');
  const causal = call.flag('is_causal', false);
  if (mask !== '' && causal) throw complain('attn_mask and is_causal at once', 'one of them');
  if (causal) return call.make('Add', [scores, lowerTriangle(call, scores)]);
  if (mask === '') return scores;
  if (call.typeOf(mask).dtype !== 'bool') return call.make('Add', [scores, mask]);
  const addend = call.make('Where', [mask, call.scalar(0), call.scalar(Number.NEGATIVE_INFINITY)]);
  return call.make('Add', [scores, addend]);
}

/** Each query with the keys up to its own place, from the first of both on. */
function lowerTriangle(call: AtenCall, scores: string): string {
  const [rows, columns] = call.shapeOf(scores).slice(-2) as [number, number];
  const data = numbersFor('float32', rows * columns);
  data.forEach((_, i) => {
    if (i % columns > Math.floor(i / columns)) data[i] = Number.NEGATIVE_INFINITY;
  });
  return call.constant({ dtype: 'float32', shape: [rows, columns], data });
}

export const attentions: Translations = { 'scaled_dot_product_attention.default': attention };
