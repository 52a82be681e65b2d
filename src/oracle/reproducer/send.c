
static int from = -1, to = -1, receiver = -1;
static union { unsigned short family; unsigned char bytes[128]; } name;
static int name_len;
static uid_t real_uid;
static gid_t real_gid;

// An address that the kernel chooses, and the socket that has it.
static int give_name(int family, int type, int protocol) {
    socklen_t len = sizeof name;
    int fd = away(socket(family, type, protocol), "socket");
    memset(&name, 0, sizeof name);
    name.family = family;
    if (bind(fd, (void *)&name, family == AF_UNIX ? 2 : 12) || getsockname(fd, (void *)&name, &len))
        cannot("bind");
    name_len = len;
    return fd;
}

static void connect_sockets(void) {
    int pair[2];
    if (FAMILY == AF_NETLINK) {
        receiver = to = give_name(AF_NETLINK, TYPE, 2);
        from = away(socket(AF_NETLINK, TYPE, 2), "netlink");
        if (CONNECTION != NOBODY && connect(from, (void *)&name, name_len))
            cannot("netlink");
        return;
    }
    if (CONNECTION == NOBODY) {
        from = away(socket(AF_UNIX, TYPE, 0), "socket");
        return;
    }
    if (socketpair(AF_UNIX, TYPE, 0, pair))
        cannot("socketpair");
    from = away(pair[0], "socketpair");
    receiver = to = away(pair[1], "socketpair");
    if (CONNECTION == PEER_ELSEWHERE) {
        give_name(AF_UNIX, TYPE, 0);
        if (connect(to, (void *)&name, name_len))
            cannot("connect");
    }
}

static void make_name(void) {
    if (FAMILY == AF_NETLINK && NAME == NAME_NOWHERE && NAME_ERRNO == ECONNREFUSED) {
        close(give_name(AF_NETLINK, TYPE, 2));
    } else if (FAMILY == AF_NETLINK && (NAME == NAME_FOUND || NAME == NAME_NEGATIVE)) {
        name_len = 12;
    } else if (NAME == NAME_FOUND || NAME == NAME_NEGATIVE) {
        int fd = give_name(AF_UNIX, SOCK_DGRAM, 0);
        if (TYPE == SOCK_DGRAM)
            receiver = fd;
    } else if (NAME == NAME_NOWHERE && NAME_ERRNO == ECONNREFUSED) {
        close(give_name(AF_UNIX, SOCK_DGRAM, 0));
    } else if (FAMILY == AF_UNIX && NAME == NAME_NOWHERE && NAME_ERRNO == EPIPE) {
        shutdown(give_name(AF_UNIX, SOCK_DGRAM, 0), SHUT_RD);
    } else if (FAMILY == AF_UNIX && NAME == NAME_NOWHERE && NAME_ERRNO == EPERM) {
        // Connected to another: to itself.
        int fd = give_name(AF_UNIX, SOCK_DGRAM, 0);
        if (connect(fd, (void *)&name, name_len))
            cannot("connect");
    } else if (FAMILY == AF_UNIX && NAME == NAME_NOWHERE && NAME_ERRNO == ENOENT) {
        name.family = AF_UNIX;
        strcpy((char *)name.bytes + 2, "/nonexistent/socket");
        name_len = 2 + sizeof "/nonexistent/socket";
    } else if (NAME == NAME_NOWHERE) {
        lacks("an address with this error");
    } else if (NAME == NAME_INVALID) {
        memset(&name, 0xff, sizeof name);
        name_len = 10;
    }
    if (NAME == NAME_NEGATIVE)
        name_len = -1;
}

static void set_options(void) {
    int size = 0;
    socklen_t len = sizeof size;
    if (receiver >= 0) {
        set(receiver, SO_PASSCRED, 1, "SO_PASSCRED");
        if (FAMILY == AF_UNIX)
            set(receiver, SO_OOBINLINE, 1, "SO_OOBINLINE");
        if (!PEER_TAKES_RIGHTS)
            set(receiver, SO_PASSRIGHTS, 0, "SO_PASSRIGHTS");
    }
    if (getsockopt(from, SOL_SOCKET, SO_SNDBUF, &size, &len) || size != SEND_BUFFER)
        set(from, SO_SNDBUF, SEND_BUFFER / 2, "SO_SNDBUF");
    if (getsockopt(from, SOL_SOCKET, SO_SNDBUF, &size, &len) || size != SEND_BUFFER)
        lacks("this SO_SNDBUF");
}

static void set_state(void) {
    if (PENDING) {
        // The peer closes with a byte unread.
        if (PENDING != ECONNRESET || TYPE == SOCK_DGRAM || write(from, "x", 1) != 1)
            lacks("this error waiting in the socket");
        close(to);
        receiver = -1;
    } else if (CONNECTION == SHUT_DOWN) {
        shutdown(from, SHUT_WR);
    } else if (CONNECTION == PEER_DEAF) {
        shutdown(to, SHUT_RD);
    } else if (CONNECTION == PEER_CLOSED) {
        close(to);
        if (receiver == to)
            receiver = -1;
    }
}

static void open_numbers(int null) {
    char parameters[120];
    for (const struct number *n = numbers; n->number >= 0; n++) {
        int fd = null;
        if (n->what == CLOSED) {
            close(n->number);
            continue;
        }
        if (n->what == RING) {
            memset(parameters, 0, sizeof parameters);
            fd = away(syscall(SYS_io_uring_setup, 1, parameters), "io_uring");
        }
        if (dup3(fd, n->number, O_CLOEXEC) != n->number)
            cannot("a number this high");
        if (fd != null)
            close(fd);
    }
}

// The ids and capabilities of the sender, from root's.
static void become_the_sender(void) {
    uid_t u[3];
    gid_t g[3];
    struct { unsigned version; int pid; } header = {0x20080522, 0};
    unsigned sets[6] = {CAPABILITIES, CAPABILITIES, 0, 0, 0, 0};
    if (geteuid() == 0) {
        if (setresgid(gids[0], gids[1], gids[2]) || prctl(PR_SET_KEEPCAPS, 1) || setresuid(uids[0], uids[1], uids[2]))
            cannot("the ids of the sender");
        if (syscall(SYS_capset, &header, sets))
            cannot("the capabilities of the sender");
    } else if (CAPABILITIES) {
        lacks("capabilities, without root");
    } else if (getresuid(u, u + 1, u + 2) || getresgid(g, g + 1, g + 2)
               || (NAMES_IDS && (memcmp(u, uids, sizeof u) || memcmp(g, gids, sizeof g)))) {
        lacks("the ids of the sender, without root");
    }
    real_uid = getuid();
    real_gid = getgid();
}

static long send_message(int fd, struct message *m, unsigned flags) { return syscall(SYS_sendmsg, fd, m, flags); }

// Descriptors in flight until the end, when there must be more of them than a limit.
static void fill_the_air(int null, int queue) {
    unsigned long long left = IN_FLIGHT;
    struct { unsigned long len; int level, type, fds[253]; } rights;
    struct iovec iov = {"x", 1};
    while (left) {
        int count = left < 253 ? left : 253;
        struct message m = {0, 0, &iov, 1, &rights, sizeof(long) + 8 + 4 * count, 0};
        rights.len = m.controllen;
        rights.level = SOL_SOCKET;
        rights.type = SCM_RIGHTS;
        for (int i = 0; i < count; i++)
            rights.fds[i] = null;
        if (send_message(queue, &m, MSG_DONTWAIT) != 1)
            cannot("so many descriptors in flight");
        left -= count;
    }
}

static int pid_of(int what) { return what == THIS_PROCESS ? getpid() : what == FIRST_PROCESS ? 1 : 0x7fffffff; }

// The control bytes, with a page behind them that nobody can read.
static unsigned char *place(void) {
    unsigned long page = sysconf(_SC_PAGESIZE), room = (READABLE + page - 1) / page * page;
    unsigned char *map = mmap(0, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;
    if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE))
        cannot("memory");
    at = map + room - READABLE;
    memcpy(at, control, READABLE);
    for (const struct process *p = processes; p->what != AS_IT_IS; p++) {
        int pid = pid_of(p->what);
        memcpy(at + p->offset, &pid, 4);
    }
    return at;
}

static struct { unsigned long long bytes; int descriptors, credentials[3]; } got;

static void receive(unsigned char *data, unsigned long size) {
    static union { long align; unsigned char bytes[4096]; } room;
    struct { unsigned long len; int level, type; } header;
    unsigned long head = sizeof(long) + 8, word = sizeof(long);
    for (;;) {
        struct iovec iov = {data, size};
        struct message m = {0, 0, &iov, 1, room.bytes, sizeof room, 0};
        long bytes = syscall(SYS_recvmsg, receiver, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (bytes < 0)
            return;
        got.bytes += bytes;
        for (unsigned long at = 0; at + head <= m.controllen; at += (header.len + word - 1) & -word) {
            memcpy(&header, room.bytes + at, head);
            if (header.level == SOL_SOCKET && header.type == SCM_RIGHTS)
                got.descriptors += (header.len - head) / 4;
            if (header.level == SOL_SOCKET && header.type == SCM_CREDENTIALS && header.len == head + 12)
                memcpy(got.credentials, room.bytes + at + head, 12);
        }
        if (bytes == 0)
            return;
    }
}

static void check_the_limits(void) {
    unsigned long long option_memory = OPTION_MEMORY, len = CONTROL_LEN;
    FILE *file = fopen("/proc/sys/net/core/optmem_max", "r");
    dprintf(out, "the oracle is of Linux %s\n", VERSION);
    if (file && fscanf(file, "%llu", &option_memory) == 1 && option_memory != OPTION_MEMORY
        && (len > option_memory / 2 || len > OPTION_MEMORY / 2))
        lacks("another net.core.optmem_max");
    if (file)
        fclose(file);
    if (OPTION_MEMORY_USED && len > (OPTION_MEMORY - OPTION_MEMORY_USED) / 2)
        lacks("option memory that is used already");
}

int main(void) {
    int pair[2], null, same;
    unsigned char *data, *at;
    begin();
    if (NAMESPACES)
        lacks("user namespaces like the sender's");
    check_the_limits();
    connect_sockets();
    make_name();
    set_options();
    set_state();
    null = away(open("/dev/null", O_RDWR), "/dev/null");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
        cannot("socketpair");
    pair[0] = away(pair[0], "socketpair");
    pair[1] = away(pair[1], "socketpair");
    open_numbers(null);
    become_the_sender();
    at = place();
    data = mmap(0, BYTES + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        cannot("memory for the data");
    if (IN_FLIGHT > OPEN_FILES) {
        fill_the_air(null, pair[0]);
        limit_descriptors(OPEN_FILES);
    }

    struct iovec iov = {data, BYTES};
    struct message m = {NAME ? &name : 0, NAME ? name_len : 0, &iov, 1, CONTROL_NULL ? 0 : at, CONTROL_LEN, 0};
    long sent = send_message(from, &m, FLAGS);
    int error = sent < 0 ? errno : 0;

    limit_descriptors(-1);
    said("expected:", WANT_BYTES, WANT == FAILS ? WANT_ERRNO : 0);
    said("sendmsg: ", sent, error);
    same = WANT == FAILS ? error == WANT_ERRNO : !error && sent == WANT_BYTES;
    if (receiver >= 0 && WANT != FAILS && !error) {
        int pid = WANT_PID_IS == AS_IT_IS ? WANT_PID : pid_of(WANT_PID_IS);
        receive(data, BYTES + 1);
        dprintf(out, "expected: %d descriptors", WANT == SENT ? WANT_DESCRIPTORS : 0);
        if (WANT == SENT)
            dprintf(out, ", pid %d, uid %u, gid %u", pid, WANT_OWN_IDS ? real_uid : WANT_UID, WANT_OWN_IDS ? real_gid : WANT_GID);
        dprintf(out, "\nreceived: %d descriptors", got.descriptors);
        if (WANT == SENT)
            dprintf(out, ", pid %d, uid %u, gid %u", got.credentials[0], got.credentials[1], got.credentials[2]);
        dprintf(out, "\n");
        same &= got.bytes == (WANT == SENT ? WANT_BYTES : 0);
        same &= got.descriptors == (WANT == SENT ? WANT_DESCRIPTORS : 0);
        if (WANT == SENT) {
            same &= got.credentials[0] == pid;
            same &= (uid_t)got.credentials[1] == (WANT_OWN_IDS ? real_uid : WANT_UID);
            same &= (gid_t)got.credentials[2] == (WANT_OWN_IDS ? real_gid : WANT_GID);
        }
    }
    dprintf(out, same ? "as expected\n" : "NOT as expected\n");
    return !same;
}
