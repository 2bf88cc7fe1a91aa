# SPDX-License-Identifier: MIT
#
# QEMU's guests with 3 GiB of each kind of memory that QEMU has: anonymous, as it is touched or
# all of it touched before; a file's, a memfd's, and both of huge pages.
#
# cpus: 2
# driver: microv
# memory: 6G
# prepare: tools/guest-image
# timeout: 900

. integration/lab/tap
. integration/lab/qemu

machine=q35,kernel-irqchip=off

# What the guest's memory must hold, in a file.
text() {
	yes 0123456789abcde | head -c $bytes
}

# boots NAME OPTION...
boots() {
	boots_name=$1
	shift
	look="yes 0123456789abcde | head -c $bytes >/sum; md5sum </sum"
	sum=$(text | md5sum | cut -c 1-32)
	guest_start_tiny "grep MemTotal /proc/meminfo; $look" -cpu qemu64,-kvm -m 3G "$@"
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

# Huge pages are taken while memory is still in large pieces.
huge_pages() {
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/compact_memory
	echo $1 >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" -eq $1 ]
}

# backend NAME OBJECT: that object is the guest's memory.
backend() {
	boots "$1" -machine $machine,memory-backend=ram -object "$2,id=ram,size=3G"
}

# A guest that has touched little costs little.
small_guest() {
	guest_start_tiny 'echo guest-$((1+1)); sleep 600' -cpu qemu64,-kvm -m 3G -machine $machine
	ok "untouched: the guest runs" guest_expect 120 'guest-2'
	held=$(awk '/^VmRSS/ { print int($2 / 1024) }' /proc/$(guest_pid)/status)
	guest_kill
	echo "# QEMU with 3 GiB holds $held MiB"
	[ "${held:-9999}" -lt 1000 ]
	report $? "untouched: QEMU holds less than 1000 MiB" "$held MiB"
}

# Each page of a file's memory costs a fault: less of it will do.
bytes=80000000
ok "huge pages" huge_pages 1540
mkdir -p /huge /shm
ok "hugetlbfs" mount -t hugetlbfs none /huge
backend "memfd of huge pages" memory-backend-memfd,hugetlb=on,hugetlbsize=2M
boots "-mem-path on hugetlbfs" -machine $machine -mem-path /huge
ok "huge pages given back" huge_pages 0
backend "memfd" memory-backend-memfd
ok "tmpfs" mount -t tmpfs -o size=4G none /shm
backend "a file" memory-backend-file,mem-path=/shm/ram,share=on
umount /shm

bytes=400000000
small_guest
boots "anonymous" -machine $machine
boots "-mem-prealloc" -machine $machine -mem-prealloc
ok "the kernel log is clean" kernel_is_well
finish
