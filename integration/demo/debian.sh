# SPDX-License-Identifier: MIT
#
# The Debian guest of the demo: Debian's own QEMU boots it from its disk, somebody logs
# in on its serial console, looks around and powers off. What the console shows is
# shown here. With the argument "interactive" it is the user's terminal, which
# tools/demo has made a virtio port of this machine.

. integration/lab/qemu

give_up() {
	echo
	echo "demo: $*"
	guest_kill
	exit 1
}

# type COMMAND: as from a keyboard, then wait for the next prompt.
type_and_wait() {
	guest_type "$1\n"
	guest_expect 120 'root@guest:~# $' >/dev/null || give_up "no answer to $1"
}

if [ "${1:-}" = interactive ]; then
	modprobe virtio_console
	port=$(ls /dev/vport*p1)
	exec qemu-system-x86_64 -accel kvm -machine q35,kernel-irqchip=off -cpu "$(cpu_here)" \
		-m 384 -nodefaults -display none -chardev stdio,id=console,signal=off \
		-serial chardev:console -nic user,model=virtio-net-pci \
		-drive file=build/guest/disk.img,format=raw,if=virtio,snapshot=on \
		<>"$port" >&0
fi

begin=$(date +%s)
guest_start_debian -machine q35,kernel-irqchip=off -cpu "$(cpu_here)"
tail -n +1 -f "$guests/$guest/console" &
show=$!
guest_expect 600 'guest login: $' >$guests/why || give_up "no login prompt: $(cat $guests/why)"
guest_type 'root\n'
guest_expect 60 'root@guest:~# $' >/dev/null || give_up "no shell"
took=$(($(date +%s) - begin))
type_and_wait 'uname -a'
type_and_wait 'systemctl is-system-running --wait'
type_and_wait 'cat /sys/devices/system/clocksource/clocksource0/current_clocksource'
type_and_wait 'lscpu | grep -E "^(Model name|Hypervisor|CPU.s.:)"'
type_and_wait 'df -h /; ip -4 -o addr'
# There is no systemd-logind, which it would ask first.
guest_type 'poweroff 2>/dev/null\n'
guest_end 180 >$guests/why || give_up "it does not power off: $(cat $guests/why)"
sleep 1
kill $show
echo
echo "Debian was up $took s after QEMU's start, and has powered off."
