# SPDX-License-Identifier: MIT
#
# Root reads and writes the hypervisor's memory while /dev/kvm is there: nothing
# happens, and guests run as before.
#
# cpus: 2
# driver: none
# timeout: 180

. integration/lab/tap

ok "start" $mvctl start
before=$(build/demo 2>&1)
report $? "a guest runs" "$before"

# The results of the program, test by test.
build/hypercall-tests/isolation >/tmp/isolation.tap 2>&1
status=$?
while read -r line; do
	case $line in
	'ok '*) report 0 "${line#ok * - }" ;;
	'not ok '*) report 1 "${line#not ok * - }" "$said" ;;
	'#'*) said=${line#?} ;;
	esac
done </tmp/isolation.tap
report $status "the isolation tests end well" "status $status: $(tail -n 3 /tmp/isolation.tap)"

after=$(build/demo 2>&1)
report $? "a guest runs afterwards" "$after"
[ "$before" = "$after" ]
report $? "and prints the same" "$after"
gives 0 'is running' "MicroV runs" $mvctl status
ok "the kernel log is clean" kernel_is_well
ok "stop" $mvctl stop
finish
