/** What exporters say of a node's place in the PyTorch source, in fields that the schema of `proto.ts` does not have. */
import { at, must } from '../../base/errors.ts';
import { inside, textIn } from './wire.ts';

/** Numbers of fields in ONNX's schema. */
const field = { graphOfModel: 7, nodeOfGraph: 1, docOfNode: 6, metadataOfNode: 9, key: 1, value: 2 } as const;

export interface NodeMetadata {
  /** The modules in which it was called, outermost first. */
  readonly scopes: readonly string[];
  /** `net.py:41: y = self.rnn(x)`, where the file says so. */
  readonly source?: string;
}

/** `['', 'features', 'features.0', 'conv2d']`, a Python list of strings. */
const listed = (value: string): readonly string[] =>
  [...value.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => must(a ?? b, 'one way of quoting'));

/** `: net.Net/features: torch.nn.Sequential/features.0: torch.nn.Conv2d/conv2d: aten.conv2d.default`. */
const spaced = (value: string): readonly string[] =>
  value.split('/').map((part) => at(part.split(': '), 0).replace(/:$/, '').trim());

const keys: readonly (readonly [string, (value: string) => readonly string[]])[] = [
  ['pkg.torch.onnx.name_scopes', listed],
  ['namespace', spaced],
];

/** The last entry is the operation itself; `@1` behind a module is its second call. */
const modules = (scopes: readonly string[]): readonly string[] =>
  scopes.slice(0, -1).flatMap((scope) => scope.replaceAll(/@\d+/g, '') || []);

function scopesIn(entries: ReadonlyMap<string, string>): readonly string[] {
  for (const [key, read] of keys) {
    const value = entries.get(key);
    if (value !== undefined) return modules(read(value));
  }
  return [];
}

interface Frame {
  readonly file: string;
  readonly line: string;
  readonly code: string;
}

/** Of PyTorch itself, or of what it made. */
const isForeign = ({ file }: Frame): boolean => /[/\\](site-packages|torch)[/\\]|^</.test(file);

const showFrame = ({ file, line, code }: Frame): string =>
  `${at(file.split(/[/\\]/).slice(-1), 0)}:${line}${code === '' ? '' : `: ${code}`}`;

/** Python's own form of a stack, the innermost frame last. */
const pythonFrames = (stack: string): readonly Frame[] =>
  [...stack.matchAll(/File "([^"]*)", line (\d+)[^\n]*(?:\n[ \t]*([^\n]*))?/g)].map(
    ([, file, line, code]) => ({
      file: file ?? '',
      line: line ?? '',
      code: (code ?? '').trim(),
    }),
  );

/** The doc string of PyTorch's first exporter, the innermost frame first: `/home/me/net.py(41): forward`. */
const docFrames = (doc: string): readonly Frame[] =>
  [...doc.matchAll(/^\s*(?:# )?(.+)\((\d+)\): /gm)].map(([, file, line]) => ({
    file: file ?? '',
    line: line ?? '',
    code: '',
  }));

/** The place in the user's own code, of a node's stack and doc string. */
export function sourceOf(stack: string, doc = ''): string | undefined {
  const frame =
    pythonFrames(stack).findLast((one) => !isForeign(one)) ?? docFrames(doc).find((one) => !isForeign(one));
  return frame === undefined ? undefined : showFrame(frame);
}

function metadataOf(node: Uint8Array): NodeMetadata {
  const entries = new Map(
    inside(node, field.metadataOfNode).map((entry) => [textIn(entry, field.key), textIn(entry, field.value)]),
  );
  const source = sourceOf(entries.get('pkg.torch.onnx.stack_trace') ?? '', textIn(node, field.docOfNode));
  return { scopes: scopesIn(entries), ...(source === undefined ? {} : { source }) };
}

/** Of each node of a model, in the file's order. */
export function metadataIn(model: Uint8Array): readonly NodeMetadata[] {
  const [graph] = inside(model, field.graphOfModel);
  return graph === undefined ? [] : inside(graph, field.nodeOfGraph).map(metadataOf);
}
