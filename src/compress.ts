/**
 * What changes weights: zeros, few bits, training. All of it works on `front(model, options).fused` and gives a graph
 * that `compileFused` takes; `thimble` has these names too.
 *
 *   const options = { name: 'lenet5', arith: 'int8', calibration: { inputs } } as const;
 *   const made = front(loadOnnx(bytes, { name: 'lenet5' }), options);
 *   const { graph } = prune(made.fused, { method: 'obs', sparsity: 0.85, samples: inputs });
 *   const compiled = withAgreement(compileFused(made, options, graph));
 */

export { InputError } from './base/errors.ts';
export {
  type Compiled,
  type CompileOptions,
  compileFused,
  type Front,
  front,
  withAgreement,
} from './compile.ts';
export { type Pruned, type PrunedLayer, type PruneOptions, prune } from './compress/prune/prune.ts';
export { type RoundedWeights, type RoundOptions, roundWeights } from './compress/round/round-weights.ts';
export { accuracy, classify } from './compress/train/classify.ts';
export { type Epoch, type Finetuned, finetune } from './compress/train/finetune.ts';
export type { FinetuneOptions, Progress, TrainingData } from './compress/train/options.ts';
export type { Graph } from './ir/graph/graph.ts';
export { importModel as loadModel } from './ir/import/import-model.ts';
export { importOnnx as loadOnnx } from './ir/import/onnx.ts';
