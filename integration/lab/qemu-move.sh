# SPDX-License-Identifier: MIT
#
# QEMU's threads go where Linux sends them, stop and go on, and lose nothing: a boot
# while the vCPU's thread changes CPU every 10 ms, stopped processes and stopped vCPUs,
# a snapshot, and several VMs at once on one CPU and on each.
#
# cpus: 2
# driver: kvm_amd
# timeout: 900

. integration/lab/tap
. integration/lab/qemu

disk=/tmp/disk.qcow2

# The thread of the guest's first vCPU.
vcpu_thread() {
	guest_monitor 30 'info cpus' | sed -n 's/.*thread_id=\([0-9]*\).*/\1/p' | head -n 1
}

# move_start THREAD: sends it to another CPU every 10 ms, until move_stop.
move_start() {
	sh -c 'n=0
	while taskset -p $((1 << n % 2)) $0 >/dev/null 2>&1; do
		n=$((n + 1))
		echo $n >/tmp/moves
		sleep 0.01
	done' "$1" &
	mover=$!
}

move_stop() {
	kill $mover
	wait $mover 2>/dev/null
	echo "# the thread moved $(cat /tmp/moves) times"
	[ "$(cat /tmp/moves)" -ge 200 ]
}

# The counter that the guest shows, the last and the one after it.
counter() {
	guest_expect 30 'count [0-9]+@' || return 1
	tr -d '\r' <$guests/$guest/console | grep -aoE 'count [0-9]+@' | tail -n 1 | tr -dc 0-9
}

# counts: the counter goes on by one each time, with none missing or twice, from $1 on.
counts() {
	first=$(counter) || { echo "$first"; return 1; }
	sleep 2
	last=$(counter) || { echo "$last"; return 1; }
	echo "from $first to $last"
	[ "$last" -gt "$first" ]
}

in_order() {
	tr -d '\r' <$guests/$guest/console | grep -aoE 'count [0-9]+@' | tr -dc '0-9\n' |
		awk 'NR > 1 && $1 != last + 1 { print last, "then", $1; bad = 1 } { last = $1 } END { exit bad }'
}

stopped_process() {
	kill -STOP "$(guest_pid)"
	sleep 1
	size=$(stat -c %s $guests/$guest/console)
	sleep 3
	[ "$(stat -c %s $guests/$guest/console)" = "$size" ] || { echo "it goes on"; return 1; }
	kill -CONT "$(guest_pid)"
	counts
}

stopped_vcpus() {
	guest_monitor 30 stop
	size=$(stat -c %s $guests/$guest/console)
	sleep 3
	[ "$(stat -c %s $guests/$guest/console)" = "$size" ] || { echo "it goes on"; return 1; }
	guest_monitor 30 cont
	counts
}

# A snapshot is taken, the guest counts on, and is back at the snapshot.
snapshot() {
	guest_monitor 120 'savevm one'
	saved=$(counter) || { echo "$saved"; return 1; }
	sleep 4
	later=$(counter)
	: >$guests/$guest/console
	echo 0 >$guests/$guest/seen
	guest_monitor 120 'loadvm one'
	back=$(counter) || { echo "$back"; return 1; }
	echo "saved at $saved, went on to $later, came back to $back"
	[ "$later" -gt $((saved + 1)) ] && [ "$back" -le $((saved + 1)) ] && counts
}

# In another QEMU the guest goes on where the snapshot was.
snapshot_elsewhere() {
	guest_kill
	guest_start "$@" -loadvm one
	back=$(counter) || { echo "$back"; return 1; }
	echo "saved at $saved, came back to $back"
	[ "$back" -le $((saved + 1)) ] && counts
}

count='i=0; while :; do i=$((i+1)); echo count $i@; sleep 0.2; done'
work='seq 1 30000 | md5sum'
model=$(cpu_here)

# --- a vCPU that moves during a boot of Debian ---

qemu-img create -q -f qcow2 -F raw -b "$PWD/build/guest/disk.img" $disk
set -- -m 256 -machine pc,kernel-irqchip=off -cpu "$model" \
	-drive file=$disk,format=qcow2,if=virtio -nic user,model=virtio-net-pci
guest_start "$@"
move_start "$(vcpu_thread)"
ok "GRUB, on -M pc, the vCPU moving" guest_expect 120 'GRUB loads the kernel'
ok "login prompt, the vCPU moving" guest_login 600
guest_age "login"
move_stop
report $? "it moved all the time"
guest_type "$count\n"
ok "it counts" counts
ok "stopped with SIGSTOP it stands still, and goes on" stopped_process
ok "stopped by the monitor it stands still, and goes on" stopped_vcpus
ok "no count is missing" in_order
ok "a snapshot into qcow2 gives the guest back" snapshot
ok "no count is missing after that" in_order
saved=$(tr -d '\r' <$guests/$guest/console | grep -aoE 'count [0-9]+@' | head -n 1 | tr -dc 0-9)
ok "the snapshot in another QEMU" snapshot_elsewhere "$@"
guest_type '\003'
ok "it takes keys after that" guest_run 30 'echo well'
guest_kill

# --- several at once ---

# several NAME CPU CPU: two guests at once, each bound to its CPU.
several() {
	several_name=$1
	shift
	n=0
	for cpu; do
		n=$((n + 1)) guest=several-$n
		guest_start_tiny "$work" -machine q35,kernel-irqchip=off -cpu "$model"
		taskset -ap $((1 << cpu)) "$(guest_pid)" >/dev/null
	done
	while [ $n -gt 0 ]; do
		guest=several-$n n=$((n - 1))
		ok "$several_name: $guest works" guest_expect 240 'tiny guest: status 0'
		ok "$several_name: $guest powers off" guest_end 60
	done
}

several "two VMs on one CPU" 0 0
several "a VM on each CPU" 0 1
finish
