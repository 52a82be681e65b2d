/* The macros of one C library, as functions. Compiled apart from what drives them, because the headers can be of another
   library than the one that is linked. */
#include <sys/socket.h>

unsigned header_size(void) { return sizeof(struct cmsghdr); }

static struct msghdr message(void *control, unsigned long controllen) {
    struct msghdr m = {0};
    m.msg_control = control;
    m.msg_controllen = controllen;
    return m;
}

void *first_header(void *control, unsigned long controllen) {
    struct msghdr m = message(control, controllen);
    return CMSG_FIRSTHDR(&m);
}

void *next_header(void *control, unsigned long controllen, void *at) {
    struct msghdr m = message(control, controllen);
    struct cmsghdr *c = at;
    return CMSG_NXTHDR(&m, c);
}

unsigned long length(void *at) { return ((struct cmsghdr *)at)->cmsg_len; }
