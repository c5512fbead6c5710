/** Expressions of Kernel IR as JavaScript expressions with C's rules. */
import { type Elem, type Expr, type ExprOf, elemBytes } from '../../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations, type OperandRule } from '../../ir/kernel/operations.ts';
import { vectorPrimitiveOf } from '../../ir/kernel/prims/index.ts';
import { partsOf } from '../../ir/kernel/walk.ts';
import { ownerOf, ownerPair } from '../arena.ts';
import type { Rule } from '../trap.ts';
import { computedIn, cTypeOf, differsIn16 } from './int16.ts';
import {
  type Context,
  elementIndex,
  fail,
  isLive,
  type JsArray,
  jsArray,
  jsName,
  temporary,
} from './site.ts';
import { loadVector, vectorCall } from './vector-values.ts';

/** A JavaScript expression of the same value; an i32 is always an integral double in range, never -0. */
export function value(c: Context, e: Expr): string {
  switch (e.kind) {
    case 'int':
      return e.value < 0 ? `(${e.value})` : String(e.value);
    case 'float':
      return Object.is(e.value, -0) ? '(-0)' : `(${e.value})`;
    case 'local':
      return jsName(e.name);
    case 'binary':
      return e.type === 'f32' ? floatBinary(c, e) : binary(c, e);
    case 'compare':
      return `(${test(c, e)} ? 1 : 0)`;
    case 'select':
      return unsignedArm(c, e, `(${test(c, e.test)} ? ${value(c, e.yes)} : ${value(c, e.no)})`);
    case 'load':
      return load(c, e);
    case 'loadVector':
      return loadVector(
        c,
        e,
        partsOf(e).map((part) => value(c, part)),
      );
    case 'toFloat':
      return `fround(${value(c, e.value)})`;
    case 'toInt':
      return toInt(c, e);
    case 'call':
      return call(c, e);
    default:
      return e satisfies never;
  }
}

/** A JavaScript condition that holds where the expression is not 0. */
export function test(c: Context, e: Expr): string {
  if (e.kind === 'compare') return comparison(c, e);
  return `(${value(c, e)} !== 0)`;
}

function comparison(c: Context, e: ExprOf<'compare'>): string {
  const { js } = compareOperations[e.op];
  const [a, b] = [value(c, e.a), value(c, e.b)];
  if (c.int16 === undefined || computedIn(e, c.int16) !== 'unsigned') return `(${a} ${js} ${b})`;
  const [x, y] = [temporary(c), temporary(c)];
  const trap = fail(c, '16-bit int', e, `${x}, ${y}`);
  return `(${x} = ${a}, ${y} = ${b}, ${x} < 0 || ${y} < 0 ? ${trap} : ${x} ${js} ${y})`;
}

/** One arm of type unsigned makes the other unsigned too. */
function unsignedArm(c: Context, e: ExprOf<'select'>, chosen: string): string {
  if (c.int16 === undefined || cTypeOf(e, c.int16) !== 'unsigned') return chosen;
  const t = temporary(c);
  return `(${t} = ${chosen}, ${t} < 0 ? ${fail(c, '16-bit int', e, t)} : ${t})`;
}

/** Where int has 16 bits, what C computes in it is looked at too, whatever was proven of 32 bits. */
function binary(c: Context, e: ExprOf<'binary'>): string {
  const type = c.int16 === undefined ? 'int32_t' : cTypeOf(e, c.int16);
  const [a, b] = [value(c, e.a), value(c, e.b)];
  if (type !== 'int' && type !== 'unsigned') return intBinary(c, e, a, b);
  const [x, y, result] = [temporary(c), temporary(c), temporary(c)];
  const computed = `${x} = ${a}, ${y} = ${b}, ${result} = ${intBinary(c, e, x, y)}`;
  const trap = fail(c, '16-bit int', e, `${x}, ${y}`);
  return `(${computed}, ${differsIn16(e, type, { a: x, b: y, result })} ? ${trap} : ${result})`;
}

/**
 * Rounding a double result to binary32 is the binary32 result for + - * /: 53 >= 2 * 24 + 2 (Figueroa 1995).
 */
const floatBinary = (c: Context, e: ExprOf<'binary'>): string =>
  `fround(${binaryOperations[e.op].js.real(value(c, e.a), value(c, e.b))})`;

/** Both operands and, where it may overflow, the result are held in variables and looked at first. */
function intBinary(c: Context, e: ExprOf<'binary'>, a: string, b: string): string {
  const { js, rules } = binaryOperations[e.op];
  if (rules.length === 0 || !isLive(c, e)) return js.int(a, b);
  const [x, y] = [temporary(c), temporary(c)];
  const exact = rules.some(({ kind }) => kind === 'overflow') ? temporary(c) : undefined;
  const held = exact === undefined ? '' : `, ${exact} = ${js.real(x, y)}`;
  const traps = [...new Set(rules.map(({ trap }) => trap))].map((trap) => {
    const same = rules.filter((rule) => rule.trap === trap);
    const broken = same.map((rule) => brokenJs(rule, { a: x, b: y }, exact)).join(' || ');
    return `${broken} ? ${fail(c, trap, e, `${x}, ${y}`)} : `;
  });
  const result = exact === undefined ? js.int(x, y) : `${exact} | 0`;
  return `(${x} = ${a}, ${y} = ${b}${held}, ${traps.join('')}${result})`;
}

/** The condition that breaks the rule, for operands in variables. */
function brokenJs(rule: OperandRule, names: { readonly a: string; readonly b: string }, result = ''): string {
  switch (rule.kind) {
    case 'overflow':
      return `${result} !== (${result} | 0)`;
    case 'never':
      return rule.operands.map(([operand, x]) => `${names[operand]} === ${x}`).join(' && ');
    case 'within': {
      const x = names[rule.operand];
      return `${x} < ${rule.limits.lo} || ${x} > ${rule.limits.hi}`;
    }
    default:
      return rule satisfies never;
  }
}

function toInt(c: Context, e: ExprOf<'toInt'>): string {
  const x = value(c, e.value);
  if (!isLive(c, e)) return `(${x} | 0)`;
  const t = temporary(c);
  const trap = fail(c, 'float out of int range', e, t);
  return `(${t} = ${x}, ${t} > -2147483649 && ${t} < 2147483648 ? ${t} | 0 : ${trap})`;
}

function call(c: Context, e: ExprOf<'call'>): string {
  c.primitives.add(e.primitive);
  const args = e.args.map((arg) => value(c, arg));
  if (vectorPrimitiveOf(e.primitive) !== undefined) return vectorCall(c, e, args);
  const rounded = (js: string) => (e.type === 'f32' ? `fround(${js})` : `(${js} | 0)`);
  if (!isLive(c, e)) return rounded(`prim_${e.primitive}(${args.join(', ')})`);
  const names = args.map(() => temporary(c));
  const list = names.join(', ');
  const trap = fail(c, 'precondition', e, list);
  const sets = names.map((name, i) => `${name} = ${args[i]}, `).join('');
  const valid = `valid('${e.primitive}', [${list}])`;
  return `(${sets}${valid} ? ${rounded(`prim_${e.primitive}(${list})`)} : ${trap})`;
}

function load(c: Context, e: ExprOf<'load'>): string {
  const array = jsArray(c, e.from);
  const index = elementIndex(array, value(c, e.index));
  if (!c.checked || (array.slot === undefined && !isLive(c, e))) return `${array.view}[${index}]`;
  const t = temporary(c);
  const outside = isLive(c, e) ? `${outOfBounds(c, array, t, e, e.from)} : ` : '';
  const read = `${array.view}[${t}]`;
  if (array.slot === undefined) return `(${t} = ${index}, ${outside}${read})`;
  const lost = fail(c, 'overwritten byte', e, t, e.from);
  return `(${t} = ${index}, ${outside}${owned(array.elem, array.slot, t)} ? ${read} : ${lost})`;
}

/** `condition ? trap`, to be followed by ` : `; the trap gets the absolute element, made relative later. */
function outOfBounds(c: Context, array: JsArray, at: string, node: Expr, name: string): string {
  const trap = failAt(c, 'out of bounds', node, array, at, name);
  return `${at} < ${array.start} || ${at} >= ${array.end} ? ${trap}`;
}

const failAt = (c: Context, rule: Rule, node: Expr, array: JsArray, at: string, name: string): string =>
  fail(c, rule, node, `${at} - ${array.start}, ${array.end - array.start}`, name);

/** Whether all bytes of element `at` belong to the slot. Alignment lets pairs be compared at once. */
function owned(elem: Elem, slot: number, at: string): string {
  const pair = ownerPair(slot);
  switch (elemBytes[elem]) {
    case 1:
      return `owners[${at}] === ${ownerOf(slot)}`;
    case 2:
      return `ownerPairs[${at}] === ${pair}`;
    default:
      return `ownerPairs[2 * ${at}] === ${pair} && ownerPairs[2 * ${at} + 1] === ${pair}`;
  }
}

/** Statements that make the slot the owner of element `at`. */
export function own(elem: Elem, slot: number, at: string): string {
  const pair = ownerPair(slot);
  switch (elemBytes[elem]) {
    case 1:
      return `owners[${at}] = ${ownerOf(slot)};`;
    case 2:
      return `ownerPairs[${at}] = ${pair};`;
    default:
      return `ownerPairs[2 * ${at}] = ${pair}; ownerPairs[2 * ${at} + 1] = ${pair};`;
  }
}
