/** Inputs that no layer reads: they stay ports, so that a program is called as its model is. */
import type { Program } from '../../program/program.ts';
import { unreadInputs } from '../../program/slots.ts';
import type { Warning } from './warning.ts';

export const unreadWarnings = (program: Program): readonly Warning[] =>
  unreadInputs(program).map((name) => ({
    kind: 'unread input',
    tensor: name,
    text: `no layer reads the input '${name}', which still takes memory`,
    todo: 'remove it from the arguments of forward',
  }));
