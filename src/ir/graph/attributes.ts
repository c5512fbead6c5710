import { InputError } from '../../base/errors.ts';
import type { Tensor } from '../tensor.ts';

interface Values {
  readonly int: number;
  readonly float: number;
  readonly string: string;
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  readonly strings: readonly string[];
  readonly tensor: Tensor;
  /** A kind that no supported operator has (graph, sparse tensor, ...), by its name. */
  readonly other: string;
}

type Kind = keyof Values;
interface ValueOf<K extends Kind> {
  readonly kind: K;
  readonly value: Values[K];
}

/** An ONNX attribute, decoded. */
export type AttributeValue = { [K in Kind]: ValueOf<K> }[Kind];

/** The attributes of one node, read by name and kind; a wrong kind is an error that names the node. */
export class Attributes {
  readonly #where: string;
  readonly #values: ReadonlyMap<string, AttributeValue>;

  constructor(where: string, values: ReadonlyMap<string, AttributeValue>) {
    this.#where = where;
    this.#values = values;
  }

  names(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** @throws InputError when the attribute is there with another kind. */
  get<K extends Kind>(name: string, kind: K): Values[K] | undefined {
    const found = this.#values.get(name);
    if (found === undefined) return undefined;
    if (found.kind !== kind)
      throw new InputError({
        where: this.#where,
        found: `attribute '${name}' is of kind ${found.kind}`,
        supported: kind,
        todo: 'export the model again; the file is damaged or not from a known exporter',
      });
    return (found as ValueOf<K>).value;
  }

  int(name: string, otherwise: number): number {
    return this.get(name, 'int') ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.get(name, 'float') ?? otherwise;
  }

  string(name: string, otherwise: string): string {
    return this.get(name, 'string') ?? otherwise;
  }

  ints(name: string): readonly number[] | undefined {
    return this.get(name, 'ints');
  }
}
