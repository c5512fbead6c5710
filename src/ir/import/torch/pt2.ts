/** Exported programs of PyTorch: what torch.export.save writes (.pt2, torch 2.5 to 2.15). */
import { complain, locate, must } from '../../../base/errors.ts';
import type { Graph } from '../../graph/graph.ts';
import { refusal } from '../../graph/obstacles.ts';
import { onnxCodeOf } from '../../graph/onnx-types.ts';
import type { Tensor } from '../../tensor.ts';
import { Declarations } from '../declarations.ts';
import type { NewWeights, Sizes } from '../model-options.ts';
import { newParameters } from '../new-weights.ts';
import type { ValueInfoProto } from '../proto.ts';
import { graphOfAten } from './aten-graph.ts';
import type { AtenInput, AtenProgram } from './aten-program.ts';
import { Field } from './pt2-json.ts';
import { nodeOf, stridedValues } from './pt2-nodes.ts';
import { type Archive, archiveOf, fixedSize, typeNameOf } from './pt2-tensors.ts';
import type { Zip } from './zip.ts';

export interface ProgramOptions extends Sizes {
  /** How messages and later stages name the network. */
  readonly name: string;
  /** Takes the place of the program's own weights. */
  readonly weights?: NewWeights;
  /** Which program of the archive, where it has several. */
  readonly program?: string;
}

/** Major versions of the schema: 7 of torch 2.5, 8 of torch 2.6 to 2.15. Minor ones add fields that may be absent. */
const knownSchemas: readonly number[] = [7, 8];

/**
 * Reads an exported program. The batch (a dynamic first axis) is 1, other dynamic axes have the sizes of `axes`, by the
 * names of their symbols (`s77`), or of `shapes`.
 * @throws InputError for damage, schemas that are not known, state between calls, and open sizes
 */
export const importExported = (zip: Zip, options: ProgramOptions): Graph<'imported'> =>
  locate(options.name, () => graphOfAten(readExported(zip, options)));

/** The program of an archive, before it becomes a graph. @throws InputError as `importExported` */
export function readExported(zip: Zip, options: ProgramOptions): AtenProgram {
  const archive = archiveOf(zip, options.program);
  const file = Field.parse(zip.bytes(archive.json), archive.json);
  requireSchema(file);
  const module = file.get('graph_module');
  const [graph, signature] = [module.get('graph'), module.get('signature')];
  const inputs = inputsOf(graph, signature.get('input_specs').list(), archive);
  return {
    name: options.name,
    inputs: declared(inputs.given, options),
    outputs: outputsOf(module, signature.get('output_specs').list()),
    constants: new Map([...inputs.constants, ...newParameters(inputs, options.weights)]),
    counters: inputs.counters,
    nodes: graph.get('nodes').list().map(nodeOf),
    strided: stridedValues(graph.get('tensor_values')),
    notes: narrowNotes(inputs.types),
  };
}

function requireSchema(file: Field): void {
  const version = file.maybe('schema_version');
  const major = version?.get('major').number();
  if (major !== undefined && knownSchemas.includes(major)) return;
  const writer = file.maybe('torch_version')?.text() ?? 'a torch without a version';
  throw complain(
    `schema version ${major ?? 'of none'} of exported programs, by torch ${writer}`,
    `${knownSchemas.join(' and ')}, of torch 2.5 to 2.15`,
    'save the program with one of these',
  );
}

interface Inputs {
  readonly given: readonly ValueInfoProto[];
  readonly constants: Map<string, Tensor>;
  /** What PyTorch calls those of them that a state_dict has. */
  readonly keys: Map<string, string>;
  readonly counters: Set<string>;
  /** Element types, as PyTorch names them. */
  readonly types: Set<string>;
}

/** Batch normalization counts its batches, and gathers their means. */
const isCounter = (name: string): boolean =>
  /(^|[._])(num_batches_tracked|running_mean|running_var)$/.test(name);

function inputsOf(graph: Field, specs: readonly Field[], { weights, constants }: Archive): Inputs {
  const found = {
    given: [] as ValueInfoProto[],
    constants: new Map<string, Tensor>(),
    keys: new Map<string, string>(),
    counters: new Set<string>(),
  };
  const types = new Set<string>();
  const values = graph.get('tensor_values');
  for (const spec of specs) {
    const [kind, content] = spec.variant();
    const bound = boundTensor(kind, content);
    if (bound !== undefined) {
      const { name, key, isConstant } = bound;
      types.add(typeNameOf(values.get(name).get('dtype').number()));
      found.constants.set(name, (isConstant ? constants : weights)(key));
      if (!isConstant) found.keys.set(name, key);
      if (isCounter(key)) found.counters.add(name);
    } else if (kind === 'user_input') found.given.push(...userInput(values, content, types));
    else if (kind !== 'constant_input')
      throw complain(`an input that is a ${kind}`, 'tensors and fixed values');
  }
  return { ...found, types };
}

interface Bound {
  readonly name: string;
  readonly key: string;
  readonly isConstant: boolean;
}

/** A weight or constant: where it is in the graph, and what the archive calls it. */
function boundTensor(kind: string, content: Field): Bound | undefined {
  const bound = (key: string, isConstant: boolean): Bound => ({
    name: content.get('arg').get('name').text(),
    key: content.get(key).text(),
    isConstant,
  });
  if (kind === 'parameter') return bound('parameter_name', false);
  if (kind === 'buffer') return bound('buffer_name', content.maybe('persistent')?.flag() === false);
  return kind === 'tensor_constant' ? bound('tensor_constant_name', true) : undefined;
}

/** Python values that were fixed at export are no inputs. */
function userInput(values: Field, content: Field, types: Set<string>): readonly ValueInfoProto[] {
  const [kind, argument] = content.get('arg').variant();
  if (kind === 'as_sym_int' || kind === 'as_custom_obj')
    throw complain(
      'an input that is not a tensor',
      'tensors',
      'make the number a tensor, or fix it at export',
    );
  if (kind !== 'as_tensor') return [];
  const name = argument.get('name').text();
  const meta = values.get(name);
  const type = typeNameOf(meta.get('dtype').number());
  types.add(type);
  const dim = meta.get('sizes').list().map(dimensionOf);
  return [{ name, type: { tensorType: { elemType: onnxCodeOf(type), shape: { dim } } } }];
}

/** A size, or the name of its symbol: `Symbol('s77', integer=True)`, in torch 2.5 `s77`. */
function dimensionOf(size: Field): { readonly dimValue?: number; readonly dimParam?: string } {
  const fixed = fixedSize(size);
  if (fixed !== undefined) return { dimValue: fixed };
  const expression = size.get('as_expr').get('expr_str').text();
  const symbol = /^Symbol\('(\w+)'/.exec(expression)?.[1];
  return { dimParam: /^Symbol\('\w+'[^)]*\)$/.test(expression) ? must(symbol, 'a symbol') : expression };
}

function declared(
  infos: readonly ValueInfoProto[],
  { name, weights: _, program: __, ...sizes }: ProgramOptions,
): readonly AtenInput[] {
  const declarations = new Declarations(infos, sizes);
  const obstacles = declarations.obstacles(() => true);
  if (obstacles.length > 0) throw refusal(name, obstacles);
  return infos.map((info) => {
    const { dtype, shape } = declarations.typeOf(info);
    return { name: info.name ?? '', dtype: must(dtype, 'a known type'), shape: must(shape, 'a known shape') };
  });
}

/** Those of the user: what the program changes stands before them. */
function outputsOf(module: Field, specs: readonly Field[]): AtenProgram['outputs'] {
  const values = specs.flatMap((spec) => {
    const [kind, content] = spec.variant();
    if (kind === 'buffer_mutation') requireCounter(content.get('buffer_name').text());
    if (kind !== 'user_output') return [];
    const [type, argument] = content.get('arg').variant();
    return [type === 'as_tensor' ? argument.get('name').text() : undefined];
  });
  const labels = labelsOf(module, values.length);
  return values.flatMap((value, i) => {
    const label = labels?.[i];
    return value === undefined ? [] : [{ value, ...(label === undefined ? {} : { label }) }];
  });
}

function requireCounter(name: string): void {
  if (isCounter(name)) return;
  throw complain(
    `the program changes its buffer '${name}', which a later call would find changed`,
    'programs without state between calls',
    'make the state an input and an output',
  );
}

/** The keys, where a program returns a dictionary of tensors. */
function labelsOf(module: Field, count: number): readonly string[] | undefined {
  const [first] = module.maybe('module_call_graph')?.list() ?? [];
  const text = first?.maybe('signature')?.maybe('out_spec')?.text();
  if (text === undefined) return undefined;
  const [, tree] = Field.parse(new TextEncoder().encode(text), 'out_spec').list();
  if (tree?.maybe('type')?.text() !== 'builtins.dict') return undefined;
  const keys = Field.parse(new TextEncoder().encode(tree.get('context').text()), 'out_spec').list();
  const isFlat = tree
    .get('children_spec')
    .list()
    .every((child) => child.maybe('type') === undefined);
  return isFlat && keys.length === count ? keys.map((key) => key.text()) : undefined;
}

function narrowNotes(types: ReadonlySet<string>): readonly string[] {
  return ['float16', 'bfloat16', 'float64']
    .filter((type) => types.has(type))
    .map((type) => `the model computes in ${type}; here all of it is float32`);
}
