/** What exporters write of one function in many nodes is one kernel again, and the same numbers. */
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { simulate } from '../../src/runtime/engines.ts';
import { Draw } from '../support/draw.ts';
import { encodeModel, floatTensor, type NodeSpec, valueInfo } from '../support/onnx-model.ts';

const numbers = {
  half: 0.5,
  one: 1,
  three: 3,
  sixth: 1 / 6,
  six: 6,
  zero: 0,
  root: Math.SQRT1_2,
  two: Math.SQRT2,
  cubic: 0.044715,
  outer: Math.sqrt(2 / Math.PI),
  cube: 3,
  slope: 0.1,
};
const initializers = [
  ...Object.entries(numbers).map(([name, value]) => floatTensor(name, [], [value])),
  floatTensor('w', [4, 4, 1, 1], [...new Draw(2).floats(16, -1, 1)]),
  floatTensor('byChannel', [4, 1, 1], [0.1, -0.2, 0.3, 0]),
];

/** `y = op a b`, one per line; h is the input. */
const nodesOf = (text: string): readonly NodeSpec[] =>
  text
    .trim()
    .split('\n')
    .map((line) => {
      const [output = '', , op = '', ...inputs] = line.trim().split(' ');
      return { op, inputs, outputs: [output] };
    });

const forms: Readonly<Record<string, string>> = {
  SiLU: `s = Sigmoid h
    y = Mul h s`,
  'SiLU the other way round': `s = Sigmoid h
    y = Mul s h`,
  HardSwish: `s = HardSigmoid h
    y = Mul h s`,
  'HardSwish by hand': `a = Add h three
    b = Clip a zero six
    c = Mul h b
    y = Div c six`,
  'GELU with erf': `a = Div h two
    b = Erf a
    c = Add b one
    d = Mul h c
    y = Mul d half`,
  'GELU with erf, halved first': `a = Mul h root
    b = Erf a
    c = Add one b
    d = Mul half h
    y = Mul d c`,
  'GELU with tanh': `a = Pow h cube
    b = Mul cubic a
    c = Add h b
    d = Mul c outer
    e = Tanh d
    f = Add e one
    g = Mul half h
    y = Mul g f`,
  Mish: `a = Softplus h
    b = Tanh a
    y = Mul h b`,
  Softplus: `a = Exp h
    b = Add a one
    y = Log b`,
  Softsign: `a = Abs h
    b = Add one a
    y = Div h b`,
  'leaky ReLU by a maximum': `a = Mul h slope
    y = Max h a`,
  'PReLU by two ReLUs': `a = Relu h
    n = Neg h
    b = Relu n
    c = Mul b slope
    y = Sub a c`,
  'a logarithm of a square': `a = Mul h h
    b = Add a one
    c = Log b
    y = Sqrt c`,
};

const shape = [1, 4, 3, 3];

function build(text: string, before: readonly NodeSpec[] = []) {
  const nodes = [...before, ...nodesOf(text)];
  return importOnnx(
    encodeModel({
      opset: 17,
      nodes,
      initializers,
      inputs: [valueInfo(before.length > 0 ? 'x' : 'h', shape)],
      outputs: ['y'],
    }),
  );
}

const draw = new Draw(7);
const inputs = Array.from({ length: 20 }, () => draw.floats(countOf(shape), -4, 4));
const options = { name: 'net', calibration: { inputs } } as const;

test.each(Object.entries(forms))('%s is one kernel', (_, text) => {
  const graph = build(text);
  const { program, fused } = compile(graph, { ...options, arith: 'float32' });
  expect(fused.nodes.map(({ op }) => op.kind)).toEqual(['formula']);
  const integers = compile(graph, { ...options, arith: 'int8' });
  let [error, signal] = [0, 0];
  for (const sample of inputs) {
    const [wanted] = evaluate(graph, new Map([['h', floats(shape, sample)]])).values();
    const found = decodeOutput(program, simulate(program, encodeInput(program, sample)).output);
    const bytes = simulate(integers.program, encodeInput(integers.program, sample)).output;
    const rough = decodeOutput(integers.program, bytes);
    wanted!.data.forEach((y: number, i: number) => {
      expect(Math.abs(found[i]! - y)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(y)));
      error += (rough[i]! - y) ** 2;
      signal += y ** 2;
    });
  }
  expect(10 * Math.log10(signal / error)).toBeGreaterThan(30);
});

const layer: readonly NodeSpec[] = [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['h'] }];
const kinds = (text: string, before = layer): readonly string[] =>
  compile(build(text, before), { ...options, arith: 'float32' }).fused.nodes.map(({ op }) => op.kind);

test('what a layer can take in stays in front, and goes there', () => {
  expect(kinds('a = Relu h\ns = Sigmoid a\ny = Mul a s')).toEqual(['conv', 'formula']);
  expect(kinds('a = Mul h half\ny = Erf a')).toEqual(['conv', 'erf']);
  expect(kinds('a = Add h three\nb = Clip a zero six\ny = Div b six')).toEqual(['conv']);
});

test('what others read too, or differs by channel, is no part of it', () => {
  expect(kinds('s = Sigmoid h\na = Mul h s\nb = Tanh s\ny = Sub a b')).toEqual(['conv', 'formula']);
  expect(kinds('s = Sigmoid h\na = Mul h s\nb = GlobalAveragePool s\ny = Sub a b')).toEqual([
    'conv',
    'sigmoid',
    'product',
    'avgPool',
    'add',
  ]);
  expect(kinds('s = Sigmoid h\na = Mul s byChannel\ny = Tanh a', layer)).toEqual([
    'conv',
    'sigmoid',
    'conv',
    'tanh',
  ]);
});

test('a sigmoid of far numbers keeps its steps: the range of its input ends where it is flat', () => {
  const far = Array.from({ length: 40 }, () => draw.floats(countOf(shape), -40, 40));
  const graph = build('y = Sigmoid h');
  const { program } = compile(graph, { name: 'net', arith: 'int8', calibration: { inputs: far } });
  let [error, signal] = [0, 0];
  for (const sample of far)
    decodeOutput(program, simulate(program, encodeInput(program, sample)).output).forEach((y, i) => {
      const wanted = 1 / (1 + Math.exp(-sample[i]!));
      error += (y - wanted) ** 2;
      signal += (wanted - 0.5) ** 2;
    });
  // With the whole range it is 44.
  expect(10 * Math.log10(signal / error)).toBeGreaterThan(52);
});
