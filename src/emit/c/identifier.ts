/** Names that C and C++ accept. */
import { InputError } from '../../base/errors.ts';

/** Keywords of C99, C11, C23 and C++20, and names of the standard headers that generated C includes. */
const reserved = new Set(
  `auto break case char const continue default do double else enum extern float for goto if inline int long
  register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
  alignas alignof bool constexpr false nullptr static_assert thread_local true typeof typeof_unqual
  and and_eq asm bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept
  consteval constinit const_cast decltype delete dynamic_cast explicit export friend import module mutable
  namespace new noexcept not not_eq operator or or_eq private protected public reinterpret_cast requires
  static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq
  NULL INFINITY NAN INT32_MIN INT32_MAX int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t
  size_t ptrdiff_t intptr_t uintptr_t memcpy memset memcmp memmove main errno linux unix arm`.split(/\s+/),
);

/** C99 promises 63 significant characters for names inside of a file. */
const longest = 63;

function fault(name: string): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) return 'is not a C identifier that begins with a letter';
  if (name.includes('__')) return 'has a double underscore, which C++ reserves';
  if (reserved.has(name)) return 'is reserved in C or C++';
  if (name.length > longest) return `is longer than ${longest} characters`;
  return undefined;
}

export const isIdentifier = (name: string): boolean => fault(name) === undefined;

/** `<name>.h` of these would stand in the way of the system's header. */
const headers = new Set(
  `assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
  stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype
  alloca endian features malloc memory strings unistd`.split(/\s+/),
);

/** `name` itself if C and C++ take it. @throws InputError otherwise; `where` names the option or node. */
export function checkIdentifier(name: string, where: string): string {
  const found = fault(name);
  if (found === undefined) return name;
  throw refusal(name, where, found);
}

function refusal(name: string, where: string, found: string): InputError {
  return new InputError({
    where,
    found: `'${name}' ${found}`,
    supported: `a letter, then letters, digits and single underscores, at most ${longest}`,
    todo: `for example '${headers.has(name.toLowerCase()) ? `n_${name}` : identifierFrom(name)}'`,
  });
}

/** A name for `<name>.h` and all that is public in it. @throws InputError as `checkIdentifier`. */
export function checkPackageName(name: string, where: string): string {
  if (headers.has(name.toLowerCase())) throw refusal(name, where, "is the name of one of C's own headers");
  return checkIdentifier(name, where);
}

/** The nearest C identifier: `conv1.weight` becomes `conv1_weight`, `5x5` becomes `n_5x5`. */
export function identifierFrom(name: string): string {
  const plain = name
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 40)
    .replace(/_+$/, '');
  if (plain === '') return 'unnamed';
  return /^[0-9]/.test(plain) || reserved.has(plain) ? `n_${plain}` : plain;
}

/** Hands out names that differ from each other and from those in `taken`: `conv`, `conv_2`, `conv_3`. */
export function uniqueNames(taken: Iterable<string>): (wish: string) => string {
  const used = new Set(taken);
  return (wish) => {
    let name = identifierFrom(wish);
    for (let n = 2; used.has(name); n++) name = `${identifierFrom(wish)}_${n}`;
    used.add(name);
    return name;
  };
}
