# SPDX-License-Identifier: MIT
#
# MicroV faults in ring 3, or never ends, on an image that does so on demand: what it
# served is lost, the rest goes on, and the log says where it was.
#
# cpus: 3
# driver: none
# kasan: yes
# timeout: 180

. integration/lab/tap

leave_cpu_0
tree_with build/microv-crash.elf build/modules
ok "start with the image that faults" $mvctl start
results build/crash-guest

$mvctl log >"$LAB_OUT/log"
logged() {
	gives 0 "$1" "$2" cat "$LAB_OUT/log"
}
logged 'MicroV: exception 14 .* on CPU [12], serving VS' "the log tells of page faults"
logged 'MicroV: exception 0 .* on CPU [12], serving VS' "and of divisions"
logged 'MicroV: exception 2 .* on CPU [12], serving VS' "and of the loop"
logged '^  rip 0x4[0-9a-f]+ \((divide|crash_on)\+0x[0-9a-f]+\) rsp 0x' "where it was"
logged '^  rip 0x4[0-9a-f]+ \((loop|crash_on)\+0x[0-9a-f]+\) rsp 0x' "in the loop, too"
logged '^  rax 0x.* rbx 0x' "with registers"
logged '^  at 0x4[0-9a-f]+ \(hc_vs_run\+0x[0-9a-f]+\)' "and how it came there"
demo=$(build/demo 2>&1)
report $? "new guests run" "$demo"
ok "CPUs and timers work" cpus_work
ok "the kernel log is clean" kernel_is_well
ok "stop" $mvctl stop
finish
