/** What the visitor has chosen. All pictures follow from it and from the data. */
import type { Point } from '../../data/digits.ts';
import type { Sample } from '../../program/values.ts';

export type Side = 'program' | 'float' | 'difference';
export type Look = 'pictures' | 'numbers';
export type Theme = 'light' | 'dark';

/** A byte of the arena, and the slot whose element it is looked at as (undefined: the slot that owns it). */
export interface Focus {
  readonly address: number;
  readonly slot: number | undefined;
}

export interface State {
  readonly sample: Sample;
  /** Where the sample is from, for people. */
  readonly origin: string;
  /** Set while the sample is what was drawn. */
  readonly strokes?: readonly (readonly Point[])[] | undefined;
  readonly centre: boolean;
  /** 0: the input is there; k: step k - 1 has run. */
  readonly moment: number;
  readonly side: Side;
  readonly look: Look;
  readonly focus?: Focus | undefined;
  /** The focus stays where it is while the pointer moves. */
  readonly pinned: boolean;
  readonly theme: Theme;
  /** Of the last file that could not be used. */
  readonly complaint?: string | undefined;
}

export interface Store {
  readonly state: State;
  set(change: Partial<State>): void;
}

/** Calls `render` once for all changes of one frame. */
export function createStore(initial: State, render: () => void): Store {
  let state = initial;
  let waiting = false;
  const draw = (): void => {
    waiting = false;
    render();
  };
  return {
    get state() {
      return state;
    },
    set(change) {
      state = { ...state, ...change };
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
    },
  };
}
