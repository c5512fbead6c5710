/** What old opsets said otherwise. */
import { aligned } from '../ops/aligned.ts';
import type { Call } from './calls.ts';
import { type Decoded, nodeOf } from './nodes.ts';
import { numberOf } from './proto.ts';

const broadcasting: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow'],
  ...['And', 'Or', 'Xor', 'Equal', 'Greater', 'Less'],
]);

/** Before opset 7 broadcasting went one way, and could name an axis: the second input is lined up in front of the call. */
export function alignment(call: Call): { readonly before: Decoded; readonly call: Call } | undefined {
  const { name, type, domain, scope, inputs, attributes } = call;
  const axis = attributes.find((attribute) => attribute.name === 'axis');
  if (domain !== '' || scope.opset >= 7 || !broadcasting.has(type) || axis === undefined) return undefined;
  const [a = '', b = ''] = inputs;
  const made = `${name}~${b}`;
  const part = { ...call, name: `${name}~axes`, inputs: [b, a], outputs: [made] };
  return {
    before: { node: nodeOf(part, aligned, { axis: numberOf(axis.i) }) },
    call: { ...call, inputs: [a, made], attributes: attributes.filter((one) => one !== axis) },
  };
}
