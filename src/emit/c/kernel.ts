/** Prints a kernel as a C99 function. Knows no operator. */
import { DefectError, must } from '../../base/errors.ts';
import type { Interval } from '../../ir/kernel/interval.ts';
import {
  type Elem,
  type Expr,
  elemBytes,
  type Kernel,
  type Param,
  type PlainStmt,
  type Stmt,
} from '../../ir/kernel/kernel.ts';
import type { InstructionSet, Primitive, VectorPrimitive } from '../../ir/kernel/primitive.ts';
import {
  accumulatedIn,
  arraysUsed,
  declaredIn,
  inlined,
  primitivesUsed,
  statementsIn,
} from '../../ir/kernel/walk.ts';
import { cAddress, cCast, cExpr, type Rename } from './expr.ts';
import { isIdentifier } from './identifier.ts';
import { comment, cType, wrapCode } from './lines.ts';
import { type NeighbourLoads, neighboursText, type Registers, withNeighbours } from './neighbour-loads.ts';
import { accessName, cTypeOf, hasCount, hasVectors } from './vector-access.ts';

export interface PrintOptions {
  /** Proved bounds of locals, by name; printed where the local is declared. */
  readonly ranges?: ReadonlyMap<string, Interval>;
  /** What the kernel is called in this file, if not by its name. */
  readonly name?: string;
  /** What its tables are called in this file, where not by their names. */
  readonly tables?: ReadonlyMap<string, string>;
  /** What stands before the names of functions that it calls. */
  readonly prefix?: string;
  /** The macro for the address space of tables, where the file defines one. */
  readonly space?: string;
  /** The macro that copies from tables; `memcpy` when absent. */
  readonly copyTable?: string;
  /** The macros that copy and set multiples of four bytes; `memcpy` and `memset` when absent. */
  readonly copy?: string;
  readonly fill?: string;
  /** Paragraphs of the comment behind the kernel's own. */
  readonly says?: readonly string[];
  /** What stands before `void`; `static` when absent. */
  readonly linkage?: string;
  /** The macro that advances a pointer in kernels with vectors. */
  readonly step?: string;
  /** The macro in front of loops that stay loops. */
  readonly rolled?: string;
  /** What stands before the names of macros that load neighbouring floats; absent: each is loaded by itself. */
  readonly neighbours?: string;
}

interface Printer {
  readonly rename: Rename;
  readonly ranges: ReadonlyMap<string, Interval>;
  /** Arrays that are only read: `const` in C. */
  readonly constants: ReadonlySet<string>;
  /** Tables and pointers into them. */
  readonly tables: ReadonlySet<string>;
  readonly space: string;
  readonly copyTable: string;
  readonly copy: string;
  readonly fill: string;
  readonly step: string | undefined;
  readonly rolled: string | undefined;
  readonly neighbours: string | undefined;
  readonly registers: Registers;
}

const step = '    ';

/** Pointers into constant arrays point to const themselves, and so on. */
function pointersInto(kernel: Kernel, arrays: readonly { readonly name: string }[]): ReadonlySet<string> {
  const found = new Set(arrays.map((a) => a.name));
  for (const s of statementsIn(kernel.body)) if (s.kind === 'pointer' && found.has(s.base)) found.add(s.name);
  return found;
}

/** The proved bounds of an accumulator; one that begins as a copy of another has the other's. */
function range(name: string, value: Expr, printer: Printer): string {
  const found = value.kind === 'local' ? undefined : printer.ranges.get(name);
  return found === undefined ? '' : ` /* ${found.lo} <= ${name} <= ${found.hi} */`;
}

const pointerType = (elem: Elem, constant: boolean, space = ''): string =>
  `${constant ? 'const ' : ''}${space === '' ? '' : `${space} `}${cType[elem]} *`;

const fits: Readonly<Record<Exclude<Elem, 'f32' | 'i32'>, Interval>> = {
  u8: { lo: 0, hi: 255 },
  i8: { lo: -128, hi: 127 },
  u16: { lo: 0, hi: 65535 },
  i16: { lo: -32768, hi: 32767 },
};

/** A value on its way into memory; narrowing is spelled out unless it is plain to see that nothing is lost. */
function narrowed(value: Expr, elem: Elem, { rename }: Printer): string {
  if (elem === 'i32' || elem === 'f32') return cExpr(value, rename);
  const bounds = fits[elem];
  const same = value.kind === 'load' && value.elem === elem;
  const inside = value.kind === 'int' && value.value >= bounds.lo && value.value <= bounds.hi;
  return same || inside ? cExpr(value, rename) : cCast(cType[elem], value, rename);
}

function bytes(count: Expr, elem: Elem, { rename }: Printer): string {
  const text = count.kind === 'int' ? `${cExpr(count, rename)}u` : cCast('size_t', count, rename);
  return elemBytes[elem] === 1 ? text : `${text} * sizeof(${cType[elem]})`;
}

/** A number that an expression is a multiple of. */
function factorOf(e: Expr): number {
  if (e.kind === 'int') return e.value;
  return e.kind === 'binary' && e.op === 'mul' ? factorOf(e.a) * factorOf(e.b) : 1;
}

/** Whether it moves multiples of four bytes. */
const isOfWords = ({ count, elem }: PlainStmt & { kind: 'copy' | 'fill' }): boolean =>
  (factorOf(count) * elemBytes[elem]) % 4 === 0;

/** Whether a kernel copies rows of words into a patch again and again. */
export const copiesWords = ({ body }: Kernel): boolean =>
  [...statementsIn(body)].some((s) => s.kind === 'copy' && s.count.kind !== 'int' && isOfWords(s));

function copy(s: PlainStmt & { kind: 'copy' }, printer: Printer): string {
  const to = cAddress(s.to, s.toIndex, printer.rename);
  const from = cAddress(s.from, s.fromIndex, printer.rename);
  const own = isOfWords(s) ? printer.copy : 'memcpy';
  const f = printer.tables.has(s.from) ? printer.copyTable : own;
  return `${f}(${to}, ${from}, ${bytes(s.count, s.elem, printer)});`;
}

function fill(s: PlainStmt & { kind: 'fill' }, printer: Printer): string {
  const to = cAddress(s.to, s.index, printer.rename);
  const f = isOfWords(s) ? printer.fill : 'memset';
  return `${f}(${to}, ${cExpr(s.value, printer.rename)}, ${bytes(s.count, s.elem, printer)});`;
}

function loopHead(s: PlainStmt & { kind: 'for' }, { rename }: Printer): string {
  if (s.step < 1 || !Number.isInteger(s.step)) throw new DefectError(`loop '${s.name}' has step ${s.step}`);
  const next = s.step === 1 ? `${s.name}++` : `${s.name} += ${s.step}`;
  // A choice as a bound would otherwise take the comparison in.
  const to = cExpr({ kind: 'compare', op: 'lt', type: 'i32', a: local(s.name), b: s.to }, rename);
  return `for (int32_t ${s.name} = ${cExpr(s.from, rename)}; ${to}; ${next}) {`;
}

const local = (name: string): Expr => ({ kind: 'local', name, type: 'i32' });

function choice(s: PlainStmt & { kind: 'if' }, indent: string, printer: Printer): string[] {
  const lines = [`${indent}if (${cExpr(s.test, printer.rename)}) {`, ...block(s.yes, indent + step, printer)];
  const [only] = s.no;
  if (only === undefined) return [...lines, `${indent}}`];
  if (only.kind === 'if' && s.no.length === 1) {
    const [head, ...rest] = choice(only, indent, printer);
    return [...lines, `${indent}} else ${must(head, 'a choice has a head').trimStart()}`, ...rest];
  }
  return [...lines, `${indent}} else {`, ...block(s.no, indent + step, printer), `${indent}}`];
}

/** A statement that C writes on one line, without its indentation. */
function simple(s: Exclude<PlainStmt, { kind: 'for' | 'if' | 'comment' }>, printer: Printer): string {
  const { rename } = printer;
  switch (s.kind) {
    case 'let':
      return `${cTypeOf(s.type)} ${s.name} = ${cExpr(s.value, rename)};${range(s.name, s.value, printer)}`;
    case 'assign':
      return `${s.name} = ${cExpr(s.value, rename)};`;
    case 'accumulate':
      return `${s.name} += ${cExpr(s.value, rename)};`;
    case 'pointer': {
      const space = printer.tables.has(s.name) ? printer.space : '';
      const type = pointerType(s.elem, printer.constants.has(s.name), space);
      return `${type}${s.name} = ${cAddress(s.base, s.offset, rename)};`;
    }
    case 'advance':
      if (printer.step !== undefined) return `${printer.step}(${s.name}, ${cExpr(s.by, rename)});`;
      return s.by.kind === 'int' && s.by.value === 1
        ? `${s.name}++;`
        : `${s.name} += ${cExpr(s.by, rename)};`;
    case 'store':
      return `${s.to}[${cExpr(s.index, rename)}] = ${narrowed(s.value, s.elem, printer)};`;
    case 'storeVector': {
      const count = hasCount(s) ? [cExpr(s.count, rename)] : [];
      const args = [cAddress(s.to, s.index, rename), cExpr(s.value, rename), ...count];
      return `${rename(accessName(s), 'function')}(${args.join(', ')});`;
    }
    case 'copy':
      return copy(s, printer);
    case 'fill':
      return fill(s, printer);
    default:
      return s satisfies never;
  }
}

function statement(s: PlainStmt, indent: string, printer: Printer): string[] {
  switch (s.kind) {
    case 'comment':
      return comment([s.text], indent);
    case 'for':
      return [
        ...(s.rolled && printer.rolled !== undefined ? [indent + printer.rolled] : []),
        indent + loopHead(s, printer),
        ...block(s.body, indent + step, printer),
        `${indent}}`,
      ];
    case 'if':
      return choice(s, indent, printer);
    case 'let':
    case 'assign':
    case 'accumulate':
    case 'advance':
    case 'store':
    case 'storeVector':
    case 'copy':
    case 'fill':
      return [indent + simple(s, printer)];
    case 'pointer': {
      // Where it begins is hidden from the compiler as its steps are.
      const hidden =
        s.mutable && printer.step !== undefined ? [`${indent}${printer.step}(${s.name}, 0);`] : [];
      return [indent + simple(s, printer), ...hidden];
    }
    default:
      return s satisfies never;
  }
}

function block(body: readonly Stmt[], indent: string, printer: Printer): string[] {
  const { neighbours: macros } = printer;
  if (macros === undefined) return inlined(body).flatMap((s) => statement(s, indent, printer));
  const joined = withNeighbours(inlined(body), printer.registers);
  const inside = { ...printer, registers: joined.registers };
  return joined.body.flatMap((s) =>
    s.kind === 'neighbours'
      ? neighbours(s, macros, printer).map((line) => indent + line)
      : statement(s, indent, inside),
  );
}

const neighbours = (s: NeighbourLoads, macros: string, { rename }: Printer): readonly string[] =>
  neighboursText(s, macros, rename(s.from), cExpr(s.index, rename));

const parameter = (p: Param): string => `${pointerType(p.elem, p.role === 'in')}${p.name}`;

/** Names inside of a function must not be C's, nor hide a table or a function that the body calls. */
function checkNames(kernel: Kernel): void {
  const outer = new Set([...primitivesUsed(kernel.body), ...kernel.tables.map((t) => t.name)]);
  for (const name of [...kernel.params.map((p) => p.name), ...declaredIn(kernel.body)])
    if (!isIdentifier(name) || outer.has(name))
      throw new DefectError(`kernel '${kernel.name}': '${name}' cannot be the name of a local`);
}

/**
 * A kernel as a C99 function with its comment; tables are printed by `printTable`.
 * @throws DefectError for a kernel that no C function can be.
 */
export function printKernel(kernel: Kernel, options: PrintOptions = {}): string {
  checkNames(kernel);
  const rename: Rename = (name, what) =>
    what === 'function' ? `${options.prefix ?? ''}${name}` : (options.tables?.get(name) ?? name);
  const sums = accumulatedIn(kernel.body);
  const ranges = new Map([...(options.ranges ?? [])].filter(([name]) => sums.has(name)));
  const printer: Printer = {
    rename,
    ranges,
    constants: pointersInto(kernel, [...kernel.params.filter((p) => p.role === 'in'), ...kernel.tables]),
    tables: pointersInto(kernel, kernel.tables),
    space: options.space ?? '',
    copyTable: options.copyTable ?? 'memcpy',
    copy: options.copy ?? 'memcpy',
    fill: options.fill ?? 'memset',
    step: hasVectors(kernel.body) ? options.step : undefined,
    rolled: options.rolled,
    neighbours: options.neighbours,
    registers: new Map(),
  };
  const used = arraysUsed(kernel.body);
  const unused = kernel.params.filter((p) => !used.has(p.name)).map((p) => `${step}(void)${p.name};`);
  const linkage = options.linkage ?? 'static';
  const head = `${linkage} void ${options.name ?? kernel.name}(${kernel.params.map(parameter).join(', ')})`;
  const body = [...unused, ...block(kernel.body, step, printer)];
  return [
    ...comment([...kernel.doc, ...(options.says ?? [])]),
    ...wrapCode(head),
    '{',
    ...body.flatMap(wrapLine),
    '}',
    '',
  ].join('\n');
}

/** Comments are wrapped already. */
const wrapLine = (line: string): string[] => (/^\s*(\/\*| \*)/.test(line) ? [line] : wrapCode(line));

/** A primitive as the `static inline` function that kernels call; `set`: as the compiler of such a chip has it. */
export function printPrimitive(
  primitive: Primitive | VectorPrimitive,
  prefix = '',
  set?: InstructionSet,
): string {
  const params = primitive.params.map((p) => `${cTypeOf(p.type)} ${p.name}`).join(', ');
  const head = `static inline ${cTypeOf(primitive.result)} ${prefix}${primitive.name}(${params})`;
  const lines = 'c99' in primitive ? scalarLines(primitive, set) : heliumLines(primitive);
  const body = lines.flatMap((line) => wrapCode(step + line));
  return [...comment([primitive.doc]), ...wrapCode(head), '{', ...body, '}', ''].join('\n');
}

const heliumLines = ({ name, instructions: { mve } }: VectorPrimitive): readonly string[] =>
  must(mve, `${name} with Helium`);

const scalarLines = ({ c99, instructions }: Primitive, set: InstructionSet | undefined): readonly string[] =>
  set === undefined ? c99 : (instructions?.[set] ?? c99);
