/** Kernels of one image for several that lie one behind the other. */
import { loop, mul, pointer } from './builders.ts';
import type { Kernel, Param } from './kernel.ts';

const ofAll = ({ name }: Param): string => `all_${name}`;

/**
 * The kernel `count` times, on stretches of inputs and outputs that are each `count` times as long: their own names are
 * pointers to one image.
 */
export function repeated(kernel: Kernel, count: number): Kernel {
  const { params, body } = kernel;
  const isMoving = ({ role }: Param): boolean => role !== 'scratch';
  return {
    ...kernel,
    doc: [...kernel.doc, `For each of ${count} images.`],
    params: params.map((param) =>
      isMoving(param) ? { ...param, name: ofAll(param), length: count * param.length } : param,
    ),
    body: loop('image', count, (image) => [
      ...params
        .filter(isMoving)
        .map((param) => pointer(param.name, ofAll(param), param.elem, mul(image, param.length))),
      ...body,
    ]),
    macs: count * kernel.macs,
  };
}
