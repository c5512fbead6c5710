/** One call of ATen while it is translated: its arguments, and the ONNX nodes that it becomes. */
import { at, complain, must } from '../../../base/errors.ts';
import { type DType, numbersFor, type Tensor, type TensorType } from '../../tensor.ts';
import type { Draft, OnnxAttributes } from './aten-draft.ts';
import type { AtenArg, AtenNode, AtenSize } from './aten-program.ts';

/** What a call reads of the program around it. */
export interface AtenScope {
  /** The tensor of the draft that a name of the program means now. */
  tensorOf(name: string): string;
  /** The number that a name of the program means. */
  numberOf(name: string): number;
}

type Kind = AtenArg['kind'];
type ArgOf<K extends Kind> = Extract<AtenArg, { readonly kind: K }>;

/** From 2^53 on: to the end. */
const bounded = (value: number): number => (Math.abs(value) >= 2 ** 53 ? Math.sign(value) * 2 ** 31 : value);

/** Arguments that change no number here. */
const idle = new Set([
  ...[
    'momentum',
    'cudnn_enabled',
    'cudnn_enable',
    'padding_idx',
    'scale_grad_by_freq',
    'sparse',
    'pin_memory',
  ],
  ...[
    'non_blocking',
    'copy',
    'memory_format',
    'device',
    'layout',
    'dropout',
    'dropout_p',
    'p',
    'half_to_float',
  ],
  ...['implicit', 'requires_grad', 'stable', 'sorted', 'quant_min', 'quant_max'],
]);

/** Arguments are asked for by the names of ATen's schema; what is absent, or None, has the default given. */
export class AtenCall {
  readonly node: AtenNode;
  readonly #draft: Draft;
  readonly #scope: AtenScope;
  readonly #read = new Set<string>();

  constructor(node: AtenNode, draft: Draft, scope: AtenScope) {
    this.node = node;
    this.#draft = draft;
    this.#scope = scope;
  }

  note(sentence: string): void {
    this.#draft.notes.add(sentence);
  }

  /** Undefined: absent or None. */
  arg(name: string): AtenArg | undefined {
    this.#read.add(name);
    const found = this.node.args.get(name);
    return found === undefined || found.kind === 'none' ? undefined : found;
  }

  /** @throws InputError for arguments that the translation has not asked for: it would not be what they say */
  requireAllRead(): void {
    for (const [name, { kind }] of this.node.args)
      if (!this.#read.has(name) && !idle.has(name) && kind !== 'none' && kind !== 'ignored')
        throw complain(`argument '${name}'`, `${this.node.target} without it`);
  }

  #get<K extends Kind>(name: string, ...kinds: readonly K[]): ArgOf<K> | undefined {
    const found = this.arg(name);
    if (found === undefined) return undefined;
    if ((kinds as readonly Kind[]).includes(found.kind)) return found as ArgOf<K>;
    const what = found.kind === 'other' ? found.what : found.kind;
    throw complain(`argument '${name}' is a ${what}`, kinds.join(' or '));
  }

  #required<T>(value: T | undefined, name: string): T {
    if (value === undefined) throw complain(`argument '${name}' is missing`);
    return value;
  }

  isTensor(name: string): boolean {
    return this.arg(name)?.kind === 'tensor';
  }

  /** A tensor, or a number as a scalar: of int64 or float32 as it is written. */
  tensor(name: string): string {
    const found = this.#required(this.#get(name, 'tensor', 'int', 'float', 'symbol', 'flag'), name);
    switch (found.kind) {
      case 'tensor':
        return this.#scope.tensorOf(found.name);
      case 'symbol':
        return this.scalar(this.#scope.numberOf(found.name), 'int64');
      case 'int':
        return this.scalar(found.value, 'int64');
      case 'float':
        return this.scalar(found.value, 'float32');
      case 'flag':
        return this.scalar(Number(found.value), 'bool');
      default:
        return found satisfies never;
    }
  }

  /** '' where it is left out, as ONNX has it. */
  optional(name: string): string {
    return this.arg(name) === undefined ? '' : this.tensor(name);
  }

  tensors(name: string): readonly string[] {
    return this.someTensors(name).map((one) => this.#required(one, name));
  }

  someTensors(name: string): readonly (string | undefined)[] {
    const { names } = this.#required(this.#get(name, 'tensors'), name);
    return names.map((one) => (one === undefined ? undefined : this.#scope.tensorOf(one)));
  }

  /** A whole number or not. */
  maybeNumber(name: string): number | undefined {
    const found = this.#get(name, 'int', 'float', 'symbol', 'flag');
    if (found === undefined) return undefined;
    return found.kind === 'symbol' ? this.#scope.numberOf(found.name) : Number(found.value);
  }

  number(name: string, otherwise?: number): number {
    return this.#required(this.maybeNumber(name) ?? otherwise, name);
  }

  maybeInt(name: string): number | undefined {
    const value = this.maybeNumber(name);
    if (value === undefined) return undefined;
    if (!Number.isInteger(value)) throw complain(`argument '${name}' is ${value}`, 'a whole number');
    return bounded(value);
  }

  int(name: string, otherwise?: number): number {
    return this.#required(this.maybeInt(name) ?? otherwise, name);
  }

  /** A number alone stands for a list of it. */
  maybeNumbers(name: string): readonly number[] | undefined {
    const found = this.#get(name, 'numbers', 'int', 'float', 'symbol');
    if (found === undefined) return undefined;
    if (found.kind !== 'numbers') return [this.number(name)];
    return found.values.map((value) => this.size(value));
  }

  size(value: AtenSize): number {
    return typeof value === 'string' ? this.#scope.numberOf(value) : value;
  }

  numbers(name: string, otherwise?: readonly number[]): readonly number[] {
    return this.#required(this.maybeNumbers(name) ?? otherwise, name);
  }

  flag(name: string, otherwise?: boolean): boolean {
    return this.#required(this.#get(name, 'flag')?.value ?? otherwise, name);
  }

  text(name: string, otherwise?: string): string {
    return this.#required(this.#get(name, 'text')?.value ?? otherwise, name);
  }

  dtype(name: string): DType | undefined {
    return this.#get(name, 'dtype')?.dtype;
  }

  typeOf(tensor: string): TensorType {
    return this.#draft.typeOf(tensor);
  }

  shapeOf(tensor: string): readonly number[] {
    return this.typeOf(tensor).shape;
  }

  rankOf(tensor: string): number {
    return this.shapeOf(tensor).length;
  }

  constantOf(tensor: string): Tensor | undefined {
    return this.#draft.constantOf(tensor);
  }

  /** An axis of a tensor, from 0 on. @throws InputError for one that it does not have */
  axis(axis: number, rank: number): number {
    const found = axis < 0 ? axis + Math.max(rank, 1) : axis;
    if (found >= 0 && found < Math.max(rank, 1)) return found;
    throw complain(`axis ${axis} of a tensor of ${rank} axes`);
  }

  /**
   * Where a tensor is an infinite number: nowhere, where all that it is computed of is finite. Of a sum with a constant,
   * where that is.
   * @throws InputError where that is not known
   */
  equalTo(tensor: string, infinite: number): string {
    const { shape } = this.typeOf(tensor);
    const addend = this.#draft.infiniteIn(tensor);
    if (addend === undefined) return this.constant(filled(0, 'bool', shape));
    if (addend === 'unknown')
      throw complain(`a comparison with ${infinite}`, 'comparisons of finite numbers');
    const isEqual = this.make('Equal', [addend, this.scalar(infinite)]);
    return this.make('Expand', [isEqual, this.list(shape)]);
  }

  /** Adds an ONNX node of one output, and returns its name. */
  make(type: string, inputs: readonly string[], attributes: OnnxAttributes = {}): string {
    return at(this.makeAll(type, inputs, attributes, 1), 0);
  }

  makeAll(
    type: string,
    inputs: readonly string[],
    attributes: OnnxAttributes,
    count: number,
  ): readonly string[] {
    return this.#draft.add(this.node, type, inputs, attributes, count);
  }

  constant(tensor: Tensor): string {
    return this.#draft.constant(`${must(this.node.outputs[0] ?? 'unused', 'a name')}_constant`, tensor);
  }

  scalar(value: number, dtype: DType = 'float32'): string {
    return this.constant(filled(value, dtype, []));
  }

  /** A list of int64. */
  list(values: readonly number[]): string {
    return this.constant({ dtype: 'int64', shape: [values.length], data: Float64Array.from(values) });
  }
}

export function filled(value: number, dtype: DType, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, n) => product * n, 1);
  return { dtype, shape, data: numbersFor(dtype, count).fill(value) };
}

/** What a call becomes: the tensors that it makes, in order. */
export type Translation = (call: AtenCall) => string | readonly string[];

/** By ATen's operator and overload, without the namespace: `conv2d.default`. */
export type Translations = Readonly<Record<string, Translation>>;
