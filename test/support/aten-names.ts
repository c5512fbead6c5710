/** Which ATen calls become which ONNX operators, as the recorded programs of test/fixtures show it. */
import { readFileSync } from 'node:fs';
import { importModel } from '../../src/ir/import/import-model.ts';
import { AtenCall } from '../../src/ir/import/torch/aten-call.ts';
import { root } from './shared.ts';

const folder = `${root}/test/fixtures/torch/programs`;

/** ATen's operators without namespace and overload, by the ONNX type of a node that is made for them in these files. */
export function atenNamesIn(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  const { makeAll } = AtenCall.prototype;
  AtenCall.prototype.makeAll = function (type, ...rest) {
    const name = this.node.target.split('.')[1]!;
    found.set(type, (found.get(type) ?? new Set()).add(name));
    return makeAll.call(this, type, ...rest);
  };
  try {
    for (const file of files) importModel(readFileSync(file), { name: file });
  } finally {
    AtenCall.prototype.makeAll = makeAll;
  }
  return new Map([...found].map(([type, names]) => [type, [...names].toSorted()]));
}

/** Of the recorded programs of test/fixtures/torch. */
export function atenNames(): ReadonlyMap<string, readonly string[]> {
  const cases = JSON.parse(readFileSync(`${folder}/index.json`, 'utf8')) as { file: string }[];
  return atenNamesIn(cases.map(({ file }) => `${folder}/${file}`));
}
