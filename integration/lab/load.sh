# SPDX-License-Identifier: MIT
#
# Load: 64 VMs at once for a minute, 1,000 one after the other, as many vCPUs as one VM may
# have; a guest boots while modules come and go and somebody tries to stop MicroV. Figures are
# printed, nothing is lost: no exit, no word of a guest's memory, no memory of the host's.
#
# cpus: 2
# driver: microv
# prepare: tools/guest-image
# timeout: 300

. integration/lab/tap
. integration/lab/qemu

# No leak: a page for each VM would be more.
MOST_KIB=3000

load() {
	results build/load-load "$@"
	lost=$((before - $(free_kib)))
	echo "# $*: $lost KiB fewer are free than before"
	[ $lost -lt $MOST_KIB ]
	report $? "$1: no memory is lost" "$lost KiB"
}

# Modules come and go, and MicroV is asked to stop, until the file is there; counts both.
module_loop() {
	n=0
	while [ ! -e /tmp/booted ]; do
		modprobe $module && rmmod $module || break
		n=$((n + 1))
	done
	echo $n >/tmp/modules
}

stop_loop() {
	n=0
	while [ ! -e /tmp/booted ]; do
		$mvctl stop >/tmp/stop 2>&1
		[ $? -eq 5 ] || { n="not refused: $(cat /tmp/stop)"; break; }
		n=$((n + 1))
	done
	echo "$n" >/tmp/stops
}

boot_meanwhile() {
	guest_start_tiny 'dd if=/dev/zero bs=1M count=64 | md5sum; sleep 600' -cpu qemu64,-kvm \
		-machine q35,kernel-irqchip=off
	until [ "$($mvctl status | awk '/VMs/ { print $2 }')" = 1 ]; do
		sleep 0.1
	done
	module_loop &
	modules=$!
	stop_loop &
	stops=$!
	ok "boot: the guest is up, and computes" guest_expect 120 7f614da9329cd3aebf59b91aadc30bf0
	guest_age "boot:"
	touch /tmp/booted
	wait $modules $stops
	guest_kill
	echo "# meanwhile $(cat /tmp/modules) modules came and went, $(cat /tmp/stops) stops were refused"
	[ "$(cat /tmp/modules)" -gt 5 ]
	report $? "boot: modules come and go" "$(cat /tmp/modules)"
	[ "$(cat /tmp/stops)" -gt 5 ]
	report $? "boot: stop is refused" "$(cat /tmp/stops)"
}

# What the first VM leaves for good isn't counted.
build/load-load sequence 10 >/dev/null
before=$(free_kib)
load vms 64 16 60
load sequence 1000
load vcpus 240
boot_meanwhile
gives 0 'VMs +0' "no VM is left" $mvctl status
ok "all CPUs work" cpus_work
ok "the kernel log is clean" kernel_is_well
finish
