# SPDX-License-Identifier: MIT
#
# MicroV faults in ring 3, on an image that does so on demand: what it served is
# lost, the rest goes on, and the log says where it was.
#
# cpus: 2
# driver: none
# kasan: yes
# timeout: 180

. integration/lab/tap

tree=/tmp/crash-tree
mkdir -p $tree
cp -r build/mvctl build/microkernel.elf build/modules $tree/
cp build/microv-crash.elf $tree/microv.elf
mvctl=$tree/mvctl

ok "start with the image that faults" $mvctl start
build/crash-guest >/tmp/crash.tap 2>&1
status=$?
while read -r line; do
	case $line in
	'ok '*) report 0 "${line#ok * - }" ;;
	'not ok '*) report 1 "${line#not ok * - }" "$(grep '^#' /tmp/crash.tap | tail -n 3)" ;;
	esac
done </tmp/crash.tap
report $status "the program ends well" "status $status: $(tail -n 3 /tmp/crash.tap)"

gives 0 'MicroV: exception 14 .* on CPU [01], serving VS' "the log tells of page faults" $mvctl log
gives 0 'MicroV: exception 0 .* on CPU [01], serving VS' "and of divisions" $mvctl log
gives 0 '  rip 0x[4-9a-f]' "with registers" $mvctl log
demo=$(build/demo 2>&1)
report $? "new guests run" "$demo"
ok "CPUs and timers work" cpus_work
ok "the kernel log is clean" kernel_is_well
ok "stop" $mvctl stop
finish
