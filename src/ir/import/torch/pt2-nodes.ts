/** Nodes of an exported program's JSON as ATen calls. */
import { complain } from '../../../base/errors.ts';
import { widerDtype } from '../../graph/onnx-types.ts';
import { sourceOf } from '../metadata.ts';
import type { AtenArg, AtenNode, AtenSize } from './aten-program.ts';
import type { Field } from './pt2-json.ts';
import { exampleSize, typeNameOf } from './pt2-tensors.ts';

const textOf = (field: Field): string => field.get('name').text();

/** A size that is written out, or the name of one that a node computes. */
function sizeOf(field: Field): AtenSize {
  const [kind, content] = field.variant();
  if (kind === 'as_name') return content.text();
  if (kind === 'as_int') return content.number();
  throw complain(`a size that is an '${kind}'`, 'as_int and as_name');
}

function dtypeArg(code: number): AtenArg {
  const dtype = widerDtype(typeNameOf(code));
  return dtype === undefined ? { kind: 'other', what: typeNameOf(code) } : { kind: 'dtype', dtype };
}

const numbers = (values: readonly AtenSize[]): AtenArg => ({ kind: 'numbers', values });
const ignored = (): AtenArg => ({ kind: 'ignored' });

/** By the key of the union. What is not here has no meaning to a translation. */
const argOf: ReadonlyMap<string, (content: Field) => AtenArg> = new Map<string, (content: Field) => AtenArg>([
  ['as_none', () => ({ kind: 'none' })],
  ['as_tensor', (c) => ({ kind: 'tensor', name: textOf(c) })],
  ['as_tensors', (c) => ({ kind: 'tensors', names: c.list().map(textOf) })],
  ['as_optional_tensors', (c) => ({ kind: 'tensors', names: c.list().map(optionalTensor) })],
  ['as_optional_tensor', (c) => optionalOf(c)],
  ['as_int', (c) => ({ kind: 'int', value: c.number() })],
  ['as_ints', (c) => numbers(c.list().map((one) => one.number()))],
  ['as_float', (c) => ({ kind: 'float', value: c.number() })],
  ['as_floats', (c) => numbers(c.list().map((one) => one.number()))],
  ['as_bool', (c) => ({ kind: 'flag', value: c.flag() })],
  ['as_string', (c) => ({ kind: 'text', value: c.text() })],
  ['as_sym_int', (c) => symbolOf(c)],
  ['as_sym_ints', (c) => numbers(c.list().map(sizeOf))],
  ['as_scalar_type', (c) => dtypeArg(c.number())],
  ['as_memory_format', ignored],
  ['as_layout', ignored],
  ['as_device', ignored],
]);

function symbolOf(field: Field): AtenArg {
  const size = sizeOf(field);
  return typeof size === 'string' ? { kind: 'symbol', name: size } : { kind: 'int', value: size };
}

function optionalTensor(field: Field): string | undefined {
  const [kind, content] = field.variant();
  return kind === 'as_tensor' ? textOf(content) : undefined;
}

function optionalOf(field: Field): AtenArg {
  const name = optionalTensor(field);
  return name === undefined ? { kind: 'none' } : { kind: 'tensor', name };
}

function argIn(field: Field): AtenArg {
  const [kind, content] = field.variant();
  return argOf.get(kind)?.(content) ?? { kind: 'other', what: kind };
}

/** A tuple's members stand one by one, a list's in one output. */
function outputNames(field: Field): readonly string[] {
  const [kind, content] = field.variant();
  if (kind === 'as_tensor') return [textOf(content)];
  if (kind === 'as_tensors') return content.list().map(textOf);
  if (kind === 'as_optional_tensors') return content.list().map((one) => optionalTensor(one) ?? '');
  if (kind === 'as_sym_int' || kind === 'as_sym_bool') return [content.maybe('as_name')?.text() ?? ''];
  return [''];
}

/** The modules of `nn_module_stack`, `id,path,class` each, behind `;`; the outermost has no path. */
const scopesOf = (stack: string): readonly string[] =>
  stack.split(';').flatMap((entry) => {
    const path = (entry.split(',')[1] ?? '')
      .replace(/^L\['self'\]\.?|^L__self__\.?/, '')
      .replaceAll(/@\d+/g, '');
    return path === '' ? [] : [path];
  });

export function nodeOf(node: Field): AtenNode {
  const metadata = node.maybe('metadata');
  const source = sourceOf(metadata?.maybe('stack_trace')?.text() ?? '');
  const args = node
    .get('inputs')
    .list()
    .map((input, i) => [input.get('name').text() || `${i}`, argIn(input.get('arg'))] as const);
  return {
    target: node
      .get('target')
      .text()
      .replace(/^torch\.ops\./, ''),
    args: new Map(args),
    outputs: node.get('outputs').list().flatMap(outputNames),
    scopes: scopesOf(metadata?.maybe('nn_module_stack')?.text() ?? ''),
    ...(source === undefined ? {} : { source }),
  };
}

/** Whether elements lie one behind the other, by the example's sizes. */
function isRowMajor(meta: Field): boolean {
  const [sizes, strides] = [
    meta.get('sizes').list().map(exampleSize),
    meta.get('strides').list().map(exampleSize),
  ];
  let expected = 1;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const size = sizes[axis];
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size ?? Number.NaN;
  }
  return true;
}

export const stridedValues = (values: Field): ReadonlySet<string> =>
  new Set(values.entries().flatMap(([name, meta]) => (isRowMajor(meta) ? [] : [name])));
