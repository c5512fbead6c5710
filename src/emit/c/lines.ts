/** Lines of C: wrapping, comments, numbers. */
import { DefectError } from '../../base/errors.ts';
import type { Elem, Scalar } from '../../ir/kernel/kernel.ts';

export const columns = 100;

export const cType: Readonly<Record<Elem, string>> = {
  u8: 'uint8_t',
  i8: 'int8_t',
  u16: 'uint16_t',
  i16: 'int16_t',
  i32: 'int32_t',
  f32: 'float',
};

export const cScalar = (type: Scalar): string => cType[type];

/** An i32 constant. `-2147483648` would be a negated long in C. */
export function cInt(value: number): string {
  if (!Number.isInteger(value) || Math.abs(value + 0.5) > 2 ** 31)
    throw new DefectError(`${value} is not an int32`);
  if (value === -(2 ** 31)) return 'INT32_MIN';
  return value === 2 ** 31 - 1 ? 'INT32_MAX' : String(value === 0 ? 0 : value);
}

/** What may stand in a C comment, whatever the model's author called a node. */
export const commentText = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]/gu, (c) => (c < ' ' ? ' ' : `\\u{${c.codePointAt(0)?.toString(16)}}`))
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
    // Trigraphs.
    .replace(/\?(?=\?)/g, '? ');

/** Greedy filling of words into lines of at most `width`; leading blanks of the text are kept on each line. */
export function fillWords(text: string, width: number): string[] {
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = indent;
  for (const word of text.trim().split(/(?<=\S) /)) {
    const longer = line === indent ? indent + word : `${line} ${word}`;
    if (longer.length > width && line !== indent) lines.push(line);
    line = longer.length > width && line !== indent ? indent + word : longer;
  }
  return [...lines, line];
}

/** A block comment of these paragraphs. */
export function comment(paragraphs: readonly string[], indent = ''): string[] {
  if (paragraphs.length === 0) return [];
  const width = columns - indent.length - 3;
  const lines = paragraphs.flatMap((text) => fillWords(commentText(text), width));
  const only = lines.length === 1 ? `${indent}/* ${lines[0]} */` : '';
  if (only !== '' && only.length <= columns) return [only];
  const body = lines.map((line, i) => `${indent}${i === 0 ? '/* ' : ' * '}${line}`.trimEnd());
  return [...body, `${indent} */`];
}

/** Where to break: the last blank of the fewest open brackets within the right two thirds of the line. */
function breakAt(line: string, from: number): number {
  let depth = 0;
  let best = -1;
  let bestDepth = Infinity;
  for (let i = 0; i <= columns && i < line.length; i++) {
    const c = line[i];
    if (c === '(' || c === '[') depth++;
    if (c === ')' || c === ']') depth--;
    if (c === ' ' && i > from && (depth <= bestDepth || best < columns / 3)) {
      best = i;
      bestDepth = depth;
    }
  }
  return best;
}

/** A line of C in lines of at most 100 columns, the later ones indented by 4 more. */
export function wrapCode(line: string): string[] {
  if (line.length <= columns) return [line];
  const indent = /^ */.exec(line)?.[0] ?? '';
  const at = breakAt(line, indent.length);
  if (at < 0) return [line];
  const rest = wrapCode(`${indent}    ${line.slice(at + 1)}`);
  // The continuation of a continuation is not indented again.
  return [line.slice(0, at), ...rest.map((text) => `${indent}    ${text.trimStart()}`)];
}
