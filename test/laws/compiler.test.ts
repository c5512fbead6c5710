/** The laws of every pass, of assembly, of the prover and the simulator, on random networks. */
import { test } from 'vitest';
import { type LawName, laws } from '../support/laws.ts';
import { requireLawInTurn } from '../support/property.ts';

const runs: Readonly<Record<LawName, number>> = {
  canonicalize: 200,
  'normalize-input': 200,
  'fold-batch-norm': 200,
  fuse: 200,
  'settle-images': 140,
  channels: 120,
  quantize: 200,
  assembly: 120,
  soundness: 120,
  determinism: 130,
  float32: 120,
};

// Half a minute for the slowest on a machine of its own.
const limit = 600_000;

test.each(Object.entries(runs))('%s', (name, count) => requireLawInTurn(laws[name as LawName], count), limit);
