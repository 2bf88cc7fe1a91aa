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
	results build/kvm-tests/$program
	gives 0 'flags 1|^1\.\.14' "with the stable bit" cat /tmp/results.tap
done
gives 0 tsc "the clock source is the TSC" cat $clocksource
finish
