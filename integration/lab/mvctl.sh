# SPDX-License-Identifier: MIT
#
# mvctl: its words and exit codes, where it finds its files, and that what it
# refuses changes nothing.
#
# cpus: 2
# driver: none
# kasan: yes
# timeout: 180

. integration/lab/tap

copy=/tmp/copy
CREATE_VM=0xAE01

# A build tree of its own in $copy.
make_copy() {
	rm -rf $copy
	mkdir -p $copy/modules
	cp build/mvctl build/microkernel.elf build/microv.elf $copy/
	cp build/modules/microv_loader.ko build/modules/microv_kvm.ko $copy/modules/
}

nothing_runs() {
	grep microv /proc/modules && return 1
	[ ! -e /dev/microv ] && [ ! -e /sys/class/misc/kvm ]
}

# No module was built for this kernel: the same length, so that the file stays whole.
for_another_kernel() {
	release=$(uname -r)
	other=9${release#?}
	sed -i "s/vermagic=$release SMP/vermagic=$other UP /" "$1"
	grep -q "vermagic=$other" "$1"
}

# --- wrong usage, not root, not running

gives 0 'Exit status' "help" $mvctl help
gives 2 'no command' "no command" $mvctl
gives 2 'unknown command' "an unknown command" $mvctl go
gives 2 'unknown option' "an unknown option" $mvctl start --fast
gives 2 'too many' "too many words" $mvctl stop now
gives 1 'not root' "start is for root" setpriv --reuid 1000 $mvctl start
gives 3 'not running' "status: not running" $mvctl status
gives 3 'not running' "stop: not running" $mvctl stop
gives 3 'not running' "log: not running" $mvctl log
gives 3 'not running' "stat: not running" $mvctl stat

# --- what start refuses

make_copy
rm $copy/microv.elf
gives 7 'microv.elf' "a file is missing" $copy/mvctl start
make_copy
: >$copy/microkernel.elf
gives 7 'microkernel.elf' "an image is damaged" $copy/mvctl start
ok "nothing is left of that" nothing_runs
make_copy
ok "a module for another kernel is made" for_another_kernel $copy/modules/microv_loader.ko
gives 7 "is for kernel 9.*this is $(uname -r)" "loader for another kernel" $copy/mvctl start
make_copy
for_another_kernel $copy/modules/microv_kvm.ko
gives 7 'microv_kvm.ko.*another kernel' "shim for another kernel" $copy/mvctl start
ok "the hypervisor that ran already is stopped again" nothing_runs

modprobe kvm_amd
gives 6 'KVM.*kvm_amd' "kvm_amd is loaded" $mvctl start
gives 6 'modprobe -r kvm_amd' "it says how to unload it" $mvctl start
modprobe -r kvm_amd
ok "nothing is left of that" nothing_runs

# --- start, status, log, stop

gives 0 'MicroV runs on CPU 0-1.*/dev/kvm' "start" $mvctl start
gives 4 'running already' "start again" $mvctl start
gives 4 'running already' "start --no-shim again" $mvctl start --no-shim
gives 0 'CPUs +2 \(0-1\)' "status: CPUs" $mvctl status
gives 0 'since .*\(20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z\), [0-9]' "status: since" $mvctl status
gives 0 'memory +[0-9]+\.[0-9] MiB' "status: memory" $mvctl status
gives 0 'VMs +0' "status: no VM" $mvctl status
gives 1 'not root' "status of what runs is for root" setpriv --reuid 1000 $mvctl status
gives 0 '..' "log" $mvctl log
ok "/dev/kvm is there" test -c /dev/kvm

# --- stop with a guest open

mkfifo /tmp/made
perl -e "open(K, '+<', '/dev/kvm') or die; \$vm = ioctl(K, $CREATE_VM, 0) or die; close K;
	print 'made'; close STDOUT; sleep" >/tmp/made &
guest=$!
ok "a VM is made" grep made /tmp/made
gives 0 'VMs +1' "status: one VM" $mvctl status
gives 5 'guests are still open' "stop is refused" $mvctl stop
gives 0 'VMs +1' "and changes nothing" $mvctl status
kill $guest
wait $guest 2>/dev/null
gives 0 'VMs +0' "the guest is gone with its process" $mvctl status
exec 9<>/dev/kvm
gives 5 'guests are still open' "stop is refused while /dev/kvm is open" $mvctl stop
exec 9>&-
gives 0 'stopped' "stop" $mvctl stop
ok "nothing is left" nothing_runs

# --- without the shim, and the shim added

gives 0 'no /dev/kvm' "start --no-shim" $mvctl start --no-shim
gives 0 '/dev/kvm +no' "status: no /dev/kvm" $mvctl status
gives 0 '/dev/kvm is there' "start adds the shim" $mvctl start
gives 0 'stopped' "stop takes both" $mvctl stop

# --- the installed prefix

ok "make install" make -s -o all install PREFIX=/usr/local
ok "the udev rule gives /dev/kvm to the group kvm" \
	grep -E 'KERNEL=="kvm".*GROUP="kvm"' /usr/local/lib/udev/rules.d/70-microv-kvm.rules
gives 0 'MicroV runs' "start from the prefix" /usr/local/sbin/mvctl start
gives 0 'is running' "status from the prefix" /usr/local/sbin/mvctl status
gives 0 'stopped' "stop from the prefix" /usr/local/sbin/mvctl stop
rm /usr/local/lib/microv/microkernel.elf
gives 7 'make install' "a file of the prefix is missing" /usr/local/sbin/mvctl start
ok "make uninstall" make -s uninstall PREFIX=/usr/local
ok "nothing is installed any more" sh -c '! ls /usr/local/sbin/mvctl /usr/local/lib/microv'

ok "the kernel log is clean" kernel_is_well
finish
