/** ONNX files made by hand, for what no exporter would write. */
import proto, { type onnx } from 'onnx-proto';

const { TensorProto, AttributeProto } = proto.onnx;

export interface NodeSpec {
  readonly op: string;
  readonly name?: string;
  readonly domain?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly attributes?: readonly onnx.IAttributeProto[];
}

export interface ModelSpec {
  readonly opset?: number | undefined;
  readonly nodes?: readonly NodeSpec[];
  readonly initializers?: readonly onnx.ITensorProto[];
  readonly inputs?: readonly onnx.IValueInfoProto[];
  readonly outputs?: readonly string[];
  readonly functions?: readonly onnx.IFunctionProto[];
}

export const floatTensor = (
  name: string,
  dims: readonly number[],
  floatData: readonly number[],
): onnx.ITensorProto => ({
  name,
  dims: [...dims],
  dataType: TensorProto.DataType.FLOAT,
  floatData: [...floatData],
});

export const intTensor = (
  name: string,
  dims: readonly number[],
  int64Data: readonly number[],
): onnx.ITensorProto => ({
  name,
  dims: [...dims],
  dataType: TensorProto.DataType.INT64,
  int64Data: [...int64Data],
});

/** A graph input; a dimension given as text is a name, `undefined` dimensions are no shape at all. */
export const valueInfo = (
  name: string,
  dims: readonly (number | string)[] | undefined,
  elemType: number = TensorProto.DataType.FLOAT,
): onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType,
      ...(dims === undefined
        ? {}
        : { shape: { dim: dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d })) } }),
    },
  },
});

export const ints = (name: string, values: readonly number[]): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.INTS,
  ints: [...values],
});

export const int = (name: string, i: number): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.INT,
  i,
});

export const float = (name: string, f: number): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.FLOAT,
  f,
});

export const text = (name: string, s: string): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.STRING,
  s: new TextEncoder().encode(s),
});

export const nodeProto = ({ op, name, domain, inputs, outputs, attributes }: NodeSpec): onnx.INodeProto => ({
  opType: op,
  name: name ?? '',
  domain: domain ?? '',
  input: [...(inputs ?? ['x'])],
  output: [...(outputs ?? ['y'])],
  attribute: [...(attributes ?? [])],
});

/** A subgraph as an attribute. */
export const graph = (
  name: string,
  nodes: readonly NodeSpec[],
  outputs: readonly string[],
  initializer: readonly onnx.ITensorProto[] = [],
): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.GRAPH,
  g: {
    name,
    node: nodes.map(nodeProto),
    initializer: [...initializer],
    output: outputs.map((output) => ({ name: output })),
  },
});

export const strings = (name: string, values: readonly string[]): onnx.IAttributeProto => ({
  name,
  type: AttributeProto.AttributeType.STRINGS,
  strings: values.map((s) => new TextEncoder().encode(s)),
});

/** By default: x[1,4] -> y through the nodes. */
export function encodeModel(spec: ModelSpec): Uint8Array {
  return proto.onnx.ModelProto.encode({
    irVersion: 7,
    opsetImport:
      spec.opset === undefined && 'opset' in spec ? [] : [{ domain: '', version: spec.opset ?? 13 }],
    functions: [...(spec.functions ?? [])],
    graph: {
      name: 'made',
      node: (spec.nodes ?? []).map(nodeProto),
      initializer: [...(spec.initializers ?? [])],
      input: [...(spec.inputs ?? [valueInfo('x', [1, 4])])],
      output: (spec.outputs ?? ['y']).map((name) => valueInfo(name, undefined)),
    },
  }).finish();
}
