/** What a kernel's machine code is made of: every statement counts once, however often it runs. */
import type { Expr, Kernel, Stmt } from '../ir/kernel/kernel.ts';
import { eachExpr, eachStmt, expressionsOf } from '../ir/kernel/walk.ts';

export const codeFeatures = [
  'kernel',
  'loop',
  'branch',
  /** Loads at an index below 32 (Thumb's immediate offsets), at others, from wide elements; stores. */
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

const calls: Readonly<Record<string, CodeFeature>> = {
  sign_extend: 'signExtend',
  clamp: 'clamp',
  divide_nearest: 'divide',
  requantize_single: 'requantize64',
  requantize_high: 'requantize64',
  requantize_double: 'requantize64',
  requantize_compact: 'requantize32',
  requantize_pow2: 'requantize32',
};

function loadFeature(e: Expr & { kind: 'load' }): CodeFeature {
  if (e.elem !== 'u8' && e.elem !== 'i8') return 'loadWide';
  return e.index.kind === 'int' && e.index.value < 32 ? 'loadNear' : 'loadFar';
}

function expressionFeature(e: Expr): CodeFeature | undefined {
  switch (e.kind) {
    case 'binary':
      if (e.op === 'mul') return 'mul';
      if (e.op === 'add' || e.op === 'sub') return 'add';
      return e.op === 'div' || e.op === 'mod' ? 'divide' : 'bits';
    case 'compare':
    case 'select':
      return 'select';
    case 'load':
      return loadFeature(e);
    case 'call':
      // A sign extension to 8 bits of a loaded byte is part of the load.
      if (e.primitive === 'sign_extend' && e.args[1]?.kind === 'int' && e.args[1].value === 8)
        return undefined;
      return calls[e.primitive] ?? 'otherCall';
    case 'toFloat':
    case 'toInt':
      return 'otherCall';
    case 'int':
      return Math.abs(e.value) > 255 ? 'wideConstant' : undefined;
    case 'float':
    case 'local':
      return undefined;
    default:
      return e satisfies never;
  }
}

function statementFeature(s: Stmt): CodeFeature | undefined {
  switch (s.kind) {
    case 'let':
      return 'local';
    case 'for':
      return 'loop';
    case 'if':
      return 'branch';
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

const indexOf = new Map(codeFeatures.map((f, i) => [f, i] as const));

/** How often each part stands in the kernel, in the order of `codeFeatures`. */
export function codeParts(kernel: Kernel): Float64Array {
  const parts = new Float64Array(codeFeatures.length);
  const count = (feature: CodeFeature | undefined): void => {
    const at = feature === undefined ? undefined : indexOf.get(feature);
    if (at !== undefined) parts[at] = (parts[at] as number) + 1;
  };
  count('kernel');
  eachStmt(kernel.body, (s) => {
    count(statementFeature(s));
    for (const e of expressionsOf(s)) eachExpr(e, (part) => count(expressionFeature(part)));
  });
  return parts;
}
