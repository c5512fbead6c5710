/** Programs written by hand that together use every construct of Kernel IR. */
import type { Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import {
  accumulate,
  add,
  advance,
  and,
  assign,
  call,
  compare,
  div,
  float,
  flocal,
  for_,
  if_,
  int,
  kernel,
  let_,
  load,
  local,
  mod,
  mul,
  or,
  param,
  pointer,
  select,
  shl,
  shr,
  slot,
  store,
  sub,
  xor,
} from './ir.ts';

const pad: Kernel = {
  ...kernel(
    'pad',
    [param('in', 'in', 'u8', 64), param('out', 'out', 'u8', 100)],
    [
      { kind: 'fill', elem: 'u8', to: 'out', index: int(0), value: int(7), count: int(100) },
      for_('y', 0, 8, [
        {
          kind: 'copy',
          elem: 'u8',
          to: 'out',
          toIndex: add(mul(local('y'), int(10)), int(11)),
          from: 'in',
          fromIndex: mul(local('y'), int(8)),
          count: int(8),
        },
      ]),
    ],
  ),
  doc: ['pad: 8x8 -> 10x10, a border of zero points.'],
};

const convWeights = Array.from({ length: 36 }, (_, i) => ((i * 37) % 255) - 127);
const convBias = [-900, 1234, 0, 70000];
const convMultiplier = [1518500250, 1073741824, 2147483647, 1250000001];
const convShift = [7, 6, 9, 8];

const window: Stmt[] = [
  let_('corner', add(add(mul(int(2), local('y')), shr(local('w'), int(1))), int(0)), false),
  pointer(
    'px',
    'in',
    'u8',
    add(mul(local('corner'), int(10)), add(mul(int(2), local('x')), and(local('w'), int(1)))),
  ),
  pointer('weight', 'conv_weights', 'i8', mul(local('oc'), int(9))),
  let_('acc', load('conv_bias', 'i32', local('oc'))),
  for_('ky', 0, 3, [
    for_('kx', 0, 3, [
      accumulate('acc', mul(load('px', 'u8', local('kx')), load('weight', 'i8', local('kx')))),
    ]),
    advance('px', int(10)),
    advance('weight', int(3)),
  ]),
  assign('best', select(compare('gt', local('acc'), local('best')), local('acc'), local('best'))),
];

const conv: Kernel = {
  ...kernel(
    'conv',
    [param('in', 'in', 'u8', 100), param('out', 'out', 'u8', 64)],
    [
      for_('y', 0, 4, [
        for_('x', 0, 4, [
          for_('oc', 0, 4, [
            let_('best', int(-(2 ** 31))),
            for_('w', 0, 4, window),
            let_(
              'q',
              call(
                'requantize_single',
                local('best'),
                load('conv_multiplier', 'i32', local('oc')),
                load('conv_shift', 'u8', local('oc')),
              ),
              false,
            ),
            store(
              'out',
              'u8',
              add(mul(add(mul(local('y'), int(4)), local('x')), int(4)), local('oc')),
              call('clamp', local('q'), int(0), int(255)),
            ),
          ]),
        ]),
      ]),
    ],
    [
      { name: 'conv_weights', elem: 'i8', data: Int8Array.from(convWeights), rowLength: 9 },
      { name: 'conv_bias', elem: 'i32', data: convBias },
      { name: 'conv_multiplier', elem: 'i32', data: Int32Array.from(convMultiplier) },
      { name: 'conv_shift', elem: 'u8', data: Uint8Array.from(convShift) },
    ],
    2304,
  ),
  doc: ['conv: 3x3 convolution 1 -> 4, 2x2 max-pool.  u8[10][10][1] -> u8[4][4][4].  2,304 MAC.'],
};

const sign: Kernel = {
  ...kernel(
    'sign',
    [param('in', 'in', 'u8', 64), param('out', 'out', 'i8', 64)],
    [
      for_('i', 0, 64, [
        { kind: 'comment', text: 'Thresholds */ of the sample; the text is made harmless.' },
        let_('x', load('in', 'u8', local('i')), false),
        if_(
          compare('lt', local('x'), int(60)),
          [store('out', 'i8', local('i'), int(-1))],
          [
            if_(
              compare('lt', local('x'), int(180)),
              [store('out', 'i8', local('i'), int(0))],
              [store('out', 'i8', local('i'), sub(local('x'), int(170)))],
            ),
          ],
        ),
      ]),
    ],
  ),
  doc: ['sign: -1, 0 or 1 by thresholds, in place.'],
};

/** u8 image, padding, convolution with pooling, and a step in place. */
export const int8Sample: Program = {
  name: 'sample_int8',
  arith: 'int8',
  arenaBytes: 164,
  slots: [
    slot({
      name: 'image',
      address: 0,
      elem: 'u8',
      length: 64,
      shape: [1, 1, 8, 8],
      quant: { scale: 1 / 255, zeroPoint: 0 },
    }),
    slot({ name: 'padded', address: 64, elem: 'u8', length: 100 }),
    slot({ name: 'pooled', address: 0, elem: 'u8', length: 64 }),
    slot({
      name: 'signs',
      address: 0,
      elem: 'i8',
      length: 64,
      shape: [1, 4, 4, 4],
      order: Array.from({ length: 64 }, (_, i) => (i % 4) * 16 + Math.floor(i / 4)),
      quant: { scale: 0.1, zeroPoint: -3 },
    }),
  ],
  steps: [
    { kernel: pad, args: [0, 1], origin: ['Pad_0'] },
    { kernel: conv, args: [1, 2], origin: ['Conv_1', 'MaxPool_2'] },
    { kernel: sign, args: [2, 3], origin: ['Sign_3'] },
  ],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 3 }],
  rawInput: { mean: [0.1307], std: [0.3081] },
};

const denseWeights = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i % 7) - 3));

const dense: Kernel = {
  ...kernel(
    'dense',
    [param('in', 'in', 'f32', 8), param('out', 'out', 'f32', 4)],
    [
      let_('best', float(-Infinity)),
      pointer('w', 'dense_weights', 'f32', int(0)),
      for_('o', 0, 3, [
        let_('sum', load('dense_bias', 'f32', local('o'))),
        for_('i', 0, 8, [
          accumulate('sum', mul(load('in', 'f32', local('i')), load('w', 'f32', local('i')))),
        ]),
        advance('w', int(8)),
        store('out', 'f32', local('o'), flocal('sum')),
        assign('best', select(compare('gt', flocal('sum'), flocal('best')), flocal('sum'), flocal('best'))),
      ]),
      store('out', 'f32', int(3), flocal('best')),
    ],
    [
      { name: 'dense_weights', elem: 'f32', data: denseWeights, rowLength: 8 },
      { name: 'dense_bias', elem: 'f32', data: Float32Array.of(0.1, -2.5e-8, 3) },
    ],
    24,
  ),
  doc: ['dense: f32[8] -> f32[3], the largest of all kept too.'],
};

const steps: Kernel = {
  ...kernel(
    'sample_float_run',
    [param('in', 'in', 'f32', 4), param('out', 'out', 'f32', 4), param('whole', 'scratch', 'f32', 4)],
    [
      {
        kind: 'copy',
        elem: 'f32',
        to: 'whole',
        toIndex: int(0),
        from: 'in',
        fromIndex: int(0),
        count: int(4),
      },
      for_('i', 0, 4, [
        let_('x', load('whole', 'f32', local('i')), false),
        let_(
          'size',
          select(compare('lt', flocal('x'), float(0)), sub(float(-0), flocal('x')), flocal('x')),
          false,
        ),
        let_(
          'part',
          sub(flocal('x'), { kind: 'toFloat', value: { kind: 'toInt', value: mul(flocal('x'), float(1)) } }),
          false,
        ),
        store('out', 'f32', local('i'), div(flocal('part'), add(flocal('size'), float(1.5)))),
      ]),
    ],
  ),
  doc: ['steps: (x - trunc(x)) / (|x| + 1.5), with a name that the interface has taken.'],
};

const floatSample: Program = {
  name: 'sample_float',
  arith: 'float32',
  arenaBytes: 64,
  slots: [
    slot({ name: 'x', address: 0, elem: 'f32', length: 8, shape: [1, 8] }),
    slot({ name: 'y', address: 32, elem: 'f32', length: 4 }),
    slot({ name: 'scratch:steps', address: 48, elem: 'f32', length: 4 }),
    slot({ name: 'z', address: 0, elem: 'f32', length: 4, shape: [1, 4] }),
  ],
  steps: [
    { kernel: dense, args: [0, 1], origin: ['Gemm_0'] },
    { kernel: steps, args: [1, 3, 2], origin: ['Mod_1', 'Div_2'] },
  ],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 3 }],
};

const x = load('in', 'i16', local('i'));
const words: Kernel = {
  ...kernel(
    'words',
    [
      param('in', 'in', 'i16', 8),
      param('wide', 'out', 'i32', 8),
      param('half', 'out', 'u16', 8),
      param('unused', 'scratch', 'u8', 4),
    ],
    [
      for_(
        'i',
        0,
        8,
        [
          let_('a', add(mul(x, int(-3)), int(-5)), false),
          let_('b', add(and(local('a'), int(15)), int(1)), false),
          let_('c', add(mod(div(local('a'), local('b')), int(7)), mod(local('a'), local('b'))), false),
          let_(
            'd',
            xor(or(shl(local('b'), int(3)), and(local('a'), int(6))), shr(local('a'), int(2))),
            false,
          ),
          let_('e', sub(local('d'), sub(local('c'), add(local('b'), int(-1)))), false),
          store(
            'wide',
            'i32',
            local('i'),
            select(compare('ge', local('a'), int(0)), local('e'), mul(local('e'), int(-2))),
          ),
          store(
            'half',
            'u16',
            local('i'),
            and(
              add(
                local('e'),
                add(load('halves', 'u16', and(local('i'), int(3))), load('shorts', 'i16', int(0))),
              ),
              int(65535),
            ),
          ),
          if_(compare('eq', local('i'), int(6)), [
            store('wide', 'i32', local('i'), load('limits', 'i32', compare('ne', local('a'), local('b')))),
          ]),
        ],
        2,
      ),
      for_('k', 0, 4, [
        store('wide', 'i32', add(mul(local('k'), int(2)), int(1)), load('limits', 'i32', local('k'))),
        store('half', 'u16', add(mul(local('k'), int(2)), int(1)), compare('le', local('k'), int(1))),
      ]),
    ],
    [
      { name: 'limits', elem: 'i32', data: [-(2 ** 31), 2 ** 31 - 1, -1, 0] },
      { name: 'halves', elem: 'u16', data: [1, 65535, 3, 4] },
      { name: 'shorts', elem: 'i16', data: [-32768, 32767, -3, 5] },
    ],
  ),
  doc: ['words: every integer operation, through arrays of several widths.'],
};

const narrow: Kernel = {
  ...kernel(
    'narrow',
    [param('wide', 'in', 'i32', 8), param('half', 'in', 'u16', 8), param('out', 'out', 'i8', 8)],
    [
      for_('i', 0, 8, [
        let_(
          'mixed',
          add(
            call('requantize_pow2', load('wide', 'i32', local('i')), int(4)),
            load('half', 'u16', local('i')),
          ),
          false,
        ),
        store('out', 'i8', local('i'), call('clamp', local('mixed'), int(-128), int(127))),
      ]),
    ],
  ),
  doc: [],
};

/** Elements of four widths in one arena. */
const wordSample: Program = {
  name: 'sample_words',
  arith: 'int8',
  arenaBytes: 78,
  slots: [
    slot({ name: 'x', address: 0, elem: 'i16', length: 8 }),
    slot({ name: 'wide', address: 16, elem: 'i32', length: 8 }),
    slot({ name: 'half', address: 48, elem: 'u16', length: 8 }),
    slot({ name: 'scratch:words', address: 64, elem: 'u8', length: 4 }),
    slot({ name: 'y', address: 70, elem: 'i8', length: 8, order: [7, 6, 5, 4, 3, 2, 1, 0] }),
  ],
  steps: [
    { kernel: words, args: [0, 1, 2, 3], origin: ['Words_0'] },
    { kernel: narrow, args: [1, 2, 4], origin: ['Narrow_1'] },
  ],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 4 }],
};

const bytesOf = (data: Float32Array | Int16Array): Uint8Array => new Uint8Array(data.buffer);

export interface Sample {
  readonly program: Program;
  readonly inputs: readonly Uint8Array[];
}

/** The programs with inputs that reach every branch. */
export const samples: readonly Sample[] = [
  {
    program: int8Sample,
    inputs: [
      Uint8Array.from({ length: 64 }, (_, i) => (i * 73 + (i >> 3) * 31) % 256),
      new Uint8Array(64),
      new Uint8Array(64).fill(255),
    ],
  },
  {
    program: floatSample,
    inputs: [
      bytesOf(Float32Array.from({ length: 8 }, (_, i) => Math.cos(i * 3.1) * 2 ** (i - 4))),
      bytesOf(Float32Array.of(1e-40, -1e-40, 0, -0, 1e5, -3.25, 7, 1 / 3)),
    ],
  },
  {
    program: wordSample,
    inputs: [
      bytesOf(Int16Array.of(-32768, 0, 32767, 1, -1, 2, 1234, -4321)),
      bytesOf(Int16Array.of(5, -5, 100, -100, 17, -17, -5, 0)),
    ],
  },
];
