# SPDX-License-Identifier: MIT
#
# mvctl stat: what it tells of a guest that runs, and of the CPUs.
#
# cpus: 2
# driver: microv
# timeout: 180

. integration/lab/tap
. integration/lab/qemu

json=/tmp/stat.json

# The first value of a name in mvctl's JSON.
value() {
	grep -o "\"$1\": [0-9]*" $json | sed 's/.* //' | sort -n | tail -n 1
}

read_stat() {
	$mvctl stat --json >$json
}

# Between two looks the guest has gone on.
counts_go_on() {
	read_stat || return 1
	before="$(value exit_io) $(value guest_ns) $(value root_ns) $(value world_switches)"
	sleep 2
	read_stat || return 1
	set -- $before
	echo "io $1 to $(value exit_io), guest $2 to $(value guest_ns), root $3 to $(value root_ns)"
	[ "$(value exit_io)" -gt "$1" ] && [ "$(value guest_ns)" -gt "$2" ] &&
		[ "$(value root_ns)" -gt "$3" ] && [ "$(value world_switches)" -gt "$4" ]
}

# Two intervals: the guest ran in both, and exited.
watches() {
	timeout --preserve-status -s INT 5 $mvctl stat --watch 2 >/tmp/watch || return 1
	cat /tmp/watch
	[ "$(grep -c '^--- in each of 2\.[0-9] s:' /tmp/watch)" -eq 2 ] &&
		[ "$(grep -c 'vCPU 0: [1-9][0-9]* entries; [01]\.[0-9]* s in the guest' /tmp/watch)" -eq 2 ] &&
		[ "$(grep -c '^    exits .*io [1-9]' /tmp/watch)" -eq 2 ] &&
		[ "$(grep -c '^CPU [01]: [1-9][0-9]* world switches' /tmp/watch)" -ge 2 ]
}

# As many in a second as there were between two looks, more or less.
watches_right() {
	read_stat || return 1
	before=$(value exit_io)
	timeout --preserve-status -s INT 5 $mvctl stat --watch 4 --json >/tmp/watch || return 1
	read_stat || return 1
	exits=$((($(value exit_io) - before) / 5))
	rate=$(json=/tmp/watch; value exit_io)
	echo "$exits exits in a second, $rate by --watch"
	[ $((rate * 2)) -gt $exits ] && [ $rate -lt $((exits * 2)) ]
}

# A guest that was entered has exits by reason that make up all its entries but one.
reasons_are_all() {
	read_stat
	line=$(grep '"vcpu": 0' $json)
	sum=0
	for n in $(echo "$line" | grep -o '"exit_[a-z]*": [0-9]*' | sed 's/.* //'); do
		sum=$((sum + n))
	done
	exits=$(echo "$line" | grep -o '"exits": [0-9]*' | sed 's/.* //')
	echo "$exits entries, $sum exits by reason"
	[ "$exits" -gt 1000 ] && [ $((exits - sum)) -ge 0 ] && [ $((exits - sum)) -le 20 ]
}

ok "no VM: CPUs are there" read_stat
gives 0 'CPU 1: [0-9]* world switches' "as text" $mvctl stat
gives 0 '"vms": \[\]' "no VM in JSON" cat $json
gives 2 'unknown option' "an unknown option" $mvctl stat --xml
gives 2 'unknown option 0' "an interval of nothing" $mvctl stat --watch 0
gives 1 'not root' "stat is for root" setpriv --reuid 1000 $mvctl stat
guest_start_tiny 'while true; do echo tick; done' -machine q35,kernel-irqchip=off -cpu qemu64,-kvm
ok "a guest runs" guest_expect 120 'tick'
ok "its counts go on" counts_go_on
ok "every exit has a reason" reasons_are_all
ok "it watches, until it is interrupted" watches
ok "and tells the rates" watches_right
gives 0 'VM [0-9]* of process [0-9]*: [1-9][0-9]*\.[0-9] MiB of memory' "its memory" $mvctl stat
gives 0 'injected   interrupts [1-9]' "its interrupts" $mvctl stat
gives 0 'emulated   [1-9]' "emulated instructions" $mvctl stat
gives 0 "\"pid\": $(guest_pid)," "its process" $mvctl stat --json
$mvctl stat | sed 's/^/# /'
guest_kill
ok "nothing of it is left" sh -c "$mvctl stat --json | grep -q '\"vms\": \[\]'"
ok "debugfs isn't mounted for that" sh -c '! mountpoint -q /sys/kernel/debug'
ok "the kernel log is clean" kernel_is_well
finish
