/** docs/api.md: what each door gives, from the declarations that `npm run build` makes and the docstrings in them. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'rolldown/utils';
import { root } from './shared.ts';

/** Of a syntax tree: what is read of it here. */
interface Tree {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly name?: string;
  readonly value?: string;
  readonly id?: Tree;
  readonly source?: Tree | null;
  readonly declaration?: Tree | null;
  readonly declarations?: readonly Tree[];
  readonly specifiers?: readonly {
    readonly local: Tree;
    readonly imported?: Tree;
    readonly exported: Tree;
  }[];
}

interface Place {
  readonly file: string;
  readonly name: string;
}

interface Module {
  readonly file: string;
  readonly text: string;
  /** Ends of docstrings, and what stands in them. */
  readonly comments: readonly { readonly end: number; readonly value: string }[];
  /** Statements that declare a name: several of an overloaded function. */
  readonly declared: ReadonlyMap<string, readonly Tree[]>;
  /** Names from other modules, here under these. */
  readonly imported: ReadonlyMap<string, Place>;
  readonly exported: ReadonlyMap<string, Place>;
  readonly stars: readonly string[];
}

const modules = new Map<string, Module>();

function moduleOf(file: string): Module {
  const known = modules.get(file) ?? read(file);
  modules.set(file, known);
  return known;
}

function read(file: string): Module {
  const text = readFileSync(file, 'utf8');
  const { program, comments } = parseSync(file, text);
  const declared = new Map<string, Tree[]>();
  const imported = new Map<string, Place>();
  const exported = new Map<string, Place>();
  const stars: string[] = [];
  for (const statement of program.body as unknown as readonly Tree[]) {
    const { type, source, declaration, specifiers = [] } = statement;
    const from = source ? path.resolve(file, '..', String(source.value).replace(/\.[jt]s$/, '.d.ts')) : file;
    if (type === 'ExportAllDeclaration') stars.push(from);
    for (const { local, imported: theirs, exported: name } of specifiers) {
      if (type === 'ImportDeclaration') imported.set(local.name!, { file: from, name: theirs?.name ?? '*' });
      else exported.set(name.name!, { file: from, name: local.name! });
    }
    const one = type === 'ExportNamedDeclaration' ? declaration : statement;
    for (const { id } of one?.declarations ?? (one ? [one] : [])) {
      if (id?.name === undefined) continue;
      declared.set(id.name, [...(declared.get(id.name) ?? []), statement]);
      if (one !== statement) exported.set(id.name, { file, name: id.name });
    }
  }
  const docs = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*'));
  return { file, text, comments: docs, declared, imported, exported, stars };
}

/** Where a name that a module has or exports is declared. */
function declarationOf(file: string, name: string): Place | undefined {
  const { declared, imported, exported, stars } = moduleOf(file);
  if (declared.has(name)) return { file, name };
  const place = imported.get(name) ?? exported.get(name);
  if (place !== undefined) return declarationOf(place.file, place.name);
  return stars.map((star) => declarationOf(star, name)).find((found) => found !== undefined);
}

function namesOf(file: string): readonly string[] {
  const { exported, stars } = moduleOf(file);
  return [...new Set([...exported.keys(), ...stars.flatMap(namesOf)])];
}

export interface ApiName {
  readonly name: string;
  readonly kind: 'value' | 'type';
  /** '' where there is none. */
  readonly doc: string;
  /** As in TypeScript, docstrings of members included. */
  readonly code: string;
  /** Other names in its declaration, and where they stand. */
  readonly mentions: readonly Place[];
}

/** The lines of a docstring without its stars. */
const plain = (comment: string): string =>
  comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*+ ?/, '').trimEnd())
    .join('\n')
    .trim();

const docOf = ({ text, comments }: Module, { start }: Tree): string => {
  const last = comments.findLast(({ end }) => end <= start && text.slice(end, start).trim() === '');
  return last === undefined ? '' : plain(last.value);
};

function described({ file, name }: Place, as = name): ApiName {
  const module = moduleOf(file);
  const statements = module.declared.get(name) ?? [];
  const texts = statements.map(({ start, end }) => module.text.slice(start, end));
  const code = texts
    .join('\n')
    .replace(/^export /gm, '')
    .replace(/^declare /gm, '')
    .replace(/^ +#private;\n/gm, '')
    .replace(new RegExp(`^(\\w+) ${name}\\b`, 'gm'), `$1 ${as}`)
    .replace(/^( {4})+/gm, (indent) => ' '.repeat(indent.length / 2));
  const words = new Set(code.replace(/\/\*.*?\*\//gs, '').match(/\b[A-Z]\w*/g) ?? []);
  const mentions = [...words].flatMap((word) => (word === name ? [] : (declarationOf(file, word) ?? [])));
  const isType = /^(interface|type) /.test(code);
  const doc = statements.map((statement) => docOf(module, statement)).find((text) => text !== '') ?? '';
  return { name: as, kind: isType ? 'type' : 'value', doc, code, mentions };
}

const doorFile = (door: string): string => path.join(root, 'dist', `${door}.d.ts`);

/** The names of a door. */
export function namesOfDoor(door: 'node' | 'browser' | 'compress'): readonly ApiName[] {
  const file = doorFile(door);
  if (!existsSync(file)) throw new Error('npm run build, first');
  return namesOf(file)
    .map((name) => described(declarationOf(file, name)!, name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Paragraphs of a docstring, and a list of what its tags say. */
function docLines(doc: string): readonly string[] {
  const [text = '', ...tags] = ` ${doc}`.split(/\s(?=@(?:param|returns|throws)\b)/);
  const items = tags.map((tag) => {
    const [, kind, rest = ''] = /^@(\w+)\s+(.*)$/s.exec(tag.trim()) ?? [];
    const flat = rest.replace(/\s+/g, ' ');
    if (kind === 'param') return `- ${flat.replace(/^(\S+)/, '`$1`:')}`;
    return kind === 'returns' ? `- Returns ${flat}` : `- Throws ${flat.replace(/^([A-Z]\w+)/, '`$1`')}`;
  });
  return [...(text.trim() === '' ? [] : [text.trim(), '']), ...(items.length === 0 ? [] : [...items, ''])];
}

const entry = ({ name, kind, doc, code }: ApiName): readonly string[] => [
  kind === 'type' ? `### type ${name}` : `### ${name}`,
  '',
  ...docLines(doc),
  '```ts',
  code,
  '```',
  '',
];

const section = (title: string, names: readonly ApiName[]): readonly string[] => {
  const values = names.filter(({ kind }) => kind === 'value');
  const types = names.filter(({ kind }) => kind === 'type');
  return [`## ${title}`, '', ...[...values, ...types].flatMap(entry)];
};

const list = (names: readonly ApiName[], kind: ApiName['kind']): string =>
  names
    .filter((one) => one.kind === kind)
    .map(({ name }) => `[${name}](#${kind === 'type' ? 'type-' : ''}${name.toLowerCase()})`)
    .join(', ');

/** Options and results that the doors' names mention, and that are of no door themselves. */
function mentionedBy(names: readonly ApiName[]): readonly ApiName[] {
  const named = new Set(names.map(({ name }) => name));
  const found = new Map<string, ApiName>();
  for (const place of names.flatMap(({ mentions }) => mentions)) {
    const one = described(place);
    const isInner = /\/ir\/(graph|kernel|integers)\//.test(place.file);
    if (!named.has(one.name) && one.kind === 'type' && !isInner) found.set(one.name, one);
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function apiPage(): string {
  const node = namesOfDoor('node');
  const names = (door: 'browser' | 'compress') => new Set(namesOfDoor(door).map(({ name }) => name));
  const [browser, compress] = [names('browser'), names('compress')];
  const parts: readonly (readonly [string, readonly ApiName[]])[] = [
    ['All entry points', node.filter(({ name }) => compress.has(name))],
    ['thimble/browser and thimble/node', node.filter(({ name }) => browser.has(name) && !compress.has(name))],
    ['thimble/node alone', node.filter(({ name }) => !browser.has(name))],
  ];
  return [
    '# API',
    '',
    'This page lists every name that the package exports, from the docstrings of the source. [node.md](node.md#the-doors-of-the-package) describes the entry points. `npm run build && npx vitest run test/api.test.ts --update` writes this page; a test fails if it is not up to date.',
    '',
    'Shapes have the batch axis first, and arrays are row-major. Sizes are bytes. Times are instructions, or microseconds if the name says so. An `InputError` reports an error in the input: the place, what was found, what is supported and what to do. A `DefectError` is a defect of thimble. Every function that takes a model, a file or options may throw both.',
    '',
    ...parts.flatMap(([title, ones]) => [
      `**${title}.** ${list(ones, 'value')}. Types: ${list(ones, 'type')}.`,
      '',
    ]),
    ...parts.flatMap(([title, ones]) => section(title, ones)),
    ...section('Types that these mention', mentionedBy(node)),
  ].join('\n');
}
