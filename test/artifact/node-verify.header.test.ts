/** The C of an artifact: what it computes, and what its header says that the numbers stand for. */
import { describe, expect } from 'vitest';
import { type Artifact, loadArtifact } from '../../src/artifact/make.ts';
import { verifyArtifact } from '../../src/artifact/node-verify.ts';
import { must } from '../../src/base/errors.ts';
import { wrongMacroIn } from '../../src/emit/header.ts';
import { inputPort, outputPort, type Port, realOf } from '../../src/program/port.ts';
import { arrangeInput } from '../../src/program/values.ts';
import { compileSanitized } from '../support/host-c.ts';
import { bytesOf, each, filesOf, one } from '../support/small-artifact.ts';
import { testWith } from '../support/toolchain.ts';

const kinds = [
  ['one scale', loadArtifact(bytesOf(filesOf('int8', one)))],
  ['one per channel', loadArtifact(bytesOf(filesOf('int8', each)))],
] as const;

const edited = (artifact: Artifact, change: (text: string) => string): Artifact => {
  const text = change(artifact.sources.get('twelve.h')!);
  expect(text).not.toBe(artifact.sources.get('twelve.h'));
  return { ...artifact, sources: new Map(artifact.sources).set('twelve.h', text) };
};

async function verified(artifact: Artifact) {
  const inputs = [
    arrangeInput(
      artifact.program,
      Uint8Array.from({ length: 12 }, (_, i) => i * 20),
    ),
  ];
  const [row] = (await verifyArtifact(artifact, { inputs, targets: ['host-gcc'] })).rows;
  return row!;
}

describe.each(kinds)('%s', (_, artifact) => {
  testWith(['gcc'])(
    'a header that says another scale, zero point or count is not the program’s',
    async () => {
      expect(await verified(artifact)).toMatchObject({ status: 'equal', mismatches: 0 });
      const comment = edited(artifact, (text) => text.replace('shape', 'the shape'));
      expect(await verified(comment)).toMatchObject({ status: 'equal', mismatches: 0 });
      for (const macro of [
        'INPUT_COUNT',
        'INPUT_SCALE',
        'INPUT_(?:ZERO_POINT|MEAN)',
        'OUTPUT_SCALE',
        'OUTPUT_ZERO_POINT',
      ]) {
        const define = new RegExp(`(#define TWELVE_${macro}S? [^0-9]*)([0-9])`);
        const wrong = edited(artifact, (text) => text.replace(define, '$11$2'));
        const note = wrongMacroIn(must(wrong.sources.get('twelve.h'), 'a header'), wrong.program);
        expect(note).toMatch(new RegExp(`^TWELVE_${macro}S? is .*1.*, of the program that was written `));
        // One of them is enough to see that the C is right, and the artifact is not.
        if (macro === 'INPUT_COUNT')
          expect(await verified(wrong)).toMatchObject({ status: 'differs', mismatches: 0, note });
      }
    },
    60_000,
  );

  testWith(['gcc'])('in C the macros give the real numbers', () => {
    const { program, sources } = artifact;
    const { remove, run } = compileSanitized(`${sources.get('twelve.h')}
      ${checkOf('INPUT', inputPort(program))}
      ${checkOf('OUTPUT', outputPort(program))}
      int main(void) { return check_INPUT() + 2 * check_OUTPUT(); }`);
    expect(run()).toEqual({ status: 0, stderr: '' });
    remove();
  });
});

/** A function that returns 0 where each element's byte 200 stands for the number that the port says, to 1e-5. */
function checkOf(role: 'INPUT' | 'OUTPUT', port: Port): string {
  const { length } = port.slot;
  const wanted = Array.from({ length }, (_, element) => realOf(port, element, 200));
  const many = port.grids.length > 1;
  const each = (macro: string) => (many ? `TWELVE_${role}_${macro}S` : `{ TWELVE_${role}_${macro} }`);
  return `static int check_${role}(void) {
    static const float scale[] = ${each('SCALE')}, zero[] = ${each(port.grids.every(({ zeroPoint }) => Number.isInteger(zeroPoint)) ? 'ZERO_POINT' : 'MEAN')};
    static const double wanted[] = { ${wanted.join(', ')} };
    for (int i = 0; i < ${length}; i++) {
      int c = i / ${length / Math.max(1, port.grids.length)};
      double error = scale[c] * (200 - zero[c]) - wanted[i];
      if (error > 1e-5 || error < -1e-5) return 1;
    }
    return 0;
  }`;
}
