#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

enum { NOBODY, PEER_OPEN, SHUT_DOWN, PEER_DEAF, PEER_ELSEWHERE, PEER_CLOSED };
enum { NO_NAME, NAME_NEGATIVE, NAME_FOUND, NAME_NOWHERE, NAME_INVALID };
enum { CLOSED, OPEN, RING };
enum { THIS_PROCESS, FIRST_PROCESS, NO_PROCESS, AS_IT_IS };
enum { FAILS, SENT, DROPPED };
struct number { int number, what; };
struct process { unsigned long offset; int what; };
struct packet { unsigned long long bytes; int descriptors, sender, urgent; };
struct field { unsigned long offset, len; int what; };

