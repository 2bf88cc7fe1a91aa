# SPDX-License-Identifier: MIT
#
# QEMU's threads go where Linux sends them, stop and go on, and lose nothing: a boot
# while the vCPU's thread changes CPU every 10 ms, stopped processes and stopped vCPUs,
# a snapshot, and several VMs at once on one CPU and on each.
#
# cpus: 2
# driver: kvm_amd,microv
# timeout: 900

. integration/lab/tap
. integration/lab/qemu

disk=/tmp/disk.qcow2

# The thread of the guest's first vCPU.
vcpu_thread() {
	guest_monitor 30 'info cpus' | sed -n 's/.*thread_id=\([0-9]*\).*/\1/p' | head -n 1
}

# From here to move_stop the guest's vCPU changes CPU every 10 ms.
move_start() {
	build/thread-mover "$(vcpu_thread)" 10 >/tmp/moves &
	mover=$!
}

# It must have been moved at least five times a second: the emulated machine is slow.
move_stop() {
	kill $mover
	wait $mover
	age=$(($(date +%s) - $(stat -c %Y "$guests/$guest/pid")))
	echo "moved $(cat /tmp/moves) times in $age s"
	[ "$(cat /tmp/moves)" -ge $((age * 5)) ]
}

# The counts that the console has shown since its byte $1, one a line.
counts_since() {
	tail -c +$(($1 + 1)) $guests/$guest/console | tr -d '\r' | grep -aoE 'count [0-9]+@' | tr -dc '0-9\n'
}

console_size() {
	stat -c %s $guests/$guest/console
}

# goes_on BYTE: from there on at least five counts come, each one more than the last.
goes_on() {
	until=$(($(date +%s) + 60))
	while [ "$(counts_since "$1" | wc -l)" -lt 5 ]; do
		[ "$(date +%s)" -lt $until ] || { echo "it counts no more"; guest_tail; return 1; }
		sleep 0.5
	done
	counts_since "$1" | awk '
		NR > 1 && $1 != last + 1 { print last, "then", $1; bad = 1 }
		{ last = $1 }
		END { print "up to", last; exit bad }'
}

# stands_still: for three seconds it shows nothing.
stands_still() {
	size=$(console_size)
	sleep 3
	[ "$(console_size)" = "$size" ] || { echo "it goes on"; return 1; }
}

stopped_process() {
	kill -STOP "$(guest_pid)"
	sleep 1
	stands_still || return 1
	kill -CONT "$(guest_pid)"
	goes_on "$(console_size)"
}

stopped_vcpus() {
	guest_monitor 30 stop
	stands_still || return 1
	guest_monitor 30 cont
	goes_on "$(console_size)"
}

# back_at COUNT BYTE: the first count shown whole is one of the next two, as the
# snapshot may have been taken in the middle of one; then it goes on.
back_at() {
	goes_on "$2" || return 1
	first=$(counts_since "$2" | head -n 1)
	echo "saved at $1, came back to $first"
	[ "$first" -gt "$1" ] && [ "$first" -le $(($1 + 2)) ]
}

# A snapshot is taken, the guest counts on, and is back at the snapshot.
snapshot() {
	guest_monitor 30 stop
	guest_monitor 120 'savevm one'
	saved=$(counts_since "$begin" | tail -n 1)
	echo "$saved" >/tmp/saved
	guest_monitor 30 cont
	goes_on "$(console_size)" || return 1
	guest_monitor 30 stop
	size=$(console_size)
	guest_monitor 120 'loadvm one'
	guest_monitor 30 cont
	back_at "$saved" "$size"
}

# In another QEMU the guest goes on where the snapshot was.
snapshot_elsewhere() {
	guest_kill
	guest_start "$@" -loadvm one
	back_at "$(cat /tmp/saved)" 0
}

count='i=0; while :; do i=$((i+1)); echo count $i@; sleep 0.2; done'
work='seq 1 30000 | md5sum'
model=$(cpu_here)

# --- a vCPU that moves during a boot of Debian ---

qemu-img create -q -f qcow2 -F raw -b "$PWD/build/guest/disk.img" $disk
set -- -m 256 -machine pc,kernel-irqchip=off -cpu "$model" \
	-drive file=$disk,format=qcow2,if=virtio -nic user,model=virtio-net-pci
guest_start "$@"
move_start
ok "GRUB, on -M pc, the vCPU moving" guest_expect 120 'GRUB loads the kernel'
ok "login prompt, the vCPU moving" guest_login 600
guest_age "login"
move_stop >/tmp/moved
report $? "it moved all the time" "$(cat /tmp/moved)"
echo "# $(cat /tmp/moved)"
guest_type "$count\n"
begin=$(console_size)
ok "it counts" goes_on "$begin"
ok "stopped with SIGSTOP it stands still, and goes on" stopped_process
ok "stopped by the monitor it stands still, and goes on" stopped_vcpus
ok "no count is missing" goes_on "$begin"
ok "a snapshot into qcow2 gives the guest back" snapshot
ok "the snapshot in another QEMU" snapshot_elsewhere "$@"
guest_type '\003'
ok "it takes keys after that" guest_run 30 'echo well'
guest_kill

# --- several at once ---

# several NAME CPU CPU: two guests at once, each bound to its CPU. CPU 0 isn't for guests.
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

several "two VMs on one CPU" 1 1
several "a VM on each CPU" 1 2
finish
