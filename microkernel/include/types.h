/* SPDX-License-Identifier: MIT */
/*
 * Integer types, the address types and small helpers of the microkernel.  spa_t and
 * gpa_t are distinct types on purpose: mixing them is the bug of this field.
 */
#ifndef MK_TYPES_H
#define MK_TYPES_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ULL << (n))
#endif

/* A system-physical address: what the memory bus sees. */
typedef struct {
	u64 v;
} spa_t;

/* A guest-physical address: what a VM takes for physical. In the root VM gpa == spa. */
typedef struct {
	u64 v;
} gpa_t;

#define SPA(x) ((spa_t){ (x) })
#define GPA(x) ((gpa_t){ (x) })
#define SPA_NONE SPA(~0ULL)

#define PAGE_4K 0x1000ULL
#define PAGE_2M 0x200000ULL
#define PAGE_1G 0x40000000ULL

static inline bool is_aligned(u64 x, u64 to)
{
	return (x & (to - 1)) == 0;
}

static inline u64 align_down(u64 x, u64 to)
{
	return x & ~(to - 1);
}

static inline u64 align_up(u64 x, u64 to)
{
	return align_down(x + to - 1, to);
}

#endif /* MK_TYPES_H */
