/** Functions of the elements at one place: arithmetic, activations, comparisons, types. */
import { complain } from '../../../base/errors.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import { as, cast, cut, expanded, floating, isFloat, operands, trained } from './aten-common.ts';
import { float, int, type OnnxAttributes, text } from './aten-draft.ts';

const self = (call: AtenCall): string => call.tensor('self');
const real = (call: AtenCall): string => floating(call, self(call));

/** An ONNX operator of the argument as a float. */
const one =
  (type: string, attributes: (call: AtenCall) => OnnxAttributes = () => ({})): Translation =>
  (call) =>
    call.make(type, [real(call)], attributes(call));

/** ONNX operators in a row. */
const chain =
  (...types: readonly string[]): Translation =>
  (call) =>
    types.reduce((x, type) => call.make(type, [x]), real(call));

/** A number beside a tensor, in the tensor's type. */
const beside = (call: AtenCall, x: string, value: number): string => call.scalar(value, call.typeOf(x).dtype);

const plus = (call: AtenCall, x: string, value: number): string =>
  call.make('Add', [x, beside(call, x, value)]);
const times = (call: AtenCall, x: string, value: number): string =>
  value === 1 ? x : call.make('Mul', [x, beside(call, x, value)]);

const two =
  (type: string, floats = false): Translation =>
  (call) =>
    call.make(type, operands(call, ['self', 'other'], floats));

/** a + alpha * b, or minus. */
const sum =
  (type: string, pair: readonly [string, string]): Translation =>
  (call) => {
    const [a, b] = operands(call, pair);
    return call.make(type, [a, times(call, b, call.number('alpha', 1))]);
  };

/** other - alpha * self. */
function reversed(call: AtenCall): string {
  const [other, x] = operands(call, ['other', 'self']);
  return call.make('Sub', [other, times(call, x, call.number('alpha', 1))]);
}

/** Towards zero. */
const truncated = (call: AtenCall, x: string): string =>
  call.make('Mul', [call.make('Sign', [x]), call.make('Floor', [call.make('Abs', [x])])]);

function divided(call: AtenCall): string {
  const how = call.arg('rounding_mode') === undefined ? undefined : call.text('rounding_mode');
  if (how === undefined) return call.make('Div', operands(call, ['self', 'other'], true));
  const [a, b] = operands(call, ['self', 'other']);
  const { dtype } = call.typeOf(a);
  const quotient = call.make('Div', [floating(call, a), floating(call, b)]);
  if (how !== 'floor' && how !== 'trunc') throw complain(`rounding_mode '${how}'`, `'floor' or 'trunc'`);
  return cast(call, how === 'floor' ? call.make('Floor', [quotient]) : truncated(call, quotient), dtype);
}

const floorDivided: Translation = (call) => {
  const [a, b] = operands(call, ['self', 'other']);
  const quotient = call.make('Div', [floating(call, a), floating(call, b)]);
  return cast(call, call.make('Floor', [quotient]), call.typeOf(a).dtype);
};

/** What whole quotients leave: of the sign of the divisor with floors, of the dividend's towards zero. */
const left =
  (whole: (call: AtenCall, x: string) => string): Translation =>
  (call) => {
    const [a, b] = operands(call, ['self', 'other']);
    const { dtype } = call.typeOf(a);
    const [x, y] = [floating(call, a), floating(call, b)];
    const taken = call.make('Mul', [whole(call, call.make('Div', [x, y])), y]);
    return cast(call, call.make('Sub', [x, taken]), dtype);
  };

/** An integer to a whole power is an integer. */
function power(call: AtenCall): string {
  const x = self(call);
  if (call.isTensor('exponent'))
    return call.make('Pow', [floating(call, x), floating(call, call.tensor('exponent'))]);
  const exponent = call.number('exponent');
  if (call.arg('exponent')?.kind === 'int' && exponent === 2) return call.make('Mul', [x, x]);
  return call.make('Pow', [floating(call, x), call.scalar(exponent)]);
}

/** A number to a power that is a tensor: exp(x log c). */
function powerOf(call: AtenCall): string {
  const base = call.number('self');
  if (base <= 0) throw complain(`${base} to the power of a tensor`, 'a number above 0');
  return call.make('Exp', [times(call, floating(call, call.tensor('exponent')), Math.log(base))]);
}

const logarithm =
  (base: number): Translation =>
  (call) =>
    times(call, call.make('Log', [real(call)]), 1 / Math.log(base));

function clipped(call: AtenCall, x: string, low: number | undefined, high: number | undefined): string {
  const bounds = [low, high].map((bound) => (bound === undefined ? '' : beside(call, x, bound)));
  return call.make('Clip', [x, ...(high === undefined ? bounds.slice(0, 1) : bounds)]);
}

/** Bounds that are no whole numbers make floats of integers. */
function clamp(call: AtenCall, low: string, high: string): string {
  if (call.isTensor(low) || call.isTensor(high)) return clampBy(call, low, high);
  const given = [low, high].map((name) => call.arg(name)?.kind);
  const x = given.includes('float') ? real(call) : self(call);
  return clipped(call, x, call.maybeNumber(low), call.maybeNumber(high));
}

function clampBy(call: AtenCall, low: string, high: string): string {
  const raised = call.isTensor(low) ? call.make('Max', operands(call, ['self', low])) : self(call);
  return call.isTensor(high)
    ? call.make('Min', [raised, cast(call, call.tensor(high), call.typeOf(raised).dtype)])
    : raised;
}

/**
 * scale * x above 0, scale * alpha * (exp(input_scale * x) - 1) below. With t = input_scale * x it is scale /
 * input_scale times Elu(t) of input_scale * alpha.
 */
function elu(call: AtenCall): string {
  const [alpha, scale, inner] = [
    call.number('alpha', 1),
    call.number('scale', 1),
    call.number('input_scale', 1),
  ];
  const t = times(call, real(call), inner);
  return times(call, call.make('Elu', [t], { alpha: float(alpha * inner) }), scale / inner);
}

const gated = (call: AtenCall, x: string, gate: string): string =>
  call.make('Mul', [x, call.make('Sigmoid', [gate])]);

const silu: Translation = (call) => {
  const x = real(call);
  return gated(call, x, x);
};

function glu(call: AtenCall): string {
  const x = self(call);
  const shape = call.shapeOf(x);
  const axis = call.axis(call.int('dim', -1), shape.length);
  const size = shape[axis] ?? 1;
  return gated(call, cut(call, x, axis, 0, size / 2), cut(call, x, axis, size / 2, size));
}

/** x itself where beta * x is above the threshold: there the difference is below half a unit of float32 from 17 on. */
function softplus(call: AtenCall): string {
  const [x, beta, threshold] = [real(call), call.number('beta', 1), call.number('threshold', 20)];
  const smooth = times(call, call.make('Softplus', [times(call, x, beta)]), 1 / beta);
  if (threshold >= 17) return smooth;
  const above = call.make('Greater', [times(call, x, beta), call.scalar(threshold)]);
  return call.make('Where', [above, x, smooth]);
}

const logSigmoid: Translation = (call) =>
  call.make('Neg', [call.make('Softplus', [call.make('Neg', [real(call)])])]);

/** x - clip(x, -l, l). */
function softshrink(call: AtenCall): string {
  const [x, lambd] = [real(call), call.number('lambd', 0.5)];
  return call.make('Sub', [x, clipped(call, x, -lambd, lambd)]);
}

function hardshrink(call: AtenCall): string {
  const x = real(call);
  const outside = call.make('Greater', [call.make('Abs', [x]), call.scalar(call.number('lambd', 0.5))]);
  return call.make('Where', [outside, x, call.scalar(0)]);
}

function threshold(call: AtenCall): string {
  const x = real(call);
  const above = call.make('Greater', [x, call.scalar(call.number('threshold'))]);
  return call.make('Where', [above, x, call.scalar(call.number('value'))]);
}

const compared =
  (type: string, isNot = false): Translation =>
  (call) => {
    const found = infiniteEqual(call, type) ?? call.make(type, operands(call, ['self', 'other']));
    return isNot ? call.make('Not', [found]) : found;
  };

/** Nothing that is computed of finite numbers is infinite: the masked rows of a decomposed attention. */
function infiniteEqual(call: AtenCall, type: string): string | undefined {
  if (type !== 'Equal' || call.isTensor('other') || Number.isFinite(call.number('other'))) return undefined;
  return call.equalTo(self(call), call.number('other'));
}

const asBool = (call: AtenCall, name: string): string => cast(call, call.tensor(name), 'bool');

const logic =
  (type: string): Translation =>
  (call) =>
    call.make(type, [asBool(call, 'self'), asBool(call, 'other')]);

const negated: Translation = (call) => call.make('Not', [asBool(call, 'self')]);

/** Of booleans alone: integers' bits are not computed with. */
const bitwise =
  (type: string): Translation =>
  (call) => {
    const names = call.node.args.has('other') ? ['self', 'other'] : ['self'];
    const inputs = names.map((name) => call.tensor(name));
    if (inputs.some((x) => call.typeOf(x).dtype !== 'bool')) throw complain('bits of integers', 'booleans');
    return call.make(type, inputs);
  };

/** One of two by a condition; a constant one takes its side. */
function chosen(call: AtenCall, condition: string, [a, b]: readonly [string, string]): string {
  const decided = call.constantOf(condition)?.data;
  const side = decided?.every((x) => x !== 0) ? a : decided?.every((x) => x === 0) ? b : undefined;
  const made = call.make('Where', [condition, a, b]);
  return side === undefined ? made : expanded(call, side, call.shapeOf(made));
}

const where: Translation = (call) =>
  chosen(call, asBool(call, 'condition'), operands(call, ['self', 'other']));

const filledWhere: Translation = (call) => {
  const x = self(call);
  const value = call.tensor('value');
  return chosen(call, call.tensor('mask'), [as(call, 'value', value, call.typeOf(x).dtype), x]);
};

/** self + value * a * b, or value * a / b. */
const added =
  (type: string): Translation =>
  (call) => {
    const inner = call.make(type, operands(call, ['tensor1', 'tensor2'], type === 'Div'));
    const scaled = times(call, inner, call.number('value', 1));
    return call.make('Add', [self(call), scaled]);
  };

/** self + weight * (end - self). */
const interpolated: Translation = (call) => {
  const [a, b] = operands(call, ['self', 'end']);
  const way = call.make('Sub', [b, a]);
  return call.make('Add', [
    a,
    call.make('Mul', [way, as(call, 'weight', call.tensor('weight'), call.typeOf(a).dtype)]),
  ]);
};

function softmax(type: string): Translation {
  return (call) => {
    const x = cast(call, self(call), call.dtype('dtype') ?? call.typeOf(self(call)).dtype);
    return call.make(type, [x], { axis: int(call.axis(call.int('dim'), call.rankOf(x))) });
  };
}

const softmin: Translation = (call) => {
  const x = real(call);
  return call.make('Softmax', [call.make('Neg', [x])], {
    axis: int(call.axis(call.int('dim'), call.rankOf(x))),
  });
};

/** The functions that keep integers as they are. */
const ofAny =
  (type: string): Translation =>
  (call) =>
    call.make(type, [self(call)]);

const rounding =
  (type: string): Translation =>
  (call) => {
    if (call.int('decimals', 0) !== 0) throw complain('rounding to decimals', 'to whole numbers');
    return isFloat(call.typeOf(self(call)).dtype) ? call.make(type, [self(call)]) : self(call);
  };

const converted: Translation = (call) => {
  const dtype =
    call.arg('other') === undefined ? call.dtype('dtype') : call.typeOf(call.tensor('other')).dtype;
  return dtype === undefined ? self(call) : cast(call, self(call), dtype);
};

/** The value of `src` in the shape and type of what it is copied to. */
const copied: Translation = (call) => {
  const { shape, dtype } = call.typeOf(self(call));
  return expanded(call, cast(call, call.tensor('src'), dtype), shape);
};

const valued: Translation = (call) => {
  const { shape, dtype } = call.typeOf(self(call));
  return expanded(call, as(call, 'value', call.tensor('value'), dtype), shape);
};

/** Every overload of an operator that its arguments' names tell apart. */
const overloads = (operator: string, names: readonly string[], translation: Translation): Translations =>
  Object.fromEntries(names.map((name) => [`${operator}.${name}`, translation]));

const both = ['Tensor', 'Scalar'];

/** By name: `default` alone. */
const plain = (entries: Readonly<Record<string, Translation>>): Translations =>
  Object.fromEntries(Object.entries(entries).map(([name, translation]) => [`${name}.default`, translation]));

export const functions: Translations = {
  ...plain({
    relu: ofAny('Relu'),
    relu6: (call) => clipped(call, real(call), 0, 6),
    hardtanh: (call) => clipped(call, real(call), call.number('min_val', -1), call.number('max_val', 1)),
    clamp: (call) => clamp(call, 'min', 'max'),
    clip: (call) => clamp(call, 'min', 'max'),
    clamp_min: (call) => clamp(call, 'min', 'max'),
    clamp_max: (call) => clamp(call, 'min', 'max'),
    leaky_relu: one('LeakyRelu', (call) => ({ alpha: float(call.number('negative_slope', 0.01)) })),
    elu,
    celu: one('Celu', (call) => ({ alpha: float(call.number('alpha', 1)) })),
    selu: one('Selu'),
    gelu: one('Gelu', (call) => ({ approximate: text(call.text('approximate', 'none')) })),
    silu,
    mish: one('Mish'),
    hardswish: one('HardSwish'),
    hardsigmoid: one('HardSigmoid', () => ({ alpha: float(1 / 6), beta: float(0.5) })),
    sigmoid: one('Sigmoid'),
    tanh: one('Tanh'),
    softplus,
    softsign: one('Softsign'),
    softshrink,
    hardshrink,
    threshold,
    glu,
    log_sigmoid: logSigmoid,
    log_sigmoid_forward: logSigmoid,
    abs: ofAny('Abs'),
    neg: ofAny('Neg'),
    exp: one('Exp'),
    exp2: (call) => call.make('Exp', [times(call, real(call), Math.LN2)]),
    expm1: (call) => plus(call, call.make('Exp', [real(call)]), -1),
    log: one('Log'),
    log1p: (call) => call.make('Log', [plus(call, real(call), 1)]),
    log2: logarithm(2),
    log10: logarithm(10),
    sqrt: one('Sqrt'),
    rsqrt: chain('Sqrt', 'Reciprocal'),
    reciprocal: one('Reciprocal'),
    ...{ sin: one('Sin'), cos: one('Cos'), tan: one('Tan'), asin: one('Asin'), acos: one('Acos') },
    ...{ atan: one('Atan'), sinh: one('Sinh'), cosh: one('Cosh'), asinh: one('Asinh') },
    ...{ acosh: one('Acosh'), atanh: one('Atanh'), erf: one('Erf') },
    sign: ofAny('Sign'),
    ...{ floor: rounding('Floor'), ceil: rounding('Ceil'), round: rounding('Round') },
    trunc: (call) => truncated(call, real(call)),
    frac: (call) => {
      const x = real(call);
      return call.make('Sub', [x, truncated(call, x)]);
    },
    isnan: (call) => call.make('Not', [call.make('Equal', [self(call), self(call)])]),
    rrelu: (call) => {
      const slope = (call.number('lower', 1 / 8) + call.number('upper', 1 / 3)) / 2;
      if (call.flag('training', false)) call.note(trained);
      return call.make('LeakyRelu', [real(call)], { alpha: float(slope) });
    },
    logit: (call) => {
      const eps = call.maybeNumber('eps');
      const x = eps === undefined ? real(call) : clipped(call, real(call), eps, 1 - eps);
      const odds = call.make('Div', [x, call.make('Sub', [call.scalar(1), x])]);
      return call.make('Log', [odds]);
    },
    square: (call) => call.make('Mul', [self(call), self(call)]),
    ...{ maximum: two('Max'), minimum: two('Min') },
    ...{ logical_and: logic('And'), logical_or: logic('Or'), logical_xor: logic('Xor') },
    logical_not: negated,
    bitwise_not: bitwise('Not'),
    floor_divide: floorDivided,
    addcmul: added('Mul'),
    addcdiv: added('Div'),
    ...{ alias: self, detach: self, detach_: self, clone: self, contiguous: self },
    ...{ lift_fresh_copy: self, lift_fresh: self, positive: self },
    ...{ _to_copy: converted, type_as: converted },
    copy: copied,
    zero: (call) => expanded(call, beside(call, self(call), 0), call.shapeOf(self(call))),
  }),
  ...overloads('round', ['decimals'], rounding('Round')),
  ...overloads('add', both, sum('Add', ['self', 'other'])),
  ...overloads('sub', both, sum('Sub', ['self', 'other'])),
  ...overloads('rsub', both, reversed),
  ...overloads('mul', both, two('Mul')),
  ...overloads('div', ['Tensor', 'Scalar', 'Tensor_mode', 'Scalar_mode'], divided),
  ...overloads('true_divide', ['Tensor'], divided),
  ...overloads('floor_divide', ['Scalar'], floorDivided),
  ...overloads(
    'remainder',
    both,
    left((call, x) => call.make('Floor', [x])),
  ),
  ...overloads('fmod', both, left(truncated)),
  ...overloads('pow', ['Tensor_Scalar', 'Tensor_Tensor'], power),
  ...overloads('pow', ['Scalar'], powerOf),
  ...overloads('clamp', ['Tensor'], (call) => clamp(call, 'min', 'max')),
  ...overloads('max', ['other'], two('Max')),
  ...overloads('min', ['other'], two('Min')),
  ...overloads('lerp', both, interpolated),
  ...overloads('eq', both, compared('Equal')),
  ...overloads('ne', both, compared('Equal', true)),
  ...overloads('lt', both, compared('Less')),
  ...overloads('le', both, compared('LessOrEqual')),
  ...overloads('gt', both, compared('Greater')),
  ...overloads('ge', both, compared('GreaterOrEqual')),
  ...overloads('bitwise_and', both, bitwise('And')),
  ...overloads('bitwise_or', both, bitwise('Or')),
  ...overloads('bitwise_xor', both, bitwise('Xor')),
  ...overloads('__xor__', both, bitwise('Xor')),
  ...overloads('__and__', both, bitwise('And')),
  ...overloads('__or__', both, bitwise('Or')),
  ...overloads('where', ['self', 'ScalarOther', 'ScalarSelf', 'Scalar'], where),
  ...overloads('masked_fill', both, filledWhere),
  ...overloads('softmax', ['int'], softmax('Softmax')),
  ...overloads('log_softmax', ['int'], softmax('LogSoftmax')),
  ...overloads('_softmax', ['default'], softmax('Softmax')),
  ...overloads('_log_softmax', ['default'], softmax('LogSoftmax')),
  ...overloads('softmin', ['int'], softmin),
  ...overloads('to', ['dtype', 'dtype_layout', 'device', 'other'], converted),
  ...overloads('fill', both, valued),
};
