/** What one undamaged line says. */
import { must } from '../base/errors.ts';
import { fromBase64 } from './line.ts';

interface Network {
  readonly name: string;
  readonly build: string;
}

/** `read`: right before the step; else right after it. */
interface Moment {
  readonly read: boolean;
  readonly step: number;
  readonly slot: number;
}

export type Content =
  | (Network & {
      readonly kind: 'begin';
      readonly level: 1 | 2;
      readonly steps: number;
      readonly arena: number;
      readonly stack: number;
    })
  | {
      readonly kind: 'table';
      readonly index: number;
      readonly address: number;
      readonly length: number;
      readonly crc: number;
    }
  | (Moment & { readonly kind: 'tensor'; readonly length: number; readonly crc: number })
  | (Moment & { readonly kind: 'bytes'; readonly at: number; readonly bytes: Uint8Array })
  | (Network & { readonly kind: 'end' });

export interface TraceRecord {
  /** Of the run. */
  readonly tag: string;
  /** Of the line in its run, from 0. */
  readonly number: number;
  readonly content: Content;
}

/** No tensor of a microcontroller is longer, in bytes: what claims to be is no trace. */
const longest = 2 ** 24;

const number = '[0-9a-f]{1,13}';
const place = `(?<step>-1|[0-9a-f]{1,4}) (?<slot>[0-9a-f]{1,4})`;
const network = '(?<name>[A-Za-z][A-Za-z0-9_]*) (?<build>[0-9a-f]{16})';
const head = (kinds: string): string => `^(?<kind>[${kinds}]) (?<tag>[0-9a-f]{1,4}) (?<number>${number})`;
const pattern = (kinds: string, fields: string): RegExp => new RegExp(`${head(kinds)} ${fields}$`);
const named = (name: string): string => `(?<${name}>${number})`;

const patterns = {
  begin: pattern('B', `${network} (?<level>[12]) ${named('steps')} ${named('arena')} ${named('stack')}`),
  table: pattern('T', `${named('index')} ${named('address')} ${named('length')} (?<crc>[0-9a-f]{1,8})`),
  tensor: pattern('IO', `${place} ${named('length')} (?<crc>[0-9a-f]{1,8})`),
  bytes: pattern('io', `${place} ${named('at')} (?<bytes>[A-Za-z0-9+/]+)`),
  end: pattern('E', network),
} as const;

type Groups = Readonly<Record<string, string>>;

const numberIn = (groups: Groups, name: string): number =>
  Number.parseInt(must(groups[name], `a group '${name}'`), 16);
const networkIn = ({ name = '', build = '' }: Groups): Network => ({ name, build });
const momentIn = (groups: Groups): Moment => ({
  read: groups.kind === 'I' || groups.kind === 'i',
  step: numberIn(groups, 'step'),
  slot: numberIn(groups, 'slot'),
});

function bytesIn(groups: Groups): Content | undefined {
  const bytes = fromBase64(groups.bytes ?? '');
  const at = numberIn(groups, 'at');
  if (bytes === undefined || at + bytes.length > longest) return undefined;
  return { kind: 'bytes', ...momentIn(groups), at, bytes };
}

const sized = (content: Extract<Content, { readonly length: number }>): Content | undefined =>
  content.length <= longest ? content : undefined;

const contents: Readonly<Record<keyof typeof patterns, (groups: Groups) => Content | undefined>> = {
  begin: (g) => ({
    kind: 'begin',
    ...networkIn(g),
    level: g.level === '2' ? 2 : 1,
    steps: numberIn(g, 'steps'),
    arena: numberIn(g, 'arena'),
    stack: numberIn(g, 'stack'),
  }),
  table: (g) =>
    sized({
      kind: 'table',
      index: numberIn(g, 'index'),
      address: numberIn(g, 'address'),
      length: numberIn(g, 'length'),
      crc: numberIn(g, 'crc'),
    }),
  tensor: (g) =>
    sized({ kind: 'tensor', ...momentIn(g), length: numberIn(g, 'length'), crc: numberIn(g, 'crc') }),
  bytes: bytesIn,
  end: (g) => ({ kind: 'end', ...networkIn(g) }),
};

/** @param body of a line, between `~` and `*`. @returns undefined for what is no line of this format. */
export function parseRecord(body: string): TraceRecord | undefined {
  for (const kind of Object.keys(patterns) as (keyof typeof patterns)[]) {
    const groups = patterns[kind].exec(body)?.groups;
    if (groups === undefined) continue;
    const content = contents[kind](groups);
    return content && { tag: groups.tag ?? '', number: numberIn(groups, 'number'), content };
  }
  return undefined;
}
