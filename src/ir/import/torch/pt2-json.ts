/** JSON as torch.export writes it, read with the place of whatever is wrong. */
import { complain, type InputError, must } from '../../../base/errors.ts';

/** Bare words that Python writes and JSON does not know, outside of strings. */
const bareWords = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/gs;

/** torch 2.5 and 2.6 write numbers that are not finite as bare words, newer ones in quotes. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replaceAll(bareWords, (word) => (word.startsWith('"') ? word : `"${word}"`)));
  }
}

/** A value in the file, and how it is reached. */
export class Field {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    this.#value = value;
    this.#path = path;
  }

  /** @throws InputError for what is no JSON */
  static parse(bytes: Uint8Array, where: string): Field {
    try {
      return new Field(parsed(new TextDecoder().decode(bytes)), where);
    } catch {
      throw complain(`no JSON in ${where}`, undefined, 'save the program again with torch.export.save');
    }
  }

  #wrong(wanted: string): InputError {
    return complain(
      `${this.#path} is no ${wanted}`,
      undefined,
      'save the program again with torch.export.save',
    );
  }

  #record(): Readonly<Record<string, unknown>> {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value))
      throw this.#wrong('object');
    return this.#value as Record<string, unknown>;
  }

  /** Undefined where it is absent or null. */
  maybe(key: string): Field | undefined {
    const record = this.#record();
    const found = Object.hasOwn(record, key) ? record[key] : undefined;
    return found === undefined || found === null ? undefined : new Field(found, `${this.#path}.${key}`);
  }

  get(key: string): Field {
    const found = this.maybe(key);
    if (found === undefined) throw this.#wrong(`object with '${key}'`);
    return found;
  }

  entries(): readonly (readonly [string, Field])[] {
    return Object.entries(this.#record()).map(([key, value]) => [
      key,
      new Field(value, `${this.#path}.${key}`),
    ]);
  }

  list(): readonly Field[] {
    if (!Array.isArray(this.#value)) throw this.#wrong('list');
    return this.#value.map((value: unknown, i) => new Field(value, `${this.#path}[${i}]`));
  }

  text(): string {
    if (typeof this.#value !== 'string') throw this.#wrong('text');
    return this.#value;
  }

  flag(): boolean {
    if (typeof this.#value !== 'boolean') throw this.#wrong('truth value');
    return this.#value;
  }

  /** Infinite ones too; whole ones beyond 2^53 are rounded. */
  number(): number {
    const value = this.#value;
    if (typeof value === 'number') return value;
    if (value === 'NaN') return Number.NaN;
    if (value === 'Infinity') return Number.POSITIVE_INFINITY;
    if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
    throw this.#wrong('number');
  }

  /** Of a union, which is an object of one key: the key and its value. */
  variant(): readonly [string, Field] {
    const entries = this.entries();
    if (entries.length !== 1) throw this.#wrong('union of one key');
    return must(entries[0], 'one entry');
  }
}
