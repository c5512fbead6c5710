/** The float network's answers to many samples, fast: for accuracies before and after. */
import { at } from '../../base/errors.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { lanes } from '../gradient/kernels.ts';
import { networkOf, requireOneOutput, weightsIn } from '../gradient/network.ts';
import type { TrainingData } from './options.ts';
import { fixedEngine } from './shard.ts';

/**
 * The class of the largest output for each sample. Sums are float32: an answer can differ from the reference's
 * where two outputs are equal to their last bits.
 * @param graph fused
 * @throws InputError for several outputs, and naming the node for operators that training does not know
 */
export function classify(graph: Graph<'float'>, { count, input }: TrainingData): Int32Array {
  requireOneOutput(graph);
  const network = networkOf(graph);
  const engine = fixedEngine(network, weightsIn(graph, network));
  const classes = new Int32Array(count);
  for (let first = 0; first < count; first += lanes) {
    const group = Math.min(lanes, count - first);
    for (let i = 0; i < group; i++) {
      const sample = input(first + i);
      for (let e = 0; e < sample.length; e++) engine.input[e * lanes + i] = at(sample, e);
    }
    engine.forward();
    for (let i = 0; i < group; i++)
      classes[first + i] = indexOfLargest(engine.output.filter((_, e) => e % lanes === i));
  }
  return classes;
}

/** Accuracy: the share of samples whose class is their label. */
export function accuracy(graph: Graph<'float'>, data: Required<TrainingData>): number {
  const right = classify(graph, data).reduce((n, c, i) => n + (c === data.label(i) ? 1 : 0), 0);
  return right / data.count;
}
