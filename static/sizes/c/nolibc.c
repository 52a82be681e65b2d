// Turns five system calls into the same program as static/tiny/src/raw.rs, by hand and without a libc: x86_64.
//
// Smaller than that by its way in: _start is a C function, although the stack is not aligned as one expects. At -O2 it crashes.
#define _GNU_SOURCE
#include <linux/unistd.h>
#include <sys/socket.h>

static inline int call(int number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	int ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

static inline int call3(int number, long a, long b, long c)
{
	int ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static int pass(void)
{
	int pair[2];
	if (call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)pair) < 0)
		return 1;
	struct { struct cmsghdr header; int fd; } control = {
		{ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }, 1
	};
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))
	};
	if (call3(__NR_sendmsg, pair[0], (long)&message, 0) < 0)
		return 1;
	if (call3(__NR_recvmsg, pair[1], (long)&message, MSG_CMSG_CLOEXEC) < 0)
		return 1;
	return call3(__NR_write, control.fd, (long)"passed\n", 7) != 7;
}

__attribute__((noreturn)) void _start(void)
{
	int status = pass();
	__asm__ volatile("syscall" : : "a"(__NR_exit_group), "D"((long)status) : "rcx", "r11", "memory");
	__builtin_unreachable();
}
