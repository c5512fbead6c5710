import { DefectError } from '../../../base/errors.ts';
import type { Primitive } from '../primitive.ts';
import { clamp } from './clamp.ts';
import { divideNearest } from './divide.ts';
import { exp32 } from './exp.ts';
import { interpolate } from './interpolate.ts';
import {
  requantizeCompact,
  requantizeDouble,
  requantizeFloat,
  requantizeHalves,
  requantizeHigh,
  requantizePow2,
  requantizeSingle,
} from './requantize.ts';
import { signExtend } from './sign-extend.ts';

/** Every primitive; Kernel IR calls them by name. */
export const primitives: ReadonlyMap<string, Primitive> = new Map(
  [
    clamp,
    divideNearest,
    exp32,
    interpolate,
    requantizeCompact,
    requantizeDouble,
    requantizeFloat,
    requantizeHalves,
    requantizeHigh,
    requantizePow2,
    requantizeSingle,
    signExtend,
  ].map((p) => [p.name, p]),
);

export function primitiveOf(name: string): Primitive {
  const found = primitives.get(name);
  if (found === undefined) throw new DefectError(`no primitive is called '${name}'`);
  return found;
}
