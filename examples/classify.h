/* classify.h - what every board runs. */
#ifndef CLASSIFY_H
#define CLASSIFY_H

/* Classifies the digits of digits.h and prints a line for each through `put`. */
void classify_digits(void (*put)(char));

#endif
