/** Random networks of two inputs and several outputs: two recipes side by side, with some inner tensors let out. */
import { type Compiled, compile } from '../../src/compile.ts';
import type { AnyNode, Graph, TensorInfo } from '../../src/ir/graph/graph.ts';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { Draw } from './draw.ts';
import { optionsOf } from './laws.ts';
import { networkOf, samplesOf } from './networks.ts';
import { sampleCount } from './pipeline.ts';
import type { Recipe } from './recipes.ts';

export interface Pair {
  readonly recipes: readonly [Recipe, Recipe];
  /** How many inner tensors are outputs too. */
  readonly taps: number;
}

/** The second is compiled as the first is; neither has what one program has only once. */
export function pairOf(first: Recipe, second: Recipe, taps: number): Pair {
  const { arith, mode, method, correction, plan } = first;
  const common = {
    arith,
    mode,
    method,
    correction,
    plan,
    bits: 8,
    format: dense8,
    raw: 'no',
    tweak: 'none',
  } as const;
  return {
    recipes: [
      { ...first, ...common },
      { ...second, ...common },
    ],
    taps,
  };
}

type Imported = Graph<'imported'>;

/** The same network with other names. */
function prefixed(graph: Imported, prefix: string): Imported {
  const named = (name: string): string => (name === '' ? '' : `${prefix}.${name}`);
  const nodes = graph.nodes.map(
    (node): AnyNode => ({
      ...node,
      name: named(node.name),
      inputs: node.inputs.map(named),
      outputs: node.outputs.map(named),
    }),
  );
  const tensors = new Map<string, TensorInfo<'imported'>>(
    [...graph.tensors].map(([n, info]) => [named(n), info]),
  );
  return { ...graph, nodes, tensors, inputs: graph.inputs.map(named), outputs: graph.outputs.map(named) };
}

/** Tensors that could be outputs and are not. */
const inner = ({ nodes, tensors, outputs }: Imported): readonly string[] =>
  nodes
    .flatMap((node) => node.outputs)
    .filter((name) => name !== '' && tensors.get(name)?.constant === undefined && !outputs.includes(name));

export function pairNetwork({ recipes: [first, second], taps }: Pair): Imported {
  const [a, b] = [prefixed(networkOf(first), 'a'), prefixed(networkOf(second), 'b')];
  const draw = new Draw(first.seed + second.seed);
  const free = [...inner(a), ...inner(b)];
  const tapped = Array.from({ length: Math.min(taps, free.length) }, () =>
    free.splice(draw.int(0, free.length - 1), 1),
  ).flat();
  return {
    ...a,
    inputs: [...a.inputs, ...b.inputs],
    outputs: [...a.outputs, ...b.outputs, ...tapped],
    tensors: new Map([...a.tensors, ...b.tensors]),
    nodes: [...a.nodes, ...b.nodes],
  };
}

/** Both inputs, one after the other. */
export function pairSamples({ recipes: [first, second] }: Pair): readonly Float32Array[] {
  const others = samplesOf(second, sampleCount);
  return samplesOf(first, sampleCount).map((x, i) => Float32Array.of(...x, ...others[i]!));
}

export const pairBuilt = (pair: Pair): Compiled =>
  compile(pairNetwork(pair), {
    ...optionsOf(pair.recipes[0]),
    calibration: { inputs: pairSamples(pair) },
  });
