# rustc 1.95.0, opt-level 3; written by BLESS=1 cargo test --test assembly_is_golden

encode: # 8 instructions
 movq %rdi, %rax
 movq $20, (%rsi)
 movabsq $4294967297, %rcx
 movq %rcx, 8(%rsi)
 movl %edx, 16(%rsi)
 movq $20, 8(%rdi)
 movq $0, (%rdi)
 retq

send: # 22 instructions
 movq %rdx, %rcx
 movq %rdi, %r8
 movl %esi, %edi
 movl $16384, %edx
 movl $46, %eax
 movq %rcx, %rsi
 #APP
 syscall
 #NO_APP
 cmpq $-4096, %rax
 ja L0
 movq %rax, 8(%r8)
 xorl %eax, %eax
 movl %eax, (%r8)
 movq %r8, %rax
 retq
L0:
 negl %eax
 movl %eax, 4(%r8)
 movl $1, %eax
 movl %eax, (%r8)
 movq %r8, %rax
 retq

receive: # 48 instructions
 movq %rdx, %r9
 movq %rdi, %r8
 movq 56(%rdx), %rax
 movq %rax, 40(%rdx)
 movl $128, 8(%rdx)
 movl %esi, %edi
 movl $1073741824, %edx
 movl $47, %eax
 movq %r9, %rsi
 #APP
 syscall
 #NO_APP
 cmpq $-4095, %rax
 jae L0
 movq (%r9), %rdx
 movq 56(%r9), %rcx
 testq %rdx, %rdx
 je L1
 movl 8(%r9), %esi
 cmpw $1, (%rdx)
 movl $110, %edi
 movl $128, %r10d
 cmovel %edi, %r10d
 cmpl %esi, %r10d
 cmovael %esi, %r10d
 movl %r10d, 128(%rdx)
L1:
 movq 40(%r9), %rdx
 cmpq %rdx, %rcx
 cmovbq %rcx, %rdx
 movl $-1073741825, %esi
 andl 48(%r9), %esi
 movq 32(%r9), %rdi
 testq %rdx, %rdx
 movq %rax, (%r8)
 movq %r9, 8(%r8)
 movq %rdi, 16(%r8)
 movq %rdx, 24(%r8)
 movq %rcx, 32(%r8)
 movl %esi, 40(%r8)
 sete 44(%r8)
 movl %esi, 48(%r8)
 movq %r8, %rax
 retq
L0:
 negl %eax
 movl %eax, (%r8)
 movb $2, 44(%r8)
 movq %r8, %rax
 retq

take: # 76 instructions
 pushq %r15
 pushq %r14
 pushq %r12
 pushq %rbx
 subq $24, %rsp
 movq %rsi, %r12
 movq %rdi, %r14
 movl 24(%rsi), %ecx
 testb $8, %cl
 sete %al
 movq (%rsi), %r15
 movq 8(%rsi), %rbx
 movq %rbx, %rdx
 addq $-20, %rdx
 cmpq $20, %rdx
 setb %dl
 andb %al, %dl
 cmpb $1, %dl
 je L0
L1:
 xorl %r8d, %r8d
 testb $8, %cl
 sete %r8b
 movq 16(%r12), %rcx
 movq %rsp, %rdi
 movq %r15, %rsi
 movq %rbx, %rdx
 callq _ZN5scmsg9ancillary17take_among_othersf747130990ce6b33E
 movzbl 20(%rsp), %ecx
 movl (%rsp), %eax
 cmpb $4, %cl
 je L2
 movups 4(%rsp), %xmm0
 movups %xmm0, 4(%r14)
 movzwl 21(%rsp), %edx
 movw %dx, 21(%r14)
 movzbl 23(%rsp), %edx
 movb %dl, 23(%r14)
 movl %eax, (%r14)
 movb %cl, 20(%r14)
 cmpb $0, 28(%r12)
 je L3
 jmp L4
L0:
 cmpq $20, (%r15)
 jne L1
 movabsq $4294967297, %rax
 cmpq %rax, 8(%r15)
 jne L1
 movl 16(%r15), %eax
 testl %eax, %eax
 js L1
 movl $-2147483648, 16(%r15)
 movb $1, 28(%r12)
L2:
 movb $4, %cl
 movl %eax, (%r14)
 movb %cl, 20(%r14)
 cmpb $0, 28(%r12)
 jne L4
L3:
 movq %r15, %rdi
 movq %rbx, %rsi
 callq *_ZN5scmsg9ancillary10close_rest@GOTPCREL(%rip)
L4:
 movq %r14, %rax
 addq $24, %rsp
 popq %rbx
 popq %r12
 popq %r14
 popq %r15
 retq
L5:
 movq %rax, %r14
 cmpb $0, 28(%r12)
 jne L6
 movq %r15, %rdi
 movq %rbx, %rsi
 callq *_ZN5scmsg9ancillary10close_rest@GOTPCREL(%rip)
L6:
 movq %r14, %rdi
 callq _Unwind_Resume@PLT
L7:
 callq *_RNvNtCsgEmfK2I1SDS_4core9panicking16panic_in_cleanup@GOTPCREL(%rip)
