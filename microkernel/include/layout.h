/* SPDX-License-Identifier: MIT */
/*
 * Ring 0's address space: the image in the top 2 GiB (so that -mcmodel=kernel works)
 * and all RAM.  Ring 3's half is in abi/mk_abi.h.
 */
#ifndef MK_LAYOUT_H
#define MK_LAYOUT_H

#define MK_IMAGE 0xFFFFFFFF80000000
#define MK_IMAGE_MAX 0x200000
#define MK_DIRECT 0xFFFF800000000000
#define MK_DIRECT_MAX 0x0000400000000000 /* most RAM: addresses below 64 TiB */

#endif /* MK_LAYOUT_H */
