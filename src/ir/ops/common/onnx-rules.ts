/** How ONNX operator types without anything special become operators. */
import type { OnnxRule } from '../../graph/op.ts';
import { newestOpset } from './inputs.ts';

/** An operator type without attributes. */
export const plain = (type: string, since: number): Readonly<Record<string, OnnxRule<unknown>>> => ({
  [type]: { since, upTo: newestOpset, parse: () => ({}) },
});
