/**
 * node scripts/vendor.js, the last step of `npm run build`: puts every package that dist/ imports into dist/vendor, so
 * that the published package depends on no other. Imports in dist/ then name those files. dist/vendor/NOTICES.txt has
 * the licences of all that is in there.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { parseSync } from 'rolldown/utils';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const vendor = path.join(dist, 'vendor');

/** Specifiers of a module with their places, quotes included, and the names that are imported from each. */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const { staticImports, staticExports, dynamicImports } = parseSync(file, text).module;
  const named = staticImports.map(({ moduleRequest: { start, end }, entries }) => ({
    start,
    end,
    names: entries.map(({ importName: { kind, name } }) => (kind === 'Name' ? name : kind)),
  }));
  const others = [...staticExports.flatMap(({ entries }) => entries), ...dynamicImports];
  const whole = others.flatMap(({ moduleRequest }) =>
    moduleRequest ? [{ start: moduleRequest.start, end: moduleRequest.end, names: ['NamespaceObject'] }] : [],
  );
  return [...named, ...whole].map((place) => ({ ...place, to: text.slice(place.start + 1, place.end - 1) }));
}

const isPackage = (name) => /^[@\w]/.test(name) && !isBuiltin(name);

/** Packages that `files` import: what of each. */
function packagesIn(files) {
  const found = new Map();
  for (const { to, names } of files.flatMap(importsOf).filter(({ to }) => isPackage(to)))
    found.set(to, new Set([...(found.get(to) ?? []), ...names]));
  return found;
}

/** A module and all that it imports in dist/. */
function reached(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { to } of importsOf(file)) if (to.startsWith('.')) reached(path.resolve(file, '..', to), seen);
  return seen;
}

/** A file's name for `@noble/hashes/sha2.js`: `noble-hashes-sha2`. */
const stem = (name) => name.replace(/^@|\.js$/g, '').replaceAll('/', '-');

/** What dist/ sees of a package: as Node would import it, hence the ending. */
const entries = (packages) => ({
  name: 'entries',
  resolveId: (id) => (id.startsWith('entry:') ? { id: `${id}.mjs` } : undefined),
  load(id) {
    const name = /^entry:(.*)\.mjs$/.exec(id)?.[1];
    if (name === undefined) return undefined;
    const from = JSON.stringify(name);
    const lines = [...packages.get(name)].map((kind) => {
      if (kind === 'NamespaceObject') return `export * from ${from};`;
      return kind === 'Default' ? `export { default } from ${from};` : `export { ${kind} } from ${from};`;
    });
    return { code: lines.join('\n'), moduleSideEffects: true };
  },
});

/** @returns the files of node_modules that are now in dist/vendor. */
async function bundle(packages, platform) {
  const build = await rolldown({
    input: Object.fromEntries([...packages.keys()].map((name) => [stem(name), `entry:${name}`])),
    cwd: root,
    platform,
    plugins: [entries(packages)],
    logLevel: 'silent',
  });
  const { output } = await build.write({
    dir: vendor,
    format: 'esm',
    minify: true,
    chunkFileNames: `${platform}-[name].js`,
  });
  await build.close();
  return output.flatMap(({ moduleIds = [] }) => moduleIds).filter((id) => id.includes('node_modules'));
}

/** Imports of packages become imports of dist/vendor. */
function rewrite(file) {
  const places = importsOf(file).filter(({ to }) => isPackage(to));
  if (places.length === 0) return;
  let text = readFileSync(file, 'utf8');
  for (const { start, end, to } of places.sort((a, b) => b.start - a.start)) {
    const relative = path.relative(path.dirname(file), path.join(vendor, `${stem(to)}.js`));
    const specifier = relative.startsWith('.') ? relative : `./${relative}`;
    text = `${text.slice(0, start)}'${specifier.replaceAll(path.sep, '/')}'${text.slice(end)}`;
  }
  writeFileSync(file, text);
}

/** `name version`, its licence and the text of it, for the package of a file. */
function noticeOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const lines = texts.map((file) => readFileSync(path.join(folder, file), 'utf8').trim());
  return `${name} ${version}, ${license}\n\n${lines.join('\n\n') || '(The package has no file with the text.)'}\n`;
}

const folderOf = (file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file.replace(/^\0/, ''))?.[0];

const all = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js') && !file.startsWith('vendor') && !file.startsWith('view/app'))
  .map((file) => path.join(dist, file));
const inBrowsers = packagesIn([...reached(path.join(dist, 'browser.js'))]);
const packages = [...packagesIn(all)];
const everywhere = new Map(packages.filter(([name]) => inBrowsers.has(name)));
const inNode = new Map(packages.filter(([name]) => !inBrowsers.has(name)));

rmSync(vendor, { recursive: true, force: true });
const files = [...(await bundle(everywhere, 'browser')), ...(await bundle(inNode, 'node'))];
for (const file of all) rewrite(file);
const folders = [...new Set(files.map(folderOf))].filter((folder) => folder && existsSync(folder)).sort();
const rule = `\n${'-'.repeat(78)}\n\n`;
const head = 'The files of this folder contain, in whole or in part, these packages:\n';
writeFileSync(path.join(vendor, 'NOTICES.txt'), [head, ...folders.map(noticeOf)].join(rule));
