# SPDX-License-Identifier: MIT
#
# The KVM selftests of Linux: one result for each line of integration/selftests/list, which
# tells what runs with which driver, and why not.
#
# prepare: tools/kvm-selftests
# cpus: 2
# driver: kvm_amd,microv
# timeout: 400

list=integration/selftests/list
dir=$PWD/build/kvm-selftests
one_seconds=60

# See kvm-hold: stock KVM should not come to its last VM after each test.
if [ "$LAB_DRIVER" = kvm_amd ] && [ -z "${SELFTESTS_HELD-}" ]; then
	SELFTESTS_HELD=1 exec build/kvm-hold sh "$0" "$@"
fi

ulimit -n 4096
log=/tmp/selftest.log
count=0
status=0

result() {
	count=$((count + 1))
	echo "$1 $count - $2"
}

# run NAME HOW ARGUMENTS...
run() {
	name=$1
	preload=
	[ "$2" != no-chip ] || preload=$PWD/build/no-irqchip.so
	shift 2
	(cd "$dir" && LD_PRELOAD=$preload exec timeout -k 5 $one_seconds "./$name" "$@") \
		>$log 2>&1 </dev/null
	case $? in
	0) result ok "$name" ;;
	4) result "not ok" "$name"; echo "# it skipped itself: $(head -n 1 $log)"; status=1 ;;
	124) result "not ok" "$name"; echo "# timeout after $one_seconds s"; status=1 ;;
	*)
		result "not ok" "$name"
		grep -v -e '^$' -e 'Test Assertion Failure' $log | head -n 8 | sed 's/^/# /'
		status=1
		;;
	esac
}

while IFS= read -r line; do
	case $line in
	'' | '#'*) continue ;;
	esac
	reason=
	case $line in
	*:*) reason=${line#*: } line=${line%%:*} ;;
	esac
	set -- $line
	name=$1 how=$2
	[ "$LAB_DRIVER" = kvm_amd ] || how=$3
	shift $(($# < 3 ? $# : 3))
	case $how in
	skip) result ok "$name # SKIP $reason" ;;
	*) run "$name" "$how" "$@" ;;
	esac
done <$list
echo "1..$count"
exit $status
