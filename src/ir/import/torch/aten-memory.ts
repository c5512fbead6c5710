/**
 * Which names of a program share memory. PyTorch's views (a slice, a reshape) are names for elements of another
 * tensor: what is written into one is seen through all. Here each write makes a new tensor for the name that it
 * writes and for all that it is a view of; other views are made again when they are read.
 */
import { at, complain, must } from '../../../base/errors.ts';
import { countOf } from '../../tensor.ts';
import type { AtenCall, AtenScope } from './aten-call.ts';
import { cast, counted, replaced } from './aten-common.ts';
import type { AtenNode, AtenProgram } from './aten-program.ts';

/** Views whatever they are given, of their argument `self`. */
const views = new Set([
  ...[
    'view',
    'select',
    'slice',
    'narrow',
    'permute',
    'transpose',
    'swapaxes',
    'swapdims',
    't',
    'mT',
    'numpy_T',
  ],
  ...['movedim', 'unsqueeze', 'squeeze', 'expand', 'expand_as', 'chunk', 'split', 'split_with_sizes'],
  ...['tensor_split', 'unbind', 'unflatten', 'view_as'],
  ...['diagonal', 'unfold'],
]);

/** Views where their argument lies row-major, copies where not. */
const contiguousViews = new Set(['reshape', 'flatten', 'contiguous', 'reshape_as', 'ravel']);

/** The argument itself where nothing is to be done. */
const idle = new Set([
  'to',
  'dropout',
  'feature_dropout',
  'alpha_dropout',
  'type_as',
  'alias',
  'detach',
  'detach_',
]);

/** Calls with `_` behind that write no element: they turn their argument into a view of itself. */
export const turns = new Set(
  ['unsqueeze', 'squeeze', 't', 'transpose', 'swapaxes', 'swapdims'].map((operator) => `${operator}_`),
);

/** A call whose output is its argument. */
export const aliasOf = (call: AtenNode, self: string): AtenNode => ({
  ...call,
  target: 'aten.alias.default',
  args: new Map([['self', { kind: 'tensor', name: self }]]),
});

/** `relu_` of `aten.relu_.default`. */
export function operatorOf(target: string): string {
  const operator = target.split('.')[1];
  if (operator !== undefined) return operator;
  throw complain(`an operator '${target}' without a namespace`, 'names like aten.relu.default');
}

interface Value {
  tensor: string;
  /** Of which name this is a view, by which output of which call. */
  base?: string;
  readonly call?: AtenNode;
  readonly output: number;
  /** A write through another name has changed it. */
  stale: boolean;
}

/** Translates a call, with the tensor of `self` in the place of that argument. */
export type Again = (call: AtenNode, self: string) => readonly string[];

export class Memory {
  readonly #values = new Map<string, Value>();
  readonly #strided: ReadonlySet<string>;
  readonly #states: Set<string>;
  readonly #again: Again;

  constructor({ strided, constants, counters }: AtenProgram, again: Again) {
    this.#states = new Set([...constants.keys()].filter((name) => counters?.has(name) !== true));
    this.#strided = strided ?? new Set();
    this.#again = again;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** A name for memory of its own. */
  define(name: string, tensor: string): void {
    this.#values.set(name, { tensor, output: 0, stale: false });
  }

  /** Output `output` of a call, which may be a view of its first argument. */
  defineOutput(name: string, tensor: string, call: AtenNode, output: number): void {
    const self = call.args.get('self') ?? call.args.get('input');
    const view = self?.kind === 'tensor' ? this.#viewOf(call, self.name, tensor) : undefined;
    this.#values.set(name, { tensor, output, stale: false, ...view });
  }

  /** A name for what another names. */
  defineAlias(name: string, base: string, call: AtenNode): void {
    this.#values.set(name, {
      tensor: this.read(base),
      output: 0,
      stale: false,
      base,
      call: aliasOf(call, base),
    });
  }

  #viewOf(call: AtenNode, base: string, tensor: string): Pick<Value, 'base' | 'call'> {
    const operator = operatorOf(call.target);
    if (idle.has(operator) && this.read(base) === tensor) return { base, call: aliasOf(call, base) };
    const isView = views.has(operator) || (contiguousViews.has(operator) && !this.#strided.has(base));
    return isView ? { base, call } : {};
  }

  /** The tensor that a name means now. */
  read(name: string): string {
    const value = this.#values.get(name);
    if (value === undefined)
      throw complain(
        `it reads '${name}', which is not made here`,
        undefined,
        'leave that out of what is exported',
      );
    const { base, call } = value;
    if (value.stale && base !== undefined && call !== undefined) {
      value.tensor = at(this.#again(call, this.read(base)), value.output);
      value.stale = false;
    }
    return value.tensor;
  }

  /** What `call` has computed into the memory that is called `name`, and so into all that it is a view of. */
  write(name: string, tensor: string, make: AtenCall): void {
    if (this.#states.has(name))
      throw complain(
        `it writes into '${name}', which a later call would find changed`,
        'programs without state between calls',
        'make the state an input and an output',
      );
    const old = this.read(name);
    const { shape, dtype } = make.typeOf(old);
    const fitting = cast(make, tensor, dtype);
    if (countOf(make.shapeOf(fitting)) !== countOf(shape)) throw complain('a write that changes the shape');
    const value = must(this.#values.get(name), 'a name that was read');
    const { base, call, output } = value;
    if (base !== undefined && call !== undefined) {
      const behind = this.read(base);
      this.write(base, this.#put(make, behind, call, output, fitting), make);
    }
    for (const [other, { base: of }] of this.#values) if (of === name) this.#outdate(other);
    value.tensor = fitting;
    value.stale = false;
  }

  /**
   * What `call` (`unsqueeze_`, `t_`) has made of a tensor that it turns into a view of itself: other views of it stay
   * what they are.
   */
  turn(name: string, tensor: string, call: AtenNode): void {
    const before = `${name} before ${call.outputs[0] ?? ''}`;
    const value = must(this.#values.get(name), 'a name that was read');
    for (const other of this.#values.values()) if (other.base === name) other.base = before;
    this.#values.set(before, value);
    if (this.#states.has(name)) this.#states.add(before);
    this.#values.set(name, { tensor, output: 0, stale: false, base: before, call });
  }

  #outdate(name: string): void {
    const value = must(this.#values.get(name), 'a view');
    value.stale = true;
    for (const [other, { base }] of this.#values) if (base === name) this.#outdate(other);
  }

  /**
   * The tensor `whole` with the elements that `call` makes its view of replaced: which those are, the view of the
   * numbers 0, 1, 2... tells.
   */
  #put(make: AtenCall, whole: string, call: AtenNode, output: number, part: string): string {
    if (call.target === 'aten.alias.default') return part;
    const numbered = counted(make, make.shapeOf(whole));
    const places = must(make.constantOf(at(this.#again(call, numbered), output)), 'a view of constants').data;
    if (new Set(places).size !== places.length)
      throw complain('a write into an expanded tensor', 'a clone before it');
    return replaced(make, whole, Array.from(places), part);
  }
}

export const scopeOf = (memory: Memory, numbers: ReadonlyMap<string, number>): AtenScope => ({
  tensorOf: (name) => memory.read(name),
  numberOf: (name) => {
    const found = numbers.get(name);
    if (found === undefined) throw complain(`it reads the number '${name}', which is not computed here`);
    return found;
  },
});
