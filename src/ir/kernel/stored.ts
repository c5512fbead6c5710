/** How numbers and tensors are stored. */
import type { DType } from '../tensor.ts';
import type { Elem } from './kernel.ts';

/**
 * An affine activation: real = scale * (stored - zeroPoint). Of 8 bits it is stored in 0..255, and the zero point is
 * an integer in 0..255 where the tensor's range holds 0, any int32 elsewhere.
 */
export interface Quant {
  readonly scale: number;
  readonly zeroPoint: number;
  /** 16: -32767..32767 as i16, the zero point in -32768..32767; 32: i32 without the least, of zero point 0. Absent: 8. */
  readonly bits?: 16 | 32;
  /**
   * A grid for each index along axis 1, behind a first axis of 1; absent: one for all. The scale beside it is then the
   * largest, the zero point the mean of those of 0..255: the grid on which layers compute (docs/numerics.md).
   */
  readonly channels?: readonly ChannelGrid[];
}

/** Of one channel, in 8 bits: real = scale * (stored - zeroPoint), whose zero point is any number. */
export type ChannelGrid = Pick<Quant, 'scale' | 'zeroPoint'>;

/** The grid of each of `count` channels. */
export const channelGrids = (quant: Quant, count: number): readonly ChannelGrid[] =>
  quant.channels ?? Array.from({ length: count }, () => quant);

/** A grid for each channel as one quantization. @param channels at least one */
export function perChannel(channels: readonly ChannelGrid[]): Quant {
  const scale = channels.reduce((most, grid) => Math.max(most, grid.scale), 0);
  const mean = channels.reduce((sum, { zeroPoint }) => sum + zeroPoint, 0) / channels.length;
  return { scale, zeroPoint: Math.max(0, Math.min(255, Math.round(mean))), channels };
}

/** What a grid stores, by its bits. */
const storage = {
  8: { elem: 'u8', lo: 0, hi: 255 },
  16: { elem: 'i16', lo: -32767, hi: 32767 },
  32: { elem: 'i32', lo: 1 - 2 ** 31, hi: 2 ** 31 - 1 },
} as const satisfies Record<number, { readonly elem: Elem; readonly lo: number; readonly hi: number }>;

/** The element type and the bounds of what a grid stores. */
export const storageOf = ({ bits }: Pick<Quant, 'bits'>): (typeof storage)[keyof typeof storage] =>
  storage[bits ?? 8];

/** What memory that holds a grid's numbers can hold. */
export const heldBy = ({ bits }: Pick<Quant, 'bits'>): { readonly lo: number; readonly hi: number } =>
  bits === 16 ? { lo: -32768, hi: 32767 } : storageOf({ ...(bits === undefined ? {} : { bits }) });

/** How far from 0 that is. */
export const reachOf = (quant: Pick<Quant, 'bits'>): number => -Math.min(heldBy(quant).lo, -heldBy(quant).hi);

/** A tensor as a kernel sees it: how many elements, and how they are stored. */
export interface StoredTensor {
  /** The logical (ONNX, row-major) shape. */
  readonly shape: readonly number[];
  /**
   * `order[i]` is the row-major element of `shape` at position i in memory; absent: row-major. Spatial tensors lie as
   * height, width, channel.
   */
  readonly order?: readonly number[];
  /** Absent in float programs, and where the stored numbers are the real ones. */
  readonly quant?: Quant;
  /** Absent: its grid's, f32 without one. `elemOf` reads it. */
  readonly elem?: Elem;
  /** Which indices along axis 1 of the model's tensor are left, where some were taken out. */
  readonly kept?: readonly number[];
}

/** The element type of a stored tensor. */
export const elemOf = ({ elem, quant }: Pick<StoredTensor, 'elem' | 'quant'>): Elem =>
  elem ?? (quant === undefined ? 'f32' : storageOf(quant).elem);

/**
 * What elements of tensors without a grid are stored as. int64 holds indices, which int32 does. Undefined: no
 * activation has the type.
 */
export function elemOfType(dtype: DType): Elem | undefined {
  switch (dtype) {
    case 'float32':
      return 'f32';
    case 'int64':
    case 'int32':
      return 'i32';
    case 'int16':
      return 'i16';
    case 'int8':
      return 'i8';
    case 'uint8':
    case 'bool':
      return 'u8';
    case 'float64':
    case 'uint64':
    case 'uint32':
    case 'uint16':
      return undefined;
    default:
      return dtype satisfies never;
  }
}
