# SPDX-License-Identifier: MIT
#
# The tracepoints that perf and trace-cmd users know from KVM: the same lines come on both
# drivers when the same guests run.
#
# cpus: 2
# driver: kvm_amd,microv
# timeout: 180

. integration/lab/tap

tracing=/sys/kernel/tracing
events=$tracing/events/kvm
names="kvm_entry kvm_exit kvm_pio kvm_mmio kvm_msr kvm_inj_virq kvm_userspace_exit"

switch() {
	for name in $names kvm_inj_exception; do
		echo $1 >$events/$name/enable || return 1
	done
}

# program NAME: a KVM API test, traced.
program() {
	echo >$tracing/trace
	switch 1 || return 1
	build/kvm-hold build/kvm-tests/$1 >/tmp/said
	program_status=$?
	switch 0
	grep '^not ok' /tmp/said
	cat $tracing/trace >/tmp/trace
	return $program_status
}

# line PATTERN: it was traced. Blanks at the end don't count.
line() {
	ok "$1" grep -Eq "$1 *\$" /tmp/trace
}

field() {
	grep -Eq "field:$2;" $events/$1/format
}

ok "tracefs" mount -t tracefs none $tracing
echo 20000 >$tracing/buffer_size_kb
for name in $names; do
	ok "$name is there" test -e $events/$name/enable
done
ok "fields of kvm_exit" field kvm_exit 'unsigned int exit_reason'
ok "fields of kvm_exit: RIP" field kvm_exit 'unsigned long guest_rip'
ok "fields of kvm_pio" field kvm_pio 'unsigned int port'
ok "fields of kvm_mmio" field kvm_mmio 'u64 gpa'
ok "fields of kvm_msr" field kvm_msr 'u32 ecx'

ok "ports" program io
line 'kvm_entry: vcpu 0, rip 0x1000'
line 'kvm_exit: vcpu 0 reason io rip 0x[0-9a-f]+ info1 0x[0-9a-f]{12}.* info2 0x.*'
line 'kvm_exit: vcpu 0 reason hlt rip 0x.*'
line 'kvm_pio: pio_write at 0x10 size 1 count 1 val 0x44'
line 'kvm_pio: pio_write at 0x1234 size 4 count 1 val 0x11223344'
line 'kvm_pio: pio_read at 0xfffc size 4 count 1 val 0x.*'
line 'kvm_userspace_exit: reason KVM_EXIT_IO \(2\)'
line 'kvm_userspace_exit: reason KVM_EXIT_HLT \(5\)'

ok "devices" program mmio
line 'kvm_exit: vcpu 0 reason npf rip 0x.*'
line 'kvm_mmio: mmio write len 4 gpa 0xd[0-9a-f]+ val 0x.*'
line 'kvm_mmio: mmio unsatisfied-read len 4 gpa 0xd[0-9a-f]+ val 0x0'
line 'kvm_mmio: mmio read len 4 gpa 0xd[0-9a-f]+ val 0x.*'
line 'kvm_userspace_exit: reason KVM_EXIT_MMIO \(6\)'

ok "interrupts" program interrupt
line 'kvm_inj_virq: IRQ 0x[0-9a-f]+ \[reinjected\]'
line 'kvm_exit: vcpu 0 reason vintr rip 0x.*'
line 'kvm_userspace_exit: reason KVM_EXIT_IRQ_WINDOW_OPEN \(7\)'

ok "MSRs that are refused" program msr_exit
line 'kvm_exit: vcpu 0 reason msr rip 0x.*'
line 'kvm_msr: msr_read 277 = 0x0 \(#GP\)'
line 'kvm_msr: msr_write 277 = 0x2 \(#GP\)'
line 'kvm_msr: msr_write c0000084 = 0x0 \(#GP\)'
# What user space answered: KVM leaves it at kvm_userspace_exit.
if [ ! -d /sys/module/kvm_amd ]; then
	line 'kvm_msr: msr_read 474f4f00 = 0x1122334455667788'
	line 'kvm_msr: msr_read 474f4f00 = 0x0 \(#GP\)'
	line 'kvm_msr: msr_write 474f4f00 = 0x1122334455667788'
	line 'kvm_msr: msr_write 474f4f00 = 0x5 \(#GP\)'
	line 'kvm_msr: msr_read c0000101 = 0x77' # sent there by a filter
	line 'kvm_msr: msr_write c0000101 = 0x88'
fi
ok "the kernel log is clean" kernel_is_well
finish
