/** Information about a model besides its bytes. */
import type { Shape, Tensor } from '../tensor.ts';

/** Sizes of what a file leaves open; the batch, a first axis, is 1 without them. */
export interface Sizes {
  /** Whole shapes of inputs, by name. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Sizes of dynamic axes by their name in the file, wherever it occurs. */
  readonly axes?: Readonly<Record<string, number>>;
}

/** Gives the bytes of a file that stands beside the model. @throws InputError when it cannot be read. */
export type ExternalFiles = (location: string) => Uint8Array;

/** A tensor of the network that may get newer values. */
export interface Parameter {
  readonly tensor: Tensor;
  /** What PyTorch calls it. */
  readonly key: string;
  /** The exporter has turned rows into columns. */
  readonly transposed: boolean;
  /** Whether weights without it are refused; else it may be a constant. */
  readonly needed: boolean;
  /** Whether the exporter has named it: a weight of its shape may be it. */
  readonly renamed?: boolean;
}

/** New values of a network's tensors, by the network's names. */
export type NewWeights = (parameters: ReadonlyMap<string, Parameter>) => ReadonlyMap<string, Tensor>;

/** Options for importing an ONNX file. */
export interface ImportOptions extends Sizes {
  /** How messages and later stages name the network; the file's name for the graph when absent. */
  readonly name?: string;
  /** For models whose weights are in separate files. */
  readonly external?: ExternalFiles;
  /** Takes the place of the file's own weights. */
  readonly weights?: NewWeights;
}
