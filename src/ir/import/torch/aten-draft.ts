/** The graph that grows while calls are translated: ONNX nodes with all that is known of their tensors. */
import { at, complain, InputError, locate, must, nodeLabel } from '../../../base/errors.ts';
import { Attributes, type AttributeValue } from '../../graph/attributes.ts';
import { type AnyNode, freshIn, type TensorInfo } from '../../graph/graph.ts';
import type { Obstacle, ObstacleKind } from '../../graph/obstacles.ts';
import { outputsOf } from '../../graph/propagate.ts';
import { addition } from '../../ops/arithmetic.ts';
import { newestOpset } from '../../ops/common/inputs.ts';
import { opOfOnnx } from '../../ops/index.ts';
import type { Tensor, TensorType } from '../../tensor.ts';
import { unknownOp } from '../nodes.ts';
import type { AtenNode } from './aten-program.ts';

type Info = TensorInfo<'imported'>;

/** ONNX attributes by name. */
export type OnnxAttributes = Readonly<Record<string, AttributeValue>>;

export const int = (value: number): AttributeValue => ({ kind: 'int', value });
export const float = (value: number): AttributeValue => ({ kind: 'float', value });
export const ints = (value: readonly number[]): AttributeValue => ({ kind: 'ints', value });
export const text = (value: string): AttributeValue => ({ kind: 'string', value });

export class Draft {
  readonly tensors = new Map<string, Info>();
  readonly nodes: AnyNode[] = [];
  /** By the name of the node that stands for the call. */
  readonly obstacles = new Map<string, Obstacle>();
  readonly notes = new Set<string>();

  /** A new name like this one. */
  fresh(stem: string): string {
    return freshIn(this.tensors, stem);
  }

  constant(stem: string, constant: Tensor): string {
    const name = this.fresh(stem);
    this.tensors.set(name, { dtype: constant.dtype, shape: constant.shape, constant });
    return name;
  }

  /** @throws InputError for a tensor of which too little is known */
  typeOf(name: string): TensorType {
    const { dtype, shape } = must(this.tensors.get(name), `tensor ${name} is in the draft`);
    if (dtype === undefined || shape === undefined)
      throw complain('a shape that depends on data', 'shapes that are fixed when compiling');
    return { dtype, shape };
  }

  constantOf(name: string): Tensor | undefined {
    return this.tensors.get(name)?.constant;
  }

  isKnown(name: string): boolean {
    const info = this.tensors.get(name);
    return info?.dtype !== undefined && info.shape !== undefined;
  }

  /**
   * Of what a tensor is computed of, the constant that is not finite, where the tensor is its sum with another;
   * undefined: all are finite.
   */
  infiniteIn(name: string): string | undefined {
    const makers = new Map(
      this.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)),
    );
    const seen = new Set<string>();
    const found: string[] = [];
    for (const waiting = [name]; waiting.length > 0; ) {
      const next = must(waiting.pop(), 'a name');
      if (next === '' || seen.has(next)) continue;
      seen.add(next);
      const { data } = this.constantOf(next) ?? {};
      if (data?.some((value) => !Number.isFinite(value))) found.push(next);
      if (data === undefined) waiting.push(...(makers.get(next)?.inputs ?? []));
    }
    if (found.length === 0) return undefined;
    const last = makers.get(name);
    const addend = found.length === 1 && last?.op === addition ? found[0] : undefined;
    return addend !== undefined && last?.inputs.includes(addend) ? addend : 'unknown';
  }

  /** Adds a node for a part of `call` and returns its outputs' names. @throws InputError where ONNX' operator refuses */
  add(
    call: AtenNode,
    type: string,
    inputs: readonly string[],
    attributes: OnnxAttributes,
    count: number,
  ): readonly string[] {
    const stem = call.outputs.find((name) => name !== '') ?? 'unused';
    const outputs = this.#reserve(stem, count);
    const name = at(outputs, 0);
    const { op, rule } = matched(type);
    const where = nodeLabel(stem, call.target);
    const attrs = locate(where, () => {
      const values = new Attributes(where, new Map(Object.entries(attributes)));
      return rule.parse({ name, opType: type, opset: newestOpset, attributes: values, inputs, outputs });
    });
    const node: AnyNode = { name, op, attrs, inputs, outputs, origin: [name], ...placeOf(call) };
    const infos = outputsOf(node, (input) => this.tensors.get(input), count);
    for (const [i, output] of outputs.entries()) this.tensors.set(output, infos[i] ?? {});
    this.nodes.push(node);
    return outputs;
  }

  #reserve(stem: string, count: number): readonly string[] {
    return Array.from({ length: count }, () => {
      const name = this.fresh(stem);
      this.tensors.set(name, {});
      return name;
    });
  }

  /** A node that stands for `call`, of which nothing is known, with what is complained of it. */
  standIn(
    call: AtenNode,
    inputs: readonly string[],
    complaint?: { readonly kind: ObstacleKind; readonly error: InputError },
  ): readonly string[] {
    const outputs = call.outputs.map((name) => at(this.#reserve(name || 'unused', 1), 0));
    const [name] = outputs;
    if (name === undefined) return outputs;
    const op = unknownOp(call.target);
    this.nodes.push({ name, op, attrs: {}, inputs, outputs, origin: [name], ...placeOf(call) });
    if (complaint !== undefined)
      this.obstacles.set(name, { ...complaint, node: { name, type: call.target }, ...sourceOf(call) });
    return outputs;
  }
}

/** An operator that is not known at all, as against one in a form that is not. */
export class UnknownOperatorError extends InputError {
  override at(where: string): UnknownOperatorError {
    return new UnknownOperatorError({ ...this.complaint, where });
  }
}

function matched(type: string): NonNullable<ReturnType<typeof opOfOnnx>> {
  const match = opOfOnnx(type, newestOpset);
  if (match === undefined)
    throw new UnknownOperatorError({ found: `it needs ${type} of ONNX, which is not supported` });
  return match;
}

const sourceOf = ({ source, scopes }: AtenNode): { readonly source?: string } => {
  if (source !== undefined) return { source };
  const module = scopes.at(-1);
  return module === undefined ? {} : { source: `module '${module}'` };
};

const placeOf = ({ target, source, scopes }: AtenNode) => ({
  type: target,
  ...(scopes.length === 0 ? {} : { scopes }),
  ...(source === undefined ? {} : { source }),
});
