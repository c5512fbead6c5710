/**
 * Lowering: every node becomes a kernel, every activation a buffer with an order in memory, and the plan puts
 * the buffers into one arena. Nodes that only rename memory (reshape, transpose) leave no code behind.
 */
import { DefectError, InputError, locate, must } from '../base/errors.ts';
import { type Graph, type Node, staysFloat } from '../ir/graph/graph.ts';
import type { KernelContext } from '../ir/graph/op.ts';
import type { Kernel, Param } from '../ir/kernel/kernel.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { sameOrder, seemsChannelsLast } from '../ir/kernel/memory-order.ts';
import { repeated } from '../ir/kernel/repeat.ts';
import { elemOf, type StoredTensor } from '../ir/kernel/stored.ts';
import { countOf, sameShape, showShape } from '../ir/tensor.ts';
import type { Normalization, Program, ProgramPort, Slot, Step } from '../program/program.ts';
import {
  type Buffer,
  type MemoryPlan,
  type PlanStrategy,
  planMemory,
  type Sharing,
  verifyPlan,
} from './addresses.ts';
import { planDirections, type Turnable, type Way } from './directions.ts';
import { channelsLast, placesOf } from './orders.ts';
import { overlapOf } from './overlap.ts';

/** How a graph becomes a program. */
export interface AssembleOptions {
  /** A C identifier. */
  readonly name: string;
  readonly strategy: PlanStrategy;
  readonly rawInput?: Normalization;
  readonly inputGrids?: Program['inputGrids'];
}

/** A program, and where its tensors lie. */
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
  readonly firstStep: number;
  lastStep: number;
  /** What it is another name of. */
  readonly original?: Draft;
  /** Set where its memory is a part of another's, from an element on. */
  within?: { readonly whole: Draft; readonly offset: number };
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
  const drafts: Draft[] = [];
  const at = new Map<string, Draft>();
  const known = placesOf(graph);
  const place = (name: string): StoredTensor => must(known.get(name), `tensor '${name}' has a place`);
  const draft: Drafter = (name, p, firstStep) => {
    const length = countOf(p.shape);
    const made: Draft = { name, place: p, elem: elemOf(p), length, firstStep, lastStep: firstStep };
    drafts.push(made);
    return made;
  };
  for (const input of graph.inputs) at.set(input, draft(input, place(input), -1));
  const steps: DraftStep[] = [];
  const names = new KernelNames();
  for (const node of graph.nodes)
    locate(`node '${node.name}' (${node.op.kind})`, () => {
      const read = node.outputs.filter((name) => name !== '');
      const sources = node.inputs.filter((i) => at.has(i)).map((i) => must(at.get(i), i));
      const places = sources.map((d) => d.place);
      if (node.op.alias) {
        for (const name of read)
          at.set(name, renamed(must(sources[0], 'an alias has an input'), place(name)));
        return;
      }
      const laid = laidOver(graph, node, sources, place);
      if (laid !== undefined) {
        drafts.push(laid);
        at.set(laid.name, laid);
        return;
      }
      const context: KernelContext = {
        name: names.next(node),
        inputs: places,
        outputs: node.outputs.map((name) => (name === '' ? undefined : place(name))),
      };
      const kernel = kernelOf(graph, node, context);
      const made = read.map((name) => draft(name, place(name), steps.length));
      for (const d of made) at.set(d.name, d);
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
  const named = (list: readonly string[]): readonly Named[] =>
    list.map((name) => {
      const dtype = graph.tensors.get(name)?.dtype;
      const type = dtype === undefined || dtype === 'float32' ? {} : { type: dtype };
      return { port: { name, ...type }, draft: must(at.get(name), `'${name}' is computed`) };
    });
  const inputs = named(graph.inputs).map(({ port, draft: input }): Named => {
    const last = channelsLast(graph, port.name) !== undefined;
    const seems = seemsChannelsLast(input.place);
    // Of one channel, or of one pixel, both orders are one.
    const isKnown = last === seems || (last && input.place.order === undefined);
    const told = isKnown ? {} : { channelsLast: last };
    return { port: { ...port, ...told }, draft: input };
  });
  const ports = { inputs, outputs: named(graph.outputs) };
  for (const output of ports.outputs) output.draft.lastStep = steps.length;
  const made = planned(drafts, steps, ports, options, graph.stage === 'int8' ? 'int8' : 'float32');
  const { portOrder } = graph;
  return portOrder === undefined ? made : { ...made, program: { ...made.program, portOrder } };
}

type Drafter = (name: string, place: StoredTensor, firstStep: number) => Draft;

/** A port, and what holds it. */
interface Named {
  readonly port: Omit<ProgramPort, 'slot' | 'view'>;
  readonly draft: Draft;
}

/** Another name for the same memory: the live range is the original's. */
function renamed(source: Draft, place: StoredTensor): Draft {
  return {
    ...source,
    place,
    original: source.original ?? source,
    get lastStep() {
      return source.lastStep;
    },
    set lastStep(step: number) {
      source.lastStep = step;
    },
  };
}

/**
 * The output of a node whose memory is that of its inputs: a part of the only one, or all of them one behind the other.
 * What is put together there must lie nowhere else: it is made by kernels, and each is read once.
 */
function laidOver(
  graph: Graph<'float'> | Graph<'int8'>,
  node: Node,
  sources: readonly Draft[],
  place: (name: string) => StoredTensor,
): Draft | undefined {
  const [name, ...others] = node.outputs;
  if (name === undefined || others.length > 0 || sources.length !== node.inputs.length) return undefined;
  const output = place(name);
  const places = sources.map((source) => source.place);
  const quantized = graph.stage === 'int8' ? node.quantized : undefined;
  const view = node.op.view?.(node.attrs, quantized, places, output);
  const own = sources.map((source) => source.original ?? source);
  const firstStep = Math.max(...own.map((source) => source.firstStep));
  const made: Draft = {
    name,
    place: output,
    elem: elemOf(output),
    length: countOf(output.shape),
    firstStep,
    lastStep: firstStep,
  };
  switch (view?.kind) {
    case undefined:
      return undefined;
    case 'part':
      return { ...made, within: { whole: must(own[0], 'a part has an input'), offset: view.offset } };
    case 'whole': {
      const free = own.every(({ within, firstStep: step }) => within === undefined && step >= 0);
      if (!free || new Set(own).size < own.length) return undefined;
      own.forEach((source, i) => {
        source.within = { whole: made, offset: must(view.offsets[i], 'every input has an offset') };
      });
      return made;
    }
    default:
      return view satisfies never;
  }
}

/** What owns the memory of a tensor, and where in it the tensor begins, in elements. */
function ownerOf(draft: Draft): { readonly owner: Draft; readonly offset: number } {
  if (draft.within === undefined) return { owner: draft, offset: 0 };
  const { owner, offset } = ownerOf(draft.within.whole);
  return { owner, offset: offset + draft.within.offset };
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
  const integers = graph.stage === 'int8' && !staysFloat(graph, node);
  const made = integers
    ? node.op.int8?.(node.attrs, node.quantized, context)
    : node.op.float32?.(node.attrs, context, constants);
  if (made !== undefined) return ofAllImages(made, context);
  throw new InputError({
    found: `no ${integers ? 'int8' : 'float32'} kernel`,
    todo: `compile with ${integers ? '--type float32' : '--type int8'} or remove the operator`,
  });
}

/** Kernels of images are of one: they are repeated where the first axis of all that they read and make has several. */
function ofAllImages(kernel: Kernel, { inputs, outputs }: KernelContext): Kernel {
  const shapes = [...inputs, ...outputs.filter((output) => output !== undefined)].map(({ shape }) => shape);
  const params = kernel.params.filter(({ role }) => role !== 'scratch');
  const [count = 1] = shapes[0] ?? [];
  const isOfOne = params.every(({ length }, i) => {
    const shape = shapes[i];
    return shape !== undefined && shape[0] === count && countOf(shape) === count * length;
  });
  return count > 1 && isOfOne && params.length === shapes.length ? repeated(kernel, count) : kernel;
}

/** The kernel's parameters in order: inputs and outputs as they come, scratch as it is asked for. */
function argsOf(
  kernel: Kernel,
  sources: readonly Draft[],
  outputs: readonly Draft[],
  draft: Drafter,
  step: number,
): readonly Draft[] {
  let [read, made] = [0, 0];
  return kernel.params.map((param) => {
    switch (param.role) {
      case 'in':
        return fitting(kernel, param, sources[read++]);
      case 'out':
        return fitting(kernel, param, outputs[made++]);
      case 'scratch':
        return draft(scratchName(kernel, param), { shape: [param.length], elem: param.elem }, step);
      default:
        return param.role satisfies never;
    }
  });
}

/** Of several, each has its parameter's name too. */
const scratchName = ({ name, params }: Kernel, { name: own }: Param): string =>
  params.filter(({ role }) => role === 'scratch').length > 1 ? `scratch:${name}:${own}` : `scratch:${name}`;

/**
 * A kernel takes and gives whole tensors.
 * @throws InputError for a tensor of another element type, or of as many times the length as its first axis says;
 * DefectError for one of any other length
 */
function fitting({ name }: Kernel, param: Param, draft: Draft | undefined): Draft {
  const found = must(draft, `kernel '${name}' has as many inputs and outputs as its node`);
  if (found.elem !== param.elem)
    throw new InputError({
      found: `tensor '${found.name}' is stored as ${found.elem}, which its kernel does not support`,
      supported: param.elem,
      todo: 'compile with --type float32, or without the operator',
    });
  if (found.length === param.length) return found;
  const [first = 1] = found.place.shape;
  if (found.length === first * param.length)
    throw new InputError({
      found: `tensor '${found.name}' of ${showShape(found.place.shape)}, whose first axis is above 1`,
      supported: 'a first axis of 1',
      todo: 'export with an example input of batch 1, or fold the axis into another with a reshape',
    });
  throw new DefectError(
    `kernel '${name}': ${param.name} has ${param.length} elements, '${found.name}' ${found.length}`,
  );
}

function planned(
  drafts: readonly Draft[],
  steps: readonly DraftStep[],
  ports: { readonly inputs: readonly Named[]; readonly outputs: readonly Named[] },
  options: AssembleOptions,
  arith: Program['arith'],
): Assembled {
  const indexOf = (d: Draft): number => drafts.findIndex((other) => other.name === d.name);
  const owned = drafts.map(ownerOf);
  const owners = [...new Set(owned.map(({ owner }) => owner))];
  const bufferOf = (d: Draft): number => owners.indexOf(must(owned[indexOf(d)], 'a draft').owner);
  const ownBuffer = (d: Draft): number | undefined =>
    drafts[indexOf(d)]?.within === undefined ? bufferOf(d) : undefined;
  const buffers = owners.map((owner): Buffer => {
    const all = drafts.filter((_, i) => owned[i]?.owner === owner);
    return {
      name: owner.name,
      bytes: owner.length * elemBytes[owner.elem],
      align: elemBytes[owner.elem],
      firstStep: Math.min(...all.map(({ firstStep }) => firstStep)),
      lastStep: Math.max(...all.map(({ lastStep }) => lastStep)),
    };
  });
  const { kernels, sharings, plan } =
    options.strategy === 'overlap'
      ? planDirections(
          buffers,
          steps.map((step) => turnable(step, ownBuffer)),
        )
      : {
          kernels: steps.map(({ kernel }) => kernel),
          sharings: [],
          plan: planMemory(buffers, [], options.strategy),
        };
  verifyPlan(buffers, sharings, plan);
  const addressOf = (d: Draft): number => {
    const { offset } = must(owned[indexOf(d)], 'a draft');
    return must(plan.addresses[bufferOf(d)], 'every buffer has an address') + offset * elemBytes[d.elem];
  };
  // An output's slot has its shape: the last of the names of its memory.
  const slots = drafts.map((d, i): Slot => {
    const output = d.firstStep < 0 ? undefined : ports.outputs.find((o) => indexOf(o.draft) === i);
    const { place } = output?.draft ?? d;
    return {
      name: d.name,
      address: addressOf(d),
      elem: d.elem,
      length: d.length,
      ...place,
      firstStep: d.firstStep,
      lastStep: d.lastStep,
      ...(owned[i]?.owner === d ? {} : { within: indexOf(must(owned[i], 'a draft').owner) }),
    };
  });
  const program: Program = {
    name: options.name,
    arith,
    arenaBytes: plan.arenaBytes,
    slots,
    steps: steps.map(
      ({ args, origin }, i): Step => ({
        kernel: must(kernels[i], 'a kernel per step'),
        args: args.map(indexOf),
        origin,
      }),
    ),
    inputs: ports.inputs.map(({ port, draft }) => ({ ...port, slot: indexOf(draft) })),
    outputs: ports.outputs.map(({ port, draft }) => portFor(port, draft.place, slots, indexOf(draft))),
    ...(options.rawInput === undefined ? {} : { rawInput: options.rawInput }),
    ...(options.inputGrids === undefined ? {} : { inputGrids: options.inputGrids }),
  };
  return { program, plan };
}

function portFor(
  port: Named['port'],
  place: StoredTensor,
  slots: readonly Slot[],
  slot: number,
): ProgramPort {
  const { shape, order } = must(slots[slot], 'a port has a slot');
  if (sameShape(place.shape, shape) && sameOrder(place.order, order)) return { ...port, slot };
  return {
    ...port,
    slot,
    view: { shape: place.shape, ...(place.order === undefined ? {} : { order: place.order }) },
  };
}

/** @param bufferOf the buffer that a tensor has for itself; undefined: it is a part of one */
function turnable(
  { kernel, backward, args }: DraftStep,
  bufferOf: (d: Draft) => number | undefined,
): Turnable {
  const way = (k: Kernel): Way => ({ kernel: k, sharings: sharingsOf(k, args, bufferOf) });
  return {
    forward: way(kernel),
    ...(backward === undefined ? {} : { backward: () => way(backward()) }),
  };
}

/**
 * What the kernel's own order of reads and writes allows its output to share with each input; nothing where others lie
 * beside one of them, which the distance says nothing of.
 */
const sharingsOf = (
  kernel: Kernel,
  args: readonly Draft[],
  bufferOf: (d: Draft) => number | undefined,
): readonly Sharing[] =>
  (overlapOf(kernel) ?? []).flatMap(({ input: from, output: to, below, above, inPlace }) => {
    const input = bufferOf(must(args[from], 'an input argument'));
    const output = bufferOf(must(args[to], 'an output argument'));
    return input === undefined || output === undefined ? [] : [{ input, output, below, above, inPlace }];
  });
