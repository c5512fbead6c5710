/**
 * thimble as a library: each step of `thimble compile` usable alone. It sees nothing of Node; `browser.ts` and
 * `node.ts` are the doors to it.
 *
 *   const model = loadOnnx(bytes, { name: 'lenet5' });
 *   const compiled = compile(model, { name: 'lenet5', arith: 'int8', calibration: { inputs } });
 *   const { output } = simulate(compiled.program, encodeInput(compiled.program, input));
 *   const files = artifactOf(compiled, { command: '', version: '', model: bytes, preprocessing: {} });
 */

export * from './artifact/certify.ts';
export {
  type Artifact,
  artifactOf,
  buildOf,
  loadArtifact,
  type Made,
  type Preprocessing,
} from './artifact/make.ts';
export type {
  Manifest,
  ManifestAgreement,
  ManifestDistance,
  ManifestLayer,
  ManifestPort,
} from './artifact/manifest.ts';
export type { Distance } from './base/distance.ts';
export { DefectError, InputError } from './base/errors.ts';
export { type Compiled, type CompileOptions, compile, passNames } from './compile.ts';
export * from './compress.ts';
export {
  type Capture,
  type Captured,
  captureOfBuild,
  captureOfOutcome,
  captureOfTensors,
  type Gap,
} from './diff/capture.ts';
export type { CauseName, Diagnosis, TracedRun } from './diff/causes/cause.ts';
export { type Diff, type DiffOptions, diff, type LayerDiff } from './diff/compare.ts';
export { diagnose } from './diff/diagnose.ts';
export type { Inference } from './diff/feed.ts';
export type { Coordinates, LayerMeasures } from './diff/measures.ts';
export { captureOfRun } from './diff/trace-capture.ts';
export { type Coverage, coverageOf, type Verdict, verdictOf } from './diff/verdict.ts';
export type { EmitInfo, Golden, PackageKind } from './emit/info.ts';
export { emitC } from './emit/package.ts';
export { verifyGraph } from './ir/graph/check.ts';
export { evaluate } from './ir/graph/evaluate.ts';
export type { Graph, Node, Stage } from './ir/graph/graph.ts';
export type { CodebookSize, RequantMode, WeightBits } from './ir/graph/op.ts';
export { dumpGraph } from './ir/graph/text.ts';
export { importModel as loadModel } from './ir/import/import-model.ts';
export { importOnnx as loadOnnx } from './ir/import/onnx.ts';
export type { Kernel } from './ir/kernel/kernel.ts';
export type { Quant } from './ir/kernel/stored.ts';
export { formatName, type WeightFormat } from './ir/kernel/weight-format.ts';
export type { Shape, Tensor } from './ir/tensor.ts';
export { type Agreement, agreementOf } from './judge/agreement.ts';
export type { LayerError } from './judge/layer-errors.ts';
export type { RoundingCount, Roundings } from './judge/roundings.ts';
export type { Warning } from './judge/warnings/warning.ts';
export { variantsOf } from './lower/variants.ts';
export type { ActivationBits, WideReason } from './passes/activation-bits.ts';
export { type Calibration, type CalibrationMethod, calibrate } from './passes/calibrate.ts';
export { canonicalize } from './passes/canonicalize.ts';
export {
  chooseFormats,
  type FormatChoices,
  type FormatOptions,
  type LayerChoice,
} from './passes/choose-formats.ts';
export { foldBatchNorm } from './passes/fold-batch-norm.ts';
export type { Candidate, FormatObjective } from './passes/format-objective.ts';
export { fuse } from './passes/fuse.ts';
export { normalizeInput } from './passes/normalize-input.ts';
export type { Pass } from './passes/pass.ts';
export { quantize } from './passes/quantize.ts';
export { type MemoryPlan, type PlanStrategy, planMemory } from './plan/addresses.ts';
export { assemble } from './plan/assemble.ts';
export type { CodeSize, MeasuredTarget } from './program/measured.ts';
export type { Normalization, Outcome, Program, Slot, Step } from './program/program.ts';
export { tracedTables } from './program/traced.ts';
export {
  arrangeInput,
  decodeOutput,
  decodeOutputs,
  decodePort,
  decodeSlot,
  encodeInput,
} from './program/values.ts';
export { type Facts, type KernelFacts, prove, proveProgram } from './prove/prove.ts';
export { type ReportInput, reportHtml, sweepHtml } from './report/report.ts';
export { type EngineName, inference, type RunProgram, simulate } from './runtime/engines.ts';
export { compareOutcomes, type Difference, differenceText } from './sim/difference.ts';
export { createSimulator, type Simulator } from './sim/simulate.ts';
export { Trap } from './sim/trap.ts';
export { readTrace, readTraces } from './trace/read.ts';
export type * from './trace/trace.ts';
export { createTrace, type TracedInference, type TraceOptions } from './trace/write.ts';
