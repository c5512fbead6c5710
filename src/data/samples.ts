import type { Tensor } from '../ir/tensor.ts';
import type { AxisOrder } from './axes.ts';

/** What a file of samples holds, before anyone has asked what a model wants of it. */
export interface Samples {
  /** The file's name, for messages. */
  readonly where: string;
  readonly array: Tensor;
  /** Set where the format itself says what its axes mean. */
  readonly layout?: AxisOrder;
  /** Class numbers, where the format carries them beside the samples. */
  readonly labels?: Int32Array;
}
