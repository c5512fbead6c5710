import { must } from '../../../base/errors.ts';
import type { Primitive, VectorPrimitive } from '../primitive.ts';
import { bytesReversed } from './bytes-reversed.ts';
import { clamp } from './clamp.ts';
import { divideNearest } from './divide.ts';
import { evenProducts, evenProductsI8, fourBytes, oddProducts, oddProductsI8 } from './dual-mac.ts';
import { exp32 } from './exp.ts';
import { exponent32, mantissa32, sqrt32 } from './float-bits.ts';
import { interpolate } from './interpolate.ts';
import { knownWithin } from './known-within.ts';
import { lanePrimitives } from './lane-operations.ts';
import { multiplyAdd } from './multiply-add.ts';
import {
  requantizeCompact,
  requantizeDouble,
  requantizeFloat,
  requantizeHalves,
  requantizeHigh,
  requantizePow2,
  requantizeSingle,
} from './requantize.ts';
import { log2, root15, rootShift } from './root.ts';
import { signExtend } from './sign-extend.ts';
import { nearestWithin } from './to-grid.ts';
import { pairPrimitives } from './vector-pairs.ts';
import { vectorPrimitives } from './vectors.ts';
import { wrappedDifference, wrappedProduct, wrappedSum } from './wrapped.ts';

/** Every primitive of numbers; Kernel IR calls them by name. */
export const primitives: ReadonlyMap<string, Primitive> = new Map(
  [
    bytesReversed,
    clamp,
    divideNearest,
    evenProducts,
    evenProductsI8,
    exp32,
    exponent32,
    fourBytes,
    mantissa32,
    log2,
    interpolate,
    knownWithin,
    nearestWithin,
    multiplyAdd,
    oddProducts,
    oddProductsI8,
    requantizeCompact,
    requantizeDouble,
    requantizeFloat,
    requantizeHalves,
    requantizeHigh,
    requantizePow2,
    requantizeSingle,
    root15,
    rootShift,
    signExtend,
    sqrt32,
    wrappedDifference,
    wrappedProduct,
    wrappedSum,
  ].map((p) => [p.name, p]),
);

export const primitiveOf = (name: string): Primitive =>
  must(primitives.get(name), `a primitive is called '${name}'`);

/** Every primitive of vectors. */
export const ofVectors: ReadonlyMap<string, VectorPrimitive> = new Map(
  [...lanePrimitives, ...pairPrimitives, ...vectorPrimitives].map((p) => [p.name, p]),
);

/** A primitive of vectors by its name, or undefined for one of numbers. */
export const vectorPrimitiveOf = (name: string): VectorPrimitive | undefined => ofVectors.get(name);

/** What calls may name: undefined for anything else. */
export const anyPrimitive = (name: string): Primitive | VectorPrimitive | undefined =>
  ofVectors.get(name) ?? primitives.get(name);
