# SPDX-License-Identifier: MIT
#
# The tests of clocks again on one CPU: only there does Linux go by the TSC of the emulated
# machine, so that kvmclock is stable and comes with the host's time.
#
# cpus: 1
# driver: kvm_amd,microv
# timeout: 120

. integration/lab/tap

clocksource=/sys/devices/system/clocksource/clocksource0/current_clocksource

for program in clock kvmclock; do
	build/kvm-tests/$program >/tmp/clock.tap 2>&1
	status=$?
	while read -r line; do
		case $line in
		'ok '*) report 0 "${line#ok * - }" ;;
		'not ok '*) report 1 "${line#not ok * - }" "$(grep '^#' /tmp/clock.tap | tail -n 3)" ;;
		esac
	done </tmp/clock.tap
	report $status "$program ends well" "status $status: $(tail -n 3 /tmp/clock.tap)"
	gives 0 'flags 1|^1\.\.14' "with the stable bit" cat /tmp/clock.tap
done
gives 0 tsc "the clock source is the TSC" cat $clocksource
finish
