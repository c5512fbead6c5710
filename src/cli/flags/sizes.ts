/** --shape, --axis, --arch and --program: what a model's file leaves open. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Sizes } from '../../ir/import/model-options.ts';
import type { Shape } from '../../ir/tensor.ts';

export interface SizeFlags {
  readonly shape?: Readonly<Record<string, Shape>>;
  readonly axis?: Readonly<Record<string, number>>;
  /** The network of a file of weights. */
  readonly arch?: string;
  /** Of an archive of several. */
  readonly program?: string;
}

/** What stands around the last `=`: names may hold others. */
function pairIn(text: string, value: RegExp, what: string): readonly [name: string, value: string] {
  const [, name, found] = /^(.+)=([^=]*)$/.exec(text) ?? [];
  if (name !== undefined && found !== undefined && value.test(found)) return [name, found];
  throw new InvalidArgumentError(`It has to be ${what}.`);
}

function added<T>(
  known: Readonly<Record<string, T>> = {},
  name: string,
  value: T,
): Readonly<Record<string, T>> {
  if (Object.hasOwn(known, name)) throw new InvalidArgumentError(`'${name}' is given twice.`);
  return { ...known, [name]: value };
}

export function addShape(text: string, known?: SizeFlags['shape']): Readonly<Record<string, Shape>> {
  const [name, sizes] = pairIn(text, /^\d+(x\d+)*$/, 'an input and its sizes, for example input=1x40x98');
  return added(known, name, sizes.split('x').map(Number));
}

export function addAxis(text: string, known?: SizeFlags['axis']): Readonly<Record<string, number>> {
  const [name, size] = pairIn(text, /^\d+$/, 'the name of an axis and its size, for example frames=98');
  return added(known, name, Number(size));
}

export const sizesOf = ({ shape, axis }: SizeFlags): Sizes => ({
  ...(shape === undefined ? {} : { shapes: shape }),
  ...(axis === undefined ? {} : { axes: axis }),
});

/** The first two may come several times. */
export const withSizeOptions = (command: Command): Command =>
  command
    .option('--shape <INPUT=AxB>', 'sizes of an input that the model leaves open; may be repeated', addShape)
    .option('--axis <NAME=N>', 'size of a dynamic axis, by its name; may be repeated', addAxis)
    .option('--arch <MODEL>', 'network for a file of weights: .onnx or .pt2')
    .option('--program <NAME>', 'the program to use, of a .pt2 with several');
