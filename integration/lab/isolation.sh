# SPDX-License-Identifier: MIT
#
# Root reads and writes the hypervisor's memory while /dev/kvm is there: nothing
# happens, and guests run as before.
#
# cpus: 2
# driver: none
# kasan: yes
# timeout: 180

. integration/lab/tap

ok "start" $mvctl start
before=$(build/demo 2>&1)
report $? "a guest runs" "$before"

results build/hypercall-tests/isolation
after=$(build/demo 2>&1)
report $? "a guest runs afterwards" "$after"
[ "$before" = "$after" ]
report $? "and prints the same" "$after"
gives 0 'is running' "MicroV runs" $mvctl status
ok "the kernel log is clean" kernel_is_well
ok "stop" $mvctl stop
finish
