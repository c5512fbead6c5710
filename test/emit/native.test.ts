import { expect, test } from 'vitest';
import { runNative } from '../../src/emit/native.ts';
import { runNativeBatch } from '../../src/emit/native-batch.ts';
import { type TargetName, targetNames } from '../../src/emit/native-targets.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { filesOf } from '../support/golden.ts';
import { samples } from '../support/sample-programs.ts';

test.each(targetNames)(
  '%s',
  async (target: TargetName) => {
    for (const s of samples) {
      const r = await runNative(s.program, filesOf(s), target, s.inputs, { keepArenas: true });
      if (r.kind !== 'ran') throw new Error(JSON.stringify(r));
      console.log(target, s.program.name, JSON.stringify(r.measures));
      expect(r.outcomes).toEqual(s.inputs.map((i) => evaluate(s.program, i)));
    }
    const all = samples.map((s) => ({ program: s.program, files: filesOf(s), inputs: s.inputs }));
    const b = await runNativeBatch(all, target);
    expect(b).toEqual(samples.map((s) => s.inputs.map((i) => evaluate(s.program, i))));
  },
  100000,
);
