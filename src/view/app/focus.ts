/** Pointing at things: the byte that the pointer or the keyboard is on. */
import type { Focus, Store } from './state.ts';

export interface Pointing {
  enter(focus: Focus): void;
  leave(): void;
  /** A click: stay here, or let go where the focus stays already. */
  pin(focus: Focus | undefined): void;
}

export const same = (a: Focus | undefined, b: Focus | undefined): boolean =>
  a?.address === b?.address && a?.slot === b?.slot;

export function pointingAt(store: Store): Pointing {
  return {
    enter(focus) {
      if (!store.state.pinned && !same(focus, store.state.focus)) store.set({ focus });
    },
    leave() {
      if (!store.state.pinned && store.state.focus !== undefined) store.set({ focus: undefined });
    },
    pin(focus) {
      const letGo = focus === undefined || (store.state.pinned && same(focus, store.state.focus));
      store.set(letGo ? { pinned: false, focus: undefined } : { pinned: true, focus });
    },
  };
}
