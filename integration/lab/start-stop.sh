# SPDX-License-Identifier: MIT
#
# MicroV comes and goes 100 times in one boot, 50 of them under load on all CPUs,
# without a leak or a warning, and Linux is as well afterwards as before.
#
# cpus: 2,4
# driver: none
# timeout: 400

. integration/lab/tap

CYCLES=100
# MemFree moves by itself; a page lost per cycle and CPU would be more than this.
MOST_KIB=$((4 * (CYCLES - 10)))

# cycles FROM TO: prints why one failed.
cycles() {
	cycle=$1
	while [ "$cycle" -le "$2" ]; do
		$mvctl start >/dev/null || { echo "start, cycle $cycle"; return 1; }
		$mvctl stop >/dev/null || { echo "stop, cycle $cycle"; return 1; }
		cycle=$((cycle + 1))
	done
}

# loaded_cycles FROM TO
loaded_cycles() {
	load_start
	ok "cycles $1 to $2 under load" cycles "$1" "$2"
	load_stop
}

loaded_cycles 1 10
after_10=$(free_kib)
loaded_cycles 11 50
ok "cycles 51 to $CYCLES" cycles 51 $CYCLES
after_all=$(free_kib)
lost=$((after_10 - after_all))
[ $lost -le $MOST_KIB ]
report $? "no memory is lost" "$lost KiB lost in $((CYCLES - 10)) cycles, at most $MOST_KIB"
echo "# MemFree after 10 cycles: $after_10 KiB, after $CYCLES: $after_all KiB"

gives 3 'not running' "nothing is left" $mvctl status
ok "no module is left" sh -c '! grep microv /proc/modules'
ok "clocks run" clocks_run
ok "all CPUs work" cpus_work
ok "the kernel log is clean" kernel_is_well
finish
