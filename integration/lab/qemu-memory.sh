# SPDX-License-Identifier: MIT
#
# QEMU's guests with 3 GiB of anonymous memory, and with all of it touched before.
# (QEMU gives a guest a file's memory, or a memfd's, only
# with KVM_CAP_SYNC_MMU, which MicroV doesn't have yet. memory-scale.sh has such memory.)
#
# cpus: 2
# driver: microv
# memory: 6G
# prepare: tools/guest-image
# timeout: 900

. integration/lab/tap
. integration/lab/qemu

machine=q35,kernel-irqchip=off

# The guest's memory holds what it writes there: 400 MB in a file.
look='grep MemTotal /proc/meminfo; yes 0123456789abcde | head -c 400000000 >/sum; md5sum </sum'
sum=$(yes 0123456789abcde | head -c 400000000 | md5sum | cut -c 1-32)

# boots NAME OPTION...
boots() {
	boots_name=$1
	shift
	guest_start_tiny "$look" -cpu qemu64,-kvm -m 3G "$@"
	ok "$boots_name" guest_expect 240 'tiny guest: status 0'
	guest_age "$boots_name:"
	grep -aq "$sum" $guests/$guest/console
	report $? "$boots_name: the memory holds" "$(guest_tail)"
	grep -aEq 'MemTotal: +(29|30)[0-9]{5} kB' $guests/$guest/console
	report $? "$boots_name: 3 GiB" "$(grep -a MemTotal $guests/$guest/console)"
	ok "$boots_name: powers off" guest_end 60
	on_microv || return
	echo "# entries so far: $(cat /sys/module/microv_kvm/parameters/entries_2m) of 2 MiB," \
		"$(cat /sys/module/microv_kvm/parameters/entries_4k) of 4 KiB;" \
		"$(cat /sys/module/microv_kvm/parameters/hypercalls_map) hypercalls to map"
}

boots "anonymous" -machine $machine
boots "-mem-prealloc" -machine $machine -mem-prealloc
ok "the kernel log is clean" kernel_is_well
finish
