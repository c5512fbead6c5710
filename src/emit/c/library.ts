/**
 * Functions of the C library that compilers know by name: a static array or function of that name draws a
 * warning or an error even where no header is included. Those of ISO C99 first, then of GNU C.
 */
const plain = `abort abs calloc exit free labs llabs malloc realloc atexit qsort bsearch rand srand div ldiv
  printf fprintf sprintf snprintf vprintf vfprintf vsprintf vsnprintf scanf fscanf sscanf puts fputs putchar
  fputc putc fwrite getchar getc signal remove rename
  isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit
  tolower toupper
  memchr memcmp memcpy memmove memset strcat strchr strcmp strcpy strcspn strlen strncat strncmp strncpy
  strpbrk strrchr strspn strstr strtok
  alloca bcmp bcopy bzero index rindex ffs mempcpy stpcpy strdup strndup strcasecmp strncasecmp
  dcgettext dgettext gettext isascii toascii execl execv fork time clock read write open close select`;

/** Each with its f and l variants. */
const math = `acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs
  fdim floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint
  lround modf nan nearbyint nextafter nexttoward pow remainder remquo rint round scalbln scalbn sin sinh sqrt
  tan tanh tgamma trunc cabs cacos casin catan carg ccos cexp cimag clog conj cpow cproj creal csin csqrt ctan
  drem exp10 gamma j0 j1 jn y0 y1 yn pow10 scalb significand sincos signbit finite isinf isnan roundeven`;

export const libraryNames: readonly string[] = [
  ...plain.split(/\s+/),
  ...math.split(/\s+/).flatMap((name) => [name, `${name}f`, `${name}l`]),
];
