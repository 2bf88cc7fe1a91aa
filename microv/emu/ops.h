/* SPDX-License-Identifier: MIT */
/*
 * The table of instructions that are emulated: X(Zydis's mnemonic, run, compute, arg).
 * String instructions stand in STRING_OPS: Zydis calls two SSE instructions as two of them.
 */
#ifndef EMU_OPS_H
#define EMU_OPS_H

/* Conditions in the encoding of the opcodes. */
#define CONDITIONS(X, prefix, run)                                                                 \
	X(prefix##O, run, NULL, 0) X(prefix##NO, run, NULL, 1)                                     \
	X(prefix##B, run, NULL, 2) X(prefix##NB, run, NULL, 3)                                     \
	X(prefix##Z, run, NULL, 4) X(prefix##NZ, run, NULL, 5)                                     \
	X(prefix##BE, run, NULL, 6) X(prefix##NBE, run, NULL, 7)                                   \
	X(prefix##S, run, NULL, 8) X(prefix##NS, run, NULL, 9)                                     \
	X(prefix##P, run, NULL, 10) X(prefix##NP, run, NULL, 11)                                   \
	X(prefix##L, run, NULL, 12) X(prefix##NL, run, NULL, 13)                                   \
	X(prefix##LE, run, NULL, 14) X(prefix##NLE, run, NULL, 15)

#define ALU_OPS(X)                                                                                 \
	X(ADD, run_binary, compute_add, 0)                                                         \
	X(ADC, run_binary, compute_adc, 0)                                                         \
	X(SUB, run_binary, compute_sub, 0)                                                         \
	X(SBB, run_binary, compute_sbb, 0)                                                         \
	X(AND, run_binary, compute_and, 0)                                                         \
	X(OR, run_binary, compute_or, 0)                                                           \
	X(XOR, run_binary, compute_xor, 0)                                                         \
	X(CMP, run_compare, compute_sub, 0)                                                        \
	X(TEST, run_compare, compute_and, 0)                                                       \
	X(INC, run_unary, compute_inc, 0)                                                          \
	X(DEC, run_unary, compute_dec, 0)                                                          \
	X(NEG, run_unary, compute_neg, 0)                                                          \
	X(NOT, run_unary, compute_not, 0)                                                          \
	X(XCHG, run_xchg, NULL, 0)                                                                 \
	X(XADD, run_xadd, NULL, 0)                                                                 \
	X(CMPXCHG, run_cmpxchg, NULL, 0)                                                           \
	X(CMPXCHG8B, run_cmpxchg_pair, NULL, 4)                                                    \
	X(CMPXCHG16B, run_cmpxchg_pair, NULL, 8)                                                   \
	X(MUL, run_mul, NULL, 0)                                                                   \
	X(IMUL, run_imul, NULL, 0)                                                                 \
	X(DIV, run_div, NULL, 0)                                                                   \
	X(IDIV, run_idiv, NULL, 0)                                                                 \
	X(MULX, run_mulx, NULL, 0)                                                                 \
	X(ADCX, run_carry_add, NULL, FLAG_CF)                                                      \
	X(ADOX, run_carry_add, NULL, FLAG_OF)

#define BIT_OPS(X)                                                                                 \
	X(SHL, run_binary, compute_shl, 0)                                                         \
	X(SHR, run_binary, compute_shr, 0)                                                         \
	X(SAR, run_binary, compute_sar, 0)                                                         \
	X(ROL, run_binary, compute_rol, 0)                                                         \
	X(ROR, run_binary, compute_ror, 0)                                                         \
	X(RCL, run_binary, compute_rcl, 0)                                                         \
	X(RCR, run_binary, compute_rcr, 0)                                                         \
	X(SHLD, run_double_shift, NULL, 0)                                                         \
	X(SHRD, run_double_shift, NULL, 1)                                                         \
	X(SHLX, run_shift_vex, compute_shl, 0)                                                     \
	X(SHRX, run_shift_vex, compute_shr, 0)                                                     \
	X(SARX, run_shift_vex, compute_sar, 0)                                                     \
	X(RORX, run_shift_vex, compute_ror, 0)                                                     \
	X(BT, run_bit, compute_bt, 0)                                                              \
	X(BTS, run_bit, compute_bts, 1)                                                            \
	X(BTR, run_bit, compute_btr, 1)                                                            \
	X(BTC, run_bit, compute_btc, 1)                                                            \
	X(BSF, run_bit_scan, NULL, 0)                                                              \
	X(BSR, run_bit_scan, NULL, 1)                                                              \
	X(POPCNT, run_source, compute_popcnt, 0)                                                   \
	X(LZCNT, run_source, compute_lzcnt, 0)                                                     \
	X(TZCNT, run_source, compute_tzcnt, 0)                                                     \
	X(BLSI, run_source, compute_blsi, 0)                                                       \
	X(BLSR, run_source, compute_blsr, 0)                                                       \
	X(BLSMSK, run_source, compute_blsmsk, 0)                                                   \
	X(ANDN, run_vex3, compute_andn, 0)                                                         \
	X(BEXTR, run_vex3, compute_bextr, 0)                                                       \
	X(BZHI, run_vex3, compute_bzhi, 0)                                                         \
	X(PDEP, run_vex3, compute_pdep, 0)                                                         \
	X(PEXT, run_vex3, compute_pext, 0)                                                         \
	X(CRC32, run_crc32, NULL, 0)

#define MOVE_OPS(X)                                                                                \
	X(MOV, run_mov, NULL, 0)                                                                   \
	X(MOVNTI, run_mov, NULL, 0)                                                                \
	X(MOVZX, run_mov, NULL, 0)                                                                 \
	X(MOVSX, run_movsx, NULL, 0)                                                               \
	X(MOVSXD, run_movsx, NULL, 0)                                                              \
	X(MOVBE, run_movbe, NULL, 0)                                                               \
	X(XLAT, run_xlat, NULL, 0)                                                                 \
	X(UD0, run_undefined, NULL, 0) X(UD1, run_undefined, NULL, 0)                              \
	X(UD2, run_undefined, NULL, 0)                                                             \
	X(NOP, run_nothing, NULL, 0)                                                               \
	X(PREFETCH, run_nothing, NULL, 0)                                                          \
	X(PREFETCHW, run_nothing, NULL, 0)                                                         \
	X(PREFETCHNTA, run_nothing, NULL, 0)                                                       \
	X(PREFETCHT0, run_nothing, NULL, 0)                                                        \
	X(PREFETCHT1, run_nothing, NULL, 0)                                                        \
	X(PREFETCHT2, run_nothing, NULL, 0)                                                        \
	X(CLFLUSH, run_nothing, NULL, 0)                                                           \
	X(CLFLUSHOPT, run_nothing, NULL, 0)                                                        \
	X(CLWB, run_nothing, NULL, 0)                                                              \
	X(LDS, run_load_far, NULL, MK_DS)                                                          \
	X(LES, run_load_far, NULL, MK_ES)                                                          \
	X(LFS, run_load_far, NULL, MK_FS)                                                          \
	X(LGS, run_load_far, NULL, MK_GS)                                                          \
	X(LSS, run_load_far, NULL, MK_SS)

#define SYSTEM_OPS(X)                                                                              \
	X(SMSW, run_smsw, NULL, 0)                                                                 \
	X(LMSW, run_lmsw, NULL, 0)                                                                 \
	X(CLTS, run_clts, NULL, 0)                                                                 \
	X(SLDT, run_store_selector, NULL, MK_LDTR)                                                 \
	X(STR, run_store_selector, NULL, MK_TR)                                                    \
	X(SGDT, run_store_table, NULL, 0)                                                          \
	X(SIDT, run_store_table, NULL, 1)                                                          \
	X(LGDT, run_load_table, NULL, 0)                                                           \
	X(LIDT, run_load_table, NULL, 1)

#define STACK_OPS(X)                                                                               \
	X(PUSH, run_push, NULL, 0)                                                                 \
	X(POP, run_pop, NULL, 0)                                                                   \
	X(PUSHA, run_pusha, NULL, 0)                                                               \
	X(PUSHAD, run_pusha, NULL, 0)                                                              \
	X(POPA, run_popa, NULL, 0)                                                                 \
	X(POPAD, run_popa, NULL, 0)                                                                \
	X(PUSHF, run_pushf, NULL, 0)                                                               \
	X(PUSHFD, run_pushf, NULL, 0)                                                              \
	X(PUSHFQ, run_pushf, NULL, 0)                                                              \
	X(POPF, run_popf, NULL, 0)                                                                 \
	X(POPFD, run_popf, NULL, 0)                                                                \
	X(POPFQ, run_popf, NULL, 0)                                                                \
	X(ENTER, run_enter, NULL, 0)                                                               \
	X(LEAVE, run_leave_frame, NULL, 0)                                                               \
	X(CALL, run_call, NULL, 0)                                                                 \
	X(JMP, run_jmp, NULL, 0)                                                                   \
	X(RET, run_ret, NULL, 0)

#define VECTOR_OPS(X)                                                                              \
	X(MOVAPS, run_vector_mov, NULL, ALIGN_GP) X(VMOVAPS, run_vector_mov, NULL, ALIGN_GP)       \
	X(MOVAPD, run_vector_mov, NULL, ALIGN_GP) X(VMOVAPD, run_vector_mov, NULL, ALIGN_GP)       \
	X(MOVDQA, run_vector_mov, NULL, ALIGN_GP) X(VMOVDQA, run_vector_mov, NULL, ALIGN_GP)       \
	X(MOVNTPS, run_vector_mov, NULL, ALIGN_GP) X(VMOVNTPS, run_vector_mov, NULL, ALIGN_GP)     \
	X(MOVNTPD, run_vector_mov, NULL, ALIGN_GP) X(VMOVNTPD, run_vector_mov, NULL, ALIGN_GP)     \
	X(MOVNTDQ, run_vector_mov, NULL, ALIGN_GP) X(VMOVNTDQ, run_vector_mov, NULL, ALIGN_GP)     \
	X(MOVNTDQA, run_vector_mov, NULL, ALIGN_GP) X(VMOVNTDQA, run_vector_mov, NULL, ALIGN_GP)   \
	X(MOVUPS, run_vector_mov, NULL, ALIGN_AC) X(VMOVUPS, run_vector_mov, NULL, ALIGN_AC)       \
	X(MOVUPD, run_vector_mov, NULL, ALIGN_AC) X(VMOVUPD, run_vector_mov, NULL, ALIGN_AC)       \
	X(MOVDQU, run_vector_mov, NULL, ALIGN_AC) X(VMOVDQU, run_vector_mov, NULL, ALIGN_AC)       \
	X(LDDQU, run_vector_mov, NULL, ALIGN_AC) X(VLDDQU, run_vector_mov, NULL, ALIGN_AC)         \
	X(MOVD, run_vector_low, NULL, 0) X(VMOVD, run_vector_low, NULL, 0)                         \
	X(MOVQ, run_vector_low, NULL, 0) X(VMOVQ, run_vector_low, NULL, 0)                         \
	X(MOVSS, run_vector_low, NULL, 0) X(VMOVSS, run_vector_low, NULL, 0)                       \
	X(MOVSD, run_vector_low, NULL, 0) X(VMOVSD, run_vector_low, NULL, 0)                       \
	X(MOVNTQ, run_vector_low, NULL, 0)                                                         \
	X(VBROADCASTSS, run_vector_broadcast, NULL, 0)                                             \
	X(VBROADCASTSD, run_vector_broadcast, NULL, 0)                                             \
	X(VBROADCASTF128, run_vector_broadcast, NULL, 0)                                           \
	X(VBROADCASTI128, run_vector_broadcast, NULL, 0)                                           \
	X(VPBROADCASTB, run_vector_broadcast, NULL, 0)                                             \
	X(VPBROADCASTW, run_vector_broadcast, NULL, 0)                                             \
	X(VPBROADCASTD, run_vector_broadcast, NULL, 0)                                             \
	X(VPBROADCASTQ, run_vector_broadcast, NULL, 0)                                             \
	X(MOVLPS, run_vector_half, NULL, 0) X(VMOVLPS, run_vector_half, NULL, 0)                   \
	X(MOVLPD, run_vector_half, NULL, 0) X(VMOVLPD, run_vector_half, NULL, 0)                   \
	X(MOVHPS, run_vector_half, NULL, 8) X(VMOVHPS, run_vector_half, NULL, 8)                   \
	X(MOVHPD, run_vector_half, NULL, 8) X(VMOVHPD, run_vector_half, NULL, 8)

#define EMU_OPS(X)                                                                                 \
	ALU_OPS(X) BIT_OPS(X) MOVE_OPS(X) SYSTEM_OPS(X) STACK_OPS(X) VECTOR_OPS(X)                 \
	CONDITIONS(X, SET, run_set) CONDITIONS(X, CMOV, run_cmov)

#define STRING_OPS(X)                                                                              \
	X(MOVSB, run_movs, NULL, 0) X(MOVSW, run_movs, NULL, 0)                                    \
	X(MOVSD, run_movs, NULL, 0) X(MOVSQ, run_movs, NULL, 0)                                    \
	X(STOSB, run_stos, NULL, 0) X(STOSW, run_stos, NULL, 0)                                    \
	X(STOSD, run_stos, NULL, 0) X(STOSQ, run_stos, NULL, 0)                                    \
	X(LODSB, run_lods, NULL, 0) X(LODSW, run_lods, NULL, 0)                                    \
	X(LODSD, run_lods, NULL, 0) X(LODSQ, run_lods, NULL, 0)                                    \
	X(SCASB, run_scas, NULL, 0) X(SCASW, run_scas, NULL, 0)                                    \
	X(SCASD, run_scas, NULL, 0) X(SCASQ, run_scas, NULL, 0)                                    \
	X(CMPSB, run_cmps, NULL, 0) X(CMPSW, run_cmps, NULL, 0)                                    \
	X(CMPSD, run_cmps, NULL, 0) X(CMPSQ, run_cmps, NULL, 0)                                    \
	X(INSB, run_ins, NULL, 0) X(INSW, run_ins, NULL, 0) X(INSD, run_ins, NULL, 0)              \
	X(OUTSB, run_outs, NULL, 0) X(OUTSW, run_outs, NULL, 0) X(OUTSD, run_outs, NULL, 0)

#endif
