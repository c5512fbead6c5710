/** What a file is, by its first bytes and what lies inside: the ending of its name decides nothing. */
import { complain, InputError } from '../../base/errors.ts';
import { readPickleAt } from './torch/pickle.ts';
import { isLegacy, pickleNames } from './torch/saved.ts';
import { readZip, type Zip } from './torch/zip.ts';
import { fieldsOf, inside, textIn } from './wire.ts';

/** A file that may hold a network or its weights. */
export type ModelFile =
  | { readonly kind: 'onnx' }
  /** Of torch.export.save. */
  | { readonly kind: 'exported'; readonly zip: Zip }
  /** Of torch.save: a zip archive, or the bytes of the format before it. */
  | { readonly kind: 'saved'; readonly source: Zip | Uint8Array }
  | { readonly kind: 'safetensors' };

/** A file of another kind: what it is, and what makes of it what is read here. */
interface Foreign {
  readonly what: string;
  readonly todo: string;
  /** Of Python, or a shell's. */
  readonly lines: readonly string[];
}

export const readable = '.onnx, .pt2, .pt and .pth of an nn.Sequential, weights with --arch';

const exportLines = [
  'program = torch.export.export(model.eval(), (x,))  # x: an example input',
  'torch.export.save(program, "model.pt2")',
];

const fromTorch = { todo: 'export the PyTorch model that it was made of', lines: exportLines };

const fromKeras = (file: string) => ({
  todo: 'export it with Keras 3',
  lines: [`model = keras.models.load_model("${file}")`, 'model.export("model.onnx", format="onnx")'],
});

const fromTensorFlow = (option: string) => ({
  todo: 'convert it with tf2onnx',
  lines: ['pip install tf2onnx', `python -m tf2onnx.convert ${option} --output model.onnx`],
});

const fromSklearn = {
  todo: 'convert it with skl2onnx',
  lines: [
    'onnx = skl2onnx.to_onnx(model, X[:1].astype("float32"))',
    'open("model.onnx", "wb").write(onnx.SerializeToString())',
  ],
};

const again = (todo: string) => ({ todo, lines: [] });

const refusal = ({ what, todo, lines }: Foreign): InputError =>
  new InputError({ found: what, supported: readable, todo, lines });

const asciiAt = (bytes: Uint8Array, start: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(start, start + length));

const startsWith = (bytes: Uint8Array, ...head: readonly number[]): boolean =>
  head.every((byte, i) => bytes[i] === byte);

/** Those that their first bytes tell. */
const foreign: readonly (Foreign & { readonly is: (bytes: Uint8Array) => boolean })[] = [
  { is: (b) => b.length === 0, what: 'an empty file', ...again('copy or download it again') },
  {
    is: (b) => asciiAt(b, 4, 4) === 'TFL3',
    what: 'a TensorFlow Lite model',
    ...fromTensorFlow('--tflite model.tflite'),
  },
  {
    is: (b) => /^ET\d\d$/.test(asciiAt(b, 4, 4)),
    what: 'an ExecuTorch program (.pte)',
    todo: 'save the exported program that to_edge was given',
    lines: exportLines,
  },
  { is: (b) => asciiAt(b, 0, 4) === 'GGUF', what: 'a GGUF model of llama.cpp', ...fromTorch },
  {
    is: (b) => startsWith(b, 0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a),
    what: 'an HDF5 file, as Keras writes it (.h5)',
    ...fromKeras('model.h5'),
  },
  {
    is: (b) => asciiAt(b, 0, 23) === 'version https://git-lfs',
    what: 'a pointer of Git LFS, not the file itself',
    ...again('run: git lfs pull'),
  },
  { is: (b) => asciiAt(b, 0, 1) === '<', what: 'a web page', ...again('download the file itself') },
  {
    is: (b) => asciiAt(b, 257, 5) === 'ustar' || asciiAt(b, 0, 9) === 'sys_info\0',
    what: 'a tar archive, as PyTorch wrote it in 2016 (or any other)',
    ...fromTorch,
  },
  {
    is: (b) =>
      startsWith(b, 0x1f, 0x8b) ||
      startsWith(b, 0x42, 0x5a, 0x68) ||
      startsWith(b, 0xfd, 0x37, 0x7a, 0x58, 0x5a) ||
      (startsWith(b, 0x78) && [0x01, 0x5e, 0x9c, 0xda].includes(b[1] ?? 0)),
    what: 'a compressed file: often a joblib of scikit-learn',
    todo: 'unpack it; a model of scikit-learn converts with skl2onnx',
    lines: fromSklearn.lines,
  },
  ...['80 02', '80 03', '80 04', '80 05'].map((head) => ({
    is: (b: Uint8Array) => startsWith(b, ...head.split(' ').map((hex) => Number.parseInt(hex, 16))),
    what: 'a Python pickle',
    ...fromTorch,
  })),
];

/** A message of protobuf that is no ONNX model; of its fields those with a length count. */
function foreignProtobuf(bytes: Uint8Array): Foreign | undefined {
  const isTagged = bytes[0] === 0x08 || bytes[0] === 0x0a;
  const numbers = new Set(isTagged ? [...fieldsOf(bytes)].map(({ number }) => number) : []);
  if (!isTagged || numbers.has(7)) return undefined;
  if (bytes[0] === 0x08 && [...numbers].some((number) => number >= 200 && number < 5000))
    return { what: 'a Core ML model', ...fromTorch };
  if (bytes[0] === 0x08 && numbers.size === 1 && inside(bytes, 2)[0]?.[0] === 0x0a)
    return { what: 'a TensorFlow SavedModel (saved_model.pb)', ...fromTensorFlow('--saved-model FOLDER') };
  const [node] = inside(bytes, 1);
  if (bytes[0] === 0x0a && node !== undefined && textIn(node, 1) !== '' && /^[A-Z]\w+$/.test(textIn(node, 2)))
    return { what: 'a TensorFlow graph (GraphDef)', ...fromTensorFlow('--graphdef graph.pb') };
  return undefined;
}

/** The first name that a pickle uses identifies the library that wrote it. */
function firstGlobal(bytes: Uint8Array): string | undefined {
  let first: string | undefined;
  const stop = (): never => {
    throw complain('a name');
  };
  try {
    readPickleAt(bytes, 0, {
      global: (module, name) => {
        first = `${module}.${name}`;
        return stop();
      },
      persistent: stop,
      call: stop,
      make: stop,
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  return first;
}

/** A pickle, with the library that it comes from. */
function pickled(bytes: Uint8Array, known: Foreign): Foreign {
  const name = firstGlobal(bytes);
  if (name === undefined) return known;
  const what = `a Python pickle (of ${name})`;
  if (/^(sklearn|joblib)\./.test(name)) return { what, ...fromSklearn };
  return { what, todo: 'save the network, or its weights, with PyTorch', lines: exportLines };
}

const isAtRoot =
  (pattern: RegExp) =>
  (names: readonly string[]): boolean =>
    names.some((name) => pattern.test(name));

const isExported = isAtRoot(/^([^/]+\/)?(models\/[^/]+\.json|serialized_exported_program\.json)$/);
const isMachineCode = isAtRoot(/^([^/]+\/)?data\/aotinductor\//);
const isScript = (names: readonly string[]): boolean =>
  isAtRoot(/^[^/]+\/code\//)(names) && isAtRoot(/^[^/]+\/constants\.pkl$/)(names);

function foreignArchive(names: readonly string[]): Foreign {
  if (isMachineCode(names))
    return {
      what: 'a package of AOTInductor: machine code, without the network',
      todo: 'save the exported program instead',
      lines: exportLines,
    };
  if (names.includes('model.weights.h5') || names.includes('keras_metadata.pb'))
    return { what: 'a Keras model (.keras)', ...fromKeras('model.keras') };
  if (names.length > 0 && names.every((name) => name.endsWith('.npy')))
    return { what: 'arrays of NumPy (.npz), not a network', ...fromTorch };
  const some = names.slice(0, 3).map((name) => `'${name}'`);
  return {
    what: `a zip archive of ${names.length === 1 ? '1 file' : `${names.length} files`} (${some.join(', ')})`,
    ...fromTorch,
  };
}

function archive(bytes: Uint8Array): ModelFile {
  const zip = readZip(bytes);
  const { names } = zip;
  if (isExported(names)) return { kind: 'exported', zip };
  if (isScript(names)) {
    const what = 'a TorchScript program (torch.jit)';
    throw refusal({ what, todo: 'export the model itself', lines: exportLines });
  }
  if (pickleNames(names).length > 0 || names.includes('data.pkl')) return { kind: 'saved', source: zip };
  throw refusal(foreignArchive(names));
}

function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return false;
  const header = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return header < BigInt(bytes.length);
}

/** Whether a file is a model by its bytes, of the kinds that no text or arrays can be taken for. */
export const isModel = (bytes: Uint8Array): boolean => {
  try {
    return recognise(bytes).kind !== 'onnx' || bytes[0] === 0x08;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
};

/**
 * What kind of model a file is. Whatever is not recognised is left to the reader of ONNX.
 * @throws InputError for files of other programs: it names what they are, and has the lines that export what is read
 */
export function recognise(bytes: Uint8Array): ModelFile {
  if (startsWith(bytes, 0x50, 0x4b)) return archive(bytes);
  if (isLegacy(bytes)) return { kind: 'saved', source: bytes };
  if (isSafetensors(bytes)) return { kind: 'safetensors' };
  const known = foreign.find(({ is }) => is(bytes));
  if (known !== undefined) throw refusal(bytes[0] === 0x80 ? pickled(bytes, known) : known);
  const other = foreignProtobuf(bytes);
  if (other !== undefined) throw refusal(other);
  return { kind: 'onnx' };
}
