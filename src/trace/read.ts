/** Reads a raw capture of a device's console: docs/trace.md has the format. */
import { at } from '../base/errors.ts';
import { narrowed } from '../data/encoding.ts';
import { parseRecord } from './record.ts';
import { collectRuns, type PlacedRecord, type RunLines } from './runs.ts';
import { type ScannedLine, scan } from './scan.ts';
import { layersOf } from './tensors.ts';
import type { DeviceTrace, TraceProblem, TraceProblemKind, TraceRun, TraceTable } from './trace.ts';

type Report = (kind: TraceProblemKind, offset: number, what: string) => void;

/** The first or the last line of a run names its program: `<name> <build>`. */
function keyOf({ records }: RunLines): string | undefined {
  for (const { content } of records.values())
    if (content.kind === 'begin' || content.kind === 'end') return `${content.name} ${content.build}`;
  return undefined;
}

const plural = (from: number, to: number): string =>
  from === to ? `line ${from}` : `lines ${from} to ${to}`;

/** @returns whether none is. */
function reportLost(run: RunLines, report: Report): boolean {
  let expected = 0;
  let last = 0;
  let complete = run.ended;
  for (const { number, offset } of run.records.values()) {
    if (number > expected) {
      complete = false;
      report('lost', offset, `${plural(expected, number - 1)} of run ${run.tag} did not arrive before this`);
    }
    expected = number + 1;
    last = offset;
  }
  if (!run.ended) report('lost', last, `run ${run.tag} has no end after line ${expected - 1}`);
  return complete;
}

function tablesOf({ records }: RunLines): TraceTable[] {
  return [...records.values()].flatMap(({ content }) => {
    if (content.kind !== 'table') return [];
    const { index, address, length, crc } = content;
    return [{ index, address, length, crc }];
  });
}

function headOf({ records }: RunLines): Pick<TraceRun, 'level' | 'steps' | 'arena' | 'stack'> {
  const first = records.get(0)?.content;
  if (first?.kind !== 'begin') return {};
  const { level, steps, arena, stack } = first;
  return { level, steps, arena, stack };
}

function runOf(run: RunLines, index: number, report: Report): TraceRun {
  const complete = reportLost(run, report);
  const { layers, findings } = layersOf(run.records.values());
  for (const { kind, offset, what } of findings) report(kind, offset, what);
  const [first] = run.records.values();
  return {
    tag: run.tag,
    index,
    ...headOf(run),
    tables: tablesOf(run),
    layers,
    complete,
    offset: first?.offset ?? 0,
  };
}

/** Where a table lies and what it holds. */
const tableKeys = (run: RunLines): string[] =>
  tablesOf(run).map(({ index, address, length, crc }) => `${index} ${address} ${length} ${crc}`);

/** Of each run. One that has lost its first and its last line is of the network that has one of its tables. */
function keysOf(runs: readonly RunLines[]): readonly (string | undefined)[] {
  const owners = new Map<string, string>();
  for (const run of runs) {
    const key = keyOf(run);
    if (key !== undefined) for (const table of tableKeys(run)) owners.set(table, key);
  }
  const owner = (run: RunLines): string | undefined =>
    tableKeys(run)
      .map((table) => owners.get(table))
      .find((key) => key !== undefined);
  return runs.map((run) => keyOf(run) ?? owner(run));
}

/** The runs of each network in each build, in order; before them those whose program is not known. */
function networksIn(runs: readonly RunLines[], report: Report): Omit<DeviceTrace, 'problems'>[] {
  const keys = keysOf(runs);
  const named = new Set(keys.filter((key) => key !== undefined));
  const found = keys.includes(undefined) ? [undefined, ...named] : [...named];
  return found.map((key) => {
    const own = runs.filter((_, i) => keys[i] === key).map((run, index) => runOf(run, index, report));
    const [name = '', build = ''] = key?.split(' ') ?? [];
    return key === undefined ? { runs: own } : { name, build, runs: own };
  });
}

/** Line numbers of characters that come in order. */
function lineCounter(bytes: Uint8Array): (offset: number) => number {
  let [at, line] = [0, 1];
  return (offset) => {
    for (; at < offset; at++) if (bytes[at] === 10) line++;
    return line;
  };
}

function snippet(text: string): string {
  const line = at(text.trim().split(/[\r\n]/), 0);
  const plain = line.replace(/[^\x20-\x7e]/g, '.');
  return `'${plain.length > 60 ? `${plain.slice(0, 60)}...` : plain}'`;
}

function placed(line: ScannedLine, report: Report): PlacedRecord[] {
  const record = parseRecord(line.body);
  if (record !== undefined) return [{ ...record, ...line }];
  report('unknown', line.offset, `a line that is of no format known here: ${snippet(line.body)}`);
  return [];
}

/**
 * Every network and build in a capture, in the order of their first lines, each with the problems of the whole
 * capture; runs whose program is not known come first, without a name. Empty when there is no trace in it.
 * Nothing is thrown, whatever the bytes are.
 * @param bytes as they came from the serial line: with other text around, between and inside of the lines; UTF-16,
 * as PowerShell redirects it, is read too.
 */
export function readTraces(bytes: Uint8Array): readonly DeviceTrace[] {
  const { networks, problems } = readAll(bytes);
  return networks.map((network) => ({ ...network, problems }));
}

/** Characters of the text as bytes of the file. */
const placedIn = (
  network: Omit<DeviceTrace, 'problems'>,
  offsetOf: (character: number) => number,
): Omit<DeviceTrace, 'problems'> => ({
  ...network,
  runs: network.runs.map((run) => ({ ...run, offset: offsetOf(run.offset) })),
});

function readAll(file: Uint8Array): {
  readonly networks: readonly Omit<DeviceTrace, 'problems'>[];
  readonly problems: readonly TraceProblem[];
} {
  const { bytes, offsetOf } = narrowed(file);
  const found: Omit<TraceProblem, 'line'>[] = [];
  const report: Report = (kind, offset, what) => {
    found.push({ kind, offset, what });
  };
  const { lines, other } = scan(bytes);
  for (const { kind, offset, text } of other) report(kind, offset, snippet(text));
  const { runs, repeated } = collectRuns(lines.flatMap((line) => placed(line, report)));
  for (const { offset, tag, number } of repeated)
    report('repeated', offset, `line ${number} of run ${tag} arrived before`);
  const networks = networksIn(runs, report);
  const lineOf = lineCounter(bytes);
  const sorted = found.sort((a, b) => a.offset - b.offset);
  const problems = sorted.map(({ offset, ...problem }) => ({
    ...problem,
    line: lineOf(offset),
    offset: offsetOf(offset),
  }));
  return { networks: networks.map((network) => placedIn(network, offsetOf)), problems };
}

/**
 * Reads the trace of one network from a capture: the last build that has this name, or the last of all; without any,
 * the runs whose program is not known. Never throws, whatever the bytes are.
 */
export function readTrace(bytes: Uint8Array, name?: string): DeviceTrace {
  const { networks, problems } = readAll(bytes);
  const wanted =
    name === undefined ? networks : networks.filter((network) => (network.name ?? name) === name);
  return { ...(wanted.at(-1) ?? { runs: [] }), problems };
}
