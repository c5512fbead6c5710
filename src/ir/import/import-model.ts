/** The door to all files of models: what a file is, and the graph in it. */
import { complain, InputError, locate } from '../../base/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { readable, recognise } from './file-kinds.ts';
import type { ExternalFiles, ImportOptions } from './model-options.ts';
import { newWeights } from './new-weights.ts';
import { importOnnx } from './onnx.ts';
import { graphOfAten } from './torch/aten-graph.ts';
import { asKind, type Instance, type Value } from './torch/pickle.ts';
import { importExported } from './torch/pt2.ts';
import { readSafetensors } from './torch/safetensors.ts';
import { readSaved } from './torch/saved.ts';
import { sequentialProgram } from './torch/sequential.ts';
import { type State, stateIn } from './torch/state-dict.ts';

/** A network whose weights are in another file. */
export interface Architecture {
  readonly bytes: Uint8Array;
  /** How messages name it. */
  readonly name: string;
  readonly external?: ExternalFiles;
}

/** Information about a model besides its bytes. */
export interface ModelOptions extends Omit<ImportOptions, 'weights'> {
  /** For files of weights alone: the network that they belong to. */
  readonly arch?: Architecture;
  /** For archives of several exported programs: the name of the one to use. */
  readonly program?: string;
}

/**
 * Reads a model: an ONNX file, an exported program (.pt2), a whole nn.Sequential of torch.save, or weights (a state_dict of torch.save,
 * .safetensors, a checkpoint with a state_dict in it) into the network of `arch`. The bytes decide which, not the name.
 * @throws InputError for what is none of these, which names it and says what to export, and for everything that is
 *   wrong with the file
 */
export function importModel(bytes: Uint8Array, options: ModelOptions = {}): Graph<'imported'> {
  const where = options.name ?? 'the model';
  const { arch, program, ...rest } = options;
  return locate(where, () => {
    const file = recognise(bytes);
    switch (file.kind) {
      case 'onnx':
        requireNoArch(arch, 'an ONNX model, which has its weights');
        requireNoProgram(program, 'an ONNX model');
        return importOnnx(bytes, rest);
      case 'exported':
        requireNoArch(arch, 'an exported program, which has its weights');
        return importExported(file.zip, {
          ...rest,
          name: where,
          ...(program === undefined ? {} : { program }),
        });
      case 'safetensors':
        return withWeights({ tensors: readSafetensors(bytes), notes: [] }, options);
      case 'saved':
        return ofSaved(readSaved(file.source), options);
      default:
        return file satisfies never;
    }
  });
}

function requireNoArch(arch: Architecture | undefined, found: string): void {
  if (arch !== undefined) throw complain(found, '--arch with files of weights alone', 'omit --arch');
}

function requireNoProgram(program: string | undefined, found: string): void {
  if (program === undefined) return;
  throw complain(found, '--program with exported programs (.pt2)', 'omit --program');
}

function ofSaved(value: Value, options: ModelOptions): Graph<'imported'> {
  const state = stateIn(value);
  if (state !== undefined) return withWeights(state, options);
  const network = networkIn(value);
  if (network === undefined)
    throw complain('neither a network nor weights', readable, 'save model.state_dict(), or the model');
  requireNoArch(options.arch, 'a whole network, which has its weights');
  requireNoProgram(options.program, 'a whole network');
  return graphOfAten(sequentialProgram(network, options.name ?? 'network', options));
}

/** The object itself, or the only one in a dict. */
function networkIn(value: Value): Instance | undefined {
  const isModule = (each: Value): Instance | undefined => {
    const object = asKind(each, 'object');
    return object?.class.startsWith('torch.nn.modules.') === true ? object : undefined;
  };
  const own = isModule(value);
  if (own !== undefined) return own;
  const inner = [...(asKind(value, 'dict')?.entries.values() ?? [])].flatMap((each) => isModule(each) ?? []);
  return inner.length === 1 ? inner[0] : undefined;
}

const archLines = [
  'program = torch.export.export(model.eval(), (x,))  # model: with any weights; x: an example input',
  'torch.export.save(program, "model.pt2")',
];

/** The network of `arch` with the weights of `state`. */
function withWeights(state: State, { arch, ...options }: ModelOptions): Graph<'imported'> {
  if (arch === undefined)
    throw new InputError({
      found: `weights alone (${state.tensors.size} tensors), without the network that they belong to`,
      supported: 'weights with --arch model.onnx or --arch model.pt2',
      todo: 'export the network once, and give it with --arch',
      lines: archLines,
    });
  const notes: string[] = [];
  const weights = newWeights(state, (sentence) => notes.push(sentence));
  const graph = locate(arch.name, () => ofArchitecture(arch, { ...options, weights }));
  return { ...graph, notes: [...(graph.notes ?? []), ...notes] };
}

/** @param options of the file of weights, but for the files beside the architecture */
function ofArchitecture(
  arch: Architecture,
  { external: _, program, ...options }: Omit<ModelOptions, 'arch'> & ImportOptions,
): Graph<'imported'> {
  const file = recognise(arch.bytes);
  const own = arch.external === undefined ? options : { ...options, external: arch.external };
  if (file.kind === 'onnx') {
    requireNoProgram(program, 'an ONNX model');
    return importOnnx(arch.bytes, own);
  }
  if (file.kind === 'exported')
    return importExported(file.zip, {
      ...options,
      name: options.name ?? arch.name,
      ...(program === undefined ? {} : { program }),
    });
  throw complain('no network', '--arch with an ONNX model or an exported program (.pt2)');
}
