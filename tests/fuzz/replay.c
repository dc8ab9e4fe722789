/* A fuzz target without libFuzzer: its corpus, every prefix of what is short, and seeded
 * mutations of it, the same ones each time. replay FOLDER [TIMES] */
#include "base/base.h"
#include "base/prng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 64, SIZE_MAX_READ = 16384, PREFIXES = 512, TIMES = 8000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t at[SIZE_MAX_READ];
    size_t size;
};

/* In memory of its own size, so that sanitizers see what is read beyond. */
static void run(const uint8_t *at, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    CHECK(copy);
    memcpy(copy, at, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static uint32_t read_all(const char *folder, struct input *inputs)
{
    uint32_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && count < FILES_MAX; e = readdir(dir)) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *file = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        inputs[count].size = fread(inputs[count].at, 1, SIZE_MAX_READ, file);
        count += inputs[count].size > 0;
        fclose(file);
    }
    if (dir)
        closedir(dir);
    return count;
}

static uint8_t drawn_byte(uint64_t *random)
{
    static const char likely[] =
        "\0\n\r \"'{}[]()<>|/\\:;,.+-_~%#@$&=?*019afAFzZtunre`g\x1f\x7f\x80"
        "\xc3\xa9\xe2\x82\xac\xf0\xff";
    return prng_upto(random, 4) ? (uint8_t)likely[prng_upto(random, sizeof likely - 1)]
                                : (uint8_t)prng_upto(random, 256);
}

/* Cut a piece out, put bytes in, or change some. */
static void change(struct input *input, uint64_t *random)
{
    size_t at = prng_upto(random, input->size + 1), most = input->size - at;
    size_t size = prng_upto(random, prng_upto(random, 4) ? 4 : 64);
    switch (prng_upto(random, 4)) {
    case 0:
        size = size < most ? size : most;
        memmove(input->at + at, input->at + at + size, most - size);
        input->size -= size;
        return;
    case 1: /* the same once more */
        size = size < most ? size : most;
        if (input->size + size > SIZE_MAX_READ)
            return;
        memmove(input->at + at + size, input->at + at, most);
        input->size += size;
        return;
    case 2:
        if (input->size + size > SIZE_MAX_READ)
            return;
        memmove(input->at + at + size, input->at + at, most);
        input->size += size;
        for (size_t i = 0; i < size; i++)
            input->at[at + i] = drawn_byte(random);
        return;
    default:
        if (most > 0)
            input->at[at] = drawn_byte(random);
    }
}

int main(int argc, char **argv)
{
    static struct input inputs[FILES_MAX], changed;
    uint32_t count = argc > 1 ? read_all(argv[1], inputs) : 0;
    uint32_t times = argc > 2 ? (uint32_t)atoi(argv[2]) : TIMES;
    uint64_t random = 1;
    if (count == 0)
        count = 1; /* the empty one */
    for (uint32_t i = 0; i < count; i++) {
        for (size_t size = 0; size <= inputs[i].size; size++)
            if (size < PREFIXES || size == inputs[i].size)
                run(inputs[i].at, size);
        for (uint32_t n = 0; n < times; n++) {
            changed = inputs[i];
            for (uint64_t k = 0; k <= prng_upto(&random, 6); k++)
                change(&changed, &random);
            run(changed.at, changed.size);
        }
    }
    printf("%u inputs, %u changes of each\n", count, times);
    return 0;
}
