/** Loops that run only at their ends, or once for many places, show what all of their passes show, right or wrong. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Expr, Kernel, Stmt } from '../../../src/ir/kernel/kernel.ts';
import { nodeText } from '../../../src/ir/kernel/text.ts';
import { dspForm } from '../../../src/lower/dsp.ts';
import { helium } from '../../../src/lower/helium.ts';
import { packed } from '../../../src/lower/packed.ts';
import { runIntervals } from '../../../src/prove/interval/intervals.ts';
import { type KernelFacts, prove, proveRules } from '../../../src/prove/prove.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';
import { runs } from '../../support/kernels.ts';
import { Reached } from '../../support/reached.ts';
import { sumCase, sumRecipes } from '../../support/row-sums.ts';

const plain = ({ unproven, ranges, storeRanges, complete }: KernelFacts) => ({
  unproven: unproven.map(({ site, why }) => `${nodeText(site)}: ${why}`).sort(),
  ranges: [...ranges].sort(),
  storeRanges: [...storeRanges].sort(),
  complete,
});

const { add, local, mul } = ir;

/** Statements inside of loops over y and x, most of them at addresses that are linear in both. */
class Loops {
  readonly #draw: Draw;
  #names = 0;

  constructor(seed: number) {
    this.#draw = new Draw(seed);
  }

  kernel(): Kernel {
    const [high, wide] = [this.#up(5), this.#up(6)];
    const passes = this.#body(3);
    const across = ir.for_('x', this.#draw.int(0, 1), wide, passes, this.#draw.int(1, 2));
    const body = [
      ir.let_('total', 0),
      ir.fill('u8', 'tmp', 0, 3, 9),
      ir.for_('y', 0, high, [ir.let_('top', mul(local('y'), this.#up(4))), across]),
    ];
    const params = [
      ir.param('in', 'in', 'u8', this.#draw.int(30, 90)),
      ir.param('out', 'out', 'i32', this.#draw.int(30, 90)),
      ir.param('tmp', 'scratch', 'u8', 9),
    ];
    const tables = [ir.table('w', 'i8', [5, -3, 127, 0, -128, 9, 1, 1, 2])];
    return { ...ir.kernel('k', params, body), tables };
  }

  #up(most: number): number {
    return this.#draw.int(1, most);
  }

  #place(): Expr {
    const y = this.#draw.int(0, 1) === 0 ? local('top') : mul(local('y'), this.#up(6));
    return add(add(y, mul(local('x'), this.#up(4))), this.#draw.int(-1, 9));
  }

  #name(): string {
    return `n${this.#names++}`;
  }

  #input(): Expr {
    return ir.load('in', 'u8', this.#place());
  }

  #body(depth: number): readonly Stmt[] {
    return Array.from({ length: this.#up(3) }, () => this.#statements(depth)).flat();
  }

  #statements(depth: number): readonly Stmt[] {
    const name = this.#name();
    const stored = (value: Expr): Stmt => ir.store('out', 'i32', this.#place(), value);
    switch (this.#draw.int(0, depth > 0 ? 13 : 8)) {
      case 0:
        return [
          ir.let_(name, ir.sub(mul(local('x'), 3), local('y'))),
          ir.let_(`${name}v`, ir.load('in', 'u8', local(name))),
        ];
      case 1:
        return [
          ir.pointer(name, 'in', 'u8', this.#place()),
          stored(ir.load(name, 'u8', 1)),
          ir.advance(name, this.#up(2)),
          stored(ir.load(name, 'u8', 0)),
        ];
      case 2:
        return [ir.accumulate('total', mul(this.#input(), this.#up(9)))];
      case 3:
        return [stored(mul(this.#input(), local('x')))];
      case 4:
        return [stored(mul(this.#input(), ir.load('w', 'i8', local('x'))))];
      case 5:
        return [
          ir.store('tmp', 'u8', local('x'), this.#input()),
          stored(ir.load('tmp', 'u8', this.#draw.int(0, 8))),
        ];
      case 6:
        return [ir.if_(ir.compare('lt', local('x'), 2), [stored(this.#input())])];
      case 7:
      case 8:
        return [stored(mul(this.#input(), this.#up(99)))];
      case 9:
        return [ir.for_(name, 0, local('x'), this.#body(depth - 1))];
      case 10:
        return [
          ir.let_(`${name}s`, 7),
          ir.for_(name, 0, 3, [
            ir.accumulate(
              `${name}s`,
              mul(ir.load('w', 'i8', local(name)), ir.load('in', 'u8', add(this.#place(), local(name)))),
            ),
          ]),
          stored(local(`${name}s`)),
        ];
      case 11:
        return [
          ir.pointer(`${name}w`, 'w', 'i8', 0),
          ir.for_(name, 0, 4, [
            stored(mul(ir.load(`${name}w`, 'i8', 0), ir.load('tmp', 'u8', local(name)))),
            ir.advance(`${name}w`, this.#up(2)),
          ]),
        ];
      default:
        return [
          ir.for_(name, 0, this.#up(4), [
            ...this.#body(depth - 1),
            ir.store('out', 'i32', add(this.#place(), local(name)), 1),
          ]),
        ];
    }
  }
}

function expectSame(kernel: Kernel, reached: Reached): void {
  const facts = prove(kernel);
  expect(plain(facts)).toEqual(plain(prove(kernel, undefined, true)));
  expect(proveRules(kernel, () => false)).toEqual({ complete: facts.complete, unproven: facts.unproven });
  const { once } = runIntervals(kernel, { trace: false, budget: 1e7 });
  if (once.ends > 0) reached.add('ends');
  if (once.ends > 1) reached.add('nested ends');
  if (once.loops > 0) reached.add('loops');
  if (facts.unproven.length > 0) reached.add('unproven');
  if (facts.unproven.length === 0) reached.add('proven');
}

test('of random loops', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 30 }), (seed) => expectSame(new Loops(seed).kernel(), reached)),
    runs(200),
  );
  reached.atLeast({ ends: 20, 'nested ends': 6, loops: 20, unproven: 20, proven: 10 });
});

test('of random forms of sums', () => {
  const reached = new Reached();
  const dense = { bits: 8, shared: false, kind: 'dense', format: 0, skip: 0, walk: 'runs' } as const;
  fc.assert(
    fc.property(sumRecipes, fc.constantFrom('packed', 'dsp', 'mve'), (recipe, set) => {
      const { kernel } = sumCase({ ...recipe, ...dense });
      const form =
        set === 'packed'
          ? packed(kernel, { pixels: 2, pairs: 1, terms: 5 })
          : set === 'dsp'
            ? dspForm(kernel)?.kernel
            : helium(kernel);
      if (form === undefined) return;
      expectSame(form, reached);
      reached.add(set);
    }),
    runs(40),
  );
  reached.atLeast({ packed: 3, dsp: 3, mve: 3, loops: 5 });
});
