# SPDX-License-Identifier: MIT
#
# Debian from a virtio disk, by SeaBIOS and GRUB: it boots to its login prompt, works
# there, reboots and powers off.
#
# cpus: 2
# driver: kvm_amd,microv
# timeout: 900

. integration/lab/tap
. integration/lab/qemu

data=/tmp/data
clock=/tmp/clock

# answers SECONDS PATTERN COMMAND: what the guest says to it has such a line.
answers() {
	answer=$(guest_run "$1" "$3")
	printf '%s\n' "$answer"
	printf '%s\n' "$answer" | grep -Eq -e "$2"
}

# 20 s by the guest's clock are 20 by the host's, to 1 %. For 30 s the guest sends
# what its clock says on a serial port of its own, and the host writes down when it
# comes. That may be late, never early: what came quickest of the first 20 times and
# of the last 20 counts, 20 s apart.
clock_is_right() {
	guest_type 'mkfifo /tmp/never; bash -c "for i in {1..60}; do echo \$EPOCHREALTIME; read -t 0.5 <>/tmp/never; done; echo end" >/dev/ttyS1\n'
	while read -r there && [ "${there%?}" != end ]; do
		echo "${there%?} $(date +%s.%N)"
	done <$clock.out | awk '
		NR == 1 { start = $1 }
		{ late = $2 - $1 }
		NR <= 20 && (NR == 1 || late < first) { first = late; at = $1 }
		NR > 40 && (NR == 41 || late < last) { last = late; end = $1 }
		END {
			printf "%d times; from %.3f s to %.3f s the guest loses %.3f s\n",
				NR, at - start, end - start, last - first
			off = (last - first) / (end - at)
			exit !(NR == 60 && off > -0.01 && off < 0.01)
		}'
}

# The guest's wall clock is the host's: it shows a time between asking and the answer.
date_is_right() {
	asked=$(date +%s)
	there=$(guest_run 30 'date +%s') || return 1
	answered=$(date +%s)
	echo "asked at $asked, the guest says $there, answered at $answered"
	[ "$there" -ge $((asked - 1)) ] && [ "$there" -le $((answered + 1)) ]
}

# Nor did its clock run fast while it booted, or slowly: firmware and GRUB come before it.
uptime_is_right() {
	up=$(guest_run 30 'cut -d . -f 1 /proc/uptime') || return 1
	age=$(guest_seconds)
	echo "the guest is up for $up s, its QEMU for $age s"
	[ "$up" -le $((age + 1)) ] && [ "$up" -ge $((age / 2)) ]
}

# 64 MB to the disk, and from the disk, not from memory.
disk_keeps() {
	guest_run 180 'dd if=/dev/urandom of=/root/data bs=1M count=64 2>/dev/null; sync
md5sum </root/data >/root/sum; echo 3 >/proc/sys/vm/drop_caches
md5sum </root/data | cmp - /root/sum'
}

# 64 MB from the network.
net_receives() {
	answers 240 "^$sum" "busybox nc 10.0.2.100 80 </dev/null | md5sum"
}

# 64 MB to the network; the other end writes what it got to a file.
net_sends() {
	guest_run 240 "busybox nc 10.0.2.100 81 </root/data" || return 1
	want=$(guest_run 60 "cat /root/sum")
	echo "sent $want, received $(cat /tmp/received)"
	[ "$want" = "$(cat /tmp/received)" ]
}

dd if=/dev/urandom of=$data bs=1M count=64 2>/dev/null
sum=$(md5sum <$data | cut -d ' ' -f 1)
echo 'head -c 67108864 | md5sum >/tmp/received' >/tmp/receive
mkfifo $clock.in $clock.out
guest_start -m 384 -machine q35,kernel-irqchip=off -cpu "$(cpu_here)" \
	-drive file=build/guest/disk.img,format=raw,if=virtio,snapshot=on \
	-chardev pipe,id=clock,path=$clock -serial chardev:clock \
	-netdev "user,id=n,guestfwd=tcp:10.0.2.100:80-cmd:cat $data,guestfwd=tcp:10.0.2.100:81-cmd:sh /tmp/receive" \
	-device virtio-net-pci,netdev=n
ok "SeaBIOS, GRUB" guest_expect 60 'GRUB loads the kernel'
ok "a stock kernel, a login prompt, root logs in" guest_login 400
guest_age "login"
ok "it is all up" answers 90 '^running' 'systemctl is-system-running --wait'
ok "it got an address by DHCP" answers 60 'inet 10.0.2.15' 'ip -4 addr'
ok "the clock of the wall" date_is_right
echo "# $ok_said"
ok "the clock was right from the start" uptime_is_right
echo "# $ok_said"
ok "20 s take 20 s" clock_is_right
echo "# $ok_said"
ok "64 MB to the disk and back" disk_keeps
ok "64 MB from the network" net_receives
ok "64 MB to the network" net_sends
guest_type 'reboot\n'
ok "it reboots" guest_expect 120 'GRUB loads the kernel'
ok "it is up again" guest_login 400
ok "the disk has what was written before" answers 120 same 'md5sum </root/data | cmp - /root/sum && echo same'
guest_type 'poweroff\n'
ok "it powers off, QEMU ends" guest_end 120
finish
