/** Puts the lines of each run together. */
import type { TraceRecord } from './record.ts';

export interface PlacedRecord extends TraceRecord {
  readonly body: string;
  readonly offset: number;
}

/** The lines of one run that arrived, by number. */
export interface RunLines {
  readonly tag: string;
  readonly records: Map<number, PlacedRecord>;
  /** One more than the highest number that arrived. */
  next: number;
  /** Its last line arrived. */
  ended: boolean;
}

/** Whether a line is one that its run has already: a first line is not, unless nothing came in between. */
function isRepeated(run: RunLines, record: PlacedRecord): boolean {
  if (run.records.get(record.number)?.body !== record.body) return false;
  if (run.ended) return record.content.kind === 'end';
  return record.content.kind !== 'begin' || run.next === 1;
}

/**
 * Lines of different runs may come by turns: their tags differ, unless network and input are the same. Runs of
 * one tag follow each other, and numbers that go back begin another one.
 */
export function collectRuns(records: readonly PlacedRecord[]): {
  readonly runs: readonly RunLines[];
  readonly repeated: readonly PlacedRecord[];
} {
  const runs: RunLines[] = [];
  const repeated: PlacedRecord[] = [];
  const open = new Map<string, RunLines>();
  for (const record of records) {
    let run = open.get(record.tag);
    if (run !== undefined && isRepeated(run, record)) {
      repeated.push(record);
      continue;
    }
    if (run === undefined || run.ended || record.number < run.next) {
      run = { tag: record.tag, records: new Map(), next: 0, ended: false };
      open.set(record.tag, run);
      runs.push(run);
    }
    run.records.set(record.number, record);
    run.next = record.number + 1;
    run.ended = record.content.kind === 'end';
  }
  return { runs, repeated };
}
