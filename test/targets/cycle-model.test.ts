/** Cycles of listings as objdump prints them, against what Arm's manuals say of each instruction. */
import { expect, test } from 'vitest';
import { type Core, costsOf, costsText, disassembled, returnCycles } from '../../src/targets/cycle-model.ts';

/** `ldr r3, [r0, #4]` by `ldr r3, [r0, #4]`, two bytes each, four where `.w` says so. */
function listing(lines: readonly string[]): string {
  let address = 0x1000;
  const printed = lines.map((line) => {
    const [op = '', ...rest] = line.split(' ');
    const long = /\.w$|^v|^bl$|^[su]mlal|^smlad|^[su]mull|^[su]div|^ml[as]|^ldrd|^tbb/.test(op);
    const text = `    ${address.toString(16)}:\t${long ? 'f000 0000' : '4770     '} \t${op}\t${rest.join(' ')}`;
    address += long ? 4 : 2;
    return text;
  });
  return `\nx.elf:     file format elf32-littlearm\n\n00001000 <f>:\n${printed.join('\n')}\n`;
}

const cyclesOf = (core: Core, ...lines: string[]): readonly number[] =>
  costsOf(disassembled(listing(lines)), core).map(({ cycles }) => cycles);
const leavesOf = (core: Core, ...lines: string[]): readonly number[] =>
  costsOf(disassembled(listing(lines)), core).map(({ cycles, leave }) => cycles + leave);

test('Cortex-M0 and M0+', () => {
  const lines = ['adds r0, #1', 'muls r0, r1', 'ldrb r3, [r0, r4]', 'str r3, [sp, #8]'];
  for (const core of ['Cortex-M0', 'Cortex-M0+'] as const) {
    expect(cyclesOf(core, ...lines)).toEqual([1, 1, 2, 2]);
    expect(cyclesOf(core, 'push {r4, r5, r6, lr}', 'push {r4-r7, lr}', 'ldmia r0!, {r1, r2}')).toEqual([
      5, 6, 3,
    ]);
  }
  const jumps = ['bne.n 1008 <f+0x8>', 'bl 1200 <g>', 'bx lr', 'pop {r4, pc}'];
  expect(leavesOf('Cortex-M0', ...jumps)).toEqual([3, 4, 3, 6]);
  expect(leavesOf('Cortex-M0+', ...jumps)).toEqual([2, 3, 2, 5]);
  expect([returnCycles('Cortex-M0'), returnCycles('Cortex-M0+'), returnCycles('Cortex-M4')]).toEqual([
    3, 2, 3,
  ]);
});

test('loads and stores of Cortex-M3 and M4 meet their neighbours', () => {
  for (const core of ['Cortex-M3', 'Cortex-M4'] as const) {
    // The manual's examples: three, three, three and four cycles in all.
    expect(cyclesOf(core, 'ldr r0, [r1, #0]', 'ldr r1, [r2, #0]')).toEqual([2, 1]);
    expect(cyclesOf(core, 'ldr r0, [r1, r2]', 'str r0, [r3, #20]')).toEqual([2, 1]);
    expect(cyclesOf(core, 'ldr r0, [r1, r2]', 'str r1, [r3, r2]')).toEqual([2, 1]);
    expect(cyclesOf(core, 'ldr r0, [r1, r5]', 'ldr r1, [r2]', 'ldr r2, [r3, #4]')).toEqual([2, 1, 1]);
    expect(cyclesOf(core, 'ldr r0, [r1]', 'ldr r2, [r0]')).toEqual([2, 2]);
    expect(cyclesOf(core, 'adds r0, #4', 'ldr r2, [r0]', 'adds r0, #4', 'ldr r2, [r1]')).toEqual([
      1, 3, 1, 2,
    ]);
    expect(cyclesOf(core, 'ldrb.w r0, [r1], #1', 'ldrb.w r2, [r3], #1')).toEqual([2, 2]);
    expect(cyclesOf(core, 'str r0, [r1]', 'str r0, [r1, r2]', 'str r0, [r1, #4]')).toEqual([1, 2, 1]);
    expect(cyclesOf(core, 'ldrd r0, r1, [r2]', 'vpush {d8-d9}', 'vldmia r0!, {s0-s3}')).toEqual([3, 5, 5]);
    expect(cyclesOf(core, 'movs r0, #0', 'it eq', 'add.w r0, r0, r1', 'it eq')).toEqual([1, 0, 1, 1]);
  }
});

test('products, quotients and floats', () => {
  const lines = ['mul.w r0, r0, r1', 'mla r0, r1, r2, r3', 'mls r0, r1, r2, r3', 'smull r0, r1, r2, r3'];
  const more = ['smlal r0, r1, r2, r3', 'sdiv r0, r1, r2'];
  expect(cyclesOf('Cortex-M3', ...lines, ...more)).toEqual([1, 2, 2, 4, 5, 7]);
  expect(cyclesOf('Cortex-M4', ...lines, ...more, 'smlad r0, r1, r2, r3')).toEqual([1, 1, 1, 1, 1, 7, 1]);
  const floats = [
    'vmul.f32 s0, s1, s2',
    'vfma.f32 s0, s1, s2',
    'vmls.f32 s0, s1, s2',
    'vnmla.f32 s0, s1, s2',
  ];
  expect(cyclesOf('Cortex-M4', ...floats, 'vdiv.f32 s0, s1, s2', 'vldr s0, [r0]')).toEqual([
    1, 3, 3, 3, 14, 2,
  ]);
});

test('jumps of Cortex-M4', () => {
  const jumps = [
    'bne.n 1008 <f+0x8>',
    'bls.n 1008 <f+0x8>',
    'bx lr',
    'pop {r4, pc}',
    'tbb [pc, r0]',
    'bics r0, r1',
  ];
  expect(leavesOf('Cortex-M4', ...jumps).slice(0, 5)).toEqual([2, 2, 3, 6, 6]);
  const costs = costsOf(
    disassembled(listing(['nop ', 'add.w r0, r0, r1', 'nop ', 'add.w r0, r0, r1'])),
    'Cortex-M4',
  );
  expect(costs.map(({ enter }) => enter)).toEqual([0, 1, 0, 0]);
  expect(costsText(costs.slice(0, 2))).toBe('1000 1 1 0\n1002 1 1 1\n');
});
