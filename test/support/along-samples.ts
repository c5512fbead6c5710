/** A random node of each operator that works along axes. */
import type { CanonicalOp } from '../../src/ir/graph/op.ts';
import { logSoftmax } from '../../src/ir/ops/log-softmax.ts';
import { lrn } from '../../src/ir/ops/lrn.ts';
import { normalize, rmsNormalize } from '../../src/ir/ops/normalize-groups.ts';
import { reductions } from '../../src/ir/ops/reductions.ts';
import { countOf, floats, type Shape, type Tensor } from '../../src/ir/tensor.ts';
import type { Draw } from './draw.ts';

export interface AlongSample {
  readonly attrs: object;
  readonly shape: Shape;
  readonly constants: readonly Tensor[];
}

interface Along {
  readonly op: CanonicalOp;
  /** What it says of maps of channels, among other things; see test/laws/affine.test.ts. */
  readonly claims: readonly string[];
  draw(draw: Draw): AlongSample;
}

const image: Shape = [1, 4, 2, 3];
const numbers = (draw: Draw, shape: Shape, lo: number): Tensor =>
  floats(shape, draw.floats(countOf(shape), lo, lo + 1));

const reduced = (draw: Draw): AlongSample => ({
  attrs: { axes: draw.of([[1], [2], [2, 3], [1, 3]]), keepDims: draw.unit() < 0.7 },
  shape: image,
  constants: [],
});

function normalized(draw: Draw): AlongSample {
  const view = draw.of<Shape>([image, image, [1, 2, 2, 2, 3]]);
  const axes = view.length === 5 ? [2, 3, 4] : draw.of([[1], [3], [2, 3], [1, 2, 3]]);
  const parameters = view.length === 5 ? [2, 2, 1, 1] : draw.of<Shape>([[4, 1, 1], [2, 3], [1]]);
  const clamp = draw.unit() < 0.2 ? { clamp: { lo: -0.5, hi: 1 } } : {};
  return {
    attrs: { view, axes, epsilon: 0.1, ...clamp },
    shape: image,
    constants: [numbers(draw, parameters, 0.5), numbers(draw, parameters, -0.5)],
  };
}

const claimsOf: Readonly<Record<string, readonly string[]>> = {
  meanAlong: ['commuting', 'falling', 'barred'],
  largestAlong: ['commuting', 'barred'],
  smallestAlong: ['commuting', 'barred'],
};

export const alongSamples: readonly Along[] = [
  ...reductions.map((op) => ({
    op: op as CanonicalOp,
    claims: claimsOf[op.kind] ?? ['opaque'],
    draw: reduced,
  })),
  ...[normalize, rmsNormalize].map((op) => ({
    op: op as CanonicalOp,
    claims: ['after', 'barred', 'no before'],
    draw: normalized,
  })),
  {
    op: logSoftmax as CanonicalOp,
    claims: ['opaque'],
    draw: (draw) => ({ attrs: { axis: draw.int(1, 3) }, shape: image, constants: [] }),
  },
  {
    op: lrn as CanonicalOp,
    claims: ['opaque'],
    draw(draw) {
      const size = draw.int(1, 5);
      const attrs = {
        alpha: 0.5,
        beta: draw.of([0.5, 0.75]),
        bias: 1.5,
        size,
        before: draw.int(0, size - 1),
      };
      return { attrs, shape: image, constants: [] };
    },
  },
];
