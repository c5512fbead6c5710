/** Networks of several inputs and outputs, of other element types, through the whole compiler. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitC } from '../src/emit/package.ts';
import { portStems } from '../src/emit/port-names.ts';
import { netOf } from '../src/net/net.ts';
import { inputPorts, outputPorts } from '../src/program/port.ts';
import { decodeOutputs, encodeInput } from '../src/program/values.ts';
import { inference, simulate } from '../src/runtime/engines.ts';
import { compareOutcomes } from '../src/sim/difference.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { runNative } from '../src/targets/native.ts';
import { portsBuilt as built, manyPorts } from './support/port-ops.ts';
import { crossTools, hostTools, testWith } from './support/toolchain.ts';

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
    expect(() => net.run({ ...given, flag: Int32Array.of(0, 1, 2) })).toThrow(
      "input 'flag' of ports: 2 at 2; supported: integers of 0 to 1",
    );
    expect(() => net.run({ ...given, index: Int32Array.of(1) })).toThrow("input 'index' of ports: 1 numbers");
  });
});

test('an input that nothing reads is a port, and a warning', () => {
  expect(built('int8').agreement!.warnings).toMatchObject([{ kind: 'unread input', tensor: 'spare' }]);
});

const info = { command: 'a test', version: '0', hash: 'none' };

testWith([...hostTools, ...crossTools]).each(['int8', 'float32'] as const)(
  '%s: the C has the same bytes after every layer',
  async (arith) => {
    const { program, examples } = built(arith);
    const simulator = createSimulator(program, { mode: 'checked' });
    const files = emitC(program, { ...info, golden: [] });
    for (const target of ['host-gcc', 'host-clang', 'cortex-m0', 'rv32imc'] as const) {
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
    '#define PORTS_INPUT_STATE_0_SCALE 0.000030517578f',
    '#define PORTS_OUTPUT_BEST_COUNT 1',
    'void ports_run(struct ports *net);',
    'const ports_output_column_t *ports_output_column(const struct ports *net);',
    ' * No layer reads it.',
    ' * Elements are integers, int64 in the model, that stand for themselves.',
    ' * Elements are 0 or 1: false or true.',
  ])
    expect(header).toContain(`${line}\n`);
  const named = (...names: string[]) =>
    portStems({ ...program, outputs: names.map((name) => ({ name, slot: 0 })) }, 'output');
  expect(named('a', 'A', 'a_t', 'état', '1')).toEqual(
    ['a', 'a_2', 'a_t_port', 'tat', 'n_1'].map((name) => `ports_output_${name}`),
  );
});

describe('the package', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-ports-c-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const { program, examples } = built('int8');
  const simulator = createSimulator(program, { mode: 'checked' });
  const golden = examples.map((input) => ({ input, output: simulator.run(input).output }));
  const write = (recorded: typeof golden) => {
    for (const [name, text] of emitC(program, { ...info, golden: recorded }))
      writeFileSync(path.join(folder, name), text);
  };
  const run = (command: string, ...args: readonly string[]) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
  const strict = ['-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-pedantic', '-Werror'];

  testWith(hostTools)('compiles without a warning, and its self-test compares every output', () => {
    const selftest = (): string => {
      run('gcc', '-std=c99', ...strict, '-DPORTS_TRACE=1', '-c', 'ports.c', '-o', 'traced.o');
      run('gcc', '-std=c99', ...strict, 'ports.c', 'ports_selftest.c', '-o', 'selftest');
      return spawnSync(path.join(folder, 'selftest'), { cwd: folder, encoding: 'utf8' }).stdout;
    };
    write(golden);
    expect(selftest()).toContain('4 of 4 outputs as recorded');
    const last = golden[0]!.output.length - 1;
    write(golden.map(({ input, output }) => ({ input, output: output.with(last, output[last]! ^ 1) })));
    expect(selftest()).toContain('0 of 4 outputs as recorded');
  });

  testWith(['g++'])('can be called from C++: a state goes on by a copy', () => {
    write(golden);
    writeFileSync(
      path.join(folder, 'user.cpp'),
      `#include "ports.h"
#include <string.h>
static ports net;
int main() {
  ports_input_state_0_t state[PORTS_INPUT_STATE_0_COUNT] = { 32767, 0, 0, 0 };
  for (int i = 0; i < 4; i++) {
    memset(&net, 0, sizeof net);
    memset(ports_input_signal(&net), PORTS_INPUT_SIGNAL_ZERO_POINT, PORTS_INPUT_SIGNAL_COUNT);
    memcpy(ports_input_state_0(&net), state, sizeof state);
    ports_run(&net);
    memcpy(state, ports_output_state_1(&net), sizeof state);
  }
  return state[0] == 2047 && *ports_output_best(&net) == 0 ? 0 : 1;
}
`,
    );
    run('gcc', '-std=c99', '-c', 'ports.c', '-o', 'net.o');
    run('g++', '-std=c++11', ...strict, 'user.cpp', 'net.o', '-o', 'user');
    run(path.join(folder, 'user'));
  });
});
