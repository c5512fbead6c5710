/** The grids that an int8 program's weights lie on, and what of the given model's weights lies beyond them. */

import { at, must } from '../base/errors.ts';
import { largestOf, smallestOf } from '../base/extremes.ts';
import type { Compiled } from '../compile.ts';
import { type Graph, inputName, type Node } from '../ir/graph/graph.ts';
import { largestWeight } from '../ir/graph/op.ts';
import { type QuantizedMac, weightStep } from '../ir/integers/mac.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Program, Slot } from '../program/program.ts';
import { argOf, slotAt } from '../program/slots.ts';

export interface WeightGrid {
  /** Real value of one stored step: the least and the most of all output channels that have weights. */
  readonly steps: readonly [number, number];
  /**
   * Share of the weights, of those that are not stored as zero, which in the given model are over half a step
   * beyond the largest (or smallest) that can be stored.
   */
  readonly clipped: number;
}

/** The integers that a weight may be stored as: least and most. */
function limits({ bits, codebook }: QuantizedMac): readonly [number, number] {
  const most = largestWeight(bits);
  return [codebook?.[0] ?? -most, codebook?.at(-1) ?? most];
}

function clippedShare(mac: QuantizedMac, given: (i: number) => number): number {
  const [least, most] = limits(mac);
  let [clipped, kept] = [0, 0];
  mac.weights.forEach((q, i) => {
    if (q === 0) return;
    const steps = given(i) / weightStep(mac, i);
    kept++;
    if (steps < least - 0.501 || steps > most + 0.501) clipped++;
  });
  return kept === 0 ? 0 : clipped / kept;
}

interface Layer {
  readonly node: Node;
  readonly input: Slot;
  readonly output: Slot;
}

/** Where a stored weight is in the given model, which may have more rows and columns: those that went are named. */
function placeIn(
  given: Tensor,
  { input, output }: Layer,
  rows: number,
  terms: number,
): (i: number) => number {
  const givenRows = at(given.shape, 0);
  const givenTerms = given.data.length / givenRows;
  const keptRows = givenRows === rows ? undefined : output.kept;
  const columns = givenTerms === terms ? undefined : input.kept;
  const inner = terms / (columns?.length ?? terms);
  return (i) => {
    const [row, term] = [Math.floor(i / terms), i % terms];
    const column = (columns?.[Math.floor(term / inner)] ?? Math.floor(term / inner)) * inner + (term % inner);
    return (keptRows?.[row] ?? row) * givenTerms + column;
  };
}

function gridOf(layer: Layer, graph: Graph<'float'>): WeightGrid {
  const { node } = layer;
  const mac = node.quantized as QuantizedMac;
  const terms = mac.weights.length / mac.weightScales.length;
  const used = (mac.steps ?? mac.weightScales).filter((_, i, { length }) => {
    const each = mac.weights.length / length;
    return mac.weights.subarray(i * each, (i + 1) * each).some((q) => q !== 0);
  });
  const origin = graph.nodes.find(({ name }) => name === node.name);
  const weights = origin && graph.tensors.get(inputName(origin, 1));
  const given = must(weights?.constant, `'${node.name}' has weights in the given model`);
  const place = placeIn(given, layer, mac.weightScales.length, terms);
  return {
    steps: [smallestOf(used), largestOf(used)],
    clipped: clippedShare(mac, (i) => at(given.data, place(i))),
  };
}

function layersOf(program: Program, graph: Graph<'int8'>): readonly Layer[] {
  return program.steps.flatMap((step) => {
    if (step.kernel.weights === undefined) return [];
    const [input, output] = [slotAt(program, argOf(step, 'in')), slotAt(program, argOf(step, 'out'))];
    const node = graph.nodes.find(({ outputs }) => outputs.includes(output.name));
    return [{ node: must(node, `tensor '${output.name}' is made by a node of the graph`), input, output }];
  });
}

/** By name of the tensor that a layer makes; empty for float32 programs, without layers whose weights are all zero. */
export function weightGrids({
  program,
  assembled,
  fused,
  given = fused,
}: Compiled): ReadonlyMap<string, WeightGrid> {
  if (assembled.stage !== 'int8') return new Map();
  return new Map(
    layersOf(program, assembled as Graph<'int8'>).flatMap((layer) => {
      const grid = gridOf(layer, given);
      return Number.isFinite(grid.steps[0]) ? [[layer.output.name, grid] as const] : [];
    }),
  );
}
