# rustc 1.95.0, opt-level s; written by BLESS=1 cargo test --test assembly_is_golden

encode: # 9 instructions
 movq %rdi, %rax
 movl $20, %ecx
 movq %rcx, (%rsi)
 movabsq $4294967297, %rdi
 movq %rdi, 8(%rsi)
 movl %edx, 16(%rsi)
 movq %rcx, 8(%rax)
 movq $0, (%rax)
 retq

send: # 20 instructions
 movq %rdx, %rcx
 movq %rdi, %r8
 movl %esi, %edi
 movl $16384, %edx
 movl $46, %eax
 movq %rcx, %rsi
 #APP
 syscall
 #NO_APP
 testl %eax, %eax
 js L0
 movq %rax, 8(%r8)
 xorl %eax, %eax
 jmp L1
L0:
 negl %eax
 movl %eax, 4(%r8)
 movl $1, %eax
L1:
 movl %eax, (%r8)
 movq %r8, %rax
 retq

receive: # 51 instructions
 pushq %r14
 pushq %rbx
 movq %rdx, %r9
 movq %rdi, %r8
 movq 56(%rdx), %r10
 movq (%rdx), %r14
 movq 32(%rdx), %rbx
 movq %r10, 40(%rdx)
 movl $128, 8(%rdx)
 movl %esi, %edi
 movl $1073741824, %edx
 movl $47, %eax
 movq %r9, %rsi
 #APP
 syscall
 #NO_APP
 testl %eax, %eax
 js L0
 testq %r14, %r14
 je L1
 movl 8(%r9), %ecx
 cmpw $1, (%r14)
 movl $110, %edx
 movl $128, %esi
 cmovel %edx, %esi
 cmpl %ecx, %esi
 cmovael %ecx, %esi
 movl %esi, 128(%r14)
 movl $128, 8(%r9)
L1:
 movl $-1073741825, %ecx
 andl 48(%r9), %ecx
 movq 40(%r9), %rdx
 cmpq %rdx, %r10
 cmovbq %r10, %rdx
 testq %rdx, %rdx
 movq %rax, (%r8)
 movq %r9, 8(%r8)
 movq %rbx, 16(%r8)
 movq %rdx, 24(%r8)
 movq %r10, 32(%r8)
 movl %ecx, 40(%r8)
 sete 44(%r8)
 movl %ecx, 48(%r8)
 jmp L2
L0:
 negl %eax
 movl %eax, (%r8)
 movb $2, 44(%r8)
L2:
 movq %r8, %rax
 popq %rbx
 popq %r14
 retq

take: # 81 instructions
 pushq %r15
 pushq %r14
 pushq %r12
 pushq %rbx
 subq $24, %rsp
 movq %rsi, %r12
 movq %rdi, %r15
 movl 24(%rsi), %eax
 testb $8, %al
 jne L0
 movq (%r12), %r14
 movq 8(%r12), %rbx
 leaq -40(%rbx), %rcx
 cmpq $-20, %rcx
 jb L1
 cmpq $20, (%r14)
 jne L1
 movabsq $4294967297, %rcx
 cmpq %rcx, 8(%r14)
 jne L1
 movl 16(%r14), %ecx
 testl %ecx, %ecx
 js L1
 movl $-2147483648, 16(%r14)
 movb $1, 28(%r12)
 jmp L2
L0:
 movq (%r12), %r14
 movq 8(%r12), %rbx
L1:
 xorl %r8d, %r8d
 testb $8, %al
 sete %r8b
 movq 16(%r12), %rcx
 movq %rsp, %rdi
 movq %r14, %rsi
 movq %rbx, %rdx
 callq *_ZN5scmsg9ancillary17take_among_others@GOTPCREL(%rip)
 movb 20(%rsp), %al
 movl (%rsp), %ecx
 cmpb $4, %al
 jne L3
L2:
 movb $4, %al
 jmp L4
L3:
 movups 4(%rsp), %xmm0
 movups %xmm0, 4(%r15)
 movzwl 21(%rsp), %edx
 movw %dx, 21(%r15)
 movb 23(%rsp), %dl
 movb %dl, 23(%r15)
L4:
 movl %ecx, (%r15)
 movb %al, 20(%r15)
 cmpb $0, 28(%r12)
 jne L5
 cmpq $24, %rbx
 jae L6
 movq _ZN5scmsg9ancillary10close_only@GOTPCREL(%rip), %rax
 jmp L7
L6:
 movq _ZN5scmsg9ancillary10close_rest@GOTPCREL(%rip), %rax
L7:
 movq %r14, %rdi
 movq %rbx, %rsi
 callq *%rax
L5:
 movq %r15, %rax
 addq $24, %rsp
 popq %rbx
 popq %r12
 popq %r14
 popq %r15
 retq
L8:
 movq %rax, %r15
 cmpb $0, 28(%r12)
 jne L9
 cmpq $24, %rbx
 jae L10
 movq _ZN5scmsg9ancillary10close_only@GOTPCREL(%rip), %rax
 jmp L11
L10:
 movq _ZN5scmsg9ancillary10close_rest@GOTPCREL(%rip), %rax
L11:
 movq %r14, %rdi
 movq %rbx, %rsi
 callq *%rax
L9:
 movq %r15, %rdi
 callq _Unwind_Resume@PLT
L12:
 callq *_RNvNtCsgEmfK2I1SDS_4core9panicking16panic_in_cleanup@GOTPCREL(%rip)
