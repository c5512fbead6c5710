import { at, complain } from '../../base/errors.ts';
import { movedTo, type Piece } from '../geometry/strided.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { numbersFor, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';

interface Attrs {
  readonly block: number;
  /** Whether the channels of a block's pixel are neighbours (`CRD`, PyTorch's PixelShuffle), or far apart (`DCR`). */
  readonly mode: 'DCR' | 'CRD';
}

function imageOf(
  { block }: Attrs,
  inputs: readonly (InputType | undefined)[],
): readonly [number, number, number, number] {
  const { shape } = required(inputs, 0, 'input');
  const [n, c, h, w] = shape;
  if (
    shape.length !== 4 ||
    n === undefined ||
    c === undefined ||
    h === undefined ||
    w === undefined ||
    block < 1
  )
    throw complain(`blocks of ${block} of a tensor with ${shape.length} axes`, 'images: 4 axes');
  return [n, c, h, w];
}

/** Image n, channel c, row h, row of the block, column w, column of the block: of both tensors. */
function pieceOf({ mode, block: b }: Attrs, deep: Shape, wide: Shape): Piece {
  const [counts, from, to] = [
    [at(wide, 0), at(wide, 1), at(deep, 2), b, at(deep, 3), b],
    stridesOf(deep),
    stridesOf(wide),
  ];
  const [plane, channels] = [at(from, 1), at(wide, 1)];
  const [channel, row, column] = mode === 'DCR' ? [1, b * channels, channels] : [b * b, b, 1];
  return {
    input: 0,
    counts,
    from: { first: 0, strides: [at(from, 0), channel * plane, at(from, 2), row * plane, 1, column * plane] },
    to: { first: 0, strides: [at(to, 0), at(to, 1), b * at(to, 2), at(to, 2), b, 1] },
  };
}

const wideOf = (attrs: Attrs, inputs: readonly (InputType | undefined)[]): Shape => {
  const [n, c, h, w] = imageOf(attrs, inputs);
  const { block: b } = attrs;
  if (c % (b * b) !== 0) throw complain(`${c} channels in blocks of ${b}`, `a multiple of ${b * b}`);
  return [n, c / (b * b), h * b, w * b];
};

const deepOf = (attrs: Attrs, inputs: readonly (InputType | undefined)[]): Shape => {
  const [n, c, h, w] = imageOf(attrs, inputs);
  const { block: b } = attrs;
  if (h % b !== 0 || w % b !== 0) throw complain(`${h}x${w} pixels in blocks of ${b}`, `multiples of ${b}`);
  return [n, c * b * b, h / b, w / b];
};

const turned = ({ input, counts, from, to }: Piece): Piece => ({ input, counts, from: to, to: from });

const made = (x: Tensor, shape: Shape, piece: Piece): readonly Tensor[] => [
  movedTo({ dtype: x.dtype, shape, data: numbersFor(x.dtype, x.data.length) }, [piece], [x]),
];

/** ONNX DepthToSpace-1, 11, 13: channels become pixels of blocks. */
export const depthToSpace: ImportedOp<Attrs> = {
  kind: 'depthToSpace',
  onnx: {
    DepthToSpace: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes }) {
        const mode = attributes.string('mode', 'DCR');
        if (mode !== 'DCR' && mode !== 'CRD') throw complain(`mode '${mode}'`, 'DCR, CRD');
        return { block: attributes.int('blocksize', 1), mode };
      },
    },
  },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'input').dtype, shape: wideOf(attrs, inputs) }],
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'input');
    const wide = wideOf(attrs, [x]);
    return made(x, wide, pieceOf(attrs, x.shape, wide));
  },
  canonicalize: (node) => [
    asMove(node, 'Depth to space', [
      pieceOf(node.attrs, required(node.inputTypes, 0, 'input').shape, at(node.outputTypes, 0).shape),
    ]),
  ],
};

/** ONNX SpaceToDepth-1, 13: pixels of blocks become channels. */
export const spaceToDepth: ImportedOp<Attrs> = {
  kind: 'spaceToDepth',
  onnx: {
    SpaceToDepth: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ block: attributes.int('blocksize', 1), mode: 'DCR' }),
    },
  },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'input').dtype, shape: deepOf(attrs, inputs) }],
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'input');
    const deep = deepOf(attrs, [x]);
    return made(x, deep, turned(pieceOf(attrs, deep, x.shape)));
  },
  canonicalize: (node) => [
    asMove(node, 'Space to depth', [
      turned(pieceOf(node.attrs, at(node.outputTypes, 0).shape, required(node.inputTypes, 0, 'input').shape)),
    ]),
  ],
};
