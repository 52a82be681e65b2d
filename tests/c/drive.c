/* Reads control bytes, one hexadecimal line for each buffer, and prints every header the macros come to: "offset:cmsg_len".
   A line ends with "end", or with "back N" where the next header is N bytes before the last. The first line of the output says
   what this is: version of glibc if it is glibc, bytes of a header, byte order. */
#include <stdio.h>
#include <string.h>

unsigned header_size(void);
void *first_header(void *control, unsigned long controllen);
void *next_header(void *control, unsigned long controllen, void *at);
unsigned long length(void *at);

/* Something around the bytes, so that a step back stays in what is ours. */
static _Alignas(16) unsigned char room[64 + 4096 + 64];
static char line[2 * 4096 + 2];

int main(void) {
    unsigned one = 1;
#ifdef __GLIBC__
    printf("%d.%d", __GLIBC__, __GLIBC_MINOR__);
#else
    printf("-");
#endif
    printf(" %u %s\n", header_size(), *(unsigned char *)&one ? "little" : "big");
    while (fgets(line, sizeof line, stdin)) {
        unsigned char *control = room + 64, *at, *next;
        unsigned long n = 0;
        memset(room, 0xff, sizeof room);
        while (sscanf(line + 2 * n, "%2hhx", control + n) == 1)
            n++;
        for (at = first_header(control, n); at; at = next) {
            printf("%ld:%lu ", (long)(at - control), length(at));
            next = next_header(control, n, at);
            if (next && next <= at) {
                printf("back %ld\n", (long)(at - next));
                break;
            }
        }
        if (!at)
            printf("end\n");
    }
    return 0;
}
