/** Kernel IR in one line of C-like text, fully parenthesized: for messages, not for compilers. */
import type { Expr, PlainStmt } from './kernel.ts';
import { binaryOperations, compareOperations } from './operations.ts';

/** `(px[i] * w)` */
export function exprText(e: Expr): string {
  switch (e.kind) {
    case 'int':
    case 'float':
      return Object.is(e.value, -0) ? '-0' : String(e.value);
    case 'local':
      return e.name;
    case 'binary':
      return `(${exprText(e.a)} ${binaryOperations[e.op].sign} ${exprText(e.b)})`;
    case 'compare':
      return `(${exprText(e.a)} ${compareOperations[e.op].sign} ${exprText(e.b)})`;
    case 'select':
      return `(${exprText(e.test)} ? ${exprText(e.yes)} : ${exprText(e.no)})`;
    case 'load':
      return `${e.from}[${exprText(e.index)}]`;
    case 'loadVector':
      return `${e.type}(${exprText(e.count)} from ${e.from}[${exprText(e.index)}${e.offsets === undefined ? '' : ` + ${exprText(e.offsets)}`}])`;
    case 'toFloat':
      return `(float)${exprText(e.value)}`;
    case 'toInt':
      return `(int32_t)${exprText(e.value)}`;
    case 'call':
      return `${e.primitive}(${e.args.map(exprText).join(', ')})`;
    default:
      return e satisfies never;
  }
}

/** The statement without its blocks: `for (i = 0; i < 25; i += 1)`. */
export function stmtText(s: PlainStmt): string {
  switch (s.kind) {
    case 'let':
    case 'assign':
      return `${s.name} = ${exprText(s.value)}`;
    case 'accumulate':
      return `${s.name} += ${exprText(s.value)}`;
    case 'pointer':
      return `${s.name} = ${s.base} + ${exprText(s.offset)}`;
    case 'advance':
      return `${s.name} += ${exprText(s.by)}`;
    case 'store':
      return `${s.to}[${exprText(s.index)}] = ${exprText(s.value)}`;
    case 'storeVector':
      return `${s.to}[${exprText(s.index)}] = ${exprText(s.count)} lanes of ${exprText(s.value)}`;
    case 'for':
      return `for (${s.name} = ${exprText(s.from)}; ${s.name} < ${exprText(s.to)}; ${s.name} += ${s.step})`;
    case 'if':
      return `if ${exprText(s.test)}`;
    case 'copy':
      return `copy ${exprText(s.count)} from ${s.from}[${exprText(s.fromIndex)}] to ${s.to}[${exprText(s.toIndex)}]`;
    case 'fill':
      return `fill ${exprText(s.count)} of ${s.to}[${exprText(s.index)}] with ${exprText(s.value)}`;
    case 'comment':
      return `/* ${s.text} */`;
    default:
      return s satisfies never;
  }
}

/** Statements and expressions share no kind, so one function can tell them apart. */
export type KernelNode = Expr | PlainStmt;

const exprKinds: ReadonlySet<string> = new Set<Expr['kind']>([
  'int',
  'float',
  'local',
  'binary',
  'compare',
  'select',
  'load',
  'loadVector',
  'toFloat',
  'toInt',
  'call',
]);

export const nodeText = (node: KernelNode): string =>
  exprKinds.has(node.kind) ? exprText(node as Expr) : stmtText(node as PlainStmt);
