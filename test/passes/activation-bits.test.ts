/** Which activations have 16 bits: by name, all, and where 8 would show at the outputs. */
import { expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { parseActivationBits } from '../../src/cli/flags/options.ts';
import { compile } from '../../src/compile.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { type ActivationBits, wideLine, wideText } from '../../src/passes/activation-bits.ts';
import { Draw } from '../support/draw.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../support/onnx-model.ts';

const constants = [
  floatTensor(
    'large',
    [1, 1, 4, 4],
    Array.from({ length: 16 }, (_, i) => 40 + i),
  ),
  floatTensor('row', [4], [1, 2, 3, 4]),
  floatTensor('lifting', [2, 2, 1, 1], [1, 0, 1, -0.14]),
  floatTensor('offsets', [2], [40, 45]),
  floatTensor('difference', [1, 2, 1, 1], [1, -1]),
  floatTensor('five', [1], [5]),
];

/** Sums of 40 to 55 and less than 1, of which the large part is taken away again. */
const cancelling: readonly NodeSpec[] = [
  { op: 'Add', name: 'grow', inputs: ['x', 'large'], outputs: ['a'] },
  { op: 'Sub', name: 'shrink', inputs: ['a', 'large'], outputs: ['y'] },
];
/** Channels at 40 and 45 that differ by little: grids of their own leave some 25 dB of what is left when one is taken from the other. */
const apart: readonly NodeSpec[] = [
  { op: 'Conv', name: 'lift', inputs: ['x', 'lifting', 'offsets'], outputs: ['c'] },
  { op: 'Relu', inputs: ['c'], outputs: ['a'] },
  { op: 'Conv', name: 'differ', inputs: ['a', 'difference', 'five'], outputs: ['y'] },
];
const plain: readonly NodeSpec[] = [
  { op: 'Sigmoid', name: 'bend', inputs: ['x'], outputs: ['a'] },
  { op: 'Mul', name: 'scale', inputs: ['a', 'row'], outputs: ['y'] },
];

function wideOf(nodes: readonly NodeSpec[], activationBits?: ActivationBits): readonly string[] {
  const model = encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 2, 4, 4])],
    nodes,
    initializers: constants,
  });
  const draw = new Draw(3);
  const inputs = Array.from({ length: 32 }, () => draw.floats(32, -1, 1));
  const { wide = [], program } = compile(importOnnx(model), {
    name: 'net',
    arith: 'int8',
    calibration: { inputs },
    ...(activationBits === undefined ? {} : { activationBits }),
  });
  const stored = program.slots.filter(({ elem }) => elem === 'i16').map(({ name }) => name);
  const tensors = wide.map(({ tensor }) => tensor);
  expect(stored.every((name) => tensors.includes(name))).toBe(true);
  return tensors;
}

test('a sum that cancels has 16 bits by itself, what loses little has 8', () => {
  expect(wideOf(cancelling)).toContain('a');
  expect(wideOf(plain)).toEqual([]);
});

test('16 bits in place of grids for channels, where those leave too much', () => {
  expect(wideOf(apart)).toContain('a');
});

test('8 is none, 16 all that can, a name what the node makes', () => {
  expect(wideOf(cancelling, 8)).toEqual([]);
  expect(wideOf(plain, 16)).toEqual(['x', 'a', 'y']);
  expect(wideOf(plain, new Set(['bend']))).toEqual(['a']);
  expect(wideOf(plain, new Set(['x', 'scale']))).toEqual(['x', 'y']);
});

test('tensors behind views have the bits of what they view', () => {
  const turned: readonly NodeSpec[] = [
    { op: 'Sigmoid', name: 'bend', inputs: ['x'], outputs: ['a'] },
    { op: 'Transpose', inputs: ['a'], outputs: ['t'], attributes: [ints('perm', [0, 1, 3, 2])] },
    { op: 'Mul', name: 'scale', inputs: ['t', 'row'], outputs: ['y'] },
  ];
  expect(wideOf(turned, new Set(['bend']))).toEqual(['a', 't']);
});

test('names of no node, and operators without kernels of 16 bits, are refused by name', () => {
  const norm: readonly NodeSpec[] = [
    { op: 'Sigmoid', name: 'bend', inputs: ['x'], outputs: ['a'] },
    {
      op: 'ReduceL1',
      name: 'size',
      inputs: ['a'],
      outputs: ['y'],
      attributes: [ints('axes', [2]), int('keepdims', 1)],
    },
  ];
  expect(() => wideOf(plain, new Set(['nothing']))).toThrow(InputError);
  expect(() => wideOf(plain, new Set(['nothing']))).toThrow(/nothing=16.*a name that no node has/s);
  expect(() => wideOf(norm, new Set(['bend']))).toThrow(/node 'size' \(l1Along\)/);
  expect(wideOf(norm, 16)).toEqual(['x']);
});

test.each([
  ['auto', 'auto'],
  ['8', 8],
  ['16', 16],
  ['/3/Conv=16,x=16', new Set(['/3/Conv', 'x'])],
] as const)('--activation-bits %s', (text, bits) => {
  expect(parseActivationBits(text)).toEqual(bits);
});

test.each(['12', '', 'conv=8', 'conv'])('--activation-bits %j is refused', (text) => {
  expect(() => parseActivationBits(text)).toThrow(/auto, 8, 16, or nodes with 16/);
});

test('the build says which have 16 bits, and what their 8 would have left', () => {
  expect(wideText([])).toBeUndefined();
  expect(wideLine([])).toBeUndefined();
  expect(wideLine([{ tensor: 'a', decibels: 12.4 }, { tensor: 'b' }])).toBe(
    'activations of 16 bits: 2; in 8 bits one leaves 12 dB at the outputs',
  );
  expect(wideText([{ tensor: 'a', decibels: 12.4 }, { tensor: 'b' }])).toBe(
    "activations of 16 bits: 'a' (in 8 bits 12 dB at the outputs), 'b'",
  );
});
