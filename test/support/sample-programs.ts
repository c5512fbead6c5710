/** Programs written by hand that together use every construct of Kernel IR. */
import type { Kernel, Stmt } from '../../src/ir/kernel.ts';
import type { Program } from '../../src/ir/program.ts';
import {
  acc,
  add,
  advance,
  assign,
  bin,
  cmp,
  float,
  int,
  kernel,
  let_,
  load,
  loop,
  mul,
  param,
  pointer,
  prim,
  select,
  slot,
  store,
  v,
  when,
} from './hand.ts';

const pad: Kernel = kernel({
  name: 'pad',
  doc: ['pad: 8x8 -> 10x10, a border of zero points.'],
  params: [param('in', 'in', 'u8', 64), param('out', 'out', 'u8', 100)],
  body: [
    { kind: 'fill', elem: 'u8', to: 'out', index: int(0), value: int(7), count: int(100) },
    loop('y', 8, [
      {
        kind: 'copy',
        elem: 'u8',
        to: 'out',
        toIndex: add(mul(v('y'), int(10)), int(11)),
        from: 'in',
        fromIndex: mul(v('y'), int(8)),
        count: int(8),
      },
    ]),
  ],
});

const convWeights = Array.from({ length: 36 }, (_, i) => ((i * 37) % 255) - 127);
const convBias = [-900, 1234, 0, 70000];
const convMultiplier = [1518500250, 1073741824, 2147483647, 1250000001];
const convShift = [7, 6, 9, 8];

const window: Stmt[] = [
  let_('corner', add(add(mul(int(2), v('y')), bin('shr', v('w'), int(1))), int(0)), 'i32', false),
  pointer(
    'px',
    'in',
    'u8',
    add(mul(v('corner'), int(10)), add(mul(int(2), v('x')), bin('and', v('w'), int(1)))),
  ),
  pointer('weight', 'conv_weights', 'i8', mul(v('oc'), int(9))),
  let_('acc', load('conv_bias', 'i32', v('oc'))),
  loop('ky', 3, [
    loop('kx', 3, [acc('acc', mul(load('px', 'u8', v('kx')), load('weight', 'i8', v('kx'))))]),
    advance('px', int(10)),
    advance('weight', int(3)),
  ]),
  assign('best', select(cmp('gt', v('acc'), v('best')), v('acc'), v('best'))),
];

const conv: Kernel = kernel({
  name: 'conv',
  doc: ['conv: 3x3 convolution 1 -> 4, 2x2 max-pool.  u8[10][10][1] -> u8[4][4][4].  2,304 MAC.'],
  params: [param('in', 'in', 'u8', 100), param('out', 'out', 'u8', 64)],
  tables: [
    { name: 'conv_weights', elem: 'i8', data: Int8Array.from(convWeights), rowLength: 9 },
    { name: 'conv_bias', elem: 'i32', data: convBias },
    { name: 'conv_multiplier', elem: 'i32', data: Int32Array.from(convMultiplier) },
    { name: 'conv_shift', elem: 'u8', data: Uint8Array.from(convShift) },
  ],
  macs: 2304,
  body: [
    loop('y', 4, [
      loop('x', 4, [
        loop('oc', 4, [
          let_('best', int(-(2 ** 31))),
          loop('w', 4, window),
          let_(
            'q',
            prim(
              'requantize_single',
              v('best'),
              load('conv_multiplier', 'i32', v('oc')),
              load('conv_shift', 'u8', v('oc')),
            ),
            'i32',
            false,
          ),
          store(
            'out',
            'u8',
            add(mul(add(mul(v('y'), int(4)), v('x')), int(4)), v('oc')),
            prim('clamp', v('q'), int(0), int(255)),
          ),
        ]),
      ]),
    ]),
  ],
});

const sign: Kernel = kernel({
  name: 'sign',
  doc: ['sign: -1, 0 or 1 by thresholds, in place.'],
  params: [param('in', 'in', 'u8', 64), param('out', 'out', 'i8', 64)],
  body: [
    loop('i', 64, [
      { kind: 'comment', text: 'Thresholds */ of the sample; the text is made harmless.' },
      let_('x', load('in', 'u8', v('i')), 'i32', false),
      when(
        cmp('lt', v('x'), int(60)),
        [store('out', 'i8', v('i'), int(-1))],
        [
          when(
            cmp('lt', v('x'), int(180)),
            [store('out', 'i8', v('i'), int(0))],
            [store('out', 'i8', v('i'), bin('sub', v('x'), int(170)))],
          ),
        ],
      ),
    ]),
  ],
});

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
  input: 0,
  output: 3,
  rawInput: { mean: [0.1307], std: [0.3081] },
};

const denseWeights = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i % 7) - 3));

const dense: Kernel = kernel({
  name: 'dense',
  doc: ['dense: f32[8] -> f32[3], the largest of all kept too.'],
  params: [param('in', 'in', 'f32', 8), param('out', 'out', 'f32', 4)],
  tables: [
    { name: 'dense_weights', elem: 'f32', data: denseWeights, rowLength: 8 },
    { name: 'dense_bias', elem: 'f32', data: Float32Array.of(0.1, -2.5e-8, 3) },
  ],
  macs: 24,
  body: [
    let_('best', float(-Infinity), 'f32'),
    pointer('w', 'dense_weights', 'f32', int(0)),
    loop('o', 3, [
      let_('sum', load('dense_bias', 'f32', v('o')), 'f32'),
      loop('i', 8, [
        acc('sum', bin('mul', load('in', 'f32', v('i')), load('w', 'f32', v('i')), 'f32'), 'f32'),
      ]),
      advance('w', int(8)),
      store('out', 'f32', v('o'), v('sum', 'f32')),
      assign(
        'best',
        select(cmp('gt', v('sum', 'f32'), v('best', 'f32'), 'f32'), v('sum', 'f32'), v('best', 'f32'), 'f32'),
        'f32',
      ),
    ]),
    store('out', 'f32', int(3), v('best', 'f32')),
  ],
});

const steps: Kernel = kernel({
  name: 'sample_float_run',
  doc: ['steps: (x - trunc(x)) / (|x| + 1.5), with a name that the interface has taken.'],
  params: [param('in', 'in', 'f32', 4), param('out', 'out', 'f32', 4), param('whole', 'scratch', 'f32', 4)],
  body: [
    { kind: 'copy', elem: 'f32', to: 'whole', toIndex: int(0), from: 'in', fromIndex: int(0), count: int(4) },
    loop('i', 4, [
      let_('x', load('whole', 'f32', v('i')), 'f32', false),
      let_(
        'size',
        select(
          cmp('lt', v('x', 'f32'), float(0), 'f32'),
          bin('sub', float(-0), v('x', 'f32'), 'f32'),
          v('x', 'f32'),
          'f32',
        ),
        'f32',
        false,
      ),
      let_(
        'part',
        bin(
          'sub',
          v('x', 'f32'),
          { kind: 'toFloat', value: { kind: 'toInt', value: bin('mul', v('x', 'f32'), float(1), 'f32') } },
          'f32',
        ),
        'f32',
        false,
      ),
      store(
        'out',
        'f32',
        v('i'),
        bin('div', v('part', 'f32'), bin('add', v('size', 'f32'), float(1.5), 'f32'), 'f32'),
      ),
    ]),
  ],
});

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
  input: 0,
  output: 3,
};

const x = load('in', 'i16', v('i'));
const words: Kernel = kernel({
  name: 'words',
  doc: ['words: every integer operation, through arrays of several widths.'],
  params: [
    param('in', 'in', 'i16', 8),
    param('wide', 'out', 'i32', 8),
    param('half', 'out', 'u16', 8),
    param('unused', 'scratch', 'u8', 4),
  ],
  tables: [
    { name: 'limits', elem: 'i32', data: [-(2 ** 31), 2 ** 31 - 1, -1, 0] },
    { name: 'halves', elem: 'u16', data: [1, 65535, 3, 4] },
    { name: 'shorts', elem: 'i16', data: [-32768, 32767, -3, 5] },
  ],
  body: [
    loop(
      'i',
      8,
      [
        let_('a', add(mul(x, int(-3)), int(-5)), 'i32', false),
        let_('b', add(bin('and', v('a'), int(15)), int(1)), 'i32', false),
        let_(
          'c',
          add(bin('mod', bin('div', v('a'), v('b')), int(7)), bin('mod', v('a'), v('b'))),
          'i32',
          false,
        ),
        let_(
          'd',
          bin(
            'xor',
            bin('or', bin('shl', v('b'), int(3)), bin('and', v('a'), int(6))),
            bin('shr', v('a'), int(2)),
          ),
          'i32',
          false,
        ),
        let_('e', bin('sub', v('d'), bin('sub', v('c'), bin('add', v('b'), int(-1)))), 'i32', false),
        store('wide', 'i32', v('i'), select(cmp('ge', v('a'), int(0)), v('e'), bin('mul', v('e'), int(-2)))),
        store(
          'half',
          'u16',
          v('i'),
          bin(
            'and',
            add(
              v('e'),
              add(load('halves', 'u16', bin('and', v('i'), int(3))), load('shorts', 'i16', int(0))),
            ),
            int(65535),
          ),
        ),
        when(cmp('eq', v('i'), int(6)), [
          store('wide', 'i32', v('i'), load('limits', 'i32', cmp('ne', v('a'), v('b')))),
        ]),
      ],
      0,
      2,
    ),
    loop('k', 4, [
      store('wide', 'i32', add(mul(v('k'), int(2)), int(1)), load('limits', 'i32', v('k'))),
      store('half', 'u16', add(mul(v('k'), int(2)), int(1)), cmp('le', v('k'), int(1))),
    ]),
  ],
});

const narrow: Kernel = kernel({
  name: 'narrow',
  doc: [],
  params: [param('wide', 'in', 'i32', 8), param('half', 'in', 'u16', 8), param('out', 'out', 'i8', 8)],
  body: [
    loop('i', 8, [
      let_(
        'mixed',
        add(prim('requantize_pow2', load('wide', 'i32', v('i')), int(4)), load('half', 'u16', v('i'))),
        'i32',
        false,
      ),
      store('out', 'i8', v('i'), prim('clamp', v('mixed'), int(-128), int(127))),
    ]),
  ],
});

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
  input: 0,
  output: 4,
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
