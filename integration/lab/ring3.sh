# SPDX-License-Identifier: MIT
#
# A MicroV that attacks ring 0 from ring 3: instructions, ports, memory, system calls. Each
# attack faults or is refused, and Linux, other guests and ring 0 go on.
#
# cpus: 3
# driver: none
# kasan: yes
# timeout: 180

. integration/lab/tap

leave_cpu_0
tree_with build/microv-attack.elf build/modules
ok "start with the hostile image" $mvctl start
before=$(free_kib)
results build/ring3-attack
gives 0 'MicroV: exception (13|14|6) .* on CPU [0-2], serving VS' "the log tells of faults" $mvctl log
! $mvctl log | grep -q 'microkernel: exception'
report $? "none of them in ring 0" "$($mvctl log | grep -A 4 'microkernel: exception')"
demo=$(build/demo 2>&1)
report $? "guests run" "$demo"
gives 0 "CPUs +$(cpus) " "MicroV runs on all CPUs still" $mvctl status
lost=$((before - $(free_kib)))
[ $lost -lt 2000 ]
report $? "no memory is lost" "$lost KiB"
ok "CPUs and timers work" cpus_work
ok "the kernel log is clean" kernel_is_well
ok "stop" $mvctl stop
finish
