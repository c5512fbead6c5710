/**
 * Weights of fewer than 8 bits: layer by layer, what was fitted to the reference network's sums on the inputs that
 * the layers before, already rounded, really give, is rounded by the optimal brain quantizer.
 */
import { InputError } from '../../ir/errors.ts';
import type { Graph } from '../../ir/graph.ts';
import type { RequantMode } from '../../ir/op.ts';
import { type MacLayer, macLayers } from './layers.ts';
import { levelsOf, type RoundingNorm, roundingNorm, roundRow } from './obq.ts';
import { sweep } from './sweep.ts';
import type { Symmetric } from './symmetric.ts';
import { targetsOf } from './targets.ts';

export interface RoundOptions {
  /** Bits of the weights of a node; 8 leaves them to the quantization pass, which rounds to nearest. */
  readonly bitsOf: (node: string) => number;
  readonly samples: readonly Float32Array[];
  /** The network whose sums are to be kept: the one before pruning, with the same layers. */
  readonly reference?: Graph<'float'>;
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

export interface RoundedWeights {
  /** Weights of fewer than 8 bits lie on grids. Zeros stay zeros. */
  readonly graph: Graph<'float'>;
  /** By node: the real value of one step, per output channel; 0 for rows of zeros. */
  readonly weightSteps: ReadonlyMap<string, Float64Array>;
}

/** @throws InputError for bits that no grid has, or a name that no node has. */
export function checkWeightBits(
  weightBits: number | ReadonlyMap<string, number>,
  graph: Graph<'float'>,
): void {
  const all = typeof weightBits === 'number' ? [['all layers', weightBits] as const] : [...weightBits];
  for (const [name, bits] of all) {
    const where = `bits of the weights of '${name}'`;
    if (![8, 4, 2].includes(bits))
      throw new InputError({ where, found: String(bits), supported: '8, 4 or 2' });
    if (typeof weightBits !== 'number' && !graph.nodes.some((node) => node.name === name))
      throw new InputError({
        where,
        found: 'no such node',
        supported: macLayers(graph)
          .map(({ node }) => node.name)
          .join(', '),
      });
  }
}

/**
 * Whether any layer has fewer than 8 bits. Not for steps that are powers of two: those are chosen when quantizing,
 * and a grid chosen before would be rounded twice.
 */
export const needsRounding = (
  graph: Graph<'float'>,
  bitsOf: RoundOptions['bitsOf'],
  mode: RequantMode,
): boolean => mode !== 'pow2' && macLayers(graph).some(({ node }) => bitsOf(node.name) < 8);

const roundingDamping = 1e-2;

/** @param graph fused; pruned or not. */
export function roundWeights(graph: Graph<'float'>, options: RoundOptions): RoundedWeights {
  const steps = new Map<string, Float64Array>();
  const norms = new WeakMap<Symmetric, RoundingNorm>();
  const normOf = (hessian: Symmetric): RoundingNorm => {
    const made = norms.get(hessian) ?? roundingNorm(hessian, roundingDamping);
    norms.set(hessian, made);
    return made;
  };
  const stepsOf = (layer: MacLayer): Float64Array => {
    const made = steps.get(layer.node.name) ?? new Float64Array(layer.rows);
    steps.set(layer.node.name, made);
    return made;
  };
  const targets = targetsOf(options.reference ?? graph, options.samples, {
    seed: options.seed ?? 1,
    projections: 2,
    focus: 0.5,
    onProgress: (done, total) => options.onProgress?.('rounding weights', done, total),
  });
  const rounded = sweep(graph, targets, options.samples, {
    damping: 1e-3,
    finish(layer, row, { hessian }, w) {
      const bits = options.bitsOf(layer.node.name);
      if (bits >= 8) return w;
      const made = roundRow(normOf(hessian), w, levelsOf(bits));
      stepsOf(layer)[row] = made.step;
      return made.row;
    },
  });
  return { graph: rounded, weightSteps: steps };
}
