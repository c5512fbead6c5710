import { describe, expect, test } from 'vitest';
import { DefectError, InputError } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import { type Measures, type NativeOptions, type NativeResult, runNative } from '../../src/targets/native.ts';
import { chips, type TargetName, targetNamed, targetNames } from '../../src/targets/targets.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { filesOf } from '../support/golden.ts';
import {
  add,
  and,
  assign,
  call,
  for_,
  int,
  kernel,
  let_,
  load,
  local,
  mul,
  param,
  slot,
  store,
} from '../support/ir.ts';
import { type Sample, samples } from '../support/sample-programs.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

const info = { command: '', version: '', hash: '', golden: [] };
const everywhere = [...hostTools, ...crossTools];
const slow = { timeout: 120_000 };

/** One byte in, one byte out, and whatever else the arena holds. */
function tiny(body: readonly Stmt[], arenaBytes = 2, tables: Kernel['tables'] = []): Program {
  const params = [param('in', 'in', 'u8', 1), param('out', 'out', 'u8', 1)];
  return {
    name: 'tiny',
    arith: 'int8',
    arenaBytes,
    slots: [
      slot({ name: 'x', address: 0, elem: 'u8', length: 1 }),
      slot({ name: 'y', address: 1, elem: 'u8', length: 1 }),
    ],
    steps: [{ kernel: kernel('only', params, body, tables), args: [0, 1], origin: [] }],
    inputs: [{ name: 'input', slot: 0 }],
    outputs: [{ name: 'output', slot: 1 }],
  };
}

const runTiny = (program: Program, target: TargetName, options?: NativeOptions): Promise<NativeResult> =>
  runNative(program, emitC(program, info), target, [Uint8Array.of(40)], options);

function measuresOf(result: NativeResult): Measures {
  if (result.kind !== 'ran' || !result.measures) throw new Error(JSON.stringify(result));
  return result.measures;
}

const results = new Map<string, Promise<NativeResult>>();

/** Every sample on every target is run once; several tests look at the results. */
function ranOn(target: TargetName, sample: Sample): Promise<NativeResult> {
  const key = `${target} ${sample.program.name}`;
  const { program, inputs } = sample;
  const ran = results.get(key) ?? runNative(program, filesOf(sample), target, inputs, { keepArenas: true });
  results.set(key, ran);
  return ran;
}

describe('every target leaves the bytes that the kernels mean', () => {
  /** The others need more tools, and have tests of their own. */
  const known = targetNames.filter((name) => !['esp8266', 'aarch64', 'rv64', 'ppc'].includes(name));

  testWith(everywhere).each(known)('%s', slow, async (target) => {
    for (const sample of samples) {
      const ran = await ranOn(target, sample);
      expect(ran).toMatchObject({ kind: 'ran' });
      const expected = sample.inputs.map((input) => evaluate(sample.program, input));
      expect(ran.kind === 'ran' && ran.outcomes).toEqual(expected);
    }
  });
});

testWith(everywhere)('a network may be called as parts of the test programs are', slow, async () => {
  for (const name of ['lab', 'plain', 'nothing', 'in', 'fixed']) {
    const program = { ...tiny([store('out', 'u8', int(0), int(9))]), name };
    for (const target of ['host-gcc', 'cortex-m0'] as const) {
      const ran = await runNative(program, emitC(program, info), target, [Uint8Array.of(1)]);
      expect(ran.kind === 'ran' && ran.outcomes[0]?.output).toEqual(Uint8Array.of(9));
    }
  }
});

describe('instruction counts', () => {
  const returnOnly = tiny([]);
  // The compiler sees that the layer does nothing.
  const files = new Map(
    [...emitC(returnOnly, info)].map(([name, text]) => [name, text.replace('noipa', 'noinline')]),
  );

  testWith(everywhere).each(chips)(
    '%s: adding 1 to a pointer and returning it are 2',
    slow,
    async (target) => {
      const { instructions, cycles, stackBytes, sections } = measuresOf(
        await runNative(returnOnly, files, target, [Uint8Array.of(1)]),
      );
      expect(instructions).toEqual({ total: 2, most: 2, perStep: [0] });
      // The return takes 3.
      if (/^cortex-m[034]$/.test(target)) expect(cycles).toMatchObject({ total: 4, most: 4, by: 'model' });
      else expect(cycles).toBeUndefined();
      expect(stackBytes).toBe(0);
      expect(sections).toMatchObject({ constants: 0, data: 0 });
    },
  );

  testWith(everywhere).each(['cortex-m0', 'cortex-m55', 'fe310'] as const)(
    '%s: a loop costs the same for each turn',
    slow,
    async (target) => {
      const totals: number[] = [];
      const cycles: number[] = [];
      for (const turns of [100, 101, 1100]) {
        // Multiplying by 5 and adding 1, modulo 256: no compiler shortens it.
        const next = and(add(mul(local('x'), int(5)), int(1)), int(255));
        const body = for_('i', 0, turns, [assign('x', next)]);
        const program = tiny([
          let_('x', load('in', 'u8', int(0))),
          body,
          store('out', 'u8', int(0), local('x')),
        ]);
        const measures = measuresOf(await runTiny(program, target, { opt: '-O1' }));
        totals.push(measures.instructions!.total);
        cycles.push(measures.cycles?.total ?? 0);
      }
      const [a = 0, b = 0, c = 0] = totals;
      // Constants that need one instruction more to load are all that may differ.
      expect(Math.abs(c - a - 1000 * (b - a))).toBeLessThanOrEqual(2);
      expect(b - a).toBeGreaterThan(3);
      // Nothing but the jump back takes more than one cycle.
      const turn = b - a + 2;
      if (target === 'cortex-m0')
        expect(cycles.map((n) => n - cycles[0]!)).toEqual([0, turn, 1000 * turn + 1]);
    },
  );

  const pairs = chips.map((chip) => [chip, `${chip}-user`] as const);
  const inUserMode = pairs.filter(([, user]) => targetNames.some((name) => name === user));

  testWith(everywhere).each(inUserMode)('%s and %s count the same', slow, async (chip, user) => {
    for (const sample of samples) {
      const [a, b] = await Promise.all([ranOn(chip, sample), ranOn(targetNamed(user), sample)]);
      const { cycles: _, ...measures } = measuresOf(a);
      expect({ ...a, measures }).toEqual(b);
      expect(measuresOf(a).instructions!.perStep).toHaveLength(sample.program.steps.length);
    }
  });
});

describe('sizes', () => {
  testWith(everywhere)('constants are those of the tables', slow, async () => {
    const sample = samples[0]!;
    const { sections, stackBytes } = measuresOf(
      await runNative(sample.program, filesOf(sample), 'cortex-m0', sample.inputs, { opt: '-Os' }),
    );
    expect(sections).toMatchObject({ constants: 36 + 16 + 16 + 4, data: 0 });
    expect(sections.code).toBeGreaterThan(100);
    expect(stackBytes).toBeGreaterThan(16);
  });

  testWith(everywhere)('too much RAM: an M0 gets more, an FE310 does not', slow, async () => {
    const big = tiny([store('out', 'u8', int(0), int(3))], 20_000);
    const m0 = measuresOf(await runTiny(big, 'cortex-m0'));
    expect(m0.enlarged).toMatchObject({ region: 'RAM', available: 16384 });
    expect(m0.enlarged?.needed).toBeGreaterThan(20_000 + 2048);
    const fe310 = await runTiny(big, 'fe310');
    expect(fe310).toMatchObject({ kind: 'does not fit', overflow: { region: 'RAM', available: 16384 } });
    expect(measuresOf(await runTiny(tiny([]), 'cortex-m0')).enlarged).toBeUndefined();
  });

  testWith(everywhere)('too much ROM', slow, async () => {
    const table = { name: 't', elem: 'u8', data: new Uint8Array(300_000).fill(9) } as const;
    const index = mul(load('in', 'u8', int(0)), int(7000));
    const big = tiny([store('out', 'u8', int(0), load('t', 'u8', index))], 2, [table]);
    const { enlarged } = measuresOf(await runTiny(big, 'cortex-m0'));
    expect(enlarged).toMatchObject({ region: 'ROM', available: 262144 });
    expect(enlarged?.needed).toBeGreaterThan(300_000);
  });
});

describe('what goes wrong at run time', () => {
  const far = (by: number): Program =>
    tiny([store('out', 'u8', mul(load('in', 'u8', int(0)), int(by)), int(1))]);
  const product = mul(load('in', 'u8', int(0)), int(2 ** 31 - 1));
  // Of a product of which only low bits are used, gcc computes no more, and sees no overflow.
  const overflow = tiny([store('out', 'u8', int(0), call('clamp', product, int(0), int(1)))]);

  testWith(hostTools).each(['host-gcc', 'host-clang'] as const)(
    '%s: sanitizers see it',
    slow,
    async (host) => {
      for (const by of [1, -1, 40, -40])
        await expect(runTiny(far(by), host)).rejects.toThrow('AddressSanitizer');
      await expect(runTiny(overflow, host)).rejects.toThrow('signed integer overflow');
      await expect(runTiny(overflow, host, { sanitize: false })).resolves.toMatchObject({ kind: 'ran' });
    },
  );

  testWith(everywhere).each(['cortex-m0', 'cortex-m33', 'rv32imc'] as const)(
    '%s: a fault',
    slow,
    async (chip) => {
      const wild = mul(load('in', 'u8', int(0)), int(40_000_000));
      const program = tiny([store('out', 'u8', wild, int(1))]);
      await expect(runTiny(program, chip)).rejects.toThrow(/status 99.*(FAULT|TRAP)/);
    },
  );

  testWith(hostTools)('no end', slow, async () => {
    const body = [store('out', 'u8', int(0), add(load('out', 'u8', int(0)), int(0)))];
    const forever = tiny([for_('i', 0, 2 ** 31 - 1, [for_('j', 0, 2 ** 31 - 1, body)])]);
    const options = { opt: '-O0', timeoutMs: 300 };
    await expect(runTiny(forever, 'host-gcc', options)).rejects.toThrow('did not end in time');
  });

  testWith(hostTools)('C that does not compile', slow, async () => {
    const files = new Map([...emitC(tiny([]), info), ['tiny.c', 'int x = ;']]);
    const ran = runNative(tiny([]), files, 'host-gcc', [Uint8Array.of(1)]);
    await expect(ran).rejects.toThrow(DefectError);
    await expect(ran).rejects.toThrow('tiny.c:1');
  });

  test('inputs of another size, and none', async () => {
    const files = emitC(tiny([]), info);
    const wrong = runNative(tiny([]), files, 'host-gcc', [Uint8Array.of(1, 2)]);
    await expect(wrong).rejects.toThrow('has 2 bytes, expected 1');
    await expect(runNative(tiny([]), files, 'host-gcc', [])).rejects.toThrow(DefectError);
  });
});

describe('targets by name', () => {
  test.each([
    ['host', 'host-gcc'],
    ['fe310', 'fe310'],
  ])('%s is %s', (name, full) => {
    expect(targetNamed(name)).toBe(full);
  });

  test('others are refused with the list', () => {
    expect(() => targetNamed('toString')).toThrow(InputError);
    expect(() => targetNamed('cortex-m1')).toThrow(/'cortex-m1'.*cortex-m0, cortex-m3/);
  });

  test('the chips', () => {
    expect(chips).toEqual(
      'cortex-m0 cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 rv32imc fe310'.split(' '),
    );
  });
});
