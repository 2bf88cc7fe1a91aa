# SPDX-License-Identifier: MIT
#
# MicroV comes and goes 100 times in one boot, 50 of them under load on all CPUs,
# without a leak or a warning, and Linux is as well afterwards as before.
#
# cpus: 2,4
# driver: none
# kasan: yes
# timeout: 400

. integration/lab/tap

CYCLES=100
# A page lost in each cycle without load; what moves by itself is a third of that.
MOST_KIB=$((4 * (CYCLES - 50)))
# With KASAN the slabs move by a megabyte or two; 160 cycles with 4 CPUs lost nothing beyond that.
! grep -q ' kasan_report$' /proc/kallsyms || MOST_KIB=$((16 * MOST_KIB))

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

loaded_cycles 1 50
after_50=$(free_kib)
ok "cycles 51 to $CYCLES" cycles 51 $CYCLES
after_all=$(free_kib)
lost=$((after_50 - after_all))
[ $lost -lt $MOST_KIB ]
report $? "no memory is lost" "$lost KiB lost in $((CYCLES - 50)) cycles, must be less than $MOST_KIB"
echo "# free after 50 cycles: $after_50 KiB, after $CYCLES: $after_all KiB"

gives 3 'not running' "nothing is left" $mvctl status
ok "no module is left" sh -c '! grep microv /proc/modules'
ok "clocks run" clocks_run
ok "all CPUs work" cpus_work
ok "the kernel log is clean" kernel_is_well
finish
