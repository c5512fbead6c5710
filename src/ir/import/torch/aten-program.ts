/** A network as the ATen calls that PyTorch made: what exported programs and saved modules are read to. */
import type { Tensor, TensorType } from '../../tensor.ts';

/** A size: a number, or the name of a whole number that a node before computes of sizes (`sym_size`). */
export type AtenSize = number | string;

/** An argument of a call. */
export type AtenArg =
  | { readonly kind: 'none' }
  | { readonly kind: 'tensor'; readonly name: string }
  /** Undefined: left out, as in the indices of `x[:, i]`. */
  | { readonly kind: 'tensors'; readonly names: readonly (string | undefined)[] }
  /** A whole number as Python wrote it, which promotes other than a float; from 2^53 on it means no end. */
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'numbers'; readonly values: readonly AtenSize[] }
  | { readonly kind: 'flag'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  /** An element type, the 16-bit floats as float32. */
  | { readonly kind: 'dtype'; readonly dtype: Tensor['dtype'] }
  /** Of no meaning to numbers: a device, a memory format. */
  | { readonly kind: 'ignored' }
  /** Not to be had here: graphs, objects, complex numbers; by its name. */
  | { readonly kind: 'other'; readonly what: string };

export interface AtenNode {
  /** Namespace, operator and overload: `aten.conv2d.default`. */
  readonly target: string;
  /** By the names of ATen's schema. What is not there has the schema's default. */
  readonly args: ReadonlyMap<string, AtenArg>;
  /** Names of the tensors that it makes, a tuple's or a list's in order; '' for one that nothing has a name for. */
  readonly outputs: readonly string[];
  /** Modules in which it was called, outermost first: `['body', 'body.0']`. */
  readonly scopes: readonly string[];
  /** The line of the user's Python: `net.py:41: y = self.rnn(x)`. */
  readonly source?: string;
}

export interface AtenInput extends TensorType {
  readonly name: string;
}

export interface AtenProgram {
  readonly name: string;
  readonly inputs: readonly AtenInput[];
  /** `value` is what a node, an input or a constant is called; `label` what the output is to be called. */
  readonly outputs: readonly { readonly value: string; readonly label?: string }[];
  /** Parameters, buffers and other constants. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** In the order in which they ran, which matters where they write into tensors. */
  readonly nodes: readonly AtenNode[];
  /** Values that do not lie row-major in PyTorch's memory: a reshape of those is a copy. Absent: none. */
  readonly strided?: ReadonlySet<string>;
  /** Constants whose changes have no effect on the result: a trainer's counters. A write into others is state between calls. */
  readonly counters?: ReadonlySet<string>;
  /** What was taken another way than it stands in the file, in sentences. */
  readonly notes?: readonly string[];
}
