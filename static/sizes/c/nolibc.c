// Turns five system calls into the same program as static/tiny/src/raw.rs, by hand and without a libc.
#define _GNU_SOURCE
#include <linux/unistd.h>
#include <sys/socket.h>

#if defined(__x86_64__)
static inline long call(long number, long a, long b, long c, void *d)
{
	register long r10 __asm__("r10") = (long)d;
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}
#define call3(number, a, b, c) ({ \
	long ret; \
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory"); \
	ret; })
#define call1(number, a) ({ \
	long ret; \
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a) : "rcx", "r11", "memory"); \
	ret; })
#endif

static int pass(void)
{
	int pair[2];
	if (call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	struct { struct cmsghdr header; int fd; } control = { { .cmsg_len = 20, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }, 1 };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = 20 };
	if (call3(__NR_sendmsg, pair[0], (long)&message, 0) < 0)
		return 1;
	if (call3(__NR_recvmsg, pair[1], (long)&message, MSG_CMSG_CLOEXEC) < 0)
		return 1;
	return call3(__NR_write, control.fd, (long)"passed\n", 7) != 7;
}

__attribute__((noreturn)) void _start(void)
{
	call1(__NR_exit_group, pass());
	__builtin_unreachable();
}
