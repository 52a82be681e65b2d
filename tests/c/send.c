/* Reads control bytes, one hexadecimal line for each buffer, sends them with one byte of data, and prints 0 or the errno. The
   first line of the output is as that of the other driver. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(16) unsigned char control[4096];
static char line[2 * 4096 + 2];

/* As the kernel has it. */
struct message {
    void *name;
    int namelen;
    struct iovec *iov;
    unsigned long iovlen;
    void *control;
    unsigned long controllen;
    unsigned flags;
};

int main(void) {
    unsigned one = 1;
    int pair[2];
    char byte = 'x';
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
        return 2;
    printf("- %zu %s\n", sizeof(struct cmsghdr), *(unsigned char *)&one ? "little" : "big");
    while (fgets(line, sizeof line, stdin)) {
        struct iovec iov = {&byte, 1};
        struct message m = {0, 0, &iov, 1, control, 0, 0};
        memset(control, 0xff, sizeof control);
        while (sscanf(line + 2 * m.controllen, "%2hhx", control + m.controllen) == 1)
            m.controllen++;
        int sent = syscall(SYS_sendmsg, pair[0], &m, MSG_DONTWAIT) == 1;
        printf("%d\n", sent ? 0 : errno);
        if (sent && recv(pair[1], &byte, 1, MSG_DONTWAIT) != 1)
            return 3;
    }
    return 0;
}
