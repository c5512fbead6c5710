/** The laws of every pass, of assembly, of the prover and the simulator, on random networks. */
import { test } from 'vitest';
import { type LawName, laws } from '../support/laws.ts';
import { requireLawInTurn } from '../support/property.ts';

const runs: Readonly<Record<LawName, number>> = {
  canonicalize: 320,
  'normalize-input': 320,
  'fold-batch-norm': 320,
  fuse: 320,
  'settle-images': 140,
  channels: 200,
  quantize: 320,
  assembly: 200,
  soundness: 200,
  determinism: 130,
  float32: 200,
};

// Half a minute for the slowest on a machine of its own.
const limit = 600_000;

test.each(Object.entries(runs))('%s', (name, count) => requireLawInTurn(laws[name as LawName], count), limit);
