/** Nodes of the flat network: looked up and parsed. */
import { complain, DynamicShapeError, InputError, locate, nodeLabel } from '../../base/errors.ts';
import type { AnyNode } from '../graph/graph.ts';
import type { Obstacle, ObstacleKind } from '../graph/obstacles.ts';
import type { ImportedOp, OpDef } from '../graph/op.ts';
import { opOfOnnx, opsetsOf } from '../ops/index.ts';
import { adviceFor } from './advice.ts';
import { decodeAttributes } from './attribute-proto.ts';
import type { Call } from './calls.ts';
import type { ExternalFiles } from './model-options.ts';

/** What is complained of at a node. */
export const obstacleAt = (
  { name, type, domain, metadata }: Call,
  kind: ObstacleKind,
  error: InputError,
): Obstacle => ({
  kind,
  error,
  node: { name, type: domain === '' ? type : `${domain}.${type}` },
  ...(metadata.source === undefined ? sourceOfScopes(metadata.scopes) : { source: metadata.source }),
});

const sourceOfScopes = (scopes: readonly string[]): { readonly source?: string } => {
  const module = scopes.at(-1);
  return module === undefined ? {} : { source: `module '${module}'` };
};

/** Stands for what is not understood: what it makes is unknown. */
export const unknownOp = (type: string): ImportedOp => {
  const refuse = (): never => {
    throw new DynamicShapeError({ found: `${type} is not supported` });
  };
  return { kind: type, infer: refuse, reference: refuse, canonicalize: refuse };
};

export interface Decoded {
  readonly node: AnyNode;
  /** What is wrong with it. */
  readonly obstacle?: Obstacle;
}

/** An If whose condition is not known; `behind` an obstacle, that is no other. */
export function undecided(call: Call, behind: boolean): Decoded {
  const node = nodeOf(call, unknownOp(call.type), {});
  if (behind) return { node };
  const error = complain(
    "a condition that depends on the network's input",
    'conditions that shapes and constants decide',
    'use torch.where, or export the branch that is taken alone',
  );
  return { node, obstacle: obstacleAt(call, 'shape', error) };
}

export function decodeNode(call: Call, external: ExternalFiles | undefined): Decoded {
  const { name, type, domain, scope, inputs, outputs } = call;
  const match = opOfOnnx(domain === '' ? type : `${domain}.${type}`, scope.opset);
  if (match === undefined) return { node: nodeOf(call, unknownOp(type), {}), obstacle: unsupported(call) };
  const where = nodeLabel(name, type);
  try {
    const attrs = locate(where, () => {
      const attributes = decodeAttributes(call.attributes, where, external);
      return match.rule.parse({ name, opType: type, opset: scope.opset, attributes, inputs, outputs });
    });
    return { node: nodeOf(call, match.op, attrs) };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { node: nodeOf(call, unknownOp(type), {}), obstacle: obstacleAt(call, 'attribute', error) };
  }
}

export const nodeOf = (call: Call, op: OpDef, attrs: unknown): AnyNode => {
  const { name, type, inputs, outputs, metadata } = call;
  const { scopes, source } = metadata;
  return {
    ...{ name, type, op, attrs, inputs, outputs, origin: [name] },
    ...(scopes.length === 0 ? {} : { scopes }),
    ...(source === undefined ? {} : { source }),
  };
};

function unsupported(call: Call): Obstacle {
  const { type, domain, scope } = call;
  const opsets = domain === '' ? opsetsOf(type) : undefined;
  if (opsets === undefined)
    return obstacleAt(
      call,
      'operator',
      complain(`${type} is not supported`, undefined, adviceFor(domain, type)),
    );
  const error = complain(
    `${type} of opset ${scope.opset}`,
    `opset ${opsets}`,
    'export with opset_version=17',
  );
  return obstacleAt(call, 'operator', error);
}
