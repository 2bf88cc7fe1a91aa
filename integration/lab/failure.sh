# SPDX-License-Identifier: MIT
#
# Every allocation of the loader and the shim fails once: while they are loaded, while MicroV
# starts, and in the life of a VM. Each time a clean error, nothing lost, the next try works.
#
# cpus: 3
# driver: none
# timeout: 180
# kasan: yes
# prepare: integration/failure/build

. integration/lab/tap

leave_cpu_0
tree_with build/microv.elf build/failure/"$(uname -r)"
loader=/sys/module/microv_loader/parameters

# In turn from the first on, until nothing fails any more. COMMAND n: 0 when all went well.
each() { # NAME MOST COMMAND
	each_n=1 each_ok=0
	while [ $each_n -lt "$2" ]; do
		if $3 $each_n >/tmp/each 2>&1; then
			break
		elif [ $? -ne 1 ]; then
			each_ok=1
			break
		fi
		each_n=$((each_n + 1))
	done
	[ $each_n -gt 1 ] && [ $each_n -lt "$2" ] || each_ok=1
	report $each_ok "$1" "failure $each_n: $(cat /tmp/each)"
	echo "# $((each_n - 1)) allocations"
}

# mvctl takes the loader out when it doesn't start. Its question whether MicroV runs may fail, too.
start() {
	[ -e $loader ] || insmod $tree/modules/microv_loader.ko
	sh -c "echo $1 >$loader/fail_at; exec $mvctl start --no-shim" # by task: the shell becomes mvctl
	start_status=$?
	if [ $start_status -ne 0 ]; then
		[ $start_status -eq 1 ] && ! [ -e $loader ] || return 2
		return 1
	fi
	[ "$(cat $loader/fail_at)" -ne 0 ] && echo 0 >$loader/fail_at && return 0
	$mvctl stop || return 2
	return 1
}

load_shim() {
	if insmod $tree/modules/microv_kvm.ko fail_at="$1" 2>/tmp/insmod; then
		return 0
	fi
	cat /tmp/insmod
	[ ! -e /sys/class/misc/kvm ] || return 2
	grep -qi 'cannot allocate memory' /tmp/insmod || return 2
	return 1
}

insmod $tree/modules/microv_loader.ko
before=$(free_kib)
each "starting: each allocation fails once" 40 start
each "loading the shim: each allocation fails once" 40 load_shim
results build/failure-guest
demo=$(build/demo 2>&1)
report $? "guests run" "$demo"
rmmod microv_kvm
ok "stop" $mvctl stop
insmod $tree/modules/microv_loader.ko
after=$(free_kib)
echo "# $before KiB were free, $after are"
ok "no memory is lost" test $((before - after)) -lt 1000
ok "the kernel log is clean" kernel_is_well
finish
