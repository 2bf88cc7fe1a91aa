# SPDX-License-Identifier: MIT
#
# A guest kernel given with -kernel, on both machine types and every CPU model that
# people use. Stock KVM manages one of the models with the interrupt controllers in QEMU.
#
# cpus: 2
# driver: kvm_amd,microv
# timeout: 600

. integration/lab/tap
. integration/lab/qemu

# It computes, reads its clock source and its CPU's name, and powers off.
look='cat /sys/devices/system/clocksource/clocksource0/current_clocksource; grep -m1 model.name /proc/cpuinfo; seq 1 20000 | md5sum'

# boots NAME OPTION...
boots() {
	boots_name=$1
	shift
	guest_start_tiny "$look" "$@"
	ok "$boots_name" guest_expect 120 'tiny guest: status 0'
	printf '%s\n' "$(tr -d '\r' <$guests/$guest/console | grep -a -B 4 'status 0')" | sed 's/^/# /'
	ok "$boots_name powers off" guest_end 30
}

boots "q35" -machine q35,kernel-irqchip=off -cpu qemu64,-kvm
boots "pc" -machine pc,kernel-irqchip=off -cpu qemu64,-kvm
if on_microv; then
	boots "the default model" -machine q35,kernel-irqchip=off
	boots "-cpu host" -machine q35,kernel-irqchip=off -cpu host
	boots "-cpu max" -machine pc,kernel-irqchip=off -cpu max
fi
finish
