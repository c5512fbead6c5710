/** A whole nn.Sequential as the ATen calls that its modules make. */
import { at, complain, InputError, locate } from '../../../base/errors.ts';
import type { Shape, Tensor } from '../../tensor.ts';
import type { Sizes } from '../model-options.ts';
import type { AtenArg, AtenNode, AtenProgram } from './aten-program.ts';
import { leavesOf, type Module } from './module.ts';
import { type Call, callsOf, rankBehind } from './module-calls.ts';
import type { Instance } from './pickle.ts';

/** What the only input is called, as in `nn.Sequential.forward`. */
const inputOf = 'input';

/** Modules in front of the first that knows sizes, which leave them as they are. */
const keepsSizes = /^(Dropout|AlphaDropout|Identity|Flatten|.*ReLU.*|Sigmoid|Tanh|BatchNorm1d|LayerNorm)/;

/** What is known of the sizes, from the first module that says something. */
function hintOf(leaves: readonly Module[]): { readonly shape?: Shape; readonly example: string } {
  const first = leaves.find(({ type }) => !keepsSizes.test(type));
  if (first?.type === 'Linear') return { shape: [1, first.number('in_features')], example: '' };
  const channels = first?.type.startsWith('Conv') ? first.number('in_channels') : 'C';
  return { example: first?.type.endsWith('1d') ? `1x${channels}x100` : `1x${channels}x28x28` };
}

/** A Sequential carries no sizes: the user's, or those of a Linear layer in front. */
function inputShape(leaves: readonly Module[], { shapes = {}, axes = {} }: Sizes): Shape {
  const [unknown] = [...Object.keys(shapes).filter((name) => name !== inputOf), ...Object.keys(axes)];
  if (unknown !== undefined)
    throw new InputError({
      where: `'${unknown}'`,
      found: 'no input or axis of that name',
      supported: `input '${inputOf}'`,
    });
  const { shape, example } = hintOf(leaves);
  const known = shapes[inputOf] ?? shape;
  if (known?.every((size) => Number.isSafeInteger(size) && size > 0)) return known;
  throw new InputError({
    where: `input '${inputOf}'`,
    found: 'an nn.Sequential, which does not contain the size of its input',
    supported: 'sizes with the batch first',
    todo: `give them, for example --shape ${inputOf}=${example}`,
  });
}

/** Calls of one module, with the names of tensors filled in. */
class Writer {
  readonly nodes: AtenNode[] = [];
  readonly constants = new Map<string, Tensor>();
  readonly #types = new Set<string>();
  readonly #names = new Set<string>([inputOf]);
  /** What the module before has made. */
  last = inputOf;

  write(module: Module, calls: readonly Call[]): void {
    const from = this.last;
    for (const call of calls) this.#writeCall(module, call, from);
  }

  #writeCall(module: Module, { target, args, outputs = 1 }: Call, from: string): void {
    const name = this.#fresh(at(target.split('.'), 1));
    const rest = Array.from({ length: outputs - 1 }, () => '');
    const entries = Object.entries(args).map(([key, arg]) => [key, this.#argOf(module, arg, from)] as const);
    this.nodes.push({
      target,
      args: new Map(entries),
      outputs: [name, ...rest],
      scopes: scopesOf(module.path),
    });
    this.last = name;
  }

  /** As torch.fx names them: `conv2d`, `conv2d_1`. */
  #fresh(stem: string): string {
    let name = stem;
    for (let i = 1; this.#names.has(name); i++) name = `${stem}_${i}`;
    this.#names.add(name);
    return name;
  }

  #argOf(module: Module, arg: Call['args'][string], from: string): AtenArg {
    switch (arg.kind) {
      case 'given':
        return { kind: 'tensor', name: from };
      case 'made':
        return { kind: 'tensor', name: this.last };
      case 'own':
        return this.#own(module, arg.name);
      default:
        return arg;
    }
  }

  #own(module: Module, name: string): AtenArg {
    const tensor = module.tensor(name);
    if (tensor === undefined) return { kind: 'none' };
    const full = module.path === '' ? name : `${module.path}.${name}`;
    this.#types.add(module.typeOf(name) ?? '');
    this.constants.set(full, tensor);
    return { kind: 'tensor', name: full };
  }

  notes(): readonly string[] {
    return ['float16', 'bfloat16', 'float64']
      .filter((type) => this.#types.has(type))
      .map((type) => `the model computes in ${type}; here all of it is float32`);
  }
}

/** `1.0` is called in `1`. */
const scopesOf = (path: string): readonly string[] =>
  path === '' ? [] : path.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));

/**
 * What an nn.Sequential (or a single module) computes when it is evaluated: dropout does nothing, batch normalization
 * takes its running statistics, whether the file says `training` or not.
 * @throws InputError for modules that are not read, hooks, and sizes that are not known
 */
export function sequentialProgram(network: Instance, name: string, sizes: Sizes): AtenProgram {
  const leaves = leavesOf(network);
  const shape = inputShape(leaves, sizes);
  const writer = new Writer();
  let rank = shape.length;
  for (const leaf of leaves)
    locate(leaf.label, () => {
      writer.write(leaf, callsOf(leaf, rank));
      rank = rankBehind(leaf, rank);
    });
  if (writer.nodes.length === 0) throw complain('a network that computes nothing');
  const dtype = leaves.find(({ type }) => !keepsSizes.test(type))?.type === 'Embedding' ? 'int64' : 'float32';
  return {
    name,
    inputs: [{ name: inputOf, dtype, shape }],
    outputs: [{ value: writer.last }],
    constants: writer.constants,
    nodes: writer.nodes,
    notes: writer.notes(),
  };
}
