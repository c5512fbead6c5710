/** Networks of several inputs and outputs, of other element types, through the whole compiler. */
import { describe, expect, test } from 'vitest';
import { compile } from '../src/compile.ts';
import { emitC } from '../src/emit/package.ts';
import { portStems } from '../src/emit/port-names.ts';
import { netOf } from '../src/net/net.ts';
import { inputPorts, outputPorts } from '../src/program/port.ts';
import { decodeOutputs, encodeInput } from '../src/program/values.ts';
import { inference, simulate } from '../src/runtime/engines.ts';
import { compareOutcomes } from '../src/sim/difference.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { runNative } from '../src/targets/native.ts';
import { manyPorts, portSamples } from './support/port-ops.ts';
import { hostTools, testWith } from './support/toolchain.ts';

const samples = portSamples(24);
const built = (arith: 'int8' | 'float32') =>
  compile(manyPorts, { name: 'ports', arith, calibration: { inputs: samples } });

const [a, b, c, d] = [0.25, -0.5, 0.75, -1];
const sample = Float32Array.of(a, b, c, d, 1, 0, 1, 1, 0, 1, 0.5, 0.25, -0.5, 1 - 2 ** -15, 9, 9, 9, 9, 9, 9);

describe('the ports of a program', () => {
  const { program } = built('int8');

  test('are the model’s, in its order, each of its type', () => {
    expect(inputPorts(program).map(({ name, slot }) => [name, slot.elem, slot.length])).toEqual([
      ['signal', 'u8', 4],
      ['index', 'i32', 3],
      ['flag', 'u8', 3],
      ['state:0', 'i16', 4],
      ['spare', 'u8', 6],
    ]);
    expect(outputPorts(program).map(({ name, slot }) => [name, slot.elem, slot.shape])).toEqual([
      ['first', 'u8', [1, 2]],
      ['gated', 'u8', [3]],
      ['best', 'i32', [1]],
      ['state:1', 'i16', [1, 4]],
      ['state:0', 'i16', [1, 4]],
      ['column', 'u8', [2, 1]],
      ['again', 'u8', [1, 2]],
    ]);
  });

  test('another shape of an output is the same memory, and so is an input that is an output', () => {
    const [first, , , , state, column] = program.outputs;
    expect(column!.slot).toBe(first!.slot);
    expect(state!.slot).toBe(program.inputs[3]!.slot);
  });

  test('inputs are whole before the first step, outputs after the last', () => {
    const last = program.steps.length;
    expect(program.inputs.every(({ slot }) => program.slots[slot]!.firstStep === -1)).toBe(true);
    expect(program.outputs.every(({ slot }) => program.slots[slot]!.lastStep === last)).toBe(true);
  });
});

test.each(['int8', 'float32'] as const)('%s: every engine gives what the model means', (arith) => {
  const { program } = built(arith);
  const bytes = encodeInput(program, sample);
  const checked = simulate(program, bytes);
  for (const engine of ['wasm-simd', 'wasm', 'js'] as const)
    expect(inference(program, engine)(bytes).output).toEqual(checked.output);
  const [first, gated, best, next, state, column, again] = decodeOutputs(program, checked.output);
  const near = (numbers: Float32Array | undefined, ...wanted: number[]) => {
    expect(numbers).toHaveLength(wanted.length);
    wanted.forEach((x, i) => {
      expect(Math.abs(numbers![i]! - x)).toBeLessThan(arith === 'int8' ? 0.006 : 1e-6);
    });
  };
  near(first, a, b);
  near(gated, d, 0, d);
  expect([...best!]).toEqual([1]);
  near(next, 0.25 + a / 2, 0.125 + b / 2, -0.25 + c / 2, 0.5 - 2 ** -16 + d / 2);
  expect([...state!]).toEqual([0.5, 0.25, -0.5, 1 - 2 ** -15]);
  near(column, a, b);
  near(again, c, d);
});

describe('called from Node', () => {
  const net = netOf(built('int8'));
  const given = {
    signal: Float32Array.of(a, b, c, d),
    index: Int32Array.of(1, 0, 1),
    flag: Uint8Array.of(1, 0, 1),
    'state:0': Float32Array.of(0.5, 0.25, -0.5, 0),
    spare: new Float32Array(6).fill(3),
  };

  test('inputs and outputs go by name', () => {
    const { output, outputs } = net.run(given);
    expect(Object.keys(outputs)).toEqual(manyPorts.outputs);
    expect(outputs.first).toEqual(output);
    expect(outputs.best!.real).toEqual(Float32Array.of(1));
    expect(outputs.column!.shape).toEqual([2, 1]);
    expect(net.inputs.map(({ name, type }) => `${name} ${type}`)).toContain('state:0 i16');
    expect(net.decodeAll(simulate(net.program, net.encode(given)).output)).toEqual(outputs);
  });

  test('a state goes on: what the last run left is the next one’s input', () => {
    let state: Float32Array = given['state:0'];
    for (let i = 0; i < 20; i++) state = net.run({ ...given, 'state:0': state }).outputs['state:1']!.real;
    state.forEach((x, i) => {
      expect(Math.abs(x - given.signal[i]!)).toBeLessThan(0.01);
    });
  });

  test('an input of another name, none, one array for all, and what no index is', () => {
    const { spare: _, ...lacking } = given;
    expect(() => net.run(lacking)).toThrow("the inputs of ports: none called 'spare'");
    expect(() => net.run({ ...given, sig: given.signal })).toThrow("one called 'sig'");
    expect(() => net.run(given.signal)).toThrow('one array; supported: an array for each of: signal, index');
    expect(() => net.run({ ...given, index: Float32Array.of(0, 0.5, 1) })).toThrow(
      "input 'index' of ports: 0.5 at 1",
    );
    expect(() => net.run({ ...given, flag: Int32Array.of(0, 1, 256) })).toThrow(
      "input 'flag' of ports: 256 at 2",
    );
    expect(() => net.run({ ...given, index: Int32Array.of(1) })).toThrow("input 'index' of ports: 1 numbers");
  });
});

test('an input that nothing reads is a port, and a warning', () => {
  expect(built('int8').agreement!.warnings).toMatchObject([{ kind: 'unread input', tensor: 'spare' }]);
});

const info = { command: 'a test', version: '0', hash: 'none' };

testWith(hostTools).each(['int8', 'float32'] as const)(
  '%s: the C has the same bytes after every layer',
  async (arith) => {
    const { program, examples } = built(arith);
    const simulator = createSimulator(program, { mode: 'checked' });
    const files = emitC(program, { ...info, golden: [] });
    for (const target of ['host-gcc', 'host-clang'] as const) {
      const ran = await runNative(program, files, target, examples, { keepArenas: true });
      if (ran.kind !== 'ran') throw new Error('the host has memory enough');
      examples.forEach((input, i) => {
        const wanted = simulator.run(input, { keepArenas: true });
        expect(compareOutcomes(program, wanted, ran.outcomes[i]!)).toBeUndefined();
        expect(ran.outcomes[i]!.arenas).toHaveLength(program.steps.length);
      });
    }
  },
);

test('ports in C are named after the model’s, apart from each other even as macros', () => {
  const { program } = built('int8');
  const files = emitC(program, { ...info, golden: [] });
  const header = files.get('ports.h')!;
  for (const line of [
    'ports_input_signal_t *ports_input_signal(struct ports *net);',
    'typedef int32_t ports_input_index_t;',
    'typedef int16_t ports_input_state_0_t;',
    '#define PORTS_INPUT_STATE_0_SCALE 3.0517578125e-5f',
    '#define PORTS_OUTPUT_BEST_COUNT 1',
    'void ports_run(struct ports *net);',
    'const ports_output_column_t *ports_output_column(const struct ports *net);',
    ' * No layer reads it.',
  ])
    expect(header).toContain(`${line}\n`);
  const named = (...names: string[]) =>
    portStems({ ...program, outputs: names.map((name) => ({ name, slot: 0 })) }, 'output');
  expect(named('a', 'A', 'a_t', 'état', '1')).toEqual(
    ['a', 'a_2', 'a_t_port', 'tat', 'n_1'].map((name) => `ports_output_${name}`),
  );
});
