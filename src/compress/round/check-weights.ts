/** What may be asked of the weights of each layer. */
import { InputError } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import {
  weightBits as allBits,
  type ByLayer,
  type CodebookSize,
  type RequantMode,
  type WeightBits,
} from '../../ir/graph/op.ts';
import { macLayers } from '../fit/layers.ts';

interface Rule {
  readonly what: string;
  readonly numbers: readonly number[];
  /** As a sentence has them. */
  readonly supported: string;
}

function check(wanted: ByLayer<number>, { what, numbers, supported }: Rule, graph: Graph<'float'>): void {
  const all = typeof wanted === 'number' ? [['all layers', wanted] as const] : [...wanted];
  const names = macLayers(graph).map(({ node }) => node.name);
  for (const [name, number] of all) {
    const where = `${what} of '${name}'`;
    if (!numbers.includes(number)) throw new InputError({ where, found: String(number), supported });
    if (typeof wanted !== 'number' && !names.includes(name))
      throw new InputError({ where, found: 'no such node', supported: names.join(', ') });
  }
}

/** @throws InputError for bits that no grid has, or a name that no layer with weights has. */
export const checkWeightBits = (weightBits: ByLayer<WeightBits>, graph: Graph<'float'>): void =>
  check(weightBits, { what: 'bits of the weights', numbers: allBits, supported: '2 to 8' }, graph);

/** How the weights are to be rounded, as far as a codebook minds. */
export interface Beside {
  readonly weightBits: ByLayer<WeightBits>;
  readonly requant: RequantMode;
  /** On grids of `weightBits` already. */
  readonly rounded: boolean;
}

/** @throws InputError for sizes that no index has, unknown names, and what cannot go together. */
export function checkCodebook(
  codebook: ByLayer<CodebookSize> | undefined,
  { weightBits, requant, rounded }: Beside,
  graph: Graph<'float'>,
): void {
  if (codebook === undefined) return;
  check(codebook, { what: 'codebook', numbers: [16, 4], supported: '16 or 4 values' }, graph);
  const refuse = (found: string, supported: string): InputError =>
    new InputError({ where: 'codebook', found, supported });
  if (requant === 'pow2')
    throw refuse("requantization 'pow2', which chooses the weights' steps itself", 'all other modes');
  if (rounded) throw refuse('weights that training has rounded to a uniform grid', 'untrained weights');
  if (typeof codebook === 'number' && weightBits !== 8)
    throw refuse(
      'weights of fewer than 8 bits in the same layers',
      'one of both, or a codebook by node name',
    );
}

/** How many values the weights of a node share; undefined: they do not. */
export const codebookOf = (
  codebook: ByLayer<CodebookSize> | undefined,
  node: string,
): CodebookSize | undefined => (typeof codebook === 'object' ? codebook.get(node) : codebook);
