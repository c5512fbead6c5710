/** Networks as graphs of operators on named tensors, at one of three stages. */

import type { Quant } from '../kernel/stored.ts';
import type { Tensor, TensorType } from '../tensor.ts';
import type { Channels } from './channels.ts';
import type { Obstacle } from './obstacles.ts';
import type { CanonicalOp, OpDef } from './op.ts';

/**
 * `imported`: ONNX operators as the file has them. `float`: canonical operators, all shapes known.
 * `int8`: the same operators, each with its integer form, every activation with a scale and zero point.
 */
export type Stage = 'imported' | 'float' | 'int8';

/**
 * An operator with its attributes, between named tensors.
 * @typeParam Op the operators of its stage
 */
export interface Node<Op extends OpDef = CanonicalOp> {
  /** Unique in the graph. */
  readonly name: string;
  readonly op: Op;
  readonly attrs: unknown;
  /** What `CanonicalOp.quantize` returned; only in the int8 stage. */
  readonly quantized?: unknown;
  /** Tensor names; '' for an omitted optional input, or an output that nothing reads. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of the ONNX nodes that this node replaces, in order. */
  readonly origin: readonly string[];
  /** PyTorch's modules in which it was called, outermost first, where the file says so; imported stage only. */
  readonly scopes?: readonly string[];
  /** Its ONNX type and its place in the PyTorch source, where the file says so; imported stage only. */
  readonly type?: string;
  readonly source?: string;
}

/** In the imported stage both `dtype` and `shape` are absent where they depend on input data. */
export type TensorInfo<S extends Stage> = (S extends 'imported' ? Partial<TensorType> : TensorType) & {
  /** Present on weights and other constants. */
  readonly constant?: Tensor;
  /** Of activations of the float stage: what the file stores them as. */
  readonly grid?: Quant;
  /** Present on float32 activations of the int8 stage, unless they are `real`. */
  readonly quant?: Quant;
  /** Set on activations that are float32 in an int8 program. */
  readonly real?: true;
  /** The name in the PyTorch or ONNX file, where a pass had to make another. */
  readonly label?: string;
  /** Which indices along axis 1 of the model's tensor are left, ascending, where some were taken out. */
  readonly kept?: readonly number[];
};

/** A node of some stage. */
export type AnyNode = Node<OpDef>;

/** A node of a graph of stage `S`. */
export type NodeIn<S extends Stage> = S extends 'imported' ? AnyNode : Node;

/** A network as nodes and tensors. Stage `imported`: as the file has it; `float`: canonical operators; `int8`: integers. */
export interface Graph<S extends Stage> {
  readonly stage: S;
  readonly name: string;
  /** Of the default ONNX domain; 0 for graphs made by hand. */
  readonly opset: number;
  /** Names of tensors: each is a port of the program, in this order. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tensors: ReadonlyMap<string, TensorInfo<S>>;
  /** In an order of execution. */
  readonly nodes: readonly NodeIn<S>[];
  /** Set if inputs and outputs have the model's order in memory, row-major; otherwise their order is chosen for the kernels. */
  readonly portOrder?: 'model';
  /** Obstacles to compiling that the file contains; none after the imported stage. */
  readonly obstacles?: readonly Obstacle[];
  /** What the reader interpreted differently from the file, in sentences. */
  readonly notes?: readonly string[];
  /** What stays float32 in an int8 program; none elsewhere. */
  readonly floatParts?: readonly FloatPart[];
}

/** A node that computes in float32 beside nodes of 8 bits. */
export interface FloatPart {
  readonly node: string;
  /** The operator's. */
  readonly kind: string;
  readonly origin: readonly string[];
  /** The reason, in a line. */
  readonly reason: string;
}

/** A node whose attributes are those of `op`, known after `is(node, op)`. */
export type NodeOf<A, Q = unknown> = Omit<Node, 'attrs' | 'quantized' | 'op'> & {
  readonly op: CanonicalOp<A, Q>;
  readonly attrs: A;
  readonly quantized?: Q;
};

export const is = <A, Q, N extends Pick<Node, 'op' | 'attrs'>>(
  node: N,
  op: CanonicalOp<A, Q>,
): node is N & NodeOf<A, Q> => node.op.kind === op.kind;

/** Whether a node of an int8 program computes in float32: all of its float32 activations, of which there is one, do. */
export function staysFloat({ tensors }: Graph<'float'> | Graph<'int8'>, { inputs, outputs }: Node): boolean {
  const real = [...inputs, ...outputs].flatMap((name) => {
    const info = tensors.get(name);
    return info?.dtype === 'float32' && info.constant === undefined ? [info.real === true] : [];
  });
  return real.length > 0 && real.every((is) => is);
}

/** `stem`, or where that is taken the first of `stem_2`, `stem_3`, ... that is not. */
export function freshIn(taken: { has(name: string): boolean }, stem: string): string {
  let name = stem;
  for (let i = 2; taken.has(name); i++) name = `${stem}_${i}`;
  return name;
}

/** The name of input `index`; '' for an optional one that is omitted. */
export const inputName = ({ inputs }: Pick<AnyNode, 'inputs'>, index: number): string => inputs[index] ?? '';

export function channelsOf({ tensors }: Graph<'float'>, { op, attrs, inputs }: Node): Channels {
  const types = inputs.map((name) => tensors.get(name));
  return op.channels(attrs, types);
}
