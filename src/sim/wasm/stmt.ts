/** Statements of Kernel IR as WebAssembly. */
import type { PlainStmt, Stmt, StmtOf } from '../../ir/kernel/kernel.ts';
import { inlined } from '../../ir/kernel/walk.ts';
import { type Code, int, repeat, when } from '../../wasm/code.ts';
import { copyBytes, f32, fillBytes, i32, store } from '../../wasm/instructions.ts';
import { addressOf, type Body, bytesOf, declare, localOf, placeOf } from './body.ts';
import { narrowed, value } from './expr.ts';
import { storeVector } from './vector-memory.ts';

export const block = (b: Body, body: readonly Stmt[]): Code => inlined(body).flatMap((s) => statement(b, s));

function statement(b: Body, s: PlainStmt): Code {
  switch (s.kind) {
    case 'let':
      return declared(b, s);
    case 'assign':
      return localOf(b, s.name).set(value(b, s.value));
    case 'accumulate': {
      const sum = localOf(b, s.name);
      return sum.set((s.type === 'f32' ? f32 : i32).add(sum.get, value(b, s.value)));
    }
    case 'pointer': {
      const address = addressOf(b, s.base, s.offset, (e) => value(b, e));
      return declare(b, s.name, 'i32').set(address);
    }
    case 'advance':
      return localOf(b, s.name).set(addressOf(b, s.name, s.by, (e) => value(b, e)));
    case 'store': {
      const { address, offset } = placeOf(b, s.to, s.index, (e) => value(b, e));
      return store[s.elem](offset, address, value(b, s.value));
    }
    case 'storeVector':
      return storeVector(b, s, (e) => (e === s.value ? narrowed(b, e, s.elem) : value(b, e)));
    case 'for':
      return loop(b, s);
    case 'if':
      return when(value(b, s.test), block(b, s.yes), block(b, s.no));
    case 'copy':
      return copyBytes(
        addressOf(b, s.to, s.toIndex, (e) => value(b, e)),
        addressOf(b, s.from, s.fromIndex, (e) => value(b, e)),
        bytesOf(s.elem, value(b, s.count)),
      );
    case 'fill':
      return fillBytes(
        addressOf(b, s.to, s.index, (e) => value(b, e)),
        value(b, s.value),
        value(b, s.count),
      );
    case 'comment':
      return [];
    default:
      return s satisfies never;
  }
}

/** The value does not see the name that it is given. */
function declared(b: Body, s: StmtOf<'let'>): Code {
  const code = value(b, s.value);
  return declare(b, s.name, s.type).set(code);
}

function loop(b: Body, s: StmtOf<'for'>): Code {
  const from = value(b, s.from);
  const counter = declare(b, s.name, 'i32');
  const more = i32.lt(counter.get, value(b, s.to));
  const body = [...block(b, s.body), ...counter.set(i32.add(counter.get, int(s.step)))];
  return [...counter.set(from), ...when(more, repeat(body, more))];
}
