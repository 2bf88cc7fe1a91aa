# SPDX-License-Identifier: MIT
#
# CPUs go offline and come back while MicroV runs, and while it doesn't.
#
# cpus: 4
# driver: none
# kasan: yes
# timeout: 240

. integration/lab/tap

cpu_is() {
	echo "$2" >/sys/devices/system/cpu/cpu$1/online
}

# MicroV started with a CPU offline runs on the others.
ok "CPU 3 goes offline" cpu_is 3 0
gives 0 'CPU 0-2, launched' "start on three CPUs" $mvctl start
ok "a guest runs" build/demo

# It comes back while MicroV runs.
ok "CPU 3 comes back" cpu_is 3 1
gives 0 'CPUs +4 \(0-3\)' "MicroV runs on it" $mvctl status
ok "all CPUs work" cpus_work
ok "a guest runs on it" taskset -c 3 build/demo

# One goes and comes while MicroV runs, again and again, under load.
ok "CPU 1 goes offline" cpu_is 1 0
gives 0 'CPUs +3 \(0,2-3\)' "MicroV runs on three" $mvctl status
ok "a guest runs on the others" build/demo
ok "CPU 1 comes back" cpu_is 1 1
load_start
for i in 1 2 3 4 5; do
	cpu_is 2 0 && cpu_is 2 1 || break
done
report $? "CPU 2 goes and comes five times under load" "time $i"
load_stop
gives 0 'CPUs +4 \(0-3\)' "MicroV runs on all" $mvctl status
ok "all CPUs work" cpus_work
ok "a guest runs on CPU 2" taskset -c 2 build/demo

# Stop with a CPU offline: it must come back clean.
ok "CPU 1 goes offline" cpu_is 1 0
gives 0 'stopped' "stop" $mvctl stop
ok "CPU 1 comes back" cpu_is 1 1
ok "all CPUs work" cpus_work
gives 0 'CPU 0-3, launched' "start on all" $mvctl start
gives 0 'stopped' "stop" $mvctl stop
ok "clocks run" clocks_run
ok "the kernel log is clean" kernel_is_well
finish
