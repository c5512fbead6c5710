/**
 * What inputs and outputs are called in C. One input is `<name>_input`, one output `<name>_output`, which the run
 * returns. Several are `<name>_input_<port>` and `<name>_output_<port>`, by functions of these names each.
 */
import { at } from '../base/errors.ts';
import type { Program, ProgramPort } from '../program/program.ts';
import { uniqueNames } from './c/identifier.ts';

export type Role = 'input' | 'output';

const portsOf = ({ inputs, outputs }: Program, role: Role): readonly ProgramPort[] =>
  role === 'input' ? inputs : outputs;

/** In the order of the ports: what their functions, types (`..._t`) and macros (in capitals) begin with. */
export function portStems(program: Program, role: Role): readonly string[] {
  const ports = portsOf(program, role);
  const stem = `${program.name}_${role}`;
  if (ports.length === 1) return [stem];
  const unique = uniqueNames([]);
  // Macros tell no small letters from capitals, and a type of one port is no function of another.
  const wish = (name: string) => name.toLowerCase().replace(/_t$/, '_t_port');
  return ports.map(({ name }) => `${stem}_${unique(wish(name))}`);
}

/** Whether the run returns the output: there is only one. */
export const returnsOutput = ({ outputs }: Program): boolean => outputs.length === 1;

/** What the run returns, with a blank or a star behind it. */
export const runType = (program: Program): string =>
  returnsOutput(program) ? `const ${at(portStems(program, 'output'), 0)}_t *` : 'void ';

/** Lines of the run that returns a status, and of the one that does not. */
export function statusOr(
  { name }: Program,
  status: readonly string[],
  other: readonly string[],
  before = '',
): string[] {
  const macro = `${name.toUpperCase()}_STATUS`;
  const lines = (part: readonly string[]) => part.map((line) => before + line);
  return other.length > 0
    ? [`#ifdef ${macro}`, ...lines(status), '#else', ...lines(other), '#endif']
    : [`#ifdef ${macro}`, ...lines(status), '#endif'];
}

/** Functions that give a pointer to each output; none where the run returns it. */
export const outputFunctions = (program: Program): readonly string[] =>
  returnsOutput(program) ? [] : portStems(program, 'output');
