/** What an operator is. One file in `ops/` each; nothing else in the compiler knows any operator by name. */

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

/** How an ONNX operator type becomes this operator. */
export interface OnnxRule<A> {
  /** The oldest and newest opset in which the ONNX operator has the meaning that `parse` knows. */
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

/** What a rule may see of the node that it rewrites. */
export interface NodeView<A> {
  readonly name: string;
  readonly attrs: A;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly inputTypes: readonly (InputType | undefined)[];
  readonly outputTypes: readonly TensorType[];
}

/**
 * What a kernel builder is given: the node's activations, in its order, without its constants. The kernel's parameters
 * of role 'in' are these inputs, those of role 'out' the outputs that are read.
 */
export interface KernelContext {
  /** A C identifier, unique in the program. */
  readonly name: string;
  readonly inputs: readonly StoredTensor[];
  /** Undefined where nothing reads the output; at least one is read. */
  readonly outputs: readonly (StoredTensor | undefined)[];
  /** From the last pixel to the first, of operators that `turn`. */
  readonly backward?: boolean;
}

/**
 * How exactly an accumulator becomes 8 bits again. See docs/numerics.md for the integer definitions:
 * `single` rounds half up once; `tfl-double` is TensorFlow Lite's doubling high multiplication followed by a
 * rounding shift; `ort-float` multiplies in float32 and rounds half to even; `pow2` only shifts; `compact`
 * rounds half up once too, with multipliers of 8 bits and one shift for all channels.
 */
export type RequantMode = 'single' | 'tfl-double' | 'ort-float' | 'pow2' | 'compact';

/** Bits of a weight, on a symmetric grid: `largestWeight` of either sign, times a step per output channel. */
export const weightBits = [2, 3, 4, 5, 6, 7, 8] as const;
/** Bits of a weight. */
export type WeightBits = (typeof weightBits)[number];

/** 127 of 8 bits, 7 of 4, 1 of 2. */
export const largestWeight = (bits: WeightBits): number => 2 ** (bits - 1) - 1;

/** One for all layers, or one by node name. */
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
  /** 8, or fewer for layers that are to be stored smaller. */
  readonly weightBits: WeightBits;
  /**
   * Set where the weights lie on symmetric grids of `weightBits`, or on those of the codebook, already: the real value of one step, per output
   * channel; 0 leaves the choice open.
   */
  readonly weightSteps?: Float64Array;
  /** Set with `weightSteps` where the weights of all channels are one of these many times their step. */
  readonly codebook?: Int8Array;
  /** The inputs' quantization in the node's order; undefined for constants. */
  readonly inputQuants: readonly (Quant | undefined)[];
  /** What the output (of several, the one that is asked for) took during calibration, with what its readers need. */
  readonly range: Range;
  /** Set where that output is to have 16 bits. */
  readonly outputBits?: 16;
}

export interface QuantizeContext<A> extends ScaleContext<A> {
  /** Of the first output that has one. Integers, which have none, stand for themselves: scale 1, zero point 0. */
  readonly outputQuant: Quant;
  /** By output; undefined where it is not read, or not float32. */
  readonly outputQuants: readonly (Quant | undefined)[];
  /**
   * Mean of the first input over the calibration images, per channel (axis 1), for bias correction; undefined:
   * none is made.
   */
  readonly inputMean: Float64Array | undefined;
  /** What it took inside during calibration, of operators that keep numbers there. */
  readonly insideRange?: Range | undefined;
}

/** Itself a map, as a batch normalization, an addition of a constant, an activation with bounds. */
interface Channelwise<A> {
  readonly kind: 'channelwise';
  /** Undefined where it is none: it reads two activations, or elements of one channel are treated unlike. */
  map(node: NodeView<A>): ChannelMap | undefined;
  /** The same operator as another map without bounds; undefined where it can be few. */
  readonly again: ((f: ChannelMap) => Remade<A>) | undefined;
  /** Operators with kernels that compute f in its place; undefined where it has a kernel itself. */
  readonly alone: ((f: ChannelMap, node: NodeView<unknown>) => readonly Replacement[]) | undefined;
}

/** Hands on numbers of its channels: max-pools, averages, views. */
interface Commuting<A> {
  readonly kind: 'commuting';
  /** Whether f(node(x)) = node(f(x)). */
  commutes(f: ChannelMap, node: NodeView<A>): boolean;
}

/** Sums with weights, which take maps in. All constants; undefined where the node's numbers cannot. */
interface Weighted<A> {
  readonly kind: 'weighted';
  /** f(node(x)): f is in its rows, bias and bounds. */
  after(f: ChannelMap, node: NodeView<A>): Remade<A> | undefined;
  /** node(f(x)): f, which has no bounds, is in its columns, bias and padding. */
  before(f: ChannelMap, node: NodeView<A>): Remade<A> | undefined;
}

/** What becomes of maps beside an operator. `opaque`: they stay where they are. */
export type AffineRule<A> = { readonly kind: 'opaque' } | Channelwise<A> | Commuting<A> | Weighted<A>;

/** By index of an input or output. Undefined: 8 bits. */
export interface WideGrids<A> {
  /** @param isPort the tensor is an input of the network, or a view of one */
  read(attrs: A, input: number, isPort: boolean): Quant | undefined;
  /** @param isRead an operator reads the tensor, or a view of it */
  made(attrs: A, output: number, isRead: boolean): Quant | undefined;
}

/** The only reader of what a node makes. */
export interface NextNode extends NodeView<unknown> {
  readonly op: CanonicalOp;
}

/** Elements of one value around a tensor: how many before and behind each axis. */
export interface ConstantPadding {
  readonly pads: readonly (readonly [before: number, behind: number])[];
  readonly value: number;
}

/** Has a value computed once in a kernel, under this name or one like it; the result stands for it. */
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

/** Whose memory an output's is, in elements. */
export type MemoryView =
  /** A part of its only input's, from an offset on. */
  | { readonly kind: 'part'; readonly offset: number }
  /** All inputs' together: where each begins in it. */
  | { readonly kind: 'whole'; readonly offsets: readonly number[] };

export interface ChannelSource {
  readonly input: number;
  readonly channel: number;
}

/** Numbers that a table of a function has: those of a byte, or of two bits more in between. */
export type TableSize = 256 | 1024;

/** A bent line behind a layer: x above 0, a slope times x below. */
export interface Bend {
  /** One for all channels, or one each. */
  readonly slopes: readonly number[];
  /** Of the layer. */
  readonly input: Quant;
  /** Of the line. */
  readonly output: Quant;
}

/** What every operator has, whatever stage it is of. */
interface OpBase<A> {
  readonly kind: string;
  /** What `parse`, `infer` or a kernel refuses of what ONNX means by its types, in a line. Absent: nothing. */
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
  /** Set where it belongs to programs of one arithmetic alone. */
  readonly only?: 'float32' | 'int8';
  /** `reference` reads the types of its inputs, never their data (ONNX Shape). */
  readonly typesOnly?: boolean;
  /** Its output is made of elements of its first input, whatever those are; its other inputs say which. */
  readonly onlyMoves?: true;
}

/** An operator of the imported stage only. */
export interface ImportedOp<A = unknown> extends OpBase<A> {
  /** Set where there is nothing for activations to become: it is computed when compiling, of constants or shapes. */
  readonly folds?: true;
  /**
   * How it becomes canonical operators, in an order of execution. An empty list: the first output is the first
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
  /** What it does with axis 1 of the activations; `opaqueChannels` where nothing can be said. */
  channels(attrs: A, inputs: readonly (InputType | undefined)[]): Channels<A>;
  /**
   * Set where ONNX attributes leave something to the shapes (automatic padding, negative axes): the same meaning
   * with nothing left. Holds of its own result.
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
   * In which order each activation is to lie, of those that it reads; absent: as they do. Where one lies otherwise,
   * `settle-orders` puts a copy before the operator. Orders of images and row-major ones are worth asking for.
   */
  reads?(attrs: A, inputs: readonly StoredTensor[], output: readonly number[]): readonly Order[];
  /** The output's order in memory (`StoredTensor.order`), of inputs that lie as it reads them. Absent: the first input's. */
  order?(attrs: A, inputs: readonly StoredTensor[], output: readonly number[]): Order;
  /** The grid of a float32 output, by its index. Absent: what its range asks for, in 8 bits. */
  outputQuant?(context: ScaleContext<A>, output: number): Quant;
  /** Set where its outputs have grids of its own choice, whatever a file has there. */
  readonly fixedGrid?: (mode: RequantMode) => boolean;
  /** Whether its integers serve every grid that a file may give the output, as onnxruntime's do. */
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
  /** Which of its float32 tensors may have 16 bits on any grid; absent: none. `outputQuant` then heeds `outputBits`. */
  readonly sixteen?: 'made' | 'both';
  /** The integers of the quantized operator. @throws InputError naming the node. */
  quantize?(context: QuantizeContext<A>): Q;
  /**
   * Set where ranges without 0 do: `computes` reads inputs and makes outputs of any zero point; `moves` hands its
   * input's bytes on, so that the readers of its output decide. Absent: its tensors hold 0.
   */
  readonly anyZeroPoint?: 'computes' | 'moves';
  /** By output: which elements of the first output it holds, in its order; undefined where it holds others. */
  repeats?(attrs: A, inputs: readonly (InputType | undefined)[]): readonly (ArrayLike<number> | undefined)[];
  /** Set where `reference` gives one tensor more than outputs: numbers kept inside, whose range `quantize` needs. */
  readonly inside?: true;
  /** What becomes of maps of single channels before and behind it: gains, shifts and bounds. */
  readonly affine: AffineRule<A>;
  /** Its attributes with the next node in it, an activation or a pool; undefined: they stay two. */
  absorb(node: NodeView<A>, next: NextNode): A | undefined;
  /** Set where it does nothing but put elements of one value around its input: windows behind it can do that. */
  pads?(attrs: A): ConstantPadding | undefined;
  /** Its attributes on an input without that padding; undefined where its windows cannot take it. */
  padded?(attrs: A, padding: ConstantPadding, input: TensorType): A | undefined;
  /** Each element of the output is made of the elements at its place alone, after broadcasting. */
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
