/** Declared types of a graph's inputs, and the sizes that a file leaves open. */
import { at, InputError } from '../../base/errors.ts';
import type { Obstacle } from '../graph/obstacles.ts';
import { onnxTypeName, widerDtypeOfOnnx } from '../graph/onnx-types.ts';
import { countOf, largestTensor, type Shape, showShape, type TensorType } from '../tensor.ts';
import type { Sizes } from './model-options.ts';
import { numberOf, textOf, type ValueInfoProto } from './proto.ts';

/** A size that is known, or the name of one that is not; '' where it has none. */
type Axis = number | string;

interface Declared {
  readonly name: string;
  readonly info: ValueInfoProto;
  /** Undefined where the file has no shape. */
  readonly axes: readonly Axis[] | undefined;
}

const showAxes = (axes: readonly Axis[]): string => axes.map((axis) => axis || '?').join('x');

/** The inputs of a file, with the sizes that are known of them. */
export class Declarations {
  readonly #inputs: readonly Declared[];
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #sizes: Map<string, number>;

  /** @throws InputError for sizes that no input asks for, and those that contradict each other or the file */
  constructor(infos: readonly ValueInfoProto[], { shapes = {}, axes = {} }: Sizes) {
    this.#inputs = infos.map(declaredIn);
    this.#shapes = new Map(Object.entries(shapes));
    this.#sizes = new Map();
    const names = new Set(this.#inputs.flatMap((input) => openNames(input)));
    for (const [name, size] of Object.entries(axes)) this.#setAxis(names, name, size);
    for (const [name, shape] of this.#shapes) this.#setShape(name, shape);
    for (const { axes: own } of this.#inputs) {
      const batch = own?.[0];
      if (typeof batch === 'string' && batch !== '' && !this.#sizes.has(batch)) this.#sizes.set(batch, 1);
    }
  }

  /** Without `shape` where a size is open or the file has none; empty for element types without a counterpart. */
  typeOf(info: ValueInfoProto): Partial<TensorType> {
    const dtype = widerDtypeOfOnnx(numberOf(info.type?.tensorType?.elemType));
    const shape = this.#shapeOf(this.#declared(info));
    if (dtype === undefined) return {};
    return shape === undefined || countOf(shape) > largestTensor ? { dtype } : { dtype, shape };
  }

  /** What is wrong with those of the inputs that are read. */
  obstacles(isRead: (name: string) => boolean): readonly Obstacle[] {
    const read = this.#inputs.filter(({ name }) => isRead(name));
    const errors = [...read.flatMap((input) => this.#errorsOf(input)), ...this.#openSizes(read)];
    return errors.map((error) => ({ kind: 'input', error }));
  }

  #declared(info: ValueInfoProto): Declared {
    const name = textOf(info.name);
    return this.#inputs.find((input) => input.name === name) ?? declaredIn(info);
  }

  #setAxis(names: ReadonlySet<string>, name: string, size: number): void {
    requireSize(size, `axis '${name}'`);
    if (!names.has(name))
      throw new InputError({
        where: `axis '${name}'`,
        found: 'no input has a dynamic axis of this name',
        supported: names.size === 0 ? 'models with dynamic axes' : `names: ${[...names].join(', ')}`,
      });
    this.#sizes.set(name, size);
  }

  #setShape(name: string, shape: Shape): void {
    const where = `the shape ${showShape(shape)} of input '${name}'`;
    for (const size of shape) requireSize(size, where);
    const input = this.#inputs.find((one) => one.name === name);
    if (input === undefined)
      throw new InputError({
        where,
        found: 'no input of this name',
        supported: this.#inputs.map((one) => one.name).join(', '),
      });
    const { axes = shape } = input;
    if (axes.length !== shape.length) throw otherShape(where, axes);
    axes.forEach((axis, i) => {
      const size = at(shape, i);
      const known = typeof axis === 'number' ? axis : this.#sizes.get(axis);
      if (known !== undefined && known !== size) throw otherShape(where, axes.with(i, known));
      if (typeof axis === 'string' && axis !== '') this.#sizes.set(axis, size);
    });
  }

  #shapeOf({ name, axes }: Declared): Shape | undefined {
    const sizes = this.#shapes.get(name) ?? axes?.map((axis, i) => this.#sizeOf(axis, i));
    return sizes?.every((size) => typeof size === 'number') ? (sizes as Shape) : undefined;
  }

  #sizeOf(axis: Axis, index: number): Axis {
    if (typeof axis === 'number') return axis;
    return this.#sizes.get(axis) ?? (index === 0 ? 1 : axis);
  }

  #errorsOf(input: Declared): readonly InputError[] {
    const where = `input '${input.name}'`;
    const type = input.info.type?.tensorType;
    const shape = this.#shapeOf(input);
    if (type === null || type === undefined) return [new InputError({ where, found: 'no tensor type' })];
    if (widerDtypeOfOnnx(numberOf(type.elemType)) === undefined)
      return [
        new InputError({
          where,
          found: `elements of type ${onnxTypeName(numberOf(type.elemType))}`,
          supported: 'float32, float64, integers up to 64 bits, bool',
        }),
      ];
    if (shape !== undefined && countOf(shape) > largestTensor)
      return [
        new InputError({
          where,
          found: `shape ${showShape(shape)}`,
          supported: `up to ${largestTensor} elements`,
        }),
      ];
    return input.axes === undefined && shape === undefined
      ? [new InputError({ where, found: 'no shape', todo: `write --shape ${input.name}=1x..., its sizes` })]
      : [];
  }

  /** One each for a name that is open, and for an input with an axis that has none. */
  #openSizes(inputs: readonly Declared[]): readonly InputError[] {
    const places = new Map<string, string[]>();
    const nameless: InputError[] = [];
    for (const { name, axes = [] } of inputs.filter((input) => !this.#shapes.has(input.name))) {
      const sizes = axes.map((axis, i) => this.#sizeOf(axis, i));
      sizes.forEach((size, i) => {
        if (typeof size === 'string' && size !== '')
          places.set(size, [...(places.get(size) ?? []), `axis ${i} of input '${name}'`]);
      });
      if (sizes.includes('')) nameless.push(namelessError(name, sizes));
    }
    return [...[...places].map(([axis, where]) => openError(axis, where)), ...nameless];
  }
}

/** A size of 0 is one of an empty list; of tensors with more axes exporters mean one that they do not know. */
function declaredIn(info: ValueInfoProto): Declared {
  const dims = info.type?.tensorType?.shape?.dim;
  const axes = dims?.map((dim): Axis => {
    const [value, name] = [numberOf(dim.dimValue), textOf(dim.dimParam)];
    const least = dims.length === 1 && Object.hasOwn(dim, 'dimValue') ? 0 : 1;
    return name === '' && value >= least && Number.isSafeInteger(value) ? value : name;
  });
  return { name: textOf(info.name), info, axes };
}

const openNames = ({ axes = [] }: Declared): readonly string[] =>
  axes.flatMap((axis) => (typeof axis === 'string' && axis !== '' ? [axis] : []));

function requireSize(size: number, where: string): void {
  if (Number.isSafeInteger(size) && size > 0) return;
  throw new InputError({ where, found: `size ${size}`, supported: 'whole numbers from 1 on' });
}

const otherShape = (where: string, axes: readonly Axis[]): InputError =>
  new InputError({ where, found: 'another shape than that of the file', supported: showAxes(axes) });

const openError = (axis: string, places: readonly string[]): InputError =>
  new InputError({
    where: places.join(', '),
    found: `a dynamic size, '${axis}'`,
    supported: 'a dynamic batch (axis 0), and sizes that are given',
    todo: `write --axis ${/^[\w.-]+$/.test(axis) ? axis : `'${axis}'`}=N with its size`,
  });

const namelessError = (name: string, sizes: readonly Axis[]): InputError =>
  new InputError({
    where: `input '${name}'`,
    found: `a dynamic size without a name: ${showAxes(sizes)}`,
    supported: 'a dynamic batch (axis 0), and sizes that are given',
    todo: `write --shape ${name}=${showAxes(sizes)} with a size for each ?`,
  });

/** Names in order. @throws InputError when one is empty or comes twice. */
export function uniqueNames(items: readonly { readonly name?: string | null }[], what: string): string[] {
  const seen = new Set<string>();
  for (const item of items) {
    const name = textOf(item.name);
    if (name === '') throw new InputError({ found: `${what} without a name` });
    if (seen.has(name)) throw new InputError({ where: `${what} '${name}'`, found: 'two of that name' });
    seen.add(name);
  }
  return [...seen];
}
