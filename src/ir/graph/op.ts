/** The type of an operator. Each operator is one file in `ops/`; the rest of the compiler refers to no operator by name. */

import type { Expr, Kernel } from '../kernel/kernel.ts';
import type { Order } from '../kernel/memory-order.ts';
import type { Quant, StoredTensor } from '../kernel/stored.ts';
import type { Tensor, TensorType } from '../tensor.ts';
import type { ChannelMap, Remade } from './affine.ts';
import type { Attributes } from './attributes.ts';
import type { Channels } from './channels.ts';
import type { Steps, Value } from './gradient.ts';
import type { WeightRows } from './weight-rows.ts';

/** A node as the ONNX file states it, after its opset is known. `''` stands for an omitted optional input. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly opset: number;
  readonly attributes: Attributes;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** The types of a node's inputs, and their values where they are constants. `undefined`: an omitted input. */
export interface InputType extends TensorType {
  readonly constant?: Tensor;
}

/** The rule that converts a node of an ONNX operator type to this operator. */
export interface OnnxRule<A> {
  /** The oldest and newest opset in which the ONNX operator has the meaning that `parse` implements. */
  readonly since: number;
  readonly upTo: number;
  /** @throws InputError for attributes outside of what is supported. */
  parse(node: OnnxNode): A;
}

/** A replacement of one node by simpler ones: canonical operators on the same inputs and outputs. */
export interface Replacement {
  readonly op: CanonicalOp;
  readonly attrs: unknown;
  /** Names of existing tensors, or of constants given in `constants`; '' for omitted. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** New constant tensors by (fresh) name. */
  readonly constants?: ReadonlyMap<string, Tensor>;
}

/** The properties of a node that a rewriting rule may read. */
export interface NodeView<A> {
  readonly name: string;
  readonly attrs: A;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly inputTypes: readonly (InputType | undefined)[];
  readonly outputTypes: readonly TensorType[];
}

/**
 * The input of a kernel builder: the node's activations, in its order, without its constants. The kernel's parameters
 * of role 'in' are these inputs, those of role 'out' the outputs that are read.
 */
export interface KernelContext {
  /** A C identifier, unique in the program. */
  readonly name: string;
  readonly inputs: readonly StoredTensor[];
  /** Undefined where nothing reads the output; at least one is read. */
  readonly outputs: readonly (StoredTensor | undefined)[];
  /** Whether the kernel runs from the last pixel to the first; for operators with `turn`. */
  readonly backward?: boolean;
}

/**
 * The rounding of an accumulator to 8 bits. See docs/numerics.md for the integer definitions:
 * `single` rounds half up once; `tfl-double` is TensorFlow Lite's doubling high multiplication followed by a
 * rounding shift; `ort-float` multiplies in float32 and rounds half to even; `pow2` only shifts; `compact`
 * rounds half up once too, with multipliers of 8 bits and one shift for all channels.
 */
export type RequantMode = 'single' | 'tfl-double' | 'ort-float' | 'pow2' | 'compact';

/** Bits of a weight, on a symmetric grid: `largestWeight` of either sign, times a step per output channel. */
export const weightBits = [2, 3, 4, 5, 6, 7, 8] as const;
/** Bits of a weight. */
export type WeightBits = (typeof weightBits)[number];

/** The largest integer weight: 127 for 8 bits, 7 for 4, 1 for 2. */
export const largestWeight = (bits: WeightBits): number => 2 ** (bits - 1) - 1;

/** One value for all layers, or one by node name. */
export type ByLayer<N extends number> = N | ReadonlyMap<string, N>;

/** How many values the weights of a layer may share: their indices take 4 or 2 bits. */
export type CodebookSize = 16 | 4;

/** The values that an activation took, in real units. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

export interface ScaleContext<A> extends NodeView<A> {
  readonly mode: RequantMode;
  /** 8, or fewer for layers that are stored in fewer bits. */
  readonly weightBits: WeightBits;
  /**
   * Set if the weights are already on symmetric grids of `weightBits`, or on those of the codebook: the real value of one step, per output
   * channel; 0 leaves the choice open.
   */
  readonly weightSteps?: Float64Array;
  /** Set with `weightSteps` if each weight is its channel's step times one of these values. */
  readonly codebook?: Int8Array;
  /** The inputs' quantization in the node's order; undefined for constants. */
  readonly inputQuants: readonly (Quant | undefined)[];
  /** The range of the output (of several, of the requested one) during calibration, extended by the values that its readers need. */
  readonly range: Range;
  /** Set if that output should have 16 bits. */
  readonly outputBits?: 16;
}

export interface QuantizeContext<A> extends ScaleContext<A> {
  /** The grid of the first output that has one. Integers, which have none, get scale 1 and zero point 0. */
  readonly outputQuant: Quant;
  /** By output; undefined where it is not read, or not float32. */
  readonly outputQuants: readonly (Quant | undefined)[];
  /**
   * Mean of the first input over the calibration images, per channel (axis 1), for bias correction; undefined:
   * none is made.
   */
  readonly inputMean: Float64Array | undefined;
  /** The range of its internal numbers during calibration, for operators that keep some. */
  readonly insideRange?: Range | undefined;
}

/** An operator that is itself a map per channel: a batch normalization, an addition of a constant, an activation with bounds. */
interface Channelwise<A> {
  readonly kind: 'channelwise';
  /** The map; undefined if it is none: it reads two activations, or treats elements of one channel differently. */
  map(node: NodeView<A>): ChannelMap | undefined;
  /** The same operator as another map without bounds; undefined where it can be few. */
  readonly again: ((f: ChannelMap) => Remade<A>) | undefined;
  /** Operators with kernels that compute f in its place; undefined where it has a kernel itself. */
  readonly alone: ((f: ChannelMap, node: NodeView<unknown>) => readonly Replacement[]) | undefined;
}

/** An operator that passes on the numbers of its channels: max-pools, averages, views. */
interface Commuting<A> {
  readonly kind: 'commuting';
  /** Whether f(node(x)) = node(f(x)). */
  commutes(f: ChannelMap, node: NodeView<A>): boolean;
}

/** An operator of weighted sums, which can absorb maps. All results are constants; undefined if the node cannot absorb the map. */
interface Weighted<A> {
  readonly kind: 'weighted';
  /** f(node(x)): f is in its rows, bias and bounds. */
  after(f: ChannelMap, node: NodeView<A>): Remade<A> | undefined;
  /** node(f(x)): f, which has no bounds, is in its columns, bias and padding. */
  before(f: ChannelMap, node: NodeView<A>): Remade<A> | undefined;
}

/** How maps beside an operator are handled. `opaque`: they stay where they are. */
export type AffineRule<A> = { readonly kind: 'opaque' } | Channelwise<A> | Commuting<A> | Weighted<A>;

/** By index of an input or output. Undefined: 8 bits. */
export interface WideGrids<A> {
  /** @param isPort the tensor is an input of the network, or a view of one */
  read(attrs: A, input: number, isPort: boolean): Quant | undefined;
  /** @param isRead an operator reads the tensor, or a view of it */
  made(attrs: A, output: number, isRead: boolean): Quant | undefined;
}

/** The only reader of a node's output. */
export interface NextNode extends NodeView<unknown> {
  readonly op: CanonicalOp;
}

/** Elements of one value around a tensor: their number before and after each axis. */
export interface ConstantPadding {
  readonly pads: readonly (readonly [before: number, behind: number])[];
  readonly value: number;
}

/** Computes a value once in a kernel, under this name or a similar one; the result is an expression for it. */
export type Hold = (stem: string, value: Expr) => Expr;

/** A real function of the elements at one place, as many as the node has inputs. */
export interface RealFunction<A> {
  /** NaN outside of its domain. */
  value(attrs: A, ...x: readonly number[]): number;
  /**
   * In float32, of locals. Outside of its domain it has the value of the domain's end.
   */
  float32(attrs: A, x: readonly Expr[], hold: Hold): Expr;
}

/** The part of the inputs' memory that an output uses, in elements. */
export type MemoryView =
  /** A part of its only input's, from an offset on. */
  | { readonly kind: 'part'; readonly offset: number }
  /** All inputs' together: where each begins in it. */
  | { readonly kind: 'whole'; readonly offsets: readonly number[] };

export interface ChannelSource {
  readonly input: number;
  readonly channel: number;
}

/** The number of entries of a function's table: one per byte, or one for each of 10 bits. */
export type TableSize = 256 | 1024;

/** A leaky ReLU after a layer: x above 0, a slope times x below. */
export interface Bend {
  /** One for all channels, or one each. */
  readonly slopes: readonly number[];
  /** Of the layer. */
  readonly input: Quant;
  /** Of the line. */
  readonly output: Quant;
}

/** The properties of every operator, of any stage. */
interface OpBase<A> {
  readonly kind: string;
  /** The uses of its ONNX types that `parse`, `infer` or a kernel refuses, in a line. Absent: none. */
  readonly restrictions?: string;
  /** The ONNX operator types that parse to this operator. */
  readonly onnx?: Readonly<Record<string, OnnxRule<A>>>;
  /**
   * Output types from input types.
   * @throws DynamicShapeError when a shape depends on an input that is not constant, and InputError when the
   * inputs cannot be.
   */
  infer(attrs: A, inputs: readonly (InputType | undefined)[]): readonly TensorType[];
  /** The meaning, on whole tensors: sums in float64, rounded to the output's type once. */
  reference(attrs: A, inputs: readonly (Tensor | undefined)[]): readonly Tensor[];
  /** Set if it belongs to programs of one arithmetic only. */
  readonly only?: 'float32' | 'int8';
  /** `reference` reads the types of its inputs, never their data (ONNX Shape). */
  readonly typesOnly?: boolean;
  /** Its output consists of elements of its first input, whatever their type; its other inputs select them. */
  readonly onlyMoves?: true;
}

/** An operator of the imported stage only. */
export interface ImportedOp<A = unknown> extends OpBase<A> {
  /** Set if it cannot be applied to activations: it is computed when compiling, from constants or shapes. */
  readonly folds?: true;
  /**
   * The canonical operators that replace it, in an order of execution. An empty list: the first output is the first
   * input.
   */
  canonicalize(node: NodeView<A>): readonly Replacement[];
}

/**
 * An operator of every stage, with attributes `A`, and all that the compiler knows of it: what is required here, the
 * type checker asks of each operator. `Q` is what its quantized form needs besides (integer weights, biases,
 * multipliers): plain data, so that an integer network can be written down and read back.
 */
export interface CanonicalOp<A = unknown, Q = unknown> extends OpBase<A> {
  /** What it does with axis 1 of the activations; `opaqueChannels` if nothing is known. */
  channels(attrs: A, inputs: readonly (InputType | undefined)[]): Channels<A>;
  /**
   * Set where ONNX attributes leave something to the shapes (automatic padding, negative axes): the same meaning
   * with nothing left open. Applied to its own result it changes nothing.
   */
  explicit?(attrs: A, inputs: readonly (InputType | undefined)[]): A;
  /** Set where the output is the input's memory under another shape or order of axes: there is no kernel. */
  readonly alias?: boolean;
  /**
   * Where its memory is that of its inputs, so that there is no kernel; undefined: there is one. Asked where all
   * inputs are activations. @param quantized in int8 graphs
   */
  view?(
    attrs: A,
    quantized: Q | undefined,
    inputs: readonly StoredTensor[],
    output: StoredTensor,
  ): MemoryView | undefined;
  /**
   * The order in memory that it needs for each activation that it reads; absent: any. If an activation has another order,
   * `settle-orders` puts a copy before the operator. It should ask only for the orders of images and for row-major.
   */
  reads?(attrs: A, inputs: readonly StoredTensor[], output: readonly number[]): readonly Order[];
  /** The output's order in memory (`StoredTensor.order`), given inputs in the orders of `reads`. Absent: the first input's. */
  order?(attrs: A, inputs: readonly StoredTensor[], output: readonly number[]): Order;
  /** The grid of a float32 output, by its index. Absent: the grid of its range, in 8 bits. */
  outputQuant?(context: ScaleContext<A>, output: number): Quant;
  /** Set if it chooses the grids of its outputs itself, also if a file has others. */
  readonly fixedGrid?: (mode: RequantMode) => boolean;
  /** Whether its integers support every output grid that a file may have, as onnxruntime's do. */
  servesFile?(context: ScaleContext<A>): boolean;
  /** Its grids of more than 8 bits; a tensor has one if all nodes that make and read it support the same. */
  readonly wide?: WideGrids<A>;
  /**
   * Set where `outputQuant`, asked for one channel at a time, and `quantize` know activations with a grid for each
   * channel; undefined for such nodes as do not. Weighted and commuting operators need not: they are given maps.
   */
  channelGrids?(attrs: A, inputs: readonly (InputType | undefined)[]): true | undefined;
  /** Where it moves whole channels as they are: the input and its channel, by channel of the output. */
  channelSources?(attrs: A, inputs: readonly (InputType | undefined)[]): readonly ChannelSource[] | undefined;
  /** Which of its float32 tensors may have 16 bits on any grid; absent: none. `outputQuant` then respects `outputBits`. */
  readonly sixteen?: 'made' | 'both';
  /** The integers of the quantized operator. @throws InputError naming the node. */
  quantize?(context: QuantizeContext<A>): Q;
  /**
   * Set if ranges without 0 are allowed: `computes` reads inputs and makes outputs of any zero point; `moves` passes its
   * input's bytes on, so the readers of its output decide. Absent: the ranges of its tensors contain 0.
   */
  readonly anyZeroPoint?: 'computes' | 'moves';
  /** By output: the elements of the first output that it repeats, in its order; undefined if it contains others. */
  repeats?(attrs: A, inputs: readonly (InputType | undefined)[]): readonly (ArrayLike<number> | undefined)[];
  /** Set if `reference` returns one tensor more than the outputs: internal numbers, whose range `quantize` needs. */
  readonly inside?: true;
  /** How maps of single channels before and after it are handled: gains, shifts and bounds. */
  readonly affine: AffineRule<A>;
  /** Its attributes with the next node absorbed, an activation or a pool; undefined: the two nodes stay separate. */
  absorb(node: NodeView<A>, next: NextNode): A | undefined;
  /** Set if it only puts elements of one value around its input: windows of later layers can do that instead. */
  pads?(attrs: A): ConstantPadding | undefined;
  /** Its attributes on an input without that padding; undefined where its windows cannot take it. */
  padded?(attrs: A, padding: ConstantPadding, input: TensorType): A | undefined;
  /** Each element of the output depends only on the elements at its place, after broadcasting. */
  readonly elementwise: boolean;
  /**
   * Set where it reads or makes activations of other types than float32: `infer` refuses those that its kernels do
   * not have. Views need not say so.
   */
  readonly ownTypes?: true;
  /** Of one real function: what each of 256 or 1,024 stored numbers on the input's grid becomes; undefined where a grid has 16 bits. */
  table?(attrs: A, input: Quant, output: Quant, entries: TableSize): Uint8Array | undefined;
  /**
   * The integers with a table behind all that the operator does, which then makes 8 or 10 bits for it; undefined where it cannot.
   */
  withTable?(quantized: Q, table: Uint8Array): Q | undefined;
  /**
   * Set where it leaves numbers above 0 and multiplies those below, undefined where elements of one channel differ: by what, one number for all channels or one each.
   */
  slopes?(attrs: A, inputs: readonly (InputType | undefined)[]): readonly number[] | undefined;
  /** The integers with such a bent line behind all that the operator does; undefined where it cannot. */
  withSlopes?(attrs: A, quantized: Q, bend: Bend): Q | undefined;
  /** Set where each element of the output is one real function of those at its place, whatever its channel. */
  readonly real?: RealFunction<A>;
  /** Its kernels can run backward too: their output may then end above their input instead of beginning below. */
  readonly turns?: true;
  /** Its weights as a matrix on columns of its first input; undefined for operators without weights. */
  readonly rows: WeightRows<A> | undefined;
  /** Its output, made of differentiable steps; 'none' where training is not to meet the operator. */
  readonly gradient: { of(attrs: A, steps: Steps): Value } | 'none';
  /** `constants` are the node's inputs, undefined where they are activations. */
  float32?(attrs: A, context: KernelContext, constants: readonly (Tensor | undefined)[]): Kernel;
  int8?(attrs: A, quantized: Q, context: KernelContext): Kernel;
}

export type OpDef<A = unknown, Q = unknown> = ImportedOp<A> | CanonicalOp<A, Q>;

/** Whether an operator is one of every stage. */
export const isCanonical = (op: OpDef): op is CanonicalOp => !('canonicalize' in op);
