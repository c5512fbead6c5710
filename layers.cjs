/**
 * Which room may import which: `depcruise src --config layers.cjs`, part of `npm run check`. docs/architecture.md
 * says what each room holds; test/layers.test.ts breaks each rule once.
 *
 * Rooms by wing, from the top down. A room imports rooms of lower rows only; rooms of one row do not know each other.
 */
const house = {
  src: [
    ['cli'],
    ['node'],
    ['browser'],
    ['index'],
    ['compress.ts'],
    ['report', 'view', 'net'],
    ['artifact', 'diff'],
    ['search'],
    ['compile'],
    ['judge'],
    ['compress'],
    ['passes'],
    ['plan', 'cost', 'runtime', 'targets'],
    ['lower', 'trace'],
    ['prove', 'emit', 'sim', 'data'],
    ['program'],
    ['ir'],
    ['wasm', 'text'],
    ['base'],
  ],
  'src/ir': [['import'], ['ops'], ['integers', 'geometry'], ['formats', 'graph'], ['kernel'], ['tensor']],
  'src/compress': [['train'], ['prune', 'round'], ['fit'], ['gradient']],
};

/** A folder `compress` stands beside the door `compress.ts`; every other name is a folder or a file. */
const path = (wing, name) => {
  if (name.endsWith('.ts')) return `^${wing}/${name.replace('.', '[.]')}$`;
  return wing === 'src' && name === 'compress' ? `^${wing}/${name}/` : `^${wing}/${name}(/|[.]ts$)`;
};

const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to });

const downwards = Object.entries(house).flatMap(([wing, rows]) =>
  rows.flatMap((row, i) =>
    row.flatMap((name) => {
      const banned = [...rows.slice(0, i).flat(), ...row].filter((other) => other !== name);
      if (banned.length === 0) return [];
      const to = { path: banned.map((other) => path(wing, other)) };
      return [rule(`${wing}/${name} imports downwards`, { path: path(wing, name) }, to)];
    }),
  ),
);

/** They know kernels and programs, and neither graph nor operator. */
const kernelRooms = [
  'sim',
  'emit',
  'prove',
  'cost',
  'lower',
  'program',
  'trace',
  'runtime',
  'targets',
  'view',
  'diff',
];

/** These passes make nodes of these operators; every other one asks an operator what it needs to know. */
const passesThatMakeNodes = [
  'canonicalize',
  'compose',
  'find-attention',
  'float-parts',
  'lift-quantized',
  'masks',
  'normalize-input',
  'recognise',
  'settle-grids',
  'settle-images',
  'settle-orders',
  'shorten-outputs',
];

const seesNode = ['^src/cli/', '^src/targets/', '(^|/)node-[^/]*[.]ts$', '^src/node[.]ts$'];

module.exports = {
  forbidden: [
    ...downwards,
    ...Object.entries({ src: house.src, 'src/ir': house['src/ir'] }).flatMap(([wing, rows]) => {
      const outside = { path: `^${wing}/`, pathNot: rows.flat().map((name) => path(wing, name)) };
      return [
        rule(`every file of ${wing} stands in a room`, outside, {}),
        rule(`every file of ${wing} that is imported stands in a room`, {}, outside),
      ];
    }),
    rule('node: where a process or a folder is', { pathNot: seesNode }, { dependencyTypes: ['core'] }),
    rule(
      'what sees node: is imported by what sees it',
      { path: '^src/', pathNot: seesNode },
      { path: ['(^|/)node-[^/]*[.]ts$', '^src/targets/'] },
    ),
    rule(
      'rooms of kernels know no graph',
      { path: `^src/(${kernelRooms.join('|')})/` },
      { path: '^src/ir/', pathNot: ['^src/ir/kernel/', '^src/ir/formats/', '^src/ir/tensor[.]ts$'] },
    ),
    rule(
      'operators are asked by their OpDef',
      {
        path: '^src/',
        pathNot: ['^src/ir/(ops|import)/', `^src/passes/(${passesThatMakeNodes.join('|')})[.]ts$`],
      },
      { path: '^src/ir/ops/', pathNot: '^src/ir/ops/index[.]ts$' },
    ),
    rule(
      'protobuf stands in import',
      { path: '^src/', pathNot: '^src/ir/import/' },
      { path: 'onnx-proto|^long$|/long/' },
    ),
    rule(
      'rows are read without what writes them',
      { path: '^src/program/rows[.]ts$' },
      { path: '^src/ir/formats/' },
    ),
    rule('no circles, of types neither', {}, { circular: true }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
  },
};
