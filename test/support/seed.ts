import fc from 'fast-check';

/**
 * Properties draw the same cases in every run, so that a run's result is the code's doing and not luck's.
 * THIMBLE_SEED=n draws others; campaigns draw many more.
 */
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.THIMBLE_SEED ?? 20_201_120) });
