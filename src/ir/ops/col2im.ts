import { at, complain } from '../../base/errors.ts';
import { extentOf } from '../geometry/window.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, floats, type Shape, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import { constantInts, known, newestOpset, required, requireFloats } from './common/inputs.ts';
import { type ConvTransposeAttrs, convTranspose } from './conv-transpose.ts';

interface Attrs {
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

type Inputs = readonly (InputType | undefined)[];

/** Columns as pixels of as many channels, and the transposed convolution that adds each to its places. */
interface Plan {
  readonly pixels: Shape;
  readonly shape: Shape;
  readonly weights: Tensor;
  readonly attrs: ConvTransposeAttrs;
}

/** [columns, 1, block...]: each channel of the columns is one place of its block, and 1 there. */
function weightsOf(channels: number, block: Shape): Tensor {
  const places = countOf(block);
  const data = new Float32Array(channels * places * places);
  for (let row = 0; row < channels * places; row++) data[row * places + (row % places)] = 1;
  return floats([channels * places, 1, ...block], data);
}

function planOf({ strides, pads, dilations }: Attrs, inputs: Inputs): Plan {
  const { shape } = required(inputs, 0, 'input');
  const image = constantInts(required(inputs, 1, 'image_shape'), 'image_shape') ?? [];
  const block = constantInts(required(inputs, 2, 'block_shape'), 'block_shape') ?? [];
  const [batch = 0, columns = 0, count = 0] = shape;
  const axes = block.map((kernel, i) => {
    const [stride, before, after] = [strides[i] ?? 1, pads[i] ?? 0, pads[block.length + i] ?? 0];
    const room = at(image, i) + before + after - extentOf({ kernel, dilation: dilations[i] ?? 1 });
    return { steps: Math.floor(room / stride) + 1, rest: room % stride };
  });
  const [steps, channels] = [axes.map((axis) => axis.steps), columns / countOf(block)];
  if (
    shape.length !== 3 ||
    image.length !== block.length ||
    countOf(steps) !== count ||
    !Number.isInteger(channels)
  )
    throw complain(
      `columns of shape ${showShape(shape)} for blocks of ${showShape(block)} in images of ${showShape(image)}`,
      `batch, channels of blocks, and ${countOf(steps)} blocks`,
    );
  return {
    pixels: [batch, columns, ...steps],
    shape: [batch, channels, ...image],
    weights: weightsOf(channels, block),
    attrs: {
      ...{ kernel: block, strides, pads, dilations, autoPad: 'NOTSET', groups: channels },
      ...{ outputPadding: axes.map(({ rest }) => rest), outputShape: [] },
    },
  };
}

function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { pixels, weights, attrs } = planOf(node.attrs, node.inputTypes);
  const { dtype } = required(node.inputTypes, 0, 'input');
  const [from = '', to = ''] = [node.inputs[0], node.outputs[0]];
  const [image, ones] = [`${to}~pixels`, `${to}~ones`];
  const inputTypes = [
    { dtype, shape: pixels },
    { ...weights, constant: weights },
  ];
  return [
    reshapeTo(from, image, pixels),
    ...convTranspose.canonicalize({ ...node, attrs, inputs: [image, ones], inputTypes }),
  ];
}

/** Columns of blocks added to the places in images that they come from. ONNX Col2Im-18. */
export const col2im: ImportedOp<Attrs> = {
  kind: 'col2im',
  restrictions: 'blocks of one or two axes; constant sizes',
  onnx: {
    Col2Im: {
      since: 18,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        strides: attributes.ints('strides') ?? [],
        pads: attributes.ints('pads') ?? [],
        dilations: attributes.ints('dilations') ?? [],
      }),
    },
  },
  infer(attrs, inputs): readonly TensorType[] {
    requireFloats(inputs.slice(0, 1));
    return [{ dtype: required(inputs, 0, 'input').dtype, shape: planOf(attrs, inputs).shape }];
  },
  reference(attrs, inputs) {
    const plan = planOf(attrs, inputs.map(known));
    const pixels = { ...required(inputs, 0, 'input'), shape: plan.pixels };
    return convTranspose.reference(plan.attrs, [pixels, plan.weights]);
  },
  canonicalize: canonical,
};
