/** Operators with several outputs, and with other elements than float32: for networks of many ports. */
import { type Compiled, compile } from '../../src/compile.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import type { CanonicalOp, KernelContext } from '../../src/ir/graph/op.ts';
import * as ir from '../../src/ir/kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt } from '../../src/ir/kernel/kernel.ts';
import { elemOf } from '../../src/ir/kernel/stored.ts';
import { opaqueChannels } from '../../src/ir/ops/common/channel-flows.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { countOf, numbersFor, type Tensor, type TensorType } from '../../src/ir/tensor.ts';

type Toy = Pick<CanonicalOp, 'kind' | 'infer' | 'reference'> &
  Partial<CanonicalOp> & { readonly needsZero?: boolean };

/** What nothing is known of but its meaning and kernels. */
const toy = ({ needsZero = false, ...own }: Toy): CanonicalOp => ({
  channels: () => opaqueChannels(),
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  ...(needsZero ? {} : { anyZeroPoint: 'computes' }),
  quantize: () => ({}),
  ...own,
});

function kernelOf(
  { name, inputs, outputs }: KernelContext,
  body: (params: readonly Param[]) => readonly Stmt[],
): Kernel {
  const params = [
    ...inputs.map(
      (p, i): Param => ({ name: `in${i}`, role: 'in', elem: elemOf(p), length: countOf(p.shape) }),
    ),
    ...outputs.flatMap((p, i): Param[] =>
      p === undefined ? [] : [{ name: `out${i}`, role: 'out', elem: elemOf(p), length: countOf(p.shape) }],
    ),
  ];
  return { name, doc: ['A kernel of a test.'], params, tables: [], body: body(params), macs: 0 };
}

const data = (t: Tensor | undefined): ArrayLike<number> => t!.data;
const typed = ({ dtype, shape }: TensorType, numbers: ArrayLike<number>): Tensor => {
  const made = numbersFor(dtype, numbers.length);
  made.set(numbers);
  return { dtype, shape, data: made };
};

/** The halves of a vector of four. */
const halves = { shape: [1, 2], dtype: 'float32' } as const;
const copied = (context: KernelContext): Kernel =>
  kernelOf(context, (params) => {
    const elem = params[0]!.elem;
    return params.flatMap(({ name }) => {
      if (name === 'in0') return [];
      const from = name === 'out0' ? 0 : 2;
      return ir.loop(`i_${name}`, 2, (i) => [ir.store(name, elem, i, ir.load('in0', elem, ir.add(i, from)))]);
    });
  });
const halve = toy({
  kind: 'halve',
  infer: () => [halves, halves],
  reference: (_attrs, [x]) => [0, 2].map((from) => typed(halves, Array.from(data(x)).slice(from, from + 2))),
  outputQuant: ({ inputQuants }) => inputQuants[0]!,
  float32: (_attrs, context) => copied(context),
  int8: (_attrs, _q, context) => copied(context),
});

/** The elements of a vector at indices. */
const gathered = (context: KernelContext): Kernel =>
  kernelOf(context, ([x, index]) =>
    ir.loop('i', index!.length, (i) => [
      ir.constant('at', ir.call('clamp', 'i32', ir.load('in1', 'i32', i), 0, x!.length - 1)),
      ir.store('out0', x!.elem, i, ir.load('in0', x!.elem, ir.local('at'))),
    ]),
  );
const gather = toy({
  kind: 'pickUp',
  ownTypes: true,
  infer: (_attrs, [, index]) => [{ dtype: 'float32', shape: index!.shape }],
  reference: (_attrs, [x, index]) => [
    typed(
      { dtype: 'float32', shape: index!.shape },
      Array.from(data(index), (i) => data(x)[i]!),
    ),
  ],
  outputQuant: ({ inputQuants }) => inputQuants[0]!,
  float32: (_attrs, context) => gathered(context),
  int8: (_attrs, _q, context) => gathered(context),
});

/** The index of the first of the largest. */
const largest = (context: KernelContext): Kernel =>
  kernelOf(context, ([x]) => [
    ir.variable('best', 0),
    ...ir.loop('i', x!.length, (i) => [
      ir.when(ir.compare('gt', ir.load('in0', x!.elem, i), ir.load('in0', x!.elem, ir.local('best'))), [
        ir.assign('best', i),
      ]),
    ]),
    ir.store('out0', 'i32', 0, ir.local('best')),
  ]);
const winner = toy({
  kind: 'winner',
  ownTypes: true,
  infer: () => [{ dtype: 'int64', shape: [1] }],
  reference: (_attrs, [x]) => {
    const all = Array.from(data(x));
    return [typed({ dtype: 'int64', shape: [1] }, [all.indexOf(Math.max(...all))])];
  },
  float32: (_attrs, context) => largest(context),
  int8: (_attrs, _q, context) => largest(context),
});

/** 0 where a flag is not set. */
const gated = (context: KernelContext, zero: Expr): Kernel =>
  kernelOf(context, ([x]) =>
    ir.loop('i', x!.length, (i) => [
      ir.store(
        'out0',
        x!.elem,
        i,
        ir.select(ir.compare('ne', ir.load('in1', 'u8', i), 0), ir.load('in0', x!.elem, i), zero),
      ),
    ]),
  );
const gate = toy({
  kind: 'gate',
  ownTypes: true,
  infer: (_attrs, [x]) => [{ dtype: 'float32', shape: x!.shape }],
  reference: (_attrs, [x, flag]) => [
    typed(
      x!,
      Array.from(data(x), (value, i) => (data(flag)[i] ? value : 0)),
    ),
  ],
  outputQuant: ({ inputQuants }) => inputQuants[0]!,
  quantize: ({ outputQuant }) => ({ zero: outputQuant.zeroPoint }),
  needsZero: true,
  float32: (_attrs, context) => gated(context, ir.float(0)),
  int8: (_attrs, q, context) => gated(context, ir.int((q as { zero: number }).zero)),
});

const sum = (a: Expr, b: Expr): Expr => ir.binary('add', a, b);

const state = { scale: 2 ** -15, zeroPoint: 0, bits: 16 } as const;

/** Half of a state and half of an input: the next state. */
const decay = toy({
  kind: 'decay',
  infer: (_attrs, [h]) => [{ dtype: 'float32', shape: h!.shape }],
  reference: (_attrs, [h, x]) => [
    typed(
      h!,
      Array.from(data(h), (value, i) => value / 2 + data(x)[i]! / 2),
    ),
  ],
  wide: { read: (_attrs, input) => (input === 0 ? state : undefined), made: () => undefined },
  outputQuant: () => state,
  quantize: ({ inputQuants }) => ({
    zero: inputQuants[1]!.zeroPoint,
    m: Math.round(inputQuants[1]!.scale * 2 ** 14),
  }),
  float32: (_attrs, context) =>
    kernelOf(context, ([h]) =>
      ir.loop('i', h!.length, (i) => [
        ir.store(
          'out0',
          'f32',
          i,
          sum(
            ir.mul(ir.load('in0', 'f32', i), ir.float(0.5)),
            ir.mul(ir.load('in1', 'f32', i), ir.float(0.5)),
          ),
        ),
      ]),
    ),
  int8: (_attrs, q, context) =>
    kernelOf(context, ([h]) => {
      const { zero, m } = q as { readonly zero: number; readonly m: number };
      return ir.loop('i', h!.length, (i) => {
        const half = ir.div(ir.load('in0', 'i16', i), 2);
        const sum = ir.add(half, ir.mul(ir.sub(ir.load('in1', 'u8', i), zero), m));
        return [ir.store('out0', 'i16', i, ir.call('clamp', 'i32', sum, -32767, 32767))];
      });
    }),
});

const real = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;

/**
 * Inputs: a signal, indices, a flag each, a state, and one that nothing reads. Outputs: both halves of the signal,
 * one of them read further; what the indices and the flags leave of it; the index of the largest; the next state;
 * the state as it was; and a half again, as a column.
 */
export const manyPorts: Graph<'imported'> = {
  stage: 'imported',
  name: 'ports',
  opset: 0,
  inputs: ['signal', 'index', 'flag', 'state:0', 'spare'],
  outputs: ['first', 'gated', 'best', 'state:1', 'state:0', 'column', 'again'],
  tensors: new Map<string, TensorType>([
    ['signal', real(1, 4)],
    ['index', { dtype: 'int64', shape: [3] }],
    ['flag', { dtype: 'bool', shape: [3] }],
    ['state:0', real(1, 4)],
    ['spare', real(2, 3)],
    ['first', real(1, 2)],
    ['second', real(1, 2)],
    ['picked', real(3)],
    ['gated', real(3)],
    ['best', { dtype: 'int64', shape: [1] }],
    ['state:1', real(1, 4)],
    ['column', real(2, 1)],
    ['again', real(1, 2)],
  ]),
  nodes: [
    node(halve, ['signal'], ['first', 'second']),
    node(gather, ['second', 'index'], ['picked']),
    node(gate, ['picked', 'flag'], ['gated']),
    node(winner, ['gated'], ['best']),
    node(decay, ['state:0', 'signal'], ['state:1']),
    node(reshape, ['first'], ['column'], { shape: [2, 1] }),
    node(reshape, ['second'], ['again'], { shape: [1, 2] }),
  ],
};

function node(op: CanonicalOp, inputs: readonly string[], outputs: readonly string[], attrs: unknown = {}) {
  return { name: `node ${outputs[0]}`, op, attrs, inputs, outputs, origin: [`node ${outputs[0]}`] };
}

/** Signal, indices, flags, state, spare: one after the other. */
const portSamples = (count: number): readonly Float32Array[] =>
  Array.from({ length: count }, (_, i) =>
    Float32Array.from([
      ...[0, 1, 2, 3].map((k) => Math.sin(i * 4 + k)),
      ...[0, 1, 2].map((k) => (i + k) % 2),
      ...[0, 1, 2].map((k) => (i >> k) & 1),
      ...[0, 1, 2, 3].map((k) => 0.9 * Math.cos(i * 3 + k)),
      ...[1, 2, 3, 4, 5, 6],
    ]),
  );

/** Calibrated on two dozen of them. */
export const portsBuilt = (arith: 'int8' | 'float32'): Compiled =>
  compile(manyPorts, { name: 'ports', arith, calibration: { inputs: portSamples(24) } });
