/** `thimble` in Node: all that a browser has, and what needs files, threads, compilers or emulators. */

export { type MeasureOptions, measureTargets } from './artifact/node-target-costs.ts';
export { type VerifyReport, type VerifyRow, verifyArtifact } from './artifact/node-verify.ts';
export * from './browser.ts';
export { onThreads } from './compress/train/node-threads.ts';
export * from './net/node-load.ts';
export { type NativeOptions, type NativeResult, runNative } from './targets/native.ts';
export { type TargetName, targetNames } from './targets/targets.ts';
export { type TraceRunOptions, traceNative } from './targets/trace.ts';
