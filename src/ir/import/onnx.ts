/** From the bytes of an ONNX file to a graph. */
import { at, InputError, locate, tensorLabel } from '../../base/errors.ts';
import { inOrder } from '../graph/execution-order.ts';
import type { AnyNode, Graph, TensorInfo } from '../graph/graph.ts';
import { outputsOf } from '../graph/propagate.ts';
import { newestOpset } from '../ops/common/inputs.ts';
import { inputType, uniqueNames } from './declarations.ts';
import { decodeNodes } from './nodes.ts';
import { decodeModel, type GraphProto, listOf, type ModelProto, numberOf, textOf } from './proto.ts';
import { scopesIn } from './scopes.ts';
import { decodeTensor, type ExternalFiles } from './tensor-proto.ts';

export interface ImportOptions {
  /** How messages and later stages name the network; the file's name for the graph when absent. */
  readonly name?: string;
  /** For models whose weights stand in files of their own. */
  readonly external?: ExternalFiles;
}

type Tensors = Map<string, TensorInfo<'imported'>>;

/**
 * Reads an ONNX model (default domain, opset 1 to 25, as each operator allows). Initializers, Constant nodes and
 * whatever can be computed from them and from fixed shapes carry their values as `constant`.
 * @throws InputError for everything that is wrong with the file
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Graph<'imported'> {
  const where = options.name ?? 'the model';
  const model = decodeModel(bytes, where);
  return locate(where, () => graphOf(model, model.graph, scopesIn(bytes), options));
}

function graphOf(
  model: ModelProto,
  graph: GraphProto,
  scopes: readonly (readonly string[])[],
  { name, external }: ImportOptions,
): Graph<'imported'> {
  const opset = opsetOf(model);
  const tensors = initializersOf(graph, external);
  const inputs = declareInputs(graph, tensors);
  const decoded = decodeNodes(listOf(graph.node), opset, external).map((node, i): AnyNode => {
    const modules = scopes[i] ?? [];
    return modules.length === 0 ? node : { ...node, scopes: modules };
  });
  const nodes = inOrder(decoded, new Set(tensors.keys()));
  for (const node of nodes)
    outputsOf(node, (input) => tensors.get(input)).forEach((info, i) => {
      tensors.set(at(node.outputs, i), info);
    });
  tensors.delete('');
  const outputs = outputsIn(graph, tensors);
  return {
    stage: 'imported',
    name: name ?? (textOf(graph.name) || 'network'),
    opset,
    inputs,
    outputs,
    tensors,
    nodes,
  };
}

function opsetOf(model: ModelProto): number {
  const ours = listOf(model.opsetImport).find((entry) => ['', 'ai.onnx'].includes(textOf(entry.domain)));
  const opset = numberOf(ours?.version);
  if (ours !== undefined && opset >= 1 && opset <= newestOpset) return opset;
  throw new InputError({
    found: ours === undefined ? 'no opset of the default ONNX domain' : `opset ${opset}`,
    supported: `opset 1 to ${newestOpset}`,
    todo: 'export with opset_version=17',
  });
}

function initializersOf(graph: GraphProto, external: ExternalFiles | undefined): Tensors {
  const protos = listOf(graph.initializer);
  if (listOf(graph.sparseInitializer).length > 0)
    throw new InputError({ found: 'sparse initializers', supported: 'dense ones' });
  uniqueNames(protos, 'initializer');
  return new Map(
    protos.map((proto) => {
      const constant = decodeTensor(proto, tensorLabel(textOf(proto.name)), external);
      return [textOf(proto.name), { dtype: constant.dtype, shape: constant.shape, constant }];
    }),
  );
}

/** The inputs that are not initializers: files before IR version 4 list those too. */
function declareInputs(graph: GraphProto, tensors: Tensors): string[] {
  uniqueNames(listOf(graph.input), 'input');
  const infos = listOf(graph.input).filter((info) => !tensors.has(textOf(info.name)));
  for (const info of infos) tensors.set(textOf(info.name), inputType(info));
  return infos.map((info) => textOf(info.name));
}

function outputsIn(graph: GraphProto, tensors: Tensors): string[] {
  const outputs = listOf(graph.output).map(({ name }) => textOf(name));
  if (outputs.length === 0)
    throw new InputError({ found: 'a graph without outputs', todo: 'export it again' });
  const missing = outputs.find((name) => !tensors.has(name));
  if (missing === undefined) return outputs;
  throw new InputError({ where: `output '${missing}'`, found: 'no node makes it', todo: 'export it again' });
}
