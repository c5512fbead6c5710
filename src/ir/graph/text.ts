/** Graphs as text: the same graph gives the same text, on every machine. */

import type { Quant } from '../kernel/stored.ts';
import { showShape } from '../tensor.ts';
import type { AnyNode, Graph, Stage, TensorInfo } from './graph.ts';

type AnyGraph = { [S in Stage]: Graph<S> }[Stage];
type Tensors = ReadonlyMap<string, TensorInfo<'imported'>>;

/**
 * A line for the graph, one per input and one per node:
 * `conv1: conv{kernel=[5,5] groups=1} (x: float32 1x1x32x32, const w: ...) -> y: float32 1x6x28x28`.
 * Attributes that are empty, false, undefined or NOTSET are left out.
 */
export function dumpGraph(graph: AnyGraph): string {
  const tensors: Tensors = graph.tensors;
  const lines = [
    `graph ${graph.name} (${graph.stage}, opset ${graph.opset})`,
    ...graph.inputs.map((name) => `  input ${showTensor(tensors, name)}`),
    ...graph.nodes.map((node) => `  ${showNode(tensors, node)}`),
    ...graph.outputs.map((name) => `  output ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

function showNode(tensors: Tensors, { name, op, attrs, inputs, outputs }: AnyNode): string {
  const from = inputs.map((input) => showTensor(tensors, input)).join(', ');
  const to = outputs.map((output) => showTensor(tensors, output)).join(', ');
  return `${name}: ${op.kind}${showAttrs(attrs)} (${from}) -> ${to}`;
}

function showTensor(tensors: Tensors, name: string): string {
  if (name === '') return '-';
  const info = tensors.get(name);
  const type = info?.shape === undefined ? '?' : `${info.dtype} ${showShape(info.shape)}`;
  const quant = info?.quant === undefined ? (info?.real ? ' real' : '') : ` ${showQuant(info.quant)}`;
  return `${info?.constant === undefined ? '' : 'const '}${name}: ${type}${quant}`;
}

function showQuant({ scale, zeroPoint, bits, channels, file }: Quant): string {
  if (channels === undefined)
    return `scale=${scale} zero=${zeroPoint}${bits === undefined ? '' : ` bits=${bits}`}${file === undefined ? '' : ` file=${file}`}`;
  const list = (key: 'scale' | 'zeroPoint') => showValue(channels.map((grid) => grid[key]));
  return `scale=${list('scale')} zero=${list('zeroPoint')}`;
}

function showAttrs(attrs: unknown): string {
  const text = showRecord(attrs);
  return text === '{}' ? '' : text;
}

const showRecord = (record: unknown): string =>
  `{${Object.entries(record ?? {})
    .filter(([, value]) => !isDefault(value))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${showValue(value)}`)
    .join(' ')}}`;

const isDefault = (value: unknown): boolean =>
  value === undefined ||
  value === false ||
  value === 'NOTSET' ||
  (Array.isArray(value) && value.length === 0);

/** Long lists are cut: their place is the C, not the dump. */
function showValue(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.slice(0, 16).map(showValue).join(',')}${value.length > 16 ? ',...' : ''}]`;
  if (ArrayBuffer.isView(value)) return showValue(Array.from(value as Float64Array));
  return typeof value === 'object' && value !== null ? showRecord(value) : String(value);
}
