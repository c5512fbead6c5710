/**
 * Where random cases come from: a fixed seed, the same for ever, and a fresh one, the same for one commit and
 * another for the next. THIMBLE_SEED=n takes the place of the fresh one, and so draws an older run's cases again.
 */
export const fixedSeed = 20_201_120;

/** vitest.config.ts sets it for all workers (commit-seed.ts); outside of the tests there is only the fixed one. */
export const freshSeed = (): number => Number(process.env.THIMBLE_SEED ?? fixedSeed);

/** Whether this is `npm run test:quick`. */
export const isQuick = (): boolean => process.env.THIMBLE_QUICK === '1';

/** How many runs a long property makes: a tenth of them in `npm run test:quick`. */
export const runsOf = (runs: number): number => (isQuick() ? Math.ceil(runs / 10) : runs);

let fixedTurn = true;

/** Whether the case that a property draws in turn (seed.ts) is one of the fixed seed's. */
export const isOfFixedSeed = (): boolean => fixedTurn;

/** For seed.ts, before each case. */
export const setTurn = (ofFixedSeed: boolean): void => {
  fixedTurn = ofFixedSeed;
};
