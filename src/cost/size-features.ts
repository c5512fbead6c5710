/** What a kernel's machine code is made of: every statement counts once, however often it runs. */
import { at } from '../base/errors.ts';
import type { Expr, Kernel, PlainStmt } from '../ir/kernel/kernel.ts';
import { expressionsOf, partsIn, statementsIn } from '../ir/kernel/walk.ts';
import { kindOf, placesIn } from './kinds.ts';

export const codeFeatures = [
  'kernel',
  'loop',
  'branch',
  'loadNear',
  'loadFar',
  'loadWide',
  'store',
  'mul',
  'add',
  'bits',
  'select',
  'divide',
  'local',
  'assign',
  'accumulate',
  'pointer',
  'advance',
  'signExtend',
  'clamp',
  'requantize64',
  'requantize32',
  'otherCall',
  'block',
  /** Integers beyond 8 bits: they are loaded from a pool or made of two instructions. */
  'wideConstant',
] as const;

export type CodeFeature = (typeof codeFeatures)[number];

const expressionFeature = (e: Expr): CodeFeature | undefined =>
  e.kind === 'int' && Math.abs(e.value) > 255 ? 'wideConstant' : kindOf(e);

function statementFeature(s: PlainStmt): CodeFeature | undefined {
  switch (s.kind) {
    case 'let':
      return 'local';
    case 'for':
      return 'loop';
    case 'if':
      return 'branch';
    case 'storeVector':
      return 'store';
    case 'copy':
    case 'fill':
      return 'block';
    case 'comment':
      return undefined;
    case 'assign':
    case 'accumulate':
    case 'pointer':
    case 'advance':
    case 'store':
      return s.kind;
    default:
      return s satisfies never;
  }
}

const placeOf = placesIn(codeFeatures);

/** How often each part stands in the kernel, in the order of `codeFeatures`. */
export function codeParts(kernel: Kernel): Float64Array {
  const parts = new Float64Array(codeFeatures.length);
  const count = (feature: CodeFeature | undefined): void => {
    if (feature === undefined) return;
    const place = placeOf(feature);
    parts[place] = at(parts, place) + 1;
  };
  count('kernel');
  for (const s of statementsIn(kernel.body)) {
    count(statementFeature(s));
    for (const e of expressionsOf(s)) for (const part of partsIn(e)) count(expressionFeature(part));
  }
  return parts;
}
