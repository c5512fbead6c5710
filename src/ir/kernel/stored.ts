/** How numbers and tensors are stored. */

/**
 * An affine 8-bit activation: real = scale * (stored - zeroPoint), stored in 0..255. The zero point is an integer in
 * 0..255 where the tensor's range holds 0, any int32 elsewhere.
 */
export interface Quant {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A tensor as a kernel sees it: how many elements, and how they are stored. */
export interface StoredTensor {
  /** The logical (ONNX, row-major) shape. */
  readonly shape: readonly number[];
  /**
   * `order[i]` is the row-major element of `shape` at position i in memory; absent: row-major. Spatial tensors lie as
   * height, width, channel.
   */
  readonly order?: readonly number[];
  /** Absent in float programs. */
  readonly quant?: Quant;
  /** Which indices along axis 1 of the model's tensor are left, where some were taken out. */
  readonly kept?: readonly number[];
}
