/** What stands in the folder beside the program: each field of the manifest is the program's, or is refused. */
import { describe, expect, test } from 'vitest';
import { loadArtifact, loadProgram } from '../../src/artifact/make.ts';
import { InputError } from '../../src/base/errors.ts';
import { bytesOf, each, filesOf, one } from '../support/small-artifact.ts';

const kinds = [
  ['int8', filesOf('int8')],
  ['raw', filesOf('int8', one)],
  ['raw, each channel its own', filesOf('int8', each)],
  ['float32', filesOf('float32')],
] as const;

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
const isNode = (value: Json): value is readonly Json[] | { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null;

/** The paths of all values, leaves and nodes, but the whole itself. */
const pathsOf = (value: Json): string[][] =>
  isNode(value)
    ? Object.entries(value).flatMap(([key, inner]) => [[key], ...pathsOf(inner).map((p) => [key, ...p])])
    : [];

/** Another value of the same type, which the schema would take. */
function other(value: Json): Json {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'string')
    return value === 'int8' ? 'float32' : value === 'uint8' ? 'float32' : `${value}x`;
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return value.length === 0 ? ['x'] : value.slice(1);
  if (value === null || !isNode(value)) return 0;
  return { ...value, more: 1 };
}

function changed(
  value: Json,
  [key = '', ...path]: readonly string[],
  change: (value: Json) => Json | undefined,
): Json {
  const edit = (inner: Json): Json | undefined =>
    path.length === 0 ? change(inner) : changed(inner, path, change);
  const entries = Object.entries(value as { [key: string]: Json }).flatMap(([name, inner]) => {
    const made = name === key ? edit(inner) : inner;
    return made === undefined ? [] : [[name, made] as const];
  });
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

const edits: readonly (readonly [string, (value: Json) => Json | undefined])[] = [
  ['another value', other],
  ['nothing', () => undefined],
];

describe.each(kinds)('%s', (_, files) => {
  const manifest = JSON.parse(files.get('manifest.json')!) as Json;
  const loadWith = (text: string) => loadProgram(bytesOf(new Map(files).set('manifest.json', text)));

  test.each(edits)('every field of the manifest, edited to %s, is refused by its name', (_, edit) => {
    const paths = pathsOf(manifest);
    expect(paths.length).toBeGreaterThan(80);
    for (const path of paths.filter(([field]) => field !== 'version' && field !== 'command')) {
      const load = () => loadWith(JSON.stringify(changed(manifest, path, edit)));
      expect(load, path.join('.')).toThrow(InputError);
      if (path[0] !== 'seal')
        expect(load, path.join('.')).toThrow(new RegExp(`^manifest.json: '?${path[0]}`));
    }
  });

  test('a field that is not there is refused', () => {
    expect(() => loadWith(JSON.stringify({ ...(manifest as object), more: 1 }))).toThrow(
      /^manifest.json: 'more'/,
    );
  });

  test('what is only told changes nothing', () => {
    const { program, manifest: found } = loadWith(
      JSON.stringify({ ...(manifest as object), version: '9', command: 'rm' }),
    );
    expect(program).toEqual(loadProgram(bytesOf(files)).program);
    expect(found).toEqual({ ...(manifest as object), version: '9', command: 'rm' });
  });

  test('spaces and line ends are not what it says', () => {
    const { program } = loadWith(JSON.stringify(manifest, null, 1).replaceAll('\n', '\r\n'));
    expect(program).toEqual(loadProgram(bytesOf(files)).program);
  });

  test('the program, edited anywhere', () => {
    const text = files.get('twelve.program.json')!;
    for (let at = 0; at < text.length; at += 97) {
      const edited = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`;
      if (edited === text) continue;
      const files2 = new Map(files).set('twelve.program.json', edited);
      expect(() => loadProgram(bytesOf(files2))).toThrow(
        /twelve.program.json: not the file that its manifest/,
      );
    }
  });

  test('the header says what the manifest says', () => {
    const header = loadArtifact(bytesOf(files))
      .sources.get('twelve.h')!
      .replaceAll(/ \\\n */g, ' ');
    const { inputs, outputs } = loadProgram(bytesOf(files)).manifest;
    for (const [role, port] of Object.entries({ INPUT: inputs[0]!, OUTPUT: outputs[0]! }))
      for (const [macro, said] of [
        ['SCALE', port.scale],
        ['(?:ZERO_POINT|MEAN)', port.zeroPoint],
      ] as const) {
        const [, text] = new RegExp(`#define TWELVE_${role}_${macro}S? (.*)`).exec(header) ?? [];
        const found = text?.match(/-?[0-9][0-9.e-]*/g)?.map((x) => Math.fround(Number(x)));
        expect(found, `${role} ${macro}`).toEqual(said === undefined ? said : [said].flat().map(Math.fround));
      }
  });
});

test('a scale that was edited is refused with both numbers', () => {
  const [, files] = kinds[1];
  const text = files.get('manifest.json')!.replace('"scale": 0.02', '"scale": 0.03');
  expect(() => loadProgram(bytesOf(new Map(files).set('manifest.json', text)))).toThrow(
    "manifest.json: 'inputs.0.scale' is 0.03, in the program 0.02; ",
  );
});

test('raw inputs: the scale is that of a pixel, per channel where they differ', () => {
  const inputOf = (files: ReadonlyMap<string, string>) => loadProgram(bytesOf(files)).manifest.inputs[0]!;
  expect(inputOf(kinds[1][1])).toMatchObject({ scale: 1 / 50, zeroPoint: 64, raw: one });
  expect(inputOf(kinds[2][1])).toMatchObject({
    scale: [1 / 50, 1 / 60, 1 / 70.25],
    zeroPoint: [64, 100, 30.5],
    raw: each,
  });
});

test('sources of packages that have them in folders go by their names', () => {
  const files = bytesOf(filesOf('int8', undefined, 'zephyr'));
  expect([...files.keys()]).toContain('src/twelve.c');
  expect([...loadArtifact(files).sources.keys()]).toEqual(['twelve.c', 'twelve.h']);
});
