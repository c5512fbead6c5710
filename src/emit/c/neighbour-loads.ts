/**
 * Floats that lie side by side and are loaded one after the other. A Cortex-M with an FPU loads them with one
 * instruction into registers that are neighbours, too, and VLDM takes 1 + n cycles where n VLDR take 2 n. Compilers do
 * not put floats into neighbouring registers by themselves: each local has a register of its own, as long as its block
 * lasts.
 */
import { at, must } from '../../base/errors.ts';
import type { Expr, ExprOf, Kernel, PlainStmt, Stmt, StmtOf } from '../../ir/kernel/kernel.ts';
import { expressionsIn, inlined, primitivesUsed, statementsIn } from '../../ir/kernel/walk.ts';
import { comment, wrapCode } from './lines.ts';

/** Loads of `names` from `index` of `from` on. */
export interface NeighbourLoads {
  readonly kind: 'neighbours';
  readonly names: readonly string[];
  /** Whether they are declared here. */
  readonly isNew: boolean;
  readonly from: string;
  readonly index: Expr;
  /** The pointer then advances to what lies behind them. */
  readonly steps: boolean;
  /** Of the first one. */
  readonly register: number;
}

/** By local: the number of its register. */
export type Registers = ReadonlyMap<string, number>;

/** Those that a function need not save. */
const registerCount = 16;

type FloatLoad = StmtOf<'let' | 'assign'> & { readonly value: ExprOf<'load'> };

const isFloatLoad = (s: PlainStmt | undefined): s is FloatLoad =>
  (s?.kind === 'let' || s?.kind === 'assign') && s.value.kind === 'load' && s.value.elem === 'f32';

/** An index as a constant behind the rest. */
function placeOf(index: Expr): { readonly rest: Expr | undefined; readonly offset: number } {
  if (index.kind === 'int') return { rest: undefined, offset: index.value };
  if (index.kind === 'binary' && index.op === 'add' && index.b.kind === 'int')
    return { rest: index.a, offset: index.b.value };
  return { rest: index, offset: 0 };
}

function follows(first: FloatLoad, next: PlainStmt | undefined, by: number): next is FloatLoad {
  if (!isFloatLoad(next) || next.kind !== first.kind || next.value.from !== first.value.from) return false;
  const [a, b] = [placeOf(first.value.index), placeOf(next.value.index)];
  return b.offset === a.offset + by && JSON.stringify(a.rest) === JSON.stringify(b.rest);
}

/** So many statements from number `i` on load floats that lie side by side. */
function countFrom(body: readonly PlainStmt[], i: number): number {
  const first = body[i];
  let count = isFloatLoad(first) ? 1 : 0;
  while (isFloatLoad(first) && count < registerCount && follows(first, body[i + count], count)) count++;
  return count;
}

/** A call may change any of these registers. All else are instructions where there is an FPU. */
const callsNothing = (body: readonly PlainStmt[]): boolean =>
  primitivesUsed(body).size === 0 &&
  ![...statementsIn(body)].some(({ kind }) => kind === 'copy' || kind === 'fill' || kind === 'storeVector') &&
  ![...expressionsIn(body)].some(({ kind }) => kind === 'loadVector');

/** The first register of so many that are free; two are the halves of a double. */
function firstFree(count: number, taken: Registers): number | undefined {
  const used = new Set(taken.values());
  const isFree = (from: number): boolean =>
    from + count <= registerCount &&
    Array.from({ length: count }, (_, i) => from + i).every((r) => !used.has(r));
  for (let from = 0; from < registerCount; from += count === 2 ? 2 : 1) if (isFree(from)) return from;
  return undefined;
}

/** Where locals that have registers already lie, if that is side by side. */
function knownFirst(names: readonly string[], registers: Registers): number | undefined {
  const [first = undefined] = names.map((name) => registers.get(name));
  return names.every((name, i) => first !== undefined && registers.get(name) === first + i)
    ? first
    : undefined;
}

/**
 * A block with neighbouring loads as one statement each, and the registers of its locals.
 * @param taken registers of the blocks around it
 */
export function withNeighbours(
  body: readonly PlainStmt[],
  taken: Registers,
): { readonly body: readonly (PlainStmt | NeighbourLoads)[]; readonly registers: Registers } {
  if (!callsNothing(body)) return { body, registers: taken };
  const registers = new Map(taken);
  const joined: (PlainStmt | NeighbourLoads)[] = [];
  for (let i = 0; i < body.length; i++) {
    const group = neighboursAt(body, i, registers);
    joined.push(group ?? must(body[i], 'a statement'));
    if (group === undefined) continue;
    for (const [k, name] of group.names.entries()) registers.set(name, group.register + k);
    i += group.names.length - (group.steps ? 0 : 1);
  }
  return { body: joined, registers };
}

/** Statement number `i` and those behind it, where they load neighbours and registers side by side are free. */
function neighboursAt(
  body: readonly PlainStmt[],
  i: number,
  registers: Registers,
): NeighbourLoads | undefined {
  const count = countFrom(body, i);
  const loads = body.slice(i, i + count).filter(isFloatLoad);
  const [first] = loads;
  if (first === undefined || count < 2) return undefined;
  const names = loads.map(({ name }) => name);
  const isNew = first.kind === 'let';
  const register = isNew ? firstFree(count, registers) : knownFirst(names, registers);
  if (register === undefined || (count === 2 && register % 2 === 1)) return undefined;
  const { from, index } = first.value;
  const steps = index.kind === 'int' && index.value === 0 && advances(body[i + count], from, count);
  return { kind: 'neighbours', names, isNew, from, index, steps, register };
}

const advances = (s: PlainStmt | undefined, name: string, by: number): boolean =>
  s?.kind === 'advance' && s.name === name && s.by.kind === 'int' && s.by.value === by;

/** Loaded as the number of 64 bits that has both registers: its address may have an offset. */
const isDouble = ({ names, steps }: NeighbourLoads): boolean => names.length === 2 && !steps;

const nameOf = ({ names, steps }: NeighbourLoads): string => `${steps ? 'TAKE' : 'LOAD'}${names.length}`;

/** In C, without indentation; `macros` stands before the names of macros. */
export function neighboursText(
  s: NeighbourLoads,
  macros: string,
  array: string,
  index: string,
): readonly string[] {
  const declared = s.names.map((name, i) => `${macros}FLOAT(${name}, ${s.register + i});`).join(' ');
  const half = isDouble(s) ? [String(s.register / 2)] : [];
  const args = [...half, ...s.names, array, ...(s.steps ? [] : [index])];
  return [...(s.isNew ? [declared] : []), `${macros}${nameOf(s)}(${args.join(', ')});`];
}

/** All in a kernel. */
function neighboursIn(body: readonly Stmt[], taken: Registers): readonly NeighbourLoads[] {
  const { body: joined, registers } = withNeighbours(inlined(body), taken);
  return joined.flatMap((s) => {
    if (s.kind === 'neighbours') return [s];
    if (s.kind === 'for') return neighboursIn(s.body, registers);
    return s.kind === 'if' ? [...neighboursIn(s.yes, registers), ...neighboursIn(s.no, registers)] : [];
  });
}

/** The macros that a file's kernels use, with both meanings; `macros` stands before their names. */
export function neighbourMacros(macros: string, kernels: readonly Kernel[]): readonly string[] {
  const found = kernels.flatMap(({ body }) => neighboursIn(body, new Map()));
  const used = [...new Map(found.map((s) => [nameOf(s), s] as const)).values()];
  if (used.length === 0) return [];
  used.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return [
    ...comment([
      `Floats that lie side by side: a Cortex-M with an FPU loads them with one instruction, into registers with these numbers. -D${macros}NO_VLDM leaves that out: the bytes are the same.`,
    ]),
    '#if defined(__GNUC__) && !defined(__clang__) && defined(__ARM_FP) && defined(__ARM_ARCH_PROFILE) && \\',
    `    __ARM_ARCH_PROFILE == 'M' && !defined(__ARM_BIG_ENDIAN) && !defined(${macros}NO_VLDM)`,
    `#define ${macros}FLOAT(name, number) register float name __asm__("s" #number)`,
    ...used.flatMap((s) => macro(s, macros, `__asm__(${assembly(s)})`)),
    '#else',
    `#define ${macros}FLOAT(name, number) float name`,
    ...used.flatMap((s) => macro(s, macros, `(${plainLoads(s).join(', ')})`)),
    '#endif',
    '',
  ];
}

/** Names of a macro's parameters that are loaded. */
const loaded = ({ names }: NeighbourLoads): readonly string[] =>
  names.map((_, i) => at([...'abcdefghijklmnop'], i));

function macro(s: NeighbourLoads, macros: string, body: string): readonly string[] {
  const params = [...(isDouble(s) ? ['half'] : []), ...loaded(s), 'from', ...(s.steps ? [] : ['at'])];
  const lines = [`#define ${macros}${nameOf(s)}(${params.join(', ')})`, ...wrapCode(`    ${body}`)];
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}

/** The operands behind the outputs say which memory is read. */
function assembly(s: NeighbourLoads): string {
  const count = s.names.length;
  const outputs = loaded(s).map((name) => `"=t"(${name})`);
  const all = (first: string): string => `"m"(*(const struct { float all[${count}]; } *)(${first}))`;
  if (isDouble(s))
    return `"vldr d" #half ", %2" : ${outputs.join(', ')} : "Uv"((from)[at]), "m"((from)[(at) + 1])`;
  const list = `{%0-%${count - 1}}`;
  return s.steps
    ? `"vldmia %${count}!, ${list}" : ${outputs.join(', ')}, "+r"(from) : ${all('from')}`
    : `"vldmia %${count}, ${list}" : ${outputs.join(', ')} : "r"(&(from)[at]), ${all('&(from)[at]')}`;
}

function plainLoads(s: NeighbourLoads): readonly string[] {
  const place = (i: number): string => (s.steps ? `${i}` : i === 0 ? 'at' : `(at) + ${i}`);
  const loads = loaded(s).map((name, i) => `(${name}) = (from)[${place(i)}]`);
  return s.steps ? [...loads, `(from) += ${s.names.length}`] : loads;
}
