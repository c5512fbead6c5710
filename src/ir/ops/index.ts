import type { OpDef } from '../op.ts';

/** Every operator. To add one: its file, a line here, its test. */
export const ops: readonly OpDef[] = [];
