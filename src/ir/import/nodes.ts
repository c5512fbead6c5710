/** Nodes out of an ONNX file: named, looked up, parsed. */
import { InputError, locate, must, nodeLabel } from '../../base/errors.ts';
import { type AnyNode, freshIn } from '../graph/graph.ts';
import { type OnnxMatch, opOfOnnx, supportedOnnx } from '../ops/index.ts';
import { decodeAttributes } from './attribute-proto.ts';
import { listOf, type NodeProto, textOf } from './proto.ts';
import type { ExternalFiles } from './tensor-proto.ts';

interface Named {
  readonly name: string;
  readonly proto: NodeProto;
}

/** @throws InputError for duplicate names and, in one message, for all operators that are not supported. */
export function decodeNodes(
  protos: readonly NodeProto[],
  opset: number,
  external?: ExternalFiles,
): AnyNode[] {
  const named = nameNodes(protos);
  const matches = new Map(named.map(({ name, proto }) => [name, matchOf(proto, opset)]));
  const unsupported = named.filter(({ name }) => matches.get(name) === undefined);
  if (unsupported.length > 0) throw unsupportedError(unsupported, opset);
  return named.map((node) =>
    decodeNode(node, must(matches.get(node.name), 'every node has a match'), opset, external),
  );
}

/** A node without a name gets its type and place: `Conv_3`. */
function nameNodes(protos: readonly NodeProto[]): Named[] {
  const taken = new Set(protos.map((proto) => textOf(proto.name)));
  const seen = new Set<string>();
  return protos.map((proto, i) => {
    const name = textOf(proto.name) || freshIn(taken, `${textOf(proto.opType)}_${i}`);
    if (seen.has(name))
      throw new InputError({
        where: nodeLabel(name, textOf(proto.opType)),
        found: 'a second node of that name',
        supported: 'unique names, or none',
      });
    seen.add(name);
    return { name, proto };
  });
}

const matchOf = (proto: NodeProto, opset: number): OnnxMatch | undefined =>
  ['', 'ai.onnx'].includes(textOf(proto.domain)) ? opOfOnnx(textOf(proto.opType), opset) : undefined;

function unsupportedError(nodes: readonly Named[], opset: number): InputError {
  const list = nodes.map(({ name, proto }) => {
    const domain = textOf(proto.domain);
    return `${domain === '' ? '' : `${domain}.`}${textOf(proto.opType)} (node '${name}')`;
  });
  return new InputError({
    found: `${list.length === 1 ? 'an operator that is' : `${list.length} nodes whose operators are`} not supported in opset ${opset}: ${list.join(', ')}`,
    supported: supportedOnnx().join(', '),
    todo: 'replace these layers, or export with an opset in which they are supported',
  });
}

function decodeNode(
  { name, proto }: Named,
  { op, rule }: OnnxMatch,
  opset: number,
  external?: ExternalFiles,
): AnyNode {
  const opType = textOf(proto.opType);
  const where = nodeLabel(name, opType);
  const attributes = decodeAttributes(listOf(proto.attribute), where, external);
  const [inputs, outputs] = [listOf(proto.input), trimmed(listOf(proto.output))];
  const attrs = locate(where, () => rule.parse({ name, opType, opset, attributes, inputs, outputs }));
  return { name, op, attrs, inputs, outputs, origin: [name] };
}

/** Without the omitted outputs at the end. */
const trimmed = (names: readonly string[]): readonly string[] =>
  names.slice(0, names.findLastIndex((name) => name !== '') + 1);
