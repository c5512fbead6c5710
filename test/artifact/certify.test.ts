/** The certificate holds of what the compiler made, and of nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certify } from '../../src/artifact/certify.ts';
import { DefectError } from '../../src/base/errors.ts';
import { fits } from '../../src/ir/formats/index.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { sameOrder } from '../../src/ir/kernel/memory-order.ts';
import type { WeightFormat } from '../../src/ir/kernel/weight-format.ts';
import { assemble } from '../../src/plan/assemble.ts';
import { placesOf } from '../../src/plan/orders.ts';
import type { Program } from '../../src/program/program.ts';
import { Reached } from '../support/reached.ts';
import { type Recipe, recipes } from '../support/recipes.ts';
import { runsOf } from '../support/seeds.ts';
import { isMac, sparseNetwork } from '../support/sparse-networks.ts';
import { allFormats } from '../support/stored-layers.ts';

const networks = recipes()
  .map((recipe) => sparseNetwork(recipe))
  .filter((graph) => graph.nodes.some(isMac));

const largest = ({ weights }: QuantizedMac): number =>
  weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);

/** Each layer in the first format that holds it, counted from `first`. */
function storedAnyhow(graph: Graph<'int8'>, first: number): Graph<'int8'> {
  const dense = assemble(graph, { name: 'net', strategy: 'overlap' }).program;
  const layouts = new Map(
    dense.steps.map(({ kernel, args }) => {
      const out = args[kernel.params.findIndex((p) => p.role === 'out')]!;
      return [dense.slots[out]!.name, kernel.weights?.layout];
    }),
  );
  const nodes = graph.nodes.map((node) => {
    const mac = node.quantized as QuantizedMac;
    const layout = layouts.get(node.outputs[0]!);
    if (!isMac(node) || layout === undefined) return node;
    const format = allFormats
      .map((_, i) => allFormats[(first + i) % allFormats.length]!)
      .find((f: WeightFormat) => fits(layout, largest(mac), f, mac.codebook));
    return { ...node, quantized: { ...mac, format } };
  });
  return { ...graph, nodes };
}

const cases = fc.tuple(networks, fc.nat({ max: allFormats.length - 1 }));

test('it holds of every format, and its numbers are those of the weights', () => {
  fc.assert(
    fc.property(cases, ([graph, first]) => {
      const stored = storedAnyhow(graph, first);
      const { layers, totals, holds } = certify(
        assemble(stored, { name: 'net', strategy: 'overlap' }).program,
        stored,
      );
      expect(holds).toBe(true);
      const macs = graph.nodes.filter(isMac).map((node) => node.quantized as QuantizedMac);
      expect(layers.map((l) => l.weights)).toEqual(macs.map((m) => m.weights.length));
      expect(totals.nonzeros).toBe(macs.reduce((n, m) => n + m.weights.filter((w) => w !== 0).length, 0));
      for (const layer of layers) {
        expect(layer.weightBytes).toBeLessThanOrEqual(layer.tableBytes);
        expect(layer.density).toBe(layer.nonzeros / layer.weights);
      }
    }),
    { numRuns: runsOf(40) },
  );
});

/** A convolution or none, then reshapes and transposes only, then a linear layer. */
const renamed = fc
  .record({
    any: recipes({ arith: 'int8' }),
    input: fc.tuple(
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 2, max: 4 }),
    ),
    conv: fc.boolean(),
    aliases: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('transpose' as const), turn: fc.nat({ max: 5 }) }),
        fc.record({
          kind: fc.constant('reshape' as const),
          to: fc.constantFrom('row' as const, 'line' as const, 'image' as const),
          cut: fc.nat({ max: 5 }),
        }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    seed: fc.nat({ max: 9999 }),
  })
  .map(({ any, input, conv, aliases, seed }): Recipe => {
    const weights = { kind: 'uniform', bias: 'uniform', seed } as const;
    const pointwise = {
      kernel: [1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
    } as const;
    return {
      ...any,
      input,
      layers: [
        ...(conv ? [{ kind: 'conv', window: pointwise, out: 3, groups: 'one', weights } as const] : []),
        ...aliases,
        { kind: 'linear', as: 'linear', out: 3, weights },
      ],
    };
  });

test('it holds behind every order that reshapes and transposes give', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(renamed, (recipe) => {
      const graph = sparseNetwork(recipe);
      const { program } = assemble(graph, { name: 'net', strategy: 'overlap' });
      const { holds, layers } = certify(program, graph);
      expect(layers.length).toBeGreaterThan(0);
      expect(holds).toBe(true);
      const read = graph.nodes.findLast(isMac)!.inputs[0]!;
      const { order } = placesOf(graph).get(read)!;
      const slot = program.slots[program.steps.at(-1)!.args[0]!]!;
      if (!sameOrder(order, slot.order)) reached.add('unusual');
    }),
    { numRuns: 200 },
  );
  reached.atLeast({ unusual: 15 });
});

/** The kernel's stream with one byte changed. */
function changed(kernel: Kernel, at: number, byte: number): Kernel {
  const tables = kernel.tables.map((table) => {
    if (table.name !== kernel.weights?.stream) return table;
    const data = Array.from(table.data);
    data[at] = byte;
    return { ...table, data };
  });
  return { ...kernel, tables };
}

test('a value that is not the model’s is found, and where it is', () => {
  fc.assert(
    fc.property(cases, fc.nat(), ([graph, first], pick) => {
      const stored = storedAnyhow(graph, first);
      const { program } = assemble(stored, { name: 'net', strategy: 'overlap' });
      const node = stored.nodes.find(isMac)!;
      const mac = node.quantized as QuantizedMac;
      const other = mac.weights.slice();
      const at = pick % other.length;
      other[at] = other[at] === 0 ? 1 : 0;
      const nodes = stored.nodes.map((n) =>
        n === node ? { ...n, quantized: { ...mac, weights: other } } : n,
      );
      const { holds, layers } = certify(program, { ...stored, nodes });
      expect(holds).toBe(false);
      const terms = other.length / mac.bias.length;
      expect(layers.find((l) => l.node === node.name)?.mismatch).toEqual({
        count: 1,
        row: Math.floor(at / terms),
        term: at % terms,
        stored: mac.weights[at],
        model: other[at],
      });
    }),
    { numRuns: runsOf(40) },
  );
});

const denseNetwork = (graph: Graph<'int8'>): Program =>
  assemble(graph, { name: 'net', strategy: 'overlap' }).program;

test('a byte of the tables that is another is found; tables too short or too long are a defect', () => {
  fc.assert(
    fc.property(networks, fc.nat(), fc.integer({ min: 1, max: 255 }), (graph, pick, difference) => {
      const program = denseNetwork(graph);
      const step = program.steps.findIndex(({ kernel }) => kernel.weights !== undefined);
      const { kernel } = program.steps[step]!;
      const table = kernel.tables.find((t) => t.name === kernel.weights!.stream)!;
      const at = pick % table.data.length;
      const byte = ((table.data[at]! + difference + 128) & 255) - 128;
      const edited = (k: Kernel): Program => ({
        ...program,
        steps: program.steps.map((s, i) => (i === step ? { ...s, kernel: k } : s)),
      });
      expect(certify(edited(changed(kernel, at, byte)), graph).holds).toBe(false);
      const longer = changed(kernel, table.data.length, 0);
      expect(() => certify(edited(longer), graph)).toThrow(DefectError);
      const tables = kernel.tables.map((t) =>
        t === table ? { ...t, data: Array.from(t.data).slice(1) } : t,
      );
      expect(() => certify(edited({ ...kernel, tables }), graph)).toThrow(DefectError);
    }),
    { numRuns: runsOf(40) },
  );
});
