/** Nodes out of which an importer makes what one node of the file stands for. */
import type { Call } from './calls.ts';
import { type AttributeProto, attributeType, numberOf, textOf } from './proto.ts';

export const find = ({ attributes }: Call, name: string): AttributeProto | undefined =>
  attributes.find((attribute) => textOf(attribute.name) === name);
export const intOf = (call: Call, name: string, otherwise = 0): number => {
  const attribute = find(call, name);
  return attribute === undefined ? otherwise : numberOf(attribute.i);
};
export const textAttribute = (call: Call, name: string, otherwise: string): string => {
  const bytes = find(call, name)?.s;
  return bytes === undefined || bytes === null ? otherwise : new TextDecoder().decode(bytes);
};

/** Without the omitted ones at the end. */
export const present = (names: readonly string[]): readonly string[] =>
  names.slice(0, names.findLastIndex((n) => n !== '') + 1);

export const intAttribute = (name: string, i: number): AttributeProto => ({
  name,
  type: attributeType.INT,
  i,
});
export const floatAttribute = (name: string, f: number): AttributeProto => ({
  name,
  type: attributeType.FLOAT,
  f,
});

/** Gathers the nodes that a call becomes. */
export class Parts {
  readonly calls: Call[] = [];
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** A node of the default domain. Returns what it makes: the tensor `to`, or a new one. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: readonly AttributeProto[] = [],
    to?: string,
  ): string {
    const { name, outputs } = this.#call;
    const made = to ?? `${outputs[0]}~${this.calls.length}`;
    const own = to === undefined ? `${name}~${this.calls.length}` : name;
    this.calls.push({
      ...this.#call,
      name: own,
      type,
      domain: '',
      inputs,
      attributes,
      outputs: [made],
      captured: [],
    });
    return made;
  }

  /** What an integer tensor stands for; `at` is the index of the tensor, its scale and its zero point. */
  real(at: number, axis = 1): string {
    const [x = '', scale = '', zero = ''] = this.#call.inputs.slice(at, at + 3);
    return x === ''
      ? ''
      : this.node('DequantizeLinear', present([x, scale, zero]), [intAttribute('axis', axis)]);
  }

  /** A bias of integers in steps of both scales' product. */
  bias(at: number, a: string, b: string): readonly string[] {
    const bias = this.#call.inputs[at] ?? '';
    if (bias === '') return [];
    const step = this.node('Mul', [a, b]);
    return [this.node('DequantizeLinear', [bias, step], [intAttribute('axis', -1)])];
  }

  /** A number of ONNX's element type `code`. */
  int(value: number, code: number): string {
    const whole = this.node('Constant', [], [intAttribute('value_int', value)]);
    return this.node('Cast', [whole], [intAttribute('to', code)]);
  }

  ints(values: readonly number[]): string {
    return this.node('Constant', [], [{ name: 'value_ints', type: attributeType.INTS, ints: [...values] }]);
  }

  input(index: number): string {
    return this.#call.inputs[index] ?? '';
  }

  /** The last node: the call's output on the grid at input `at`, or real where there is none. */
  finish(real: (to?: string) => string, at: number): void {
    const to = this.#call.outputs[0];
    if (this.input(at) === '') real(to);
    else this.node('QuantizeLinear', present([real(), this.input(at), this.input(at + 1)]), [], to);
  }
}
