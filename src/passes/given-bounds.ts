/**
 * Of a quantized model: tensors that it leaves in float32 between grids. No sample says where they lie, but the grids
 * before them do: no input leaves these bounds. They are wide, so such a tensor is stored in 16 bits.
 */
import { at, must } from '../base/errors.ts';
import { largestOf, smallestOf } from '../base/extremes.ts';
import { weightsAt } from '../ir/graph/channels.ts';
import { channelsOf, type Graph, type Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { holding } from '../ir/integers/quant.ts';
import { countOf, tensorOf } from '../ir/tensor.ts';

type Floats = Graph<'float'>;
type Known = ReadonlyMap<string, Range>;

const constantOf = (graph: Floats, name: string) => graph.tensors.get(name)?.constant;

/** Where an input lies; undefined for one whose bounds are not known. */
function inputRange(graph: Floats, name: string, known: Known): Range | undefined {
  const constant = constantOf(graph, name);
  if (constant === undefined) return known.get(name);
  return { lo: smallestOf(constant.data), hi: largestOf(constant.data) };
}

/** Padding is 0, which lies between. Bounds of the layer's own cut off more. */
function sumRange(graph: Floats, node: Node, input: Range): Range | undefined {
  const { columns } = channelsOf(graph, node);
  if (columns === undefined || columns.padding?.values.some((value) => value !== 0)) return undefined;
  const { lo, hi } = holding(input, [0]);
  const bias = constantOf(graph, node.inputs[2] ?? '')?.data;
  const rows = Array.from({ length: columns.rows }, (_, row): Range => {
    let [least, most] = [0, 0];
    for (let channel = 0; channel < columns.channels; channel++)
      for (const w of weightsAt(columns, row, channel)) {
        least += Math.min(w * lo, w * hi);
        most += Math.max(w * lo, w * hi);
      }
    const shift = bias === undefined ? 0 : at(bias, row);
    return { lo: least + shift, hi: most + shift };
  });
  return { lo: Math.min(...rows.map((row) => row.lo)), hi: Math.max(...rows.map((row) => row.hi)) };
}

/** Points of a range at which a function is looked at. */
const points = 4096;

function curveRange(f: (x: number) => number, { lo, hi }: Range): Range {
  const values = Float64Array.from({ length: points + 1 }, (_, i) => f(lo + ((hi - lo) * i) / points));
  return { lo: smallestOf(values), hi: largestOf(values) };
}

/** Of a function of two numbers: undefined where it has values that are not between those of the corners. */
function pairRange(f: (x: number, y: number) => number, a: Range, b: Range): Range | undefined {
  const along = ({ lo, hi }: Range): readonly number[] =>
    Array.from({ length: 33 }, (_, i) => lo + ((hi - lo) * i) / 32);
  const corners = [a.lo, a.hi].flatMap((x) => [f(x, b.lo), f(x, b.hi)]);
  const range = { lo: Math.min(...corners), hi: Math.max(...corners) };
  const slack = (range.hi - range.lo) * 1e-6;
  const isInside = (y: number): boolean => y >= range.lo - slack && y <= range.hi + slack;
  return along(a).every((x) => along(b).every((y) => isInside(f(x, y)))) ? range : undefined;
}

/** Of what moves numbers, and adds some of its own. */
function movedRange(graph: Floats, { op, attrs, inputs }: Node, known: Known): Range | undefined {
  const ends = (['lo', 'hi'] as const).map((end) => {
    const filled = inputs.map((name) => {
      const { constant, dtype, shape } = must(graph.tensors.get(name), `tensor '${name}' is known`);
      const range = known.get(name);
      if (constant !== undefined || range === undefined) return constant;
      return tensorOf({ dtype, shape }, new Float32Array(countOf(shape)).fill(range[end]));
    });
    return filled.includes(undefined) ? undefined : at(op.reference(attrs, filled), 0).data;
  });
  const [low, high] = ends;
  return low === undefined || high === undefined ? undefined : { lo: smallestOf(low), hi: largestOf(high) };
}

/** Twice as wide: cubic interpolation leaves the numbers that it is between. */
const twice = ({ lo, hi }: Range): Range => ({ lo: lo - (hi - lo) / 2, hi: hi + (hi - lo) / 2 });

/** Where what a node makes lies for every input on the grids before it; undefined where that is not known. */
export function boundsOf(graph: Floats, node: Node, known: Known): Range | undefined {
  const { op, attrs, inputs } = node;
  const ranges = inputs.flatMap((name) => (name === '' ? [] : [inputRange(graph, name, known)]));
  const [a, b] = ranges;
  if (a === undefined) return undefined;
  if (op.affine.kind === 'weighted') return sumRange(graph, node, a);
  const { real } = op;
  if (real !== undefined && ranges.length === 1) return curveRange((x) => real.value(attrs, x), a);
  if (real !== undefined && b !== undefined && ranges.length === 2)
    return pairRange((x, y) => real.value(attrs, x, y), a, b);
  if (op.alias === true) return a;
  if (op.anyZeroPoint === 'moves') return movedRange(graph, node, known);
  return op.affine.kind === 'commuting' ? holding(twice(a), [0]) : undefined;
}
