/** A network with the shapes of LeNet-5 (416,520 MAC) and made-up int8 weights, written directly in Kernel IR. */
import type { Expr, Kernel, Stmt, Table } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import * as ir from './ir.ts';

/** Deterministic numbers without correlation that matters: a multiplicative congruential generator. */
export function numbers(seed: number): (lo: number, hi: number) => number {
  let state = (seed * 2654435761) >>> 0;
  return (lo, hi) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return lo + Math.floor((state / 2 ** 32) * (hi - lo + 1));
  };
}

const scaleTables = (name: string, outputs: number, weights: number, seed: number): Table[] => {
  const next = numbers(seed);
  const fill = (n: number, lo: number, hi: number) => Array.from({ length: n }, () => next(lo, hi));
  return [
    ir.table(`${name}_weights`, 'i8', Int8Array.from(fill(weights, -127, 127))),
    ir.table(`${name}_bias`, 'i32', Int32Array.from(fill(outputs, -2000, 2000))),
    ir.table(`${name}_multiplier`, 'i32', Int32Array.from(fill(outputs, 2 ** 30, 2 ** 31 - 1))),
    ir.table(`${name}_shift`, 'u8', Uint8Array.from(fill(outputs, 6, 7))),
  ];
};

const requantized = (name: string, acc: Expr, channel: string): Expr =>
  ir.call(
    'clamp',
    ir.call(
      'requantize_high',
      acc,
      ir.load(`${name}_multiplier`, 'i32', ir.local(channel)),
      ir.load(`${name}_shift`, 'u8', ir.local(channel)),
    ),
    0,
    255,
  );

const larger = (a: Expr, b: Expr): Expr => ir.select(ir.compare('gt', a, b), a, b);

/** size: of the input, square, HWC; 5x5 kernel, 2x2 max-pool before requantization. */
export function convPool(name: string, size: number, channels: number, outputs: number): Kernel {
  const out = (size - 4) / 2;
  const row = 5 * channels;
  const stride = size * channels;
  const [i, w] = [ir.local('i'), ir.local('w')];
  const windows = [0, channels, stride, stride + channels];
  const accumulators = windows.map((_, k) => ir.local(`a${k}`));
  const inner: Stmt[] = [
    ir.let_('w', ir.load('wt', 'i8', i), false),
    ...windows.map((offset, k) =>
      ir.accumulate(`a${k}`, ir.mul(ir.load('px', 'u8', offset === 0 ? i : ir.add(i, offset)), w)),
    ),
  ];
  const best = accumulators.reduce((a, b) => larger(a, b));
  const at = ir.add(ir.mul(ir.add(ir.mul(ir.local('oy'), out), ir.local('ox')), outputs), ir.local('oc'));
  const position = ir.add(ir.mul(ir.local('oy'), 2 * stride), ir.mul(ir.local('ox'), 2 * channels));
  const perChannel: Stmt[] = [
    ...accumulators.map((_, k) => ir.let_(`a${k}`, ir.load(`${name}_bias`, 'i32', ir.local('oc')))),
    ir.pointer('px', 'in', 'u8', position),
    ir.pointer('wt', `${name}_weights`, 'i8', ir.mul(ir.local('oc'), 5 * row)),
    ir.for_('ky', 0, 5, [ir.for_('i', 0, row, inner), ir.advance('px', stride), ir.advance('wt', row)]),
    ir.let_('best', best, false),
    ir.store('out', 'u8', at, requantized(name, ir.local('best'), 'oc')),
  ];
  const body = [ir.for_('oy', 0, out, [ir.for_('ox', 0, out, [ir.for_('oc', 0, outputs, perChannel)])])];
  return ir.kernel(
    name,
    [ir.param('in', 'in', 'u8', size * stride), ir.param('out', 'out', 'u8', out * out * outputs)],
    body,
    scaleTables(name, outputs, outputs * 5 * row, size),
    4 * out * out * outputs * 5 * row,
  );
}

export function dense(name: string, inputs: number, outputs: number): Kernel {
  const index = ir.add(ir.mul(ir.local('oc'), inputs), ir.local('i'));
  const product = ir.mul(ir.load('in', 'u8', ir.local('i')), ir.load(`${name}_weights`, 'i8', index));
  const body = [
    ir.for_('oc', 0, outputs, [
      ir.let_('acc', ir.load(`${name}_bias`, 'i32', ir.local('oc'))),
      ir.for_('i', 0, inputs, [ir.accumulate('acc', product)]),
      ir.store('out', 'u8', ir.local('oc'), requantized(name, ir.local('acc'), 'oc')),
    ]),
  ];
  return ir.kernel(
    name,
    [ir.param('in', 'in', 'u8', inputs), ir.param('out', 'out', 'u8', outputs)],
    body,
    scaleTables(name, outputs, inputs * outputs, inputs),
    inputs * outputs,
  );
}

/** 32x32 -> 14x14x6 -> 5x5x16 -> 120 -> 84 -> 10, ping-pong between both ends of 2,200 bytes. */
export function lenet(): Program {
  const slot = (name: string, address: number, length: number): ir.SlotSpec => ({
    name,
    address,
    elem: 'u8',
    length,
  });
  const slots = [
    slot('x', 0, 1024),
    slot('pool1', 1024, 1176),
    slot('pool2', 0, 400),
    slot('fc1', 1024, 120),
    slot('fc2', 0, 84),
    slot('fc3', 1024, 10),
  ];
  const kernels = [
    convPool('conv1', 32, 1, 6),
    convPool('conv2', 14, 6, 16),
    dense('fc1', 400, 120),
    dense('fc2', 120, 84),
    dense('fc3', 84, 10),
  ];
  return ir.program(
    slots,
    kernels.map((k, i) => [k, [i, i + 1]] as const),
  );
}
