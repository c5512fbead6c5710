/**
 * A reader of generated C: computes a network's bytes from the comments of its C, its tables and docs/numerics.md. It
 * reads no statement of C but the heads of functions and tables, and shares no code with what writes them.
 */
import { type Read, readWeights, tablesIn } from './c-weights.ts';

type Numbers = ReadonlyMap<string, number>;
type Call = (args: readonly number[]) => number;

/** What an expression may name. */
interface Scope {
  readonly numbers: Numbers;
  readonly array: (name: string) => readonly number[];
  readonly call: (name: string) => Call;
}

const tokensOf = (text: string): string[] =>
  text.match(/[A-Za-z_]\w*|[\d.]+(?:e[+-]?\d+)?|>>|<<|[<>=!]=|\S/g) ?? [];

/** By C's precedence, the loosest first. */
const levels = [
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const shared: readonly (readonly string[])[] = [['|'], ['&'], ...levels];

function apply(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return Math.trunc(a / b);
    case '%':
      return a % b;
    case '<<':
      return a * 2 ** b;
    case '>>':
      return Math.floor(a / 2 ** b);
    case '&':
      return Number(BigInt.asIntN(64, BigInt(a) & BigInt(b)));
    case '|':
      return a | b;
    case '<':
      return Number(a < b);
    case '>':
      return Number(a > b);
    case '<=':
      return Number(a <= b);
    case '>=':
      return Number(a >= b);
    case '==':
      return Number(a === b);
    case '!=':
      return Number(a !== b);
    default:
      throw new Error(`no operator ${op}`);
  }
}

type Value = (scope: Scope) => number;

/** An expression of integers, as a function of what it names. */
function parse(text: string): Value {
  const tokens = tokensOf(text);
  const next = (): string => {
    const token = tokens.shift();
    if (token === undefined) throw new Error(`'${text}' ends too early`);
    return token;
  };
  const expect = (token: string): void => {
    const found = next();
    if (found !== token) throw new Error(`'${text}': ${found} instead of ${token}`);
  };
  const list = (end: string): Value[] => {
    const items = [choice()];
    while (tokens[0] === ',') {
      next();
      items.push(choice());
    }
    expect(end);
    return items;
  };
  const named = (name: string): Value => {
    if (tokens[0] === '(') {
      next();
      const args = list(')');
      return (scope) => scope.call(name)(args.map((arg) => arg(scope)));
    }
    if (tokens[0] === '[') {
      next();
      const [index] = list(']');
      return (scope) => {
        const value = scope.array(name)[index!(scope)];
        if (value === undefined) throw new Error(`'${text}' reads beyond ${name}`);
        return value;
      };
    }
    return (scope) => {
      const value = scope.numbers.get(name);
      if (value === undefined) throw new Error(`'${text}' names ${name}, which no comment explains`);
      return value;
    };
  };
  const primary = (): Value => {
    const token = next();
    if (token === '-') {
      const value = primary();
      return (scope) => -value(scope);
    }
    if (token === '(') return list(')')[0]!;
    if (/^\d/.test(token)) return () => Number(token);
    return named(token);
  };
  const binary = (level: number): Value => {
    const ops = shared[level];
    if (ops === undefined) return primary();
    let left = binary(level + 1);
    while (ops.includes(tokens[0] ?? '')) {
      const [a, op, b] = [left, next(), binary(level + 1)];
      left = (scope) => apply(op, a(scope), b(scope));
    }
    return left;
  };
  const choice = (): Value => {
    const test = binary(0);
    if (tokens[0] !== '?') return test;
    next();
    const yes = choice();
    expect(':');
    const no = choice();
    return (scope) => (test(scope) !== 0 ? yes(scope) : no(scope));
  };
  const value = choice();
  if (tokens.length > 0) throw new Error(`'${text}': what is ${tokens.join(' ')}?`);
  return value;
}

/** What a helper function computes, by the comment above it. */
function helperOf(says: string, params: readonly string[]): Call {
  const bound = (args: readonly number[]): Map<string, bigint> =>
    new Map(params.map((name, i) => [name, BigInt(args[i]!)]));
  const term = (text: string, names: ReadonlyMap<string, bigint>): bigint =>
    text
      .split(' + ')
      .map((sum) =>
        sum
          .split(' * ')
          .map((factor) => names.get(factor) ?? BigInt(factor))
          .reduce((a, b) => a * b),
      )
      .reduce((a, b) => a + b);
  const halfUp = (x: bigint, bits: bigint): bigint => (bits === 0n ? x : (x + (1n << (bits - 1n))) >> bits);
  const scaled = /^(.+) \/ 2\^\(?(.+?)\)?, rounded half up/.exec(says);
  const chord = /^a \+ \(b - a\) \* part \/ 2\^bits, rounded half up/.test(says);
  if (chord)
    return (args) => {
      const [a = 0n, b = 0n, part = 0n, bits = 0n] = args.map(BigInt);
      return Number(a + halfUp((b - a) * part, bits));
    };
  if (scaled !== null)
    return (args) => Number(halfUp(term(scaled[1]!, bound(args)), term(scaled[2]!, bound(args))));
  if (says.startsWith('x, but not below lo and not above hi'))
    return ([x = 0, lo = 0, hi = 0]) => Math.max(lo, Math.min(hi, x));
  if (says.startsWith('x / n to the nearest integer, halves away from 0'))
    return ([x = 0, n = 1]) => Math.sign(x) * Math.floor((Math.abs(x) + n / 2) / n);
  if (says.startsWith('TensorFlow Lite: round(acc * multiplier / 2^31) half up, then / 2^shift half away'))
    return ([acc = 0, multiplier = 0, shift = 0]) => {
      const high = Number(halfUp(BigInt(acc) * BigInt(multiplier), 31n));
      return Math.sign(high) * Math.floor(Math.abs(high) / 2 ** shift + 0.5);
    };
  return () => {
    throw new Error(`no comment says what a helper computes: '${says}'`);
  };
}

const inLine = (comment: string): string => comment.replaceAll(/\s*\n \* ?/g, ' ').trim();

/** One tensor in the words of a comment: `u8[14][14][6]`. */
interface Shape {
  readonly elem: string;
  readonly sizes: readonly number[];
}

interface Layer {
  readonly name: string;
  readonly says: string;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  /** By name of the array, its bytes of the arena. */
  readonly places: ReadonlyMap<string, readonly [from: number, to: number]>;
}

export interface ReadC {
  readonly prefix: string;
  readonly arenaBytes: number;
  readonly tables: ReadonlyMap<string, Read>;
  readonly helpers: ReadonlyMap<string, Call>;
  readonly layers: readonly Layer[];
}

const shapeOf = (text: string): Shape => ({
  elem: /^\w+/.exec(text)![0],
  sizes: [...text.matchAll(/\[(\d+)\]/g)].map(([, n]) => Number(n)),
});

/** @param text the header and the sources of a network */
export function readC(text: string): ReadC {
  const [, prefix = ''] = /^struct (\w+) \{$/m.exec(text)!;
  const helpers = new Map<string, Call>();
  const docs = new Map<string, string>();
  const functions = /\/\* ((?:(?!\*\/)[\s\S])*)\*\/\nstatic ([^\n;={]*?)(\w+)\(([^)]*)\)\n\{/g;
  for (const [, comment = '', kind = '', full = '', params = ''] of text.matchAll(functions)) {
    const [says, name] = [inLine(comment), full.slice(prefix.length + 1)];
    if (!kind.startsWith('inline')) docs.set(name, says);
    else if (!/_(real|classify)$/.test(full) && !says.startsWith('bytes 0') && !says.startsWith('sum + a[0]'))
      helpers.set(
        name,
        helperOf(
          says,
          params.split(', ').map((p) => /\w+$/.exec(p)![0]),
        ),
      );
  }
  const list = /\/\* The layers: ((?:(?!\*\/)[\s\S])*)\*\//.exec(text)![1]!;
  const rows = [...list.matchAll(/^ \* {3}(\d+) {2}(\w+): .*((?:\n \* {6}.*)+)$/gm)];
  const layers = rows.map(([, , name = '', places = '']): Layer => {
    const says = docs.get(name);
    if (says === undefined) throw new Error(`no comment above ${name}`);
    const [, from = '', to = ''] = /((?:\w+(?:\[\d+\])+ \+ )*\w+(?:\[\d+\])+) -> (\w+(?:\[\d+\])+)\./.exec(
      says,
    )!;
    return {
      name,
      says,
      inputs: from.split(' + ').map(shapeOf),
      output: shapeOf(to),
      places: new Map(
        [...places.matchAll(/(\w+) (\d+)\.\.(\d+)/g)].map(([, array = '', a, b]) => [
          array,
          [Number(a), Number(b)],
        ]),
      ),
    };
  });
  const arenaBytes = Number(/_ARENA_BYTES (\d+)/.exec(text)![1]);
  return { prefix, arenaBytes, tables: tablesIn(text), helpers, layers };
}

const arrays = { u8: Uint8Array, i8: Int8Array, i16: Int16Array, i32: Int32Array } as const;

function elements(bytes: Uint8Array, elem: string): readonly number[] {
  const kind = arrays[elem as keyof typeof arrays];
  if (kind === undefined) throw new Error(`elements of type ${elem}`);
  return [...new kind(bytes.slice().buffer)];
}

interface Job {
  readonly c: ReadC;
  readonly layer: Layer;
  readonly inputs: readonly (readonly number[])[];
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const pairOf = (text: string | undefined): readonly [number, number] => {
  const [a = 1, b = 1] = (text ?? '1x1').split('x').map(Number);
  return [a, b];
};

/** What the comment says, or an error that quotes what is missing. */
function said({ layer }: Job, pattern: RegExp): RegExpExecArray {
  const found = pattern.exec(layer.says);
  if (found === null) throw new Error(`the comment above ${layer.name} does not say ${pattern.source}`);
  return found;
}

const tableOf = ({ c }: Job, name: string): readonly number[] => {
  const table = c.tables.get(`${c.prefix}_${name}`);
  if (table === undefined) throw new Error(`no table ${name}`);
  return table.numbers;
};

/** `<name> = ...` in the comment, up to the full stop. */
function formulaOf(job: Job, name: string): (numbers: Readonly<Record<string, number>>) => number {
  return formulaIn(job, said(job, new RegExp(`(?:^|[.;] )${name} = (.*?)(?:\\.(?: |$)|; )`))[1]!);
}

function formulaIn(job: Job, text: string): (numbers: Readonly<Record<string, number>>) => number {
  const value = parse(text);
  const call = (helper: string): Call => {
    if (helper === 'min') return (args) => Math.min(...args);
    const found = job.c.helpers.get(helper);
    if (found === undefined) throw new Error(`no function ${helper}`);
    return found;
  };
  return (numbers) =>
    value({ numbers: new Map(Object.entries(numbers)), array: (table) => tableOf(job, table), call });
}

interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly above: number;
  readonly left: number;
  /** What stands in the padding, where that counts. */
  readonly value: string | undefined;
}

function windowOf(job: Job): Window {
  const [, kernel, strides, dilations] = said(job, /Window (\S+), strides (\S+), dilations (\S+),/);
  const [around] = said(job, /no padding\.|padding \d+ above.*?\.(?= )/);
  const [, above = 0, left = 0, , , value] =
    /padding (\d+) above, (\d+) left, (\d+) below, (\d+) right, (.*)\./.exec(around) ?? [];
  return {
    kernel: pairOf(kernel),
    strides: pairOf(strides),
    dilations: pairOf(dilations),
    above: Number(above),
    left: Number(left),
    value: value?.replace('each element ', ''),
  };
}

/** Row, column of each element of the window of output (y, x), in order. */
function* tapsOf(w: Window, y: number, x: number): Iterable<readonly [number, number]> {
  for (let i = 0; i < w.kernel[0]; i++)
    for (let j = 0; j < w.kernel[1]; j++)
      yield [y * w.strides[0] - w.above + i * w.dilations[0], x * w.strides[1] - w.left + j * w.dilations[1]];
}

/** The element of an image, and whether it is inside. */
const pixel = ([height = 1, width = 1, channels = 1]: readonly number[], y: number, x: number, c: number) =>
  y < 0 || x < 0 || y >= height || x >= width ? -1 : (y * width + x) * channels + c;

function convolution(job: Job): number[] {
  const { layer, inputs } = job;
  const [image, w] = [layer.inputs[0]!.sizes, windowOf(job)];
  const [height = 1, width = 1, channels = 1] = layer.output.sizes;
  const groups = Number(said(job, /(\d+) groups? of channels/)[1]);
  const [, bias = '', poolKernel, poolStrides] = said(
    job,
    /sum = (\w+)\[c\] \+ window \* weights of output c(?:, the largest of (\S+), strides (\S+))?\.(?= )/,
  );
  const [pool, step] = [pairOf(poolKernel), pairOf(poolStrides)];
  const weights = readWeights(job.c.tables, `${job.c.prefix}_${layer.name}_weights`);
  const [biases, out] = [tableOf(job, bias), formulaOf(job, 'out')];
  const padded = (c: number): number =>
    w.value?.endsWith('[channel]') ? tableOf(job, w.value.slice(0, -9))[c]! : Number(w.value);
  const depth = image[2]! / groups;
  const sumAt = (y: number, x: number, c: number): number => {
    const first = Math.floor(c / (channels / groups)) * depth;
    const [row, input] = [weights[c]!, inputs[0]!];
    let [sum, term] = [biases[c]!, 0];
    for (const [iy, ix] of tapsOf(w, y, x)) {
      const from = pixel(image, iy, ix, first);
      for (let i = 0; i < depth; i++) sum += (from < 0 ? padded(first + i) : input[from + i]!) * row[term++]!;
    }
    return sum;
  };
  const made: number[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        let sum = Number.NEGATIVE_INFINITY;
        for (let i = 0; i < pool[0]; i++)
          for (let j = 0; j < pool[1]; j++) sum = Math.max(sum, sumAt(y * step[0] + i, x * step[1] + j, c));
        made.push(out({ sum, c }));
      }
  return made;
}

function linear(job: Job): number[] {
  const [, bias = ''] = said(job, /sum = (\w+)\[o\] \+ inputs \* weights of output o\./);
  const weights = readWeights(job.c.tables, `${job.c.prefix}_${job.layer.name}_weights`);
  const [biases, out] = [tableOf(job, bias), formulaOf(job, 'out')];
  return weights.map((row, o) =>
    out({ o, sum: row.reduce((sum, w, i) => sum + w * job.inputs[0]![i]!, biases[o]!) }),
  );
}

function pooling(job: Job): number[] {
  const [image, w] = [job.layer.inputs[0]!.sizes, windowOf(job)];
  const [height = 1, width = 1, channels = 1] = job.layer.output.sizes;
  const [, first = '', op = '', joined = ''] = said(
    job,
    /value starts at (\S+); for each x of the n in the window: value (\+?=) (.*?)\.(?= )/,
  );
  const [join, out] = [parse(joined), formulaOf(job, 'out')];
  const scope = (numbers: Readonly<Record<string, number>>): Scope => ({
    numbers: new Map(Object.entries(numbers)),
    array: (name) => tableOf(job, name),
    call: () => () => Number.NaN,
  });
  const made: number[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        let [value, n] = [Number(first), 0];
        for (const [iy, ix] of tapsOf(w, y, x)) {
          const from = pixel(image, iy, ix, c);
          if (from < 0) continue;
          n++;
          const joins = join(scope({ value, x: job.inputs[0]![from]! }));
          value = op === '+=' ? value + joins : joins;
        }
        made.push(out({ value, n }));
      }
  return made;
}

/** Numbers that go through loops of these sizes, from a place on by these steps. */
function positions(sizes: readonly number[], from: number, steps: readonly number[]): number[] {
  const [size, ...rest] = sizes;
  if (size === undefined) return [from];
  return Array.from({ length: size }, (_, i) => positions(rest, from + i * steps[0]!, steps.slice(1))).flat();
}

function elementwise(job: Job): number[] {
  const count = product(job.layer.output.sizes);
  const [, loops, rest = ''] = said(
    job,
    /Element by element in (?:the order of memory|loops of ([\d, ]+)): (.*?)\.(?= )/,
  );
  const sizes = loops === undefined ? [count] : loops.split(', ').map(Number);
  const placeOf = (name: string): number[] => {
    const found = new RegExp(`(?:^|; )${name} from (\\d+) by ([-\\d, ]+)`).exec(rest);
    return found === null
      ? positions(sizes, 0, [1])
      : positions(sizes, Number(found[1]), found[2]!.split(', ').map(Number));
  };
  const names = [...job.layer.places.keys()].filter((name) => name !== 'out');
  const operands = [...rest.matchAll(/(x\d+) of (\w+)/g)].map(([, x = '', name = '']) => {
    const input = names.indexOf(name);
    return { x, data: input < 0 ? tableOf(job, name) : job.inputs[input]!, at: placeOf(name) };
  });
  const held = [...job.layer.says.matchAll(/\. (\w+) = /g)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'out');
  const formulas = [...held, 'out'].map((name) => [name, formulaOf(job, name)] as const);
  const made: number[] = Array(count).fill(0);
  placeOf('out').forEach((to, i) => {
    const numbers: Record<string, number> = Object.fromEntries(
      operands.map(({ x, data, at }) => [x, data[at[i]!]!]),
    );
    for (const [name, value] of formulas) numbers[name] = value(numbers);
    made[to] = numbers.out!;
  });
  return made;
}

function softmax(job: Job): number[] {
  const [, length = 0, step = 0] = said(job, /Groups of (\d+) elements, (\d+) apart/).map(Number);
  const least = Number(said(job, /sum = the sum of e, at least (\d+)\./)[1]);
  const [power, out] = [formulaOf(job, 'e'), formulaOf(job, 'out')];
  const difference = / d = /.test(job.layer.says) ? formulaOf(job, 'd') : undefined;
  const x = job.inputs[0]!;
  const made: number[] = Array(x.length).fill(0);
  x.forEach((_, first) => {
    if (Math.floor(first / step) % length !== 0) return;
    const group = Array.from({ length }, (_, i) => first + i * step);
    const largest = Math.max(...group.map((i) => x[i]!));
    const e = group.map((i) => {
      const numbers = { x: x[i]!, largest };
      return power(difference === undefined ? numbers : { ...numbers, d: difference(numbers) });
    });
    const sum = Math.max(
      least,
      e.reduce((a, b) => a + b),
    );
    group.forEach((i, k) => {
      made[i] = out({ e: e[k]!, sum });
    });
  });
  return made;
}

/** Elements that are put elsewhere. */
function moves(job: Job): number[] {
  const { says, places, output } = job.layer;
  const made: number[] = Array(product(output.sizes)).fill(
    Number(/All other elements are (-?\d+)\./.exec(says)?.[1] ?? Number.NaN),
  );
  const names = [...places.keys()].filter((name) => name !== 'out');
  const read = (name: string) => job.inputs[names.indexOf(name)] ?? tableOf(job, name);
  const put = (name: string, from: readonly number[], to: readonly number[], formula: string): void => {
    const value = formulaIn(job, formula);
    from.forEach((place, i) => {
      made[to[i]!] = value({ x: read(name)[place]! });
    });
  };
  const loops =
    /Moves in loops of ([\d, ]+): out from (\d+) by ([-\d, ]+); x of (\w+) from (\d+) by ([-\d, ]+); out = (.*?)\.(?= |$)/g;
  const numbers = (list = ''): number[] => list.split(', ').map(Number);
  for (const [, sizes, to, far, name = '', from, near, text = ''] of says.matchAll(loops)) {
    const all = numbers(sizes);
    put(name, positions(all, Number(from), numbers(near)), positions(all, Number(to), numbers(far)), text);
  }
  const lists = /Moves \d+ elements: out\[(\w+)\[i\]\] of x = (\w+)\[(\w+)\[i\]\]; out = (.*?)\.(?= |$)/g;
  for (const [, to = '', name = '', from = '', text = ''] of says.matchAll(lists))
    put(name, tableOf(job, from), tableOf(job, to), text);
  return made;
}

function outputOf(job: Job): number[] {
  const { says, name } = job.layer;
  if (says.includes(' Moves ')) return moves(job);
  if (says.includes('Groups of')) return softmax(job);
  if (says.includes('value starts at')) return pooling(job);
  if (says.includes('Window ')) return convolution(job);
  if (says.includes('inputs * weights of output o')) return linear(job);
  if (says.includes('Element by element')) return elementwise(job);
  throw new Error(`the comment above ${name} does not say what it computes: '${says}'`);
}

/** The output of the last layer, of an input that the first one reads. */
export function recompute(c: ReadC, input: Uint8Array): Uint8Array {
  const arena = new Uint8Array(c.arenaBytes);
  let last = new Uint8Array();
  c.layers.forEach((layer, i) => {
    const inputs = [...layer.places].filter(([name]) => /^(in\d*|[a-h])$/.test(name));
    if (i === 0) arena.set(input, inputs[0]![1][0]);
    const job: Job = {
      c,
      layer,
      inputs: inputs.map(([, [from, to]], k) => elements(arena.slice(from, to + 1), layer.inputs[k]!.elem)),
    };
    const kind = arrays[layer.output.elem as keyof typeof arrays];
    last = new Uint8Array(kind.from(outputOf(job)).buffer);
    arena.set(last, layer.places.get('out')![0]);
  });
  return last;
}
