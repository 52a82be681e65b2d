
// The kernel's structures: those of a C library can differ.
struct message {
    void *name;
    int namelen;
    struct iovec *iov;
    unsigned long iovlen;
    void *control;
    unsigned long controllen;
    unsigned flags;
};

_Static_assert(sizeof(long) == BITS / 8, "compile this for the right word size: -m32, or a cross compiler");
_Static_assert((__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) == BIG, "compile this for the right byte order");

static int out = 1;

// What is missing here; and the error that said so, if it was a call.
static void lacks(const char *what) {
    dprintf(out, "cannot be set up here: %s\n", what);
    _exit(2);
}

static void cannot(const char *what) {
    dprintf(out, "%s: %s\n", what, strerror(errno));
    lacks(what);
}

static int listed(int fd) {
    for (const struct number *n = numbers; n->number >= 0; n++)
        if (n->number == fd)
            return 1;
    return 0;
}

// Moves a descriptor of this program to a number that the message does not name.
static int away(int fd, const char *what) {
    int number = 3;
    if (fd < 0)
        cannot(what);
    while (listed(number) || fcntl(number, F_GETFD) >= 0)
        number++;
    if (dup3(fd, number, O_CLOEXEC) != number)
        cannot("the limit of descriptors");
    close(fd);
    return number;
}

static void set(int fd, int option, int value, const char *what) {
    if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof value))
        cannot(what);
}

static void said(const char *who, long long bytes, int error) {
    if (error)
        dprintf(out, "%s error %d (%s)\n", who, error, strerror(error));
    else
        dprintf(out, "%s %lld\n", who, bytes);
}

static void check_the_kernel(void) {
    struct utsname here;
    uname(&here);
    dprintf(out, "Linux %s %s\n", here.release, here.machine);
    if (BITS == 32 && COMPAT != (strstr(here.machine, "64") || !strcmp(here.machine, "s390x")))
        lacks(COMPAT ? "this needs a 64-bit kernel" : "this needs a 32-bit kernel");
}

static void limit_descriptors(unsigned long long most) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void begin(void) {
    signal(SIGPIPE, SIG_IGN);
    alarm(20);
    limit_descriptors(-1);
    out = away(dup(1), "output");
    check_the_kernel();
}
