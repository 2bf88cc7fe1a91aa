# SPDX-License-Identifier: MIT
#
# Guests while root is short of memory and swaps: what their memory held goes out and comes back.
#
# cpus: 2
# driver: microv
# memory: 768M
# timeout: 170

. integration/lab/tap

# Compressed in memory: guests' pages are mostly zeros.
swap_on() {
	modprobe zram && echo 384M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0
}

ok "swap" swap_on
results build/load-swap
ok "swap off" swapoff /dev/zram0
ok "the kernel log is clean" kernel_is_well
finish
