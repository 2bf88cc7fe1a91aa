/* SPDX-License-Identifier: MIT */
/*
 * The root VM's own view of memory: hiding pages of the hypervisor and showing them again.
 */
#ifndef MK_ROOT_SPACE_H
#define MK_ROOT_SPACE_H

#include "lib.h"

/* Whether nested tables may have 1 GiB leaves; before anything else. */
void root_space_set_levels(bool has_1g);
int root_space_max_level(void);

/* Puts the all-ones page in the place of each page. -ENOMEM: nothing is changed. The caller
 * opens an epoch. */
int root_space_hide(spa_t spa, u64 bytes);

/* Wipes a page of the hypervisor and gives it to root. The caller opens an epoch. */
void root_space_show(spa_t page);

#endif /* MK_ROOT_SPACE_H */
