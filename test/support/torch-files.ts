/** Files that PyTorch wrote, with what it computed: `test/fixtures/torch`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readNpy } from '../../src/data/npy.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { type Architecture, importModel } from '../../src/ir/import/import-model.ts';
import { root } from './shared.ts';

export const torchFile = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(path.join(root, 'test/fixtures/torch', name)));

export const arrayIn = (name: string) => readNpy(torchFile(name), name);

export const architecture = (name: string): Architecture => ({ name, bytes: torchFile(name) });

/** A whole module, with the recorded input's sizes. */
export const sequential = (name: string): Graph<'imported'> =>
  importModel(torchFile(name), { name, shapes: { input: arrayIn(`${path.dirname(name)}/input.npy`).shape } });

/** The largest distance of the first output to PyTorch's. */
export function distance(graph: Graph<'imported'>, folder: string, input = folder): number {
  const given = new Map([[graph.inputs[0] ?? '', arrayIn(`${input}/input.npy`)]]);
  const [made] = evaluate(graph, given).values();
  const wanted = arrayIn(`${folder}/output.npy`);
  if (made?.data.length !== wanted.data.length) throw new Error('outputs of other sizes');
  const differences = Array.from(wanted.data, (value, i) => Math.abs(value - (made.data[i] ?? Number.NaN)));
  return Math.max(...differences);
}
