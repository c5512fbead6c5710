/**
 * An artifact is what `compile` leaves in a folder: the C, `manifest.json` (what it is, and the hash of every
 * file) and `<name>.program.json` (the program itself, so that it can be simulated without the model).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import * as v from 'valibot';
import { DefectError, InputError } from '../base/errors.ts';
import type { Compiled } from '../compile.ts';
import { withAgreement } from '../compile.ts';
import type { Golden, PackageKind } from '../emit/info.ts';
import { emitC } from '../emit/package.ts';
import type { Graph } from '../ir/graph/graph.ts';
import { type Elem, elemBytes } from '../ir/kernel/kernel.ts';
import { roundingFields } from '../judge/roundings.ts';
import { agreementFields, warningFields } from '../judge/text.ts';
import { warningKinds } from '../judge/warnings/warning.ts';
import type { LayerChoice } from '../passes/choose-formats.ts';
import { bytesOfBase64, programFrom, programText } from '../program/json.ts';
import { inputPorts, outputPorts, type Port, printedGrid } from '../program/port.ts';
import type { Program } from '../program/program.ts';
import { stepsOf, totalsOf } from '../program/summary.ts';
import { proveProgram } from '../prove/prove.ts';
import type { Judgement } from '../search/search.ts';
import { createSimulator } from '../sim/simulate.ts';
import { type Certificate, certify } from './certify.ts';
import type { Manifest, ManifestLayer } from './manifest.ts';
import { reportText } from './markdown.ts';
import { formNames, isPrinted, type ProvedForm, printedOf } from './variants.ts';
import { type WeightGrid, weightGrids } from './weight-grids.ts';

/** The preprocessing of the samples, so that later commands can repeat it. */
export interface Preprocessing {
  readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly pad?: number;
  readonly resize?: { readonly height: number; readonly width: number };
}

/** How an artifact was made, as its manifest records it. */
export interface Made {
  /** The command line. */
  readonly command: string;
  /** Of thimble. */
  readonly version: string;
  /** The model's file. */
  readonly model: Uint8Array;
  /** The file of the network that it belongs to, where it is a file of weights. */
  readonly arch?: Uint8Array;
  readonly preprocessing: Preprocessing;
  /** How many held-out samples the build gets right, where that was counted. */
  readonly accuracy?: Judgement;
  /** The build system that the folder is for. Default: cmake. */
  readonly package?: PackageKind;
  /** With a program for the host, `<name>_main.c`. */
  readonly main?: boolean;
  /** Constant arrays in `<name>_weights.c` instead of `<name>.c`. */
  readonly weightsFile?: boolean;
}

const text = v.string();
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const shape = v.array(whole);
/** Of all elements, or of each channel. */
const numbers = v.union([v.number(), v.array(v.number())]);
const portSchema = v.object({
  name: text,
  tensor: text,
  type: v.picklist(['uint8', 'int8', 'uint16', 'int16', 'int32', 'float32']),
  count: whole,
  shape,
  scale: v.exactOptional(numbers),
  zeroPoint: v.exactOptional(numbers),
});
const differenceSchema = v.object({
  name: text,
  tensor: text,
  values: whole,
  differing: whole,
  largest: v.number(),
  unit: v.picklist(['steps', 'real']),
});
const distanceSchema = v.object({ sqnr: v.nullable(v.number()), exact: v.boolean(), worst: v.number() });
const fields = v.object({
  generator: v.literal('thimble'),
  format: v.literal(2),
  version: text,
  command: text,
  model: v.object({ sha256: text, bytes: whole }),
  /** Of a model that is a file of weights: the file of its network. */
  arch: v.exactOptional(v.object({ sha256: text, bytes: whole })),
  name: text,
  arith: v.picklist(['int8', 'float32']),
  requant: v.exactOptional(text),
  calibration: v.exactOptional(v.object({ method: text, samples: whole })),
  /** Of a quantized model: how many activations have the scales of its file, and the names of others. */
  scales: v.exactOptional(
    v.object({
      file: whole,
      calibrated: v.array(text),
      rounded: v.array(text),
      cut: v.exactOptional(v.array(text)),
    }),
  ),
  /** Of a quantized model: what its requantization makes other than ort-float. */
  roundings: v.exactOptional(
    v.object({
      samples: whole,
      drawn: v.boolean(),
      outputs: v.array(differenceSchema),
      layers: v.array(differenceSchema),
    }),
  ),
  portOrder: v.exactOptional(v.literal('model')),
  /** What stays float32 in an int8 program. */
  floatParts: v.exactOptional(
    v.array(v.object({ node: text, kind: text, origin: v.array(text), reason: text })),
  ),
  inputs: v.array(
    v.object({
      ...portSchema.entries,
      raw: v.exactOptional(v.object({ mean: v.array(v.number()), std: v.array(v.number()) })),
    }),
  ),
  outputs: v.array(portSchema),
  memory: v.object({
    strategy: text,
    arenaBytes: whole,
    lowerBound: whole,
    slots: v.array(
      v.object({ name: text, address: whole, bytes: whole, firstStep: v.number(), lastStep: v.number() }),
    ),
  }),
  layers: v.array(
    v.object({
      kernel: text,
      origin: v.array(text),
      macs: whole,
      tableBytes: whole,
      output: text,
      shape,
      why: v.exactOptional(text),
      forms: v.exactOptional(v.array(v.picklist(formNames))),
      weights: v.exactOptional(
        v.object({ smallestStep: v.number(), largestStep: v.number(), clipped: v.number() }),
      ),
    }),
  ),
  totals: v.object({ macs: whole, tableBytes: whole }),
  preprocessing: v.object({
    normalize: v.exactOptional(v.object({ mean: v.array(v.number()), std: v.array(v.number()) })),
    pad: v.exactOptional(whole),
    resize: v.exactOptional(v.object({ height: whole, width: whole })),
  }),
  accuracy: v.exactOptional(
    v.object({ samples: whole, labelled: v.boolean(), float: whole, compiled: whole }),
  ),
  /** Of int8 programs: how near the float network they stay. */
  agreement: v.exactOptional(
    v.object({
      text,
      samples: whole,
      heldBack: v.boolean(),
      calibration: v.object({
        count: whole,
        distinct: whole,
        zeros: whole,
        constant: whole,
        odd: v.nullable(text),
      }),
      sqnr: v.nullable(v.number()),
      worst: v.object({ kernel: text, sqnr: v.nullable(v.number()) }),
      sameClass: v.nullable(v.object({ hits: whole, total: whole })),
      outputs: v.exactOptional(v.array(v.object({ name: text, sqnr: v.nullable(v.number()) }))),
      layers: v.array(
        v.object({
          kernel: text,
          tensor: text,
          ...distanceSchema.entries,
          given: v.nullable(distanceSchema),
        }),
      ),
    }),
  ),
  warnings: v.exactOptional(
    v.array(
      v.object({
        kind: v.picklist(warningKinds),
        kernel: v.nullable(text),
        nodes: v.array(text),
        tensor: v.nullable(text),
        channels: v.array(whole),
        sqnr: v.nullable(v.number()),
        text,
        todo: text,
      }),
    ),
  ),
  files: v.array(text),
  sha256: v.record(text, text),
  seal: v.record(text, text),
});

/** All fields, those that may be absent too. */
type Full<T> = T extends readonly (infer E)[]
  ? readonly Full<E>[]
  : T extends object
    ? { readonly [K in keyof T]-?: Full<T[K]> }
    : T;
type Read = Full<v.InferOutput<typeof fields>>;
/** Does not compile where the type has a field that is not read, or lacks one that is. */
type Same = [Read, Full<Manifest>] extends [Full<Manifest>, Read] ? Manifest : never;
const manifestSchema: v.GenericSchema<unknown, Same> = fields;

/** The content of a folder of `thimble compile`. */
export interface Artifact {
  readonly program: Program;
  readonly manifest: Manifest;
  /** The C files as they are in the folder, by name. */
  readonly sources: ReadonlyMap<string, string>;
}

export const manifestFile = 'manifest.json';
const programFile = (name: string): string => `${name}.program.json`;

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;
const hashOf = (content: string | Uint8Array): string => bytesToHex(sha256(bytesOf(content)));

/** File names and contents, the manifest among them. Pure and deterministic. */
export function artifactOf(built: Compiled, made: Made): ReadonlyMap<string, string> {
  const compiled = withAgreement(built);
  const { program, agreement } = compiled;
  const hash = `sha256 ${hashOf(made.model)}`;
  const golden = goldenOf(program, compiled.examples);
  const facts = proveProgram(program);
  const build = buildOf(program);
  const { program: plain, variants, ranges, proved } = printedOf(program, facts);
  const about = { command: made.command, version: made.version, hash, build, golden, ranges, variants };
  const folder = {
    ...(made.package === undefined ? {} : { package: made.package }),
    ...(made.main === undefined ? {} : { main: made.main }),
    ...(made.weightsFile === undefined ? {} : { weightsFile: made.weightsFile }),
  };
  const files = new Map(emitC(plain, { ...about, ...folder }));
  files.set(programFile(program.name), programText(program));
  const origin = [`thimble ${made.version}: \`${made.command}\``, `model ${hash}`];
  const { plan } = compiled;
  const certificate = certified(compiled);
  files.set(
    'report.md',
    reportText({
      program,
      plan,
      facts,
      forms: proved,
      agreement,
      origin,
      certificate,
      accuracy: made.accuracy,
      formats: compiled.formats ?? [],
      wide: compiled.wide ?? [],
      floatParts: compiled.assembled.floatParts ?? [],
      roundings: compiled.roundings,
    }),
  );
  return files.set(manifestFile, `${JSON.stringify(manifestOf(compiled, made, proved, files), null, 2)}\n`);
}

function goldenOf(program: Program, inputs: readonly Uint8Array[]): Golden[] {
  const simulator = createSimulator(program, { mode: 'checked' });
  return inputs.map((input) => ({ input, output: simulator.run(input).output }));
}

/** @throws DefectError when the tables do not hold the integer model's weights. */
function certified({ program, assembled }: Compiled): Certificate | undefined {
  if (assembled.stage !== 'int8') return undefined;
  const certificate = certify(program, assembled as Graph<'int8'>);
  const wrong = certificate.layers.find(({ mismatch }) => mismatch !== undefined);
  if (wrong === undefined) return certificate;
  throw new DefectError(`the tables of '${wrong.node}' do not hold its weights`);
}

/** As NumPy calls them. */
const typeNames = {
  u8: 'uint8',
  i8: 'int8',
  u16: 'uint16',
  i16: 'int16',
  i32: 'int32',
  f32: 'float32',
} as const satisfies Record<Elem, string>;

function portFields(port: Port): Manifest['inputs'][number] {
  const { name, slot, raw } = port;
  return {
    name,
    tensor: slot.name,
    type: typeNames[slot.elem],
    count: slot.length,
    shape: [...slot.shape],
    ...printedGrid(port),
    ...(raw === undefined ? {} : { raw: { mean: [...raw.mean], std: [...raw.std] } }),
  };
}

const whyOf = (choice: LayerChoice | undefined): { why?: string } =>
  choice === undefined ? {} : { why: choice.why };

function gridFields(grid: WeightGrid | undefined): Pick<Manifest['layers'][number], 'weights'> {
  if (grid === undefined) return {};
  const { steps, clipped } = grid;
  return { weights: { smallestStep: steps[0], largestStep: steps[1], clipped } };
}

function formFields(kernel: string, proved: readonly ProvedForm[]): Pick<ManifestLayer, 'forms'> {
  const forms = proved.filter((one) => one.kernel === kernel && isPrinted(one)).map(({ form }) => form);
  return forms.length === 0 ? {} : { forms };
}

function layersOf(
  compiled: Compiled,
  stated: Stated['layers'],
  proved: readonly ProvedForm[],
): Manifest['layers'] {
  const { formats = [] } = compiled;
  const grids = weightGrids(compiled);
  return stated.map((layer) => ({
    ...layer,
    ...whyOf(formats.find(({ node }) => layer.origin.includes(node))),
    ...formFields(layer.kernel, proved),
    ...gridFields(grids.get(layer.output)),
  }));
}

/** What the program itself says: a manifest that says anything else is not its own. */
const statedBy = (program: Program) => ({
  name: program.name,
  arith: program.arith,
  ...(program.portOrder === undefined ? {} : { portOrder: program.portOrder }),
  inputs: inputPorts(program).map(portFields),
  outputs: outputPorts(program).map(portFields),
  memory: {
    arenaBytes: program.arenaBytes,
    slots: program.slots.map((s) => ({
      name: s.name,
      address: s.address,
      bytes: s.length * elemBytes[s.elem],
      firstStep: s.firstStep,
      lastStep: s.lastStep,
    })),
  },
  layers: stepsOf(program).map(({ name, origin, macs, tableBytes, output, outputShape }) => ({
    kernel: name,
    origin: [...origin],
    macs,
    tableBytes,
    output,
    shape: [...outputShape],
  })),
  totals: { macs: totalsOf(program).macs, tableBytes: totalsOf(program).tableBytes },
});
type Stated = ReturnType<typeof statedBy>;

const agreementOf = ({ agreement }: Compiled): Pick<Manifest, 'agreement' | 'warnings'> =>
  agreement === undefined
    ? {}
    : { agreement: agreementFields(agreement), warnings: agreement.warnings.map(warningFields) };

const floatPartsOf = ({ assembled: { floatParts } }: Compiled): Pick<Manifest, 'floatParts'> =>
  floatParts === undefined
    ? {}
    : { floatParts: floatParts.map((part) => ({ ...part, origin: [...part.origin] })) };

function manifestOf(
  compiled: Compiled,
  made: Made,
  proved: readonly ProvedForm[],
  files: ReadonlyMap<string, string>,
): Manifest {
  const { program, plan, calibration } = compiled;
  const stated = statedBy(program);
  const content = {
    generator: 'thimble',
    format: 2,
    version: made.version,
    command: made.command,
    model: { sha256: hashOf(made.model), bytes: made.model.length },
    ...(made.arch === undefined ? {} : { arch: { sha256: hashOf(made.arch), bytes: made.arch.length } }),
    name: stated.name,
    arith: stated.arith,
    ...(program.arith === 'int8' ? { requant: compiled.requant } : {}),
    ...(compiled.scales === undefined
      ? {}
      : {
          scales: {
            file: compiled.scales.file,
            calibrated: [...compiled.scales.calibrated],
            rounded: [...compiled.scales.rounded],
            ...(compiled.scales.cut.length === 0 ? {} : { cut: [...compiled.scales.cut] }),
          },
        }),
    ...(calibration === undefined || calibration.samples === 0
      ? {}
      : { calibration: { method: calibration.method, samples: calibration.samples } }),
    ...(compiled.roundings === undefined ? {} : { roundings: roundingFields(compiled.roundings) }),
    ...(stated.portOrder === undefined ? {} : { portOrder: stated.portOrder }),
    ...floatPartsOf(compiled),
    inputs: stated.inputs,
    outputs: stated.outputs,
    memory: { strategy: plan.strategy, lowerBound: plan.lowerBound, ...stated.memory },
    layers: layersOf(compiled, stated.layers, proved),
    totals: stated.totals,
    preprocessing: made.preprocessing as Manifest['preprocessing'],
    ...(made.accuracy === undefined ? {} : { accuracy: made.accuracy }),
    ...agreementOf(compiled),
    files: [...files.keys()].sort(),
    sha256: Object.fromEntries([...files].map(([name, content]) => [name, hashOf(content)])),
  } as const;
  return { ...content, seal: sealOf(content) };
}

/** `<NAME>_BUILD` of the C: the first 16 hex digits of the SHA-256 of `<name>.program.json`. */
export const buildOf = (program: Program): string => hashOf(programText(program)).slice(0, 16);

const broken = (where: string, found: string): InputError =>
  new InputError({
    where,
    found,
    supported: 'a folder written by `thimble compile -o`',
    todo: 'compile the model again',
  });

/** Files of a folder by name. */
interface Files {
  get(name: string): Uint8Array | undefined;
}

/** What a machine may have faster ways to do. */
export interface Natives {
  readonly hexOfSha256: (content: Uint8Array) => string;
  readonly bytesOfBase64: (base64: string) => Uint8Array<ArrayBuffer>;
}

const portable: Natives = { hexOfSha256: hashOf, bytesOfBase64 };

/** Told, and never acted on: a model that is found by the command line is known by its hash. */
const told: readonly string[] = ['version', 'command'] satisfies (keyof Manifest)[];

/** The first 16 hex digits of the SHA-256 of each other field's JSON, by its name. */
const sealOf = (content: object, hexOf: Natives['hexOfSha256'] = hashOf): Manifest['seal'] =>
  Object.fromEntries(
    Object.entries(content)
      .filter(([field]) => !told.includes(field))
      .map(([field, value]) => [field, hexOf(bytesOf(JSON.stringify(value))).slice(0, 16)]),
  );

/** Fields that say which file is the program. */
const pointers: readonly string[] = ['name', 'sha256'] satisfies (keyof Manifest)[];

/**
 * What runs, without the C.
 * @throws InputError when they are no artifact of this format, when the program is not the one that was written, and
 * when the manifest says anything but what was written, above all about the program: it names the field.
 */
export function loadProgram(
  files: Files,
  natives: Natives = portable,
): Pick<Artifact, 'manifest' | 'program'> {
  const { manifest, edited } = readManifest(textOf(files, manifestFile), natives);
  const refuseEdited = (): InputError => broken(manifestFile, `'${edited}' is not what was written there`);
  if (edited !== undefined && pointers.includes(edited)) throw refuseEdited();
  const name = programFile(manifest.name);
  const bytes = bytesIn(files, name);
  if (natives.hexOfSha256(bytes) !== manifest.sha256[name])
    throw broken(name, 'not the file that its manifest names');
  const program = programFrom(decoder.decode(bytes), natives.bytesOfBase64);
  const difference = differenceOf(statedBy(program), manifest);
  if (difference !== undefined) throw broken(manifestFile, difference);
  if (edited !== undefined) throw refuseEdited();
  return { manifest, program };
}

/** Where `found` is not what the program says, in words; it may say more. */
function differenceOf(said: unknown, found: unknown, at = ''): string | undefined {
  if (typeof said !== 'object' || said === null || typeof found !== 'object' || found === null)
    return said === found
      ? undefined
      : `'${at}' is ${JSON.stringify(found)}, in the program ${JSON.stringify(said)}`;
  const other = new Map(Object.entries(found));
  if (Array.isArray(said) && said.length !== other.size)
    return `'${at}' has ${other.size} entries, in the program ${said.length}`;
  for (const [key, value] of Object.entries(said)) {
    const difference = differenceOf(value, other.get(key), at === '' ? key : `${at}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/**
 * An artifact from the files of its folder.
 * @param files of a folder, by name.
 * @throws InputError as `loadProgram`, and when a file of C is missing.
 */
export function loadArtifact(files: ReadonlyMap<string, Uint8Array>): Artifact {
  const loaded = loadProgram(files);
  const sources = loaded.manifest.files.filter((file) => /^(src\/)?[^/]+\.[ch]$/.test(file));
  return { ...loaded, sources: new Map(sources.map((file) => [baseName(file), textOf(files, file)])) };
}

/** Packages of most build systems have the C in `src/`. */
const baseName = (file: string): string => file.replace(/^src\//, '');

const decoder = new TextDecoder();

function bytesIn(files: Files, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw broken(name, 'no such file in the folder');
  return bytes;
}

const textOf = (files: Files, name: string): string => decoder.decode(bytesIn(files, name));

interface ReadManifest {
  readonly manifest: Manifest;
  /** A field that is not what `compile` wrote. */
  readonly edited?: string;
}

function readManifest(json: string, { hexOfSha256 }: Natives): ReadManifest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw broken(manifestFile, 'not JSON');
  }
  const parsed = v.safeParse(manifestSchema, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw broken(manifestFile, `${v.getDotPath(issue) ?? 'its content'}: ${issue.message}`);
  }
  const { seal, ...content } = value as Manifest;
  const found = sealOf(content, hexOfSha256);
  const edited = Object.keys({ ...seal, ...found }).find((field) => seal[field] !== found[field]);
  return { manifest: parsed.output, ...(edited === undefined ? {} : { edited }) };
}
