/** What each target of a call means. */
import { complain } from '../../../base/errors.ts';
import { attentions } from './aten-attention.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import { constants } from './aten-constants.ts';
import { UnknownOperatorError } from './aten-draft.ts';
import { functions } from './aten-functions.ts';
import { layers } from './aten-layers.ts';
import { quantizations } from './aten-quantized.ts';
import { recurrents } from './aten-recurrent.ts';
import { reductionsOfAten } from './aten-reductions.ts';
import { shapes } from './aten-shapes.ts';

/** The arithmetic of sizes. */
type NumberOf = (call: AtenCall) => number;

export type Meaning =
  /** A check of what is known, or of no effect on numbers. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'number'; readonly number: NumberOf }
  | { readonly kind: 'tensors'; readonly translate: Translation }
  /** Its result goes where its argument `self` lies. */
  | { readonly kind: 'write'; readonly translate: Translation };

const prefixed = (namespace: string, entries: Translations): readonly (readonly [string, Translation])[] =>
  Object.entries(entries).map(([name, translation]) => [`${namespace}.${name}`, translation]);

const translations: ReadonlyMap<string, Translation> = new Map([
  ...prefixed('aten', functions),
  ...prefixed('aten', layers),
  ...prefixed('aten', shapes),
  ...prefixed('aten', reductionsOfAten),
  ...prefixed('aten', constants),
  ...prefixed('aten', recurrents),
  ...prefixed('aten', attentions),
  ...prefixed('quantized_decomposed', quantizations),
]);

/** Operators of sizes, of a and b. */
const ofTwo =
  (compute: (a: number, b: number) => number): NumberOf =>
  (call) =>
    compute(call.int('a'), call.int('b'));

const numbers: ReadonlyMap<string, NumberOf> = new Map<string, NumberOf>([
  ['aten.sym_size.int', (call) => sizeOf(call)],
  ['aten.sym_numel.default', (call) => call.shapeOf(call.tensor('self')).reduce((a, b) => a * b, 1)],
  ['_operator.add', ofTwo((a, b) => a + b)],
  ['_operator.sub', ofTwo((a, b) => a - b)],
  ['_operator.mul', ofTwo((a, b) => a * b)],
  ['_operator.floordiv', ofTwo((a, b) => Math.floor(a / b))],
  ['_operator.mod', ofTwo((a, b) => a - b * Math.floor(a / b))],
  ['_operator.neg', (call) => -call.int('a')],
]);

function sizeOf(call: AtenCall): number {
  const shape = call.shapeOf(call.tensor('self'));
  const found = shape[call.axis(call.int('dim'), shape.length)];
  if (found === undefined) throw complain('the size of a scalar');
  return found;
}

/** Checks that PyTorch made when it exported. */
const isCheck = (target: string): boolean =>
  /^aten\.(_assert_\w+|sym_constrain_range\w*)\./.test(target) ||
  /^_operator\.(ge|le|gt|lt|eq|ne)$/.test(target);

/** `aten.relu.default` of `aten.relu_.default`. */
const written = (target: string): string | undefined =>
  /^(\w+\.\w*[a-z0-9])_(\.\w+)$/.exec(target)?.slice(1).join('');

const loops =
  'write the layers without control flow: torch.where for a choice, a loop of fixed length in Python';

function adviceFor(target: string): string {
  if (target.startsWith('higher_order.')) return loops;
  if (!/^(aten|quantized_decomposed)\./.test(target))
    return 'export the model without operators of other libraries';
  return 'write it with other operators, or leave it out of what is exported';
}

/** @throws UnknownOperatorError */
export function meaningOf(target: string): Meaning {
  const translate = translations.get(target);
  if (translate !== undefined) return { kind: 'tensors', translate };
  const number = numbers.get(target);
  if (number !== undefined) return { kind: 'number', number };
  if (isCheck(target)) return { kind: 'nothing' };
  const behind = translations.get(written(target) ?? '');
  if (behind !== undefined) return { kind: 'write', translate: behind };
  throw new UnknownOperatorError({ found: `${target} is not supported`, todo: adviceFor(target) });
}

/** The targets that have a meaning here, by the operator's name, sorted. */
export const supportedAten = (): readonly string[] => [...translations.keys(), ...numbers.keys()].sort();
