/**
 * Lowering: every node becomes a kernel, every activation a buffer with an order in memory, and the plan puts
 * the buffers into one arena. Nodes that only rename memory (reshape, transpose) leave no code behind.
 */
import { DefectError, InputError, locate, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { KernelContext } from '../ir/graph/op.ts';
import type { Kernel, Param } from '../ir/kernel/kernel.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import type { StoredTensor } from '../ir/kernel/stored.ts';
import { countOf } from '../ir/tensor.ts';
import type { Normalization, Program, Slot, Step } from '../program/program.ts';
import {
  type Buffer,
  type MemoryPlan,
  type PlanStrategy,
  planMemory,
  type Sharing,
  verifyPlan,
} from './addresses.ts';
import { planDirections, type Turnable, type Way } from './directions.ts';
import { placesOf } from './orders.ts';
import { overlapOf } from './overlap.ts';

export interface AssembleOptions {
  /** A C identifier. */
  readonly name: string;
  readonly strategy: PlanStrategy;
  readonly rawInput?: Normalization;
  readonly inputGrids?: Program['inputGrids'];
}

export interface Assembled {
  readonly program: Program;
  readonly plan: MemoryPlan;
}

/** A tensor (or scratch) with its place in memory, before it has an address. */
interface Draft {
  readonly name: string;
  readonly place: StoredTensor;
  readonly elem: Param['elem'];
  readonly length: number;
  firstStep: number;
  lastStep: number;
}

interface DraftStep {
  readonly kernel: Kernel;
  /** The same from the last pixel to the first, where the operator turns. */
  readonly backward?: () => Kernel;
  readonly args: readonly Draft[];
  readonly origin: readonly string[];
}

/** A float graph becomes a float32 program, an int8 graph an int8 one. @throws InputError naming a node. */
export function assemble(graph: Graph<'float'> | Graph<'int8'>, options: AssembleOptions): Assembled {
  const elem = graph.stage === 'int8' ? 'u8' : 'f32';
  const input = must(graph.inputs[0], 'a graph has an input');
  const output = must(graph.outputs[0], 'a graph has an output');
  const drafts: Draft[] = [];
  const at = new Map<string, Draft>();
  const known = placesOf(graph);
  const place = (name: string): StoredTensor => must(known.get(name), `tensor '${name}' has a place`);
  const draft = (
    name: string,
    p: StoredTensor,
    firstStep: number,
    e: Param['elem'],
    length: number,
  ): Draft => {
    const made = { name, place: p, elem: e, length, firstStep, lastStep: firstStep };
    drafts.push(made);
    return made;
  };
  const inputPlace = place(input);
  at.set(input, draft(input, inputPlace, -1, elem, countOf(inputPlace.shape)));
  const steps: DraftStep[] = [];
  const names = new KernelNames();
  for (const node of graph.nodes)
    locate(`node '${node.name}' (${node.op.kind})`, () => {
      const [name = ''] = node.outputs;
      const sources = node.inputs.filter((i) => at.has(i)).map((i) => must(at.get(i), i));
      const places = sources.map((d) => d.place);
      const target = place(name);
      if (node.op.alias) {
        at.set(name, renamed(must(sources[0], 'an alias has an input'), target));
        return;
      }
      const context: KernelContext = { name: names.next(node), inputs: places, outputs: [target] };
      const kernel = kernelOf(graph, node, context);
      const made = draft(name, target, steps.length, elem, countOf(target.shape));
      at.set(name, made);
      steps.push({
        kernel,
        args: argsOf(kernel, sources, made, draft, steps.length),
        origin: node.origin,
        ...(node.op.turns ? { backward: () => kernelOf(graph, node, { ...context, backward: true }) } : {}),
      });
      for (const source of sources) source.lastStep = steps.length - 1;
    });
  if (steps.length === 0)
    throw new InputError({
      where: `network '${options.name}'`,
      found: 'nothing to compute',
      supported: 'at least one operator',
    });
  must(at.get(output), 'the output is computed').lastStep = steps.length;
  return planned(drafts, steps, at, [input, output], options, elem);
}

/** Another name for the same memory: the live range is the original's. */
function renamed(source: Draft, place: StoredTensor): Draft {
  return {
    ...source,
    place,
    get lastStep() {
      return source.lastStep;
    },
    set lastStep(step: number) {
      source.lastStep = step;
    },
  };
}

/** `conv1`, `conv2`, `linear1`: short, in order, unique. */
class KernelNames {
  readonly #counts = new Map<string, number>();

  next(node: Node): string {
    const kind = node.op.kind.replace(/([A-Z])/g, (letter) => `_${letter.toLowerCase()}`);
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return `${kind}${count}`;
  }
}

function kernelOf(graph: Graph<'float'> | Graph<'int8'>, node: Node, context: KernelContext): Kernel {
  const constants = node.inputs.map((name) => graph.tensors.get(name)?.constant);
  const made =
    graph.stage === 'int8'
      ? node.op.int8?.(node.attrs, node.quantized, context)
      : node.op.float32?.(node.attrs, context, constants);
  if (made !== undefined) return made;
  throw new InputError({
    found: `no ${graph.stage === 'int8' ? 'int8' : 'float32'} kernel`,
    todo: `compile with ${graph.stage === 'int8' ? '--type float32' : '--type int8'} or remove the operator`,
  });
}

/** The kernel's parameters in order: inputs as they come, then the output, scratch as it is asked for. */
function argsOf(
  kernel: Kernel,
  sources: readonly Draft[],
  output: Draft,
  draft: (name: string, p: StoredTensor, firstStep: number, e: Param['elem'], length: number) => Draft,
  step: number,
): readonly Draft[] {
  let next = 0;
  return kernel.params.map((param) => {
    switch (param.role) {
      case 'in':
        return fitting(kernel, param, sources[next++]);
      case 'out':
        return fitting(kernel, param, output);
      case 'scratch':
        return draft(scratchName(kernel, param), { shape: [param.length] }, step, param.elem, param.length);
      default:
        return param.role satisfies never;
    }
  });
}

/** Of several, each has its parameter's name too. */
const scratchName = ({ name, params }: Kernel, { name: own }: Param): string =>
  params.filter(({ role }) => role === 'scratch').length > 1 ? `scratch:${name}:${own}` : `scratch:${name}`;

/** A kernel takes and gives whole tensors. @throws DefectError */
function fitting({ name }: Kernel, param: Param, draft: Draft | undefined): Draft {
  const found = must(draft, `kernel '${name}' has as many inputs as its node`);
  if (found.length === param.length) return found;
  throw new DefectError(
    `kernel '${name}': ${param.name} has ${param.length} elements, '${found.name}' ${found.length}`,
  );
}

function planned(
  drafts: readonly Draft[],
  steps: readonly DraftStep[],
  at: ReadonlyMap<string, Draft>,
  [input, output]: readonly [string, string],
  options: AssembleOptions,
  elem: 'u8' | 'f32',
): Assembled {
  const indexOf = (d: Draft): number => drafts.findIndex((other) => other.name === d.name);
  const buffers = drafts.map(
    (d): Buffer => ({
      name: d.name,
      bytes: d.length * elemBytes[d.elem],
      align: elemBytes[d.elem],
      firstStep: d.firstStep,
      lastStep: d.lastStep,
    }),
  );
  const { kernels, sharings, plan } =
    options.strategy === 'overlap'
      ? planDirections(
          buffers,
          steps.map((step) => turnable(step, indexOf)),
        )
      : {
          kernels: steps.map(({ kernel }) => kernel),
          sharings: [],
          plan: planMemory(buffers, [], options.strategy),
        };
  verifyPlan(buffers, sharings, plan);
  const outputDraft = must(at.get(output), 'the output has a place');
  const outputIndex = indexOf(outputDraft);
  const slots = drafts.map((d, i): Slot => {
    const { place } = i === outputIndex ? outputDraft : d;
    return {
      name: d.name,
      address: must(plan.addresses[i], 'every buffer has an address'),
      elem: d.elem,
      length: d.length,
      ...place,
      firstStep: d.firstStep,
      lastStep: d.lastStep,
    };
  });
  const program: Program = {
    name: options.name,
    arith: elem === 'u8' ? 'int8' : 'float32',
    arenaBytes: plan.arenaBytes,
    slots,
    steps: steps.map(
      ({ args, origin }, i): Step => ({
        kernel: must(kernels[i], 'a kernel per step'),
        args: args.map(indexOf),
        origin,
      }),
    ),
    input: indexOf(must(at.get(input), 'the input has a place')),
    output: outputIndex,
    ...(options.rawInput === undefined ? {} : { rawInput: options.rawInput }),
    ...(options.inputGrids === undefined ? {} : { inputGrids: options.inputGrids }),
  };
  return { program, plan };
}

function turnable({ kernel, backward, args }: DraftStep, indexOf: (d: Draft) => number): Turnable {
  const way = (k: Kernel): Way => ({ kernel: k, sharings: sharingsOf(k, args, indexOf) });
  return {
    forward: way(kernel),
    ...(backward === undefined ? {} : { backward: () => way(backward()) }),
  };
}

/** What the kernel's own order of reads and writes allows its output to share with each input. */
const sharingsOf = (
  kernel: Kernel,
  args: readonly Draft[],
  indexOf: (d: Draft) => number,
): readonly Sharing[] =>
  (overlapOf(kernel) ?? []).map((o) => ({
    input: indexOf(must(args[o.input], 'an input argument')),
    output: indexOf(must(args[o.output], 'an output argument')),
    below: o.below,
    above: o.above,
    inPlace: o.inPlace,
  }));
