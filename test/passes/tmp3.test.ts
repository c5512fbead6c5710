import { it } from 'vitest';
import { layerErrors } from '../../src/measure.ts';
import { int8Error } from '../support/int8-error.ts';
import { normalizedNetwork } from '../support/normalized.ts';

it('prints', () => {
  for (const seed of [12, 13])
    for (const k of [1, 4]) {
      const { model, inputs } = normalizedNetwork({
        seed,
        before: 'conv relu pool',
        behind: 'dense',
        padded: true,
        beta: 2,
        gains: [0.5, 1.5],
        variances: [1, 1],
      });
      const half = inputs.slice(0, 12);
      const e = int8Error(model, k === 1 ? inputs : [...half, ...half]);
      console.log(
        seed,
        k,
        e.sqnr,
        JSON.stringify(layerErrors(e.compiled)),
        JSON.stringify([...e.compiled.calibration!.ranges]),
      );
    }
});
