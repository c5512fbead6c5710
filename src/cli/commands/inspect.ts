import type { Command } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import { InputError, must } from '../../base/errors.ts';
import type { Compiled, CompileOptions } from '../../compile.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { type DType, showShape } from '../../ir/tensor.ts';
import { arenaMap } from '../../program/arena-map.ts';
import { planTable, stepTable } from '../../program/listing.ts';
import { inputPorts, outputPorts, type Port } from '../../program/port.ts';
import { slotBytes } from '../../program/slots.ts';
import { stepsOf, totalsOf } from '../../program/summary.ts';
import { formatBytes, formatCount, formatMany } from '../../text/numbers.ts';
import { type Context, paint, printJson } from '../context.ts';
import { identifierOf, load } from '../flags/model.ts';
import { withJson } from '../flags/options.ts';
import { textAfterPass } from '../flags/passes.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';

interface Flags extends SizeFlags {
  readonly pass?: string;
  readonly json?: boolean;
}

/** The float program: it needs no calibration, and shows shapes, MACs and bytes as well. */
const floatOptions = (file: string): CompileOptions => ({ name: identifierOf(file), arith: 'float32' });

interface ModelPort {
  readonly name: string;
  /** Undefined where the file leaves it open, or an operator that is not supported decides it. */
  readonly shape: readonly number[] | undefined;
  readonly type: DType | undefined;
}

const portsOf = (
  { tensors }: Graph<'float'> | Graph<'imported'>,
  names: readonly string[],
): readonly ModelPort[] =>
  names.map((name) => {
    const { shape, dtype } = must(tensors.get(name), 'inputs and outputs are tensors of the graph');
    return { name, shape, type: dtype };
  });

/** By their ONNX types. */
function operatorCounts(graph: Graph<'imported'>): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { op, type = op.kind } of graph.nodes) counts.set(type, (counts.get(type) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A model that compiles as float32, or why it does not. */
type Attempt = Compiled | InputError;

function attempted({ api }: Context, graph: Graph<'imported'>, file: string): Attempt {
  try {
    return api.compile(graph, floatOptions(file));
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

const portFields = ({ name, shape, type }: ModelPort): object => ({
  name,
  shape: shape ?? null,
  type: type ?? null,
});

function modelJson(graph: Graph<'imported'>, attempt: Attempt): object {
  const refused = attempt instanceof InputError;
  const shown = refused ? graph : attempt.floatGraph;
  return {
    command: 'inspect',
    kind: 'model',
    name: graph.name,
    opset: graph.opset,
    inputs: portsOf(shown, shown.inputs).map(portFields),
    outputs: portsOf(shown, shown.outputs).map(portFields),
    operators: operatorCounts(graph),
    steps: refused ? null : stepsOf(attempt.program),
    float32: refused ? null : totalsOf(attempt.program),
    refused: refused ? attempt.message : null,
  };
}

function describeModel(context: Context, graph: Graph<'imported'>, attempt: Attempt): void {
  const { io } = context;
  const shown = attempt instanceof InputError ? graph : attempt.floatGraph;
  const ports = (names: readonly string[]): string =>
    portsOf(shown, names)
      .map(({ name, shape, type }) => {
        const size = shape === undefined ? '?' : showShape(shape);
        return `${name} ${size}${type === 'float32' || type === undefined ? '' : ` ${type}`}`;
      })
      .join(', ');
  io.out(
    `${paint(context).bold(graph.name)}: opset ${graph.opset}, ${formatMany(graph.nodes.length, 'node')}\n`,
  );
  io.out(`input   ${ports(shown.inputs)}\noutput  ${ports(shown.outputs)}\n\n`);
  const operators = Object.entries(operatorCounts(graph)).map(([type, n]) => `${n} ${type}`);
  io.out(`nodes   ${operators.join(', ')}\n\n`);
  if (attempt instanceof InputError) io.out(`does not compile: ${attempt.message}\n`);
  else describeProgram(context, attempt);
}

function describeProgram({ io }: Context, { program }: Compiled): void {
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  io.out(`${stepTable(program, io.columns)}\n\n`);
  io.out(
    `${formatCount(macs)} MAC; as float32: tables ${formatBytes(tableBytes)}, RAM ${formatBytes(arenaBytes)}\n`,
  );
}

function inspectModel(context: Context, graph: Graph<'imported'>, file: string, flags: Flags): void {
  const { api, io } = context;
  if (flags.pass !== undefined) {
    const text = textAfterPass(api, graph, floatOptions(file), flags.pass, '--pass');
    if (flags.json) printJson(context, { command: 'inspect', kind: 'pass', pass: flags.pass, text });
    else io.out(text);
    return;
  }
  const attempt = attempted(context, graph, file);
  if (flags.json) printJson(context, modelJson(graph, attempt));
  else describeModel(context, graph, attempt);
}

const storedPort = ({ name, slot: { elem, shape } }: Port): object => ({ name, shape, elem });

function artifactJson({ program, manifest }: Artifact): object {
  return {
    command: 'inspect',
    kind: 'artifact',
    name: program.name,
    arith: program.arith,
    ...totalsOf(program),
    inputs: inputPorts(program).map(storedPort),
    outputs: outputPorts(program).map(storedPort),
    steps: stepsOf(program),
    plan: program.slots.map((slot) => ({
      name: slot.name,
      address: slot.address,
      bytes: slotBytes(slot),
      elem: slot.elem,
      shape: slot.shape,
      firstStep: slot.firstStep,
      lastStep: slot.lastStep,
    })),
    preprocessing: manifest.preprocessing,
  };
}

function describeArtifact(context: Context, { program }: Artifact): void {
  const { io } = context;
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  const ports = (list: readonly Port[]): string =>
    list.map(({ name, slot }) => `${name} ${slot.elem} ${showShape(slot.shape)}`).join(', ');
  io.out(`${paint(context).bold(program.name)}: compiled, ${program.arith}\n`);
  io.out(`input   ${ports(inputPorts(program))}\noutput  ${ports(outputPorts(program))}\n\n`);
  io.out(`${stepTable(program, io.columns)}\n\n${planTable(program, io.columns)}\n\n`);
  io.out(`${arenaMap(program, io.columns)}\n\n`);
  io.out(`RAM ${formatBytes(arenaBytes)}, tables ${formatBytes(tableBytes)}, ${formatCount(macs)} MAC\n`);
}

function run(context: Context, file: string, flags: Flags): void {
  const loaded = load(context.api, file, flags);
  if (loaded.kind === 'model') inspectModel(context, loaded.graph, loaded.file, flags);
  else if (flags.json) printJson(context, artifactJson(loaded.artifact));
  else describeArtifact(context, loaded.artifact);
}

export function addInspect(program: Command, context: () => Context): void {
  const command = program
    .command('inspect')
    .description("show a model's layers, or an artifact's kernels and memory plan")
    .argument('<model|folder>', 'a model, or a folder written by compile -o')
    .option('--pass <PASS>', "print a model's graph after this pass");
  withJson(withSizeOptions(command))
    .addHelpText(
      'after',
      `
Examples:
  thimble inspect lenet5.onnx
  thimble inspect out --json`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
