import type { Diagnosis, TracedRun } from './cause.ts';

/** The device runs another artifact than the one that it is compared with. */
export function wrongBuild({ program, build, trace }: TracedRun): Diagnosis | undefined {
  if (trace.build === undefined || trace.build === build) return undefined;
  const whose = trace.name === program.name ? '' : ` of '${trace.name}'`;
  return {
    cause: 'wrong build',
    text: `the device runs build ${trace.build}${whose}, this is build ${build}: flash this one, or compare with the folder that was flashed`,
  };
}
