/** An interrupted training as bytes: a header in JSON behind its length, then every number of every layer. */
import { InputError } from '../../base/errors.ts';
import type { LayerState } from './layer-state.ts';
import type { Settings } from './options.ts';

export interface CheckpointState {
  readonly step: number;
  readonly loss: number;
  readonly agreed: number;
  readonly history: readonly {
    readonly epoch: number;
    readonly loss: number;
    readonly agreement: number;
    readonly sparsity: number;
  }[];
}

const format = 'thimble fine-tuning 1';

interface Header extends CheckpointState {
  readonly format: string;
  readonly settings: Settings;
  readonly layers: readonly { readonly node: string; readonly weights: number; readonly rows: number }[];
}

const arraysOf = ({
  weight,
  bias,
  logStep,
  kept,
  allowed,
  dead,
}: LayerState): readonly (Float32Array | Uint8Array)[] => [
  ...[weight, bias, logStep].flatMap(({ value, mean, square }) => [value, mean, square]),
  kept,
  allowed,
  dead,
];

const bytesOf = (array: Float32Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const describe = (layers: readonly LayerState[]): Header['layers'] =>
  layers.map(({ layer, weight }) => ({ node: layer.node, weights: weight.value.length, rows: layer.rows }));

export function writeCheckpoint(
  settings: Settings,
  state: CheckpointState,
  layers: readonly LayerState[],
): Uint8Array {
  const header: Header = { format, settings, layers: describe(layers), ...state };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const parts = [text, ...layers.flatMap(arraysOf).map(bytesOf)];
  const bytes = new Uint8Array(4 + parts.reduce((sum, part) => sum + part.length, 0));
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  let at = 4;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const damaged = (found: string): InputError =>
  new InputError({
    where: 'checkpoint',
    found,
    supported: 'a complete checkpoint of this version of fine-tuning',
    todo: 'start again without it',
  });

function headerOf(bytes: Uint8Array): { readonly header: Header; readonly end: number } {
  if (bytes.length < 4) throw damaged(`${bytes.length} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (4 + length > bytes.length) throw damaged('no header, or one that was cut');
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as Header;
    if (header.format === format) return { header, end: 4 + length };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw damaged('another kind of file');
}

/** @throws InputError naming the first option that was another one then */
function requireSameSettings(then: Settings, now: Settings): void {
  const names = Object.keys(now) as (keyof Settings)[];
  const other = names.find((name) => JSON.stringify(then[name]) !== JSON.stringify(now[name]));
  if (other === undefined) return;
  throw new InputError({
    where: `option ${other}`,
    found: `${JSON.stringify(now[other])}, and ${JSON.stringify(then[other])} in the checkpoint`,
    supported: 'the options that training began with',
    todo: 'set it back, or start again without the checkpoint',
  });
}

/** Puts the numbers into `layers`. @throws InputError for damage, other options, another network */
export function readCheckpoint(
  bytes: Uint8Array,
  settings: Settings,
  layers: readonly LayerState[],
): CheckpointState {
  const { header, end } = headerOf(bytes);
  requireSameSettings(header.settings, settings);
  if (JSON.stringify(header.layers) !== JSON.stringify(describe(layers)))
    throw damaged('layers of another network');
  const targets = layers.flatMap(arraysOf).map(bytesOf);
  const need = targets.reduce((sum, target) => sum + target.length, 0);
  if (bytes.length - end !== need) throw damaged(`${bytes.length - end} bytes of numbers instead of ${need}`);
  let at = end;
  for (const target of targets) {
    target.set(bytes.subarray(at, at + target.length));
    at += target.length;
  }
  return header;
}
