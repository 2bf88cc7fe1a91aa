# SPDX-License-Identifier: MIT
#
# Users and guests that mean harm. After each of them root lives, its kernel log is clean, all
# memory is back, no VM is left, and a fresh QEMU guest boots.
#
# cpus: 2
# driver: microv
# timeout: 420
# kasan: yes

. integration/lab/tap
. integration/lab/qemu

# A kernel that looks for faults finds them in shorter parts, too; it takes its time for the rest.
case $(uname -r) in
*-kasan) export HOSTILE_SECONDS="${HOSTILE_SECONDS:-5}" ;;
esac

SLACK=4096 # KiB that Linux itself keeps: caches of what the programs have used

vms_left() {
	$mvctl status | awk '$1 == "VMs" && $2 != 0 { exit 1 }'
}

memory_is_back() {
	now=$(free_kib)
	echo "$((before - now)) KiB less than before"
	[ $((before - now)) -lt $SLACK ]
}

well_after() {
	ok "after $1 no VM is left" vms_left
	ok "after $1 memory is back" memory_is_back
	ok "after $1 the kernel log is clean" kernel_is_well
}

# Once before it counts: what the first use of anything keeps is no leak.
HOSTILE_SECONDS=2 build/hostile/storm >/dev/null
HOSTILE_SECONDS=2 build/hostile/rewrite >/dev/null
before=$(free_kib)

for program in guests rewrite storm; do
	results build/hostile/$program
	well_after $program
done
guest_start_tiny 'seq 1 1000 | md5sum' -machine q35,kernel-irqchip=off
ok "a fresh QEMU guest boots" guest_expect 120 'tiny guest: status 0'
ok "and powers off" guest_end 30
ok "the kernel log is clean" kernel_is_well
finish
