/** The tensors of one run, from the lines that arrived. */

import { crc32 } from '../base/crc32.ts';
import { largestOf } from '../base/extremes.ts';
import type { Content } from './record.ts';
import type { PlacedRecord } from './runs.ts';
import type { ByteRange, TraceInput, TraceLayer, TraceTensor } from './trace.ts';

/** A complaint about the line at an offset. */
export interface Finding {
  readonly kind: 'unknown' | 'inconsistent';
  readonly offset: number;
  readonly what: string;
}

/** What arrived of one tensor at one moment. */
interface Parts {
  readonly step: number;
  readonly slot: number;
  readonly read: boolean;
  said?: { readonly length: number; readonly crc: number; readonly offset: number };
  readonly chunks: { readonly at: number; readonly bytes: Uint8Array; readonly offset: number }[];
}

const keyOf = ({ step, slot, read }: Pick<Parts, 'step' | 'slot' | 'read'>): string =>
  `${step} ${slot} ${read}`;

function add(parts: Map<string, Parts>, offset: number, content: Content): void {
  if (content.kind !== 'tensor' && content.kind !== 'bytes') return;
  const { step, slot, read } = content;
  const found = parts.get(keyOf(content)) ?? { step, slot, read, chunks: [] };
  parts.set(keyOf(content), found);
  if (content.kind === 'tensor') found.said = { length: content.length, crc: content.crc, offset };
  else found.chunks.push({ at: content.at, bytes: content.bytes, offset });
}

/** A slot has one length, whichever line says it. */
function lengthsOf(parts: Iterable<Parts>): ReadonlyMap<number, number> {
  const lengths = new Map<number, number>();
  for (const { slot, said } of parts) if (said !== undefined) lengths.set(slot, said.length);
  return lengths;
}

/** What lies between sorted stretches. */
function gapsIn(ranges: readonly ByteRange[], length: number): ByteRange[] {
  const gaps: ByteRange[] = [];
  let end = 0;
  for (const { from, to } of [...ranges, { from: length, to: length }]) {
    if (from > end) gaps.push({ from: end, to: from });
    end = Math.max(end, to);
  }
  return gaps;
}

function joined(
  { chunks }: Parts,
  length: number | undefined,
  findings: Finding[],
): Pick<TraceTensor, 'bytes' | 'missing'> {
  const end = length ?? Math.max(0, largestOf(chunks.map(({ at, bytes }) => at + bytes.length)));
  const fits = ({ at, bytes }: Parts['chunks'][number]): boolean => at + bytes.length <= end;
  const inside = chunks.filter(fits);
  for (const chunk of chunks)
    if (!fits(chunk))
      findings.push({
        kind: 'unknown',
        offset: chunk.offset,
        what: `bytes beyond the ${end} of their tensor`,
      });
  if (inside.length === 0) return { missing: [] };
  const bytes = new Uint8Array(end);
  for (const chunk of inside) bytes.set(chunk.bytes, chunk.at);
  const ranges = inside.map((chunk) => ({ from: chunk.at, to: chunk.at + chunk.bytes.length }));
  return {
    bytes,
    missing: gapsIn(
      ranges.sort((a, b) => a.from - b.from),
      end,
    ),
  };
}

/** Without the line that says them, length and checksum follow from other lines where all bytes are there. */
function tensorOf(part: Parts, lengths: ReadonlyMap<number, number>, findings: Finding[]): TraceTensor {
  const { slot, said } = part;
  const length = said?.length ?? lengths.get(slot);
  const { bytes, missing } = joined(part, length, findings);
  const all = length !== undefined && bytes !== undefined && missing.length === 0;
  const computed = all ? crc32(bytes) : undefined;
  if (said !== undefined && computed !== undefined && computed !== said.crc)
    findings.push({
      kind: 'inconsistent',
      offset: said.offset,
      what: `step ${part.step}, slot ${slot}: the bytes are not those of the checksum; they changed while they were printed`,
    });
  const crc = said?.crc ?? computed;
  return {
    slot,
    ...(length === undefined ? {} : { length }),
    ...(crc === undefined ? {} : { crc }),
    ...(bytes === undefined ? {} : { bytes }),
    missing,
  };
}

/** An input's own bytes came only if they had changed: otherwise they are what was written. */
function inputOf(read: TraceTensor, written: TraceTensor | undefined): TraceInput {
  if (read.bytes !== undefined) return { ...read, changed: true };
  if (read.crc === undefined || written?.crc === undefined) return read;
  if (read.crc !== written.crc) return { ...read, changed: true };
  const { bytes, missing } = written;
  return { ...read, ...(bytes === undefined ? {} : { bytes }), missing, changed: false };
}

/** @param records of one run, by number. */
export function layersOf(records: Iterable<PlacedRecord>): {
  readonly layers: readonly TraceLayer[];
  readonly findings: readonly Finding[];
} {
  const parts = new Map<string, Parts>();
  for (const { content, offset } of records) add(parts, offset, content);
  const lengths = lengthsOf(parts.values());
  const findings: Finding[] = [];
  const written = new Map<number, TraceTensor>();
  const layers = new Map<number, { step: number; inputs: TraceInput[]; outputs: TraceTensor[] }>();
  for (const part of [...parts.values()].sort((a, b) => a.step - b.step || Number(b.read) - Number(a.read))) {
    const tensor = tensorOf(part, lengths, findings);
    const layer = layers.get(part.step) ?? { step: part.step, inputs: [], outputs: [] };
    layers.set(part.step, layer);
    if (part.read) layer.inputs.push(inputOf(tensor, written.get(part.slot)));
    else {
      layer.outputs.push(tensor);
      written.set(part.slot, tensor);
    }
  }
  return { layers: [...layers.values()], findings };
}
