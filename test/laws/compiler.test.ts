/** The laws of every pass, of assembly, of the prover and the simulator, on random networks. */
import { test } from 'vitest';
import { type LawName, laws } from '../support/laws.ts';
import { requireLawInTurn } from '../support/property.ts';

const runs: Readonly<Record<LawName, number>> = {
  canonicalize: 500,
  'normalize-input': 500,
  'fold-batch-norm': 500,
  fuse: 500,
  'settle-images': 200,
  channels: 300,
  quantize: 500,
  assembly: 500,
  soundness: 300,
  determinism: 200,
  float32: 300,
};

// Half a minute for the slowest on a machine of its own.
const limit = 600_000;

test.each(Object.entries(runs))('%s', (name, count) => requireLawInTurn(laws[name as LawName], count), limit);
