import type { ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import { axisIn, required } from './common/inputs.ts';
import { type SoftmaxAttrs, softmax } from './softmax.ts';

const matrix = (axis: number, shape: Shape): Shape => {
  const split = axisIn(axis, shape.length);
  return [countOf(shape.slice(0, split)), countOf(shape.slice(split))];
};

/** On a matrix with axis 1 the two meanings are one; elsewhere reshape, softmax, reshape back. */
function canonical({ attrs, inputs, outputs, inputTypes }: NodeView<SoftmaxAttrs>): readonly Replacement[] {
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const { shape } = required(inputTypes, 0, 'input');
  const flat = matrix(attrs.axis, shape);
  if (flat[1] === shape.at(-1))
    return [{ op: softmax, attrs: { axis: shape.length - 1 }, inputs: [from], outputs: [to] }];
  return [
    reshapeTo(from, `${to}~matrix`, flat),
    { op: softmax, attrs: { axis: 1 }, inputs: [`${to}~matrix`], outputs: [`${to}~soft`] },
    reshapeTo(`${to}~soft`, to, shape),
  ];
}

/** ONNX Softmax-1 and 11: all axes from `axis` on are one. */
export const softmaxFlattened: ImportedOp<SoftmaxAttrs> = {
  kind: 'softmaxFlattened',
  onnx: { Softmax: { since: 1, upTo: 12, parse: ({ attributes }) => ({ axis: attributes.int('axis', 1) }) } },
  infer: (attrs, inputs) => softmax.infer(attrs, inputs),
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'input');
    const flat = { ...x, shape: matrix(axis, x.shape) };
    return softmax.reference({ axis: 1 }, [flat]).map((y) => ({ ...y, shape: x.shape }));
  },
  canonicalize: canonical,
};
