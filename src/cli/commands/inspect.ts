import type { Command } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import { must } from '../../base/errors.ts';
import type { Compiled, CompileOptions } from '../../compile.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { showShape } from '../../ir/tensor.ts';
import { arenaMap } from '../../program/arena-map.ts';
import { planTable, stepTable } from '../../program/listing.ts';
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

const portOf = (graph: Graph<'float'>, name: string): { name: string; shape: readonly number[] } => ({
  name,
  shape: must(graph.tensors.get(name), 'inputs and outputs are tensors of the graph').shape,
});

function operatorCounts(graph: Graph<'imported'>): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op.kind, (counts.get(op.kind) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function modelJson(graph: Graph<'imported'>, { floatGraph, program }: Compiled): object {
  return {
    command: 'inspect',
    kind: 'model',
    name: graph.name,
    opset: graph.opset,
    inputs: floatGraph.inputs.map((name) => portOf(floatGraph, name)),
    outputs: floatGraph.outputs.map((name) => portOf(floatGraph, name)),
    operators: operatorCounts(graph),
    steps: stepsOf(program),
    float32: totalsOf(program),
  };
}

function describeModel(context: Context, graph: Graph<'imported'>, compiled: Compiled): void {
  const { io } = context;
  const { floatGraph, program } = compiled;
  const ports = (names: readonly string[]): string =>
    names.map((name) => `${name} ${showShape(portOf(floatGraph, name).shape)}`).join(', ');
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  io.out(
    `${paint(context).bold(graph.name)}: opset ${graph.opset}, ${formatMany(graph.nodes.length, 'node')}\n`,
  );
  io.out(`input   ${ports(floatGraph.inputs)}\noutput  ${ports(floatGraph.outputs)}\n\n`);
  const operators = Object.entries(operatorCounts(graph)).map(([kind, n]) => `${n} ${kind}`);
  io.out(`nodes   ${operators.join(', ')}\n\n${stepTable(program, io.columns)}\n\n`);
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
  const compiled = api.compile(graph, floatOptions(file));
  if (flags.json) printJson(context, modelJson(graph, compiled));
  else describeModel(context, graph, compiled);
}

function artifactJson({ program, manifest }: Artifact): object {
  return {
    command: 'inspect',
    kind: 'artifact',
    name: program.name,
    arith: program.arith,
    ...totalsOf(program),
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
  io.out(`${paint(context).bold(program.name)}: compiled, ${program.arith}\n\n`);
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
    .argument('<model.onnx|folder>', 'a model, or a folder that compile -o made')
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
