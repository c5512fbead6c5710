import type { CanonicalOp, ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import { axisIn, required } from './common/inputs.ts';
import { logSoftmax } from './log-softmax.ts';
import { type SoftmaxAttrs, softmax } from './softmax.ts';

const matrix = (axis: number, shape: Shape): Shape => {
  const split = axisIn(axis, shape.length);
  return [countOf(shape.slice(0, split)), countOf(shape.slice(split))];
};

/** On a matrix with axis 1 the two meanings are one; elsewhere reshape, softmax, reshape back. */
function canonical(
  op: CanonicalOp<SoftmaxAttrs>,
  { attrs, inputs, outputs, inputTypes }: NodeView<SoftmaxAttrs>,
): readonly Replacement[] {
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const { shape } = required(inputTypes, 0, 'input');
  const flat = matrix(attrs.axis, shape);
  if (flat[1] === shape.at(-1))
    return [{ op, attrs: { axis: shape.length - 1 }, inputs: [from], outputs: [to] }];
  return [
    reshapeTo(from, `${to}~matrix`, flat),
    { op, attrs: { axis: 1 }, inputs: [`${to}~matrix`], outputs: [`${to}~soft`] },
    reshapeTo(`${to}~soft`, to, shape),
  ];
}

const flattened = (kind: string, type: string, op: CanonicalOp<SoftmaxAttrs>): ImportedOp<SoftmaxAttrs> => ({
  kind,
  onnx: { [type]: { since: 1, upTo: 12, parse: ({ attributes }) => ({ axis: attributes.int('axis', 1) }) } },
  infer: (attrs, inputs) => op.infer(attrs, inputs),
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'input');
    const flat = { ...x, shape: matrix(axis, x.shape) };
    return op.reference({ axis: 1 }, [flat]).map((y) => ({ ...y, shape: x.shape }));
  },
  canonicalize: (node) => canonical(op, node),
});

/** ONNX Softmax-1 and 11: all axes from `axis` on are one. */
export const softmaxFlattened = flattened('softmaxFlattened', 'Softmax', softmax);
/** ONNX LogSoftmax-1 and 11: the same. */
export const logSoftmaxFlattened = flattened('logSoftmaxFlattened', 'LogSoftmax', logSoftmax);
