/* classify.c - LeNet-5 on drawn digits: the same on every board but the Arduino. */
#include "classify.h"
#include "digits.h"
#include "lenet5.h"
#include <string.h>

static struct lenet5 net;

static void print(void (*put)(char), const char *text)
{
    while (*text != 0) {
        put(*text++);
    }
}

void classify_digits(void (*put)(char))
{
    for (int i = 0; i < DIGITS; i++) {
        const lenet5_output_t *output;
        memcpy(lenet5_input(&net), digits[i], sizeof digits[i]);
        output = lenet5_run(&net);
        print(put, "a drawn ");
        put((char)('0' + digit_labels[i]));
        print(put, ": class ");
        put((char)('0' + lenet5_classify(output)));
        print(put, "\r\n");
    }
    print(put, "done\r\n");
}
