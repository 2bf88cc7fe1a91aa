# SPDX-License-Identifier: MIT
#
# Guests of 3 GiB in memory of each kind: it is all there, and what it costs is printed, on
# both drivers: time and ticks for each page, hypercalls, and how many nested entries of
# which size. (On microv the entries that were made, on kvm_amd those that there are. Where each
# page costs a fault, which the emulated machine is slow at, there are 512 MiB: always on kvm_amd,
# on microv with pages of 4 KiB that weren't there before.)
#
# cpus: 2
# driver: kvm_amd,microv
# memory: 6G
# timeout: 900

. integration/lab/tap

few=512
mib=3072
[ ! -d /sys/module/kvm_amd ] || mib=$few

# scale KIND [MIB]: its figures are remarks.
scale() {
	build/memory-scale "$@" >/tmp/scale 2>&1
	status=$?
	grep '^#' /tmp/scale
	report $status "memory: $*" "$(grep -v '^#' /tmp/scale | tail -n 5)"
}

# Huge pages are taken while memory is still in large pieces.
huge_pages() {
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/compact_memory
	echo $1 >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" -eq $1 ]
}

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
ok "huge pages" huge_pages $((mib / 2))
scale hugetlb $mib
scale hugetlb-there $mib
scale memfd-hugetlb $mib
ok "huge pages given back" huge_pages 0
for kind in thp thp-there populate; do
	scale $kind $mib
done
for kind in anon memfd; do
	scale $kind $few
done
scale slots
ok "the kernel log is clean" kernel_is_well
finish
