/** Subtraction, multiplication, division: for the arithmetic of shapes. */

import { complain } from '../../base/errors.ts';
import type { ImportedOp } from '../graph/op.ts';
import { checkLegacyBroadcast, inferPair, pairwise } from './common/elementwise.ts';
import { onlyOnConstants } from './common/imported.ts';
import { isFloat, newestOpset } from './common/inputs.ts';

function arithmetic(
  kind: string,
  type: string,
  compute: (x: number, y: number, float: boolean) => number,
): ImportedOp {
  return {
    kind,
    onnx: {
      [type]: {
        since: 1,
        upTo: newestOpset,
        parse(node) {
          checkLegacyBroadcast(node);
          return {};
        },
      },
    },
    infer: (_attrs, inputs) => inferPair(inputs),
    reference(_attrs, inputs) {
      const float = inputs[0] === undefined || isFloat(inputs[0].dtype);
      return [pairwise(inputs, (x, y) => compute(x, y, float))];
    },
    canonicalize: onlyOnConstants(type),
  };
}

/** Integers divide toward zero. @throws InputError for an integer divided by 0. */
function quotient(x: number, y: number, float: boolean): number {
  if (float) return x / y;
  if (y === 0) throw complain(`${x} / 0 in integers`);
  return Math.trunc(x / y);
}

/** ONNX Sub-1, 6, 7, 13, 14. */
export const sub = arithmetic('sub', 'Sub', (x, y) => x - y);
/** ONNX Mul-1, 6, 7, 13, 14. */
export const mul = arithmetic('mul', 'Mul', (x, y) => x * y);
/** ONNX Div-1, 6, 7, 13, 14. */
export const div = arithmetic('div', 'Div', quotient);
