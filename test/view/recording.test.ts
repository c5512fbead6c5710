/** A recorded inference against the simulator's arenas and the memory plan, byte by byte. */
import { describe, expect, test } from 'vitest';
import { elemBytes } from '../../src/ir/kernel/kernel.ts';
import { portOf } from '../../src/program/port.ts';
import type { Program } from '../../src/program/program.ts';
import { decodePort, inputBytes, readSlot } from '../../src/program/values.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { addressOf, coordinateText, historyOf, placeAt } from '../../src/view/element.ts';
import { createRecorder } from '../../src/view/recording.ts';
import { sampleOfExample } from '../../src/view/sample.ts';
import { argumentsOf, stretchesAt, uses, usesAt } from '../../src/view/use.ts';
import { demoData } from '../support/view.ts';

const data = demoData();
if (data.float.kind === 'none') throw new Error('the demo has a float side');
const sample = sampleOfExample(data.program, data.preprocessing, data.examples[4]!);

const inside = (program: Program, index: number, address: number): boolean => {
  const slot = program.slots[index]!;
  return address >= slot.address && address < slot.address + slot.length * elemBytes[slot.elem];
};

describe.each([
  ['int8', data.program],
  ['float32', data.float.program],
] as const)('%s', (_, program) => {
  const recording = createRecorder(program)(sample);
  const moments = recording.moments.map((_, moment) => moment);
  const { output, arenas } = createSimulator(program, { mode: 'fast' }).run(inputBytes(program, sample), {
    keepArenas: true,
  });

  test('the arena after each step is the simulator’s', () => {
    expect(moments.length).toBe(program.steps.length + 1);
    expect(recording.output).toEqual(output);
    expect(recording.moments.slice(1).map(({ bytes }) => bytes)).toEqual(arenas);
  });

  test('each tensor is kept as it was when it was whole', () => {
    expect(recording.tensors.size).toBe(program.slots.length);
    for (const [index, bytes] of recording.tensors) {
      const slot = program.slots[index]!;
      const then = recording.moments[slot.firstStep + 1]!.bytes;
      expect(bytes).toEqual(then.subarray(slot.address, slot.address + bytes.length));
    }
  });

  test('uses are what roles, owners and live ranges say, of every byte at every moment', () => {
    for (const moment of moments) {
      const [read, written] = [argumentsOf(program, moment, true), argumentsOf(program, moment, false)];
      const codes = usesAt(program, recording, moment);
      const { owners } = recording.moments[moment]!;
      const expected = Array.from(owners, (owner, at) => {
        const isRead = read.some((index) => inside(program, index, at));
        const isWritten = written.some((index) => inside(program, index, at));
        if (isRead && isWritten) return 'reused';
        if (isRead || isWritten) return isRead ? 'read' : 'write';
        if (owner === 0) return 'free';
        return program.slots[owner - 1]!.lastStep > moment - 1 ? 'kept' : 'stale';
      });
      expect(Array.from(codes, (code) => uses[code])).toEqual(expected);
      const stretches = stretchesAt(program, recording, moment);
      expect(stretches.flatMap(({ start, end, use }) => new Array(end - start).fill(use))).toEqual(expected);
      expect(
        stretches.every(({ start, end, slot }) =>
          owners.slice(start, end).every((o) => o === (slot ?? -1) + 1),
        ),
      ).toBe(true);
    }
  });

  test('a byte’s history is the chain of its owners', () => {
    const histories = Array.from({ length: program.arenaBytes }, (_, at) =>
      historyOf(program, recording, at),
    );
    for (const moment of moments) {
      const last = histories.map((history) => history.findLast((write) => write.moment <= moment));
      const { bytes, owners } = recording.moments[moment]!;
      expect(Uint16Array.from(last, (write) => (write?.slot ?? -1) + 1)).toEqual(owners);
      expect(Uint8Array.from(last, (write) => write?.byte ?? 0xa5)).toEqual(bytes);
    }
  });

  test('elements and addresses are each other’s inverse; coordinates are the model’s', () => {
    program.slots.forEach((slot, index) => {
      const elements = Array.from({ length: slot.length }, (_, element) => element);
      const back = elements.map((element) => placeAt(program, index, addressOf(slot, element)).element);
      expect(back).toEqual(elements);
    });
    const pooled = program.slots.find(({ firstStep }) => firstStep === 0)!;
    expect(pooled.shape).toEqual([1, 6, 14, 14]);
    // Memory holds height, width, channel.
    expect(addressOf(pooled, 3 * 196 + 4 * 14 + 5)).toBe(
      pooled.address + ((4 * 14 + 5) * 6 + 3) * elemBytes[pooled.elem],
    );
    expect(coordinateText(pooled, 3 * 196 + 4 * 14 + 5)).toBe('c=3, y=4, x=5');
    expect(coordinateText(program.slots[program.outputs[0]!.slot]!, 7)).toBe('i=7');
  });

  test('numbers: stored ones, and what they mean', () => {
    const bytes = recording.tensors.get(program.outputs[0]!.slot)!;
    const slot = program.slots[program.outputs[0]!.slot]!;
    const stored = readSlot(portOf(program, program.outputs[0]!.slot), bytes);
    const { scale, zeroPoint } = slot.quant ?? { scale: 1, zeroPoint: 0 };
    expect(Float32Array.from(stored, (q) => (q - zeroPoint) * scale)).toEqual(
      decodePort(program, program.outputs[0]!.slot, bytes),
    );
    const input = recording.tensors.get(program.inputs[0]!.slot)!;
    const real = decodePort(program, program.inputs[0]!.slot, input);
    real.forEach((x, i) => {
      expect(x).toBeCloseTo(sample.real[i]!, 6);
    });
  });
});
