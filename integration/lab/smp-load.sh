# SPDX-License-Identifier: MIT
#
# Linux in the root VM does what it did: tasks on all CPUs, timers, interrupts
# between CPUs, modules, memory that is mapped and unmapped on several CPUs.
#
# cpus: 2,4
# driver: none
# kasan: yes
# timeout: 240

. integration/lab/tap

interrupts() {
	awk -v name="$1:" '$1 == name { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' \
		/proc/interrupts
}

# A task that moves from CPU to CPU 40 times.
wander() {
	sh -c 'i=0
	while [ $i -lt 40 ]; do
		taskset -cp $((i % '"$(cpus)"')) $$ >/dev/null || exit 1
		i=$((i + 1))
	done'
}

# Data through pipes between tasks on different CPUs; the sum tells of any loss.
pipes() {
	sum=$(seq 1 200000 | taskset -c 1 awk '{ print }' | taskset -c 0 awk '{ s += $1 } END { printf "%.0f\n", s }')
	echo "sum $sum"
	[ "$sum" = 20000100000 ]
}

# Many short processes at once, all of which end well.
crowd() {
	pids= bad=0
	for i in $(seq 1 40); do
		sh -c 'i=0; while [ $i -lt 500 ]; do i=$((i + 1)); done; true | true' &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || bad=1
	done
	return $bad
}

# Thirty sleeps of half a second at once take about as long as one. They begin when all thirty
# processes are there: making them takes much longer than that where the kernel looks for faults.
sleeps() {
	took=$(perl -MTime::HiRes=sleep,time -e '
		pipe R, W;
		for (1 .. 30) {
			defined($pid = fork) or die;
			next if $pid;
			close W;
			<R>;
			sleep 0.5;
			exit;
		}
		$begin = time;
		close W;
		1 while wait != -1;
		printf "%d", (time - $begin) * 1000') || return 1
	echo "$took ms"
	[ "$took" -ge 495 ] && [ "$took" -lt 8000 ]
}

# The same bytes, read on each CPU, have the same sum.
checksums() {
	dd if=/dev/urandom of=/dev/shm/data bs=1M count=8 2>/dev/null
	want=$(md5sum </dev/shm/data)
	cpu=0
	while [ $cpu -lt "$(cpus)" ]; do
		[ "$(taskset -c $cpu md5sum </dev/shm/data)" = "$want" ] || return 1
		cpu=$((cpu + 1))
	done
	rm /dev/shm/data
}

modules() {
	for i in 1 2 3 4 5; do
		modprobe $module && rmmod $module || return 1
	done
}

all_of_it() {
	ok "a task wanders over all CPUs ($1)" wander
	ok "pipes between CPUs ($1)" pipes
	ok "many processes at once ($1)" crowd
	ok "timers ($1)" sleeps
	ok "checksums on all CPUs ($1)" checksums
	ok "modules come and go ($1)" modules
	ok "clocks run ($1)" clocks_run
	ok "all CPUs work ($1)" cpus_work
}

resched=$(interrupts RES) calls=$(interrupts CAL)
ok "start" $mvctl start
all_of_it "in the root VM"
load_start
ok "a guest runs beside the load" build/demo
load_stop
[ "$(interrupts RES)" -gt "$resched" ] && [ "$(interrupts CAL)" -gt "$calls" ]
report $? "CPUs interrupt each other" "RES $resched, CAL $calls as before"
gives 0 "CPUs +$(cpus) " "MicroV runs on all CPUs still" $mvctl status
ok "stop" $mvctl stop
all_of_it "after stop"
ok "the kernel log is clean" kernel_is_well
finish
