/** The laws of every pass, of assembly, of the prover and the simulator, on random networks. */
import { test } from 'vitest';
import { type LawName, laws } from '../support/laws.ts';
import { requireLawInTurn } from '../support/property.ts';

const runs: Readonly<Record<LawName, number>> = {
  canonicalize: 240,
  'normalize-input': 240,
  'fold-batch-norm': 240,
  fuse: 240,
  'settle-images': 140,
  channels: 150,
  quantize: 240,
  assembly: 150,
  soundness: 150,
  determinism: 130,
  float32: 150,
};

// Half a minute for the slowest on a machine of its own.
const limit = 600_000;

test.each(Object.entries(runs))('%s', (name, count) => requireLawInTurn(laws[name as LawName], count), limit);
