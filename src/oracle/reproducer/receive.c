
static int from, receiver;
// A sender that is a child of this program: its number, and the pipes to it and from it.
static struct { int pid, orders, answers; } senders[SENDERS + 1];

static long send_packet(const struct packet *p, int null) {
    static char data[1 << 20];
    struct { unsigned long len; int level, type, fds[253]; } rights;
    struct iovec iov = {data, p->bytes};
    struct message m = {0, 0, &iov, 1, &rights, 0, 0};
    int asked = p->sender >= 0;
    if (p->bytes > sizeof data || p->descriptors > 253)
        lacks("a message this large");
    if (setsockopt(from, SOL_SOCKET, SO_PASSCRED, &asked, sizeof asked))
        return -1;
    if (p->descriptors)
        rights.len = m.controllen = sizeof(long) + 8 + 4 * p->descriptors;
    rights.level = SOL_SOCKET;
    rights.type = SCM_RIGHTS;
    for (int i = 0; i < p->descriptors; i++)
        rights.fds[i] = null;
    return syscall(SYS_sendmsg, from, &m, MSG_DONTWAIT | (p->urgent ? MSG_OOB : 0));
}

// A sender that is not this process: sends the packets it is told to, and stays until the end.
static void be_a_sender(int null, int orders, int answers) {
    int index;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(orders, &index, sizeof index) == sizeof index) {
        int sent = send_packet(packets + index, null) == (long)packets[index].bytes;
        if (write(answers, sent ? "y" : "n", 1) != 1)
            _exit(1);
    }
    // The ends are to be closed when this program's are.
    close(from);
    close(receiver);
    if (write(answers, "y", 1) == 1)
        pause();
    _exit(1);
}

static void expect_yes(int answers) {
    char answer = 'n';
    if (read(answers, &answer, 1) != 1 || answer != 'y')
        lacks("a packet of another sender");
}

// The first sender is this process, every other one a child.
static void send_packets(int null) {
    for (int i = 1; i < SENDERS; i++) {
        int orders[2], answers[2];
        if (pipe(orders) || pipe(answers) || (senders[i].pid = fork()) < 0)
            cannot("another sender");
        if (!senders[i].pid) {
            close(orders[1]);
            for (int before = 1; before < i; before++)
                close(senders[before].orders);
            be_a_sender(null, orders[0], answers[1]);
        }
        close(orders[0]);
        close(answers[1]);
        senders[i].orders = away(orders[1], "pipe");
        senders[i].answers = away(answers[0], "pipe");
    }
    for (const struct packet *p = packets; p->descriptors >= 0; p++) {
        int index = p - packets;
        if (p->sender <= 0) {
            if (send_packet(p, null) != (long)p->bytes)
                cannot("a packet");
        } else if (write(senders[p->sender].orders, &index, sizeof index) == sizeof index) {
            expect_yes(senders[p->sender].answers);
        }
    }
    for (int i = 1; i < SENDERS; i++) {
        close(senders[i].orders);
        expect_yes(senders[i].answers);
        close(senders[i].answers);
    }
}

static void check_the_queue(void) {
    if (SENDERS_GONE)
        lacks("a sender that is gone");
    if (LABELS)
        lacks("a security module with labels");
    if (OVERCOUNT && ASKS_INQ)
        lacks("bytes that are counted although they are gone");
    for (const struct packet *p = packets; p->descriptors >= 0; p++)
        if (!CONNECTED || (p->bytes == 0 && TYPE == SOCK_STREAM))
            lacks("this packet in a queue");
}

static void switch_on(void) {
    const struct { int on, option, value; const char *name; } options[] = {
        {ASKS_CREDENTIALS, SO_PASSCRED, 1, "SO_PASSCRED"},
        {ASKS_PIDFD, PASS_PIDFD, 1, "SO_PASSPIDFD"},
        {ASKS_LABEL, PASS_LABEL, 1, "SO_PASSSEC"},
        {ASKS_INQ, INQ, 1, "SO_INQ"},
        {ASKS_INLINE, SO_OOBINLINE, 1, "SO_OOBINLINE"},
        {ASKS_TIMES != 0, ASKS_TIMES, 1 << 3 | 1 << 4, "SO_TIMESTAMPING"},
        {ASKS_TIME != 0, ASKS_TIME, 1, "SO_TIMESTAMP"},
    };
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].on)
            set(receiver, options[i].option, options[i].value, options[i].name);
}

// Only the listed numbers are free, up to the last of them; behind it every number is, or none.
static void fill_the_table(int null) {
    int last = -1;
    for (const struct number *n = numbers; n->number >= 0; n++)
        if (n->number > last)
            last = n->number;
    for (int fd = 0; fd <= last; fd++) {
        if (listed(fd))
            close(fd);
        else if (fcntl(fd, F_GETFD) < 0 && dup2(null, fd) != fd)
            cannot("a number this high");
    }
    if (TABLE_FULL)
        limit_descriptors(last + 1);
}

// Fields that are another number on every machine: what they must be here, or nothing to compare.
static void settle(unsigned char *expected, const unsigned char *found) {
    for (const struct field *f = fields; f->len; f++) {
        int ids[3] = {f->what <= 0 ? getpid() : senders[f->what].pid, getuid(), getgid()};
        memcpy(expected + f->offset, f->what < 0 ? found + f->offset : (unsigned char *)ids, f->len);
    }
}

// The control bytes, in front of memory that nobody can read: whoever looks at all that msg_controllen claims fails.
static unsigned char *control_bytes(void) {
    unsigned long page = sysconf(_SC_PAGESIZE), len = sizeof before - 1, room = (len + page) / page * page;
    unsigned char *map = mmap(0, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE))
        cannot("memory for the control bytes");
    return memcpy(map + room - len, before, len);
}

int main(void) {
    int pair[2], null, same, opened = 0, cloexec = 0;
    static unsigned char expected[sizeof before];
    struct timeval patience = {0, 300000};
    struct timespec start, end;
    begin();
    if (NAMESPACES)
        lacks("a user namespace like the receiver's");
    check_the_queue();
    if (CONNECTED) {
        if (socketpair(AF_UNIX, TYPE, 0, pair))
            cannot("socketpair");
        from = away(pair[0], "socketpair");
        receiver = away(pair[1], "socketpair");
    } else {
        receiver = away(socket(AF_UNIX, TYPE, 0), "socket");
    }
    null = away(open("/dev/null", O_RDWR), "/dev/null");
    send_packets(null);
    switch_on();
    if (setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))
        cannot("SO_RCVTIMEO");
    if (PENDING) {
        if (PENDING != ECONNRESET || TYPE == SOCK_DGRAM || write(receiver, "x", 1) != 1)
            lacks("this error waiting in the socket");
        close(from);
    } else if (ENDED) {
        shutdown(TYPE == SOCK_DGRAM ? receiver : from, TYPE == SOCK_DGRAM ? SHUT_RD : SHUT_WR);
    }

    unsigned char *data = mmap(0, DATA + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        cannot("memory for the data");
    unsigned char *control = control_bytes();
    memcpy(expected, after, sizeof before);
    struct iovec iov = {data, DATA};
    struct message m = {0, 0, &iov, 1, CONTROL_NULL ? 0 : control, CONTROL_LEN, 0x5555};
    fill_the_table(null);
    clock_gettime(CLOCK_MONOTONIC, &start);
    long received = syscall(SYS_recvmsg, receiver, &m, FLAGS);
    int error = received < 0 ? errno : 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    limit_descriptors(-1);
    long waited = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;

    for (const struct number *n = numbers; n->number >= 0; n++) {
        int flags = fcntl(n->number, F_GETFD);
        opened += flags >= 0;
        cloexec += flags >= 0 && flags & FD_CLOEXEC;
    }
    if (WANT_WAITS) {
        dprintf(out, "expected: to wait\nrecvmsg:  waited %ld ms\n", waited);
        same = waited >= 200;
    } else {
        said("expected:", WANT_BYTES, WANT_ERRNO);
        said("recvmsg: ", received, error);
        same = error == WANT_ERRNO && (error || received == WANT_BYTES);
        if (!error && !WANT_ERRNO) {
            dprintf(out, "expected: msg_controllen %lu, msg_flags %#x\n", WANT_CONTROL_LEN, WANT_FLAGS);
            dprintf(out, "recvmsg:  msg_controllen %lu, msg_flags %#x\n", m.controllen, m.flags);
            same &= m.controllen == WANT_CONTROL_LEN && m.flags == WANT_FLAGS;
        }
        dprintf(out, "expected: %d descriptors, %d of them close-on-exec\n", WANT_OPENED, WANT_CLOEXEC);
        dprintf(out, "recvmsg:  %d descriptors, %d of them close-on-exec\n", opened, cloexec);
        same &= opened == WANT_OPENED && cloexec == WANT_CLOEXEC;
        settle(expected, control);
        for (unsigned long i = 0; i + 1 < sizeof before; i++)
            if (control[i] != expected[i]) {
                dprintf(out, "control byte %lu: expected %02x, found %02x\n", i, expected[i], control[i]);
                same = 0;
            }
    }
    dprintf(out, same ? "as expected\n" : "NOT as expected\n");
    return !same;
}
