# SPDX-License-Identifier: MIT
#
# test_table.sh FOLDER: the benchmark's table, made of figures whose verdicts are known.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
number=0
failed=0

cat >"$dir/rows" <<'END'
# a comment
low      | below both limits  | 100      | 1
high     | over a number      | 100      | -
pairs    | over in switches   | 100      | 1
ratio    | half of KVM's      | kvm 1    | -
slower   | twice KVM's        | kvm 1.5  | -
bare     | as without         | bare 1.02 | -
switches | switches only      | -        | 10
absent   | nobody told        | 100      | -
broken   | it failed          | 100      | -
why      | somebody told why  | 100      | -
lost     | KVM didn't tell    | kvm 1    | -
END
echo '# bench bare 1000.0 -' >"$dir/none"
cat >"$dir/kvm" <<'END'
1..2
# bench low 300.0 1.000
# bench ratio 400.0 -
# bench slower 200.0 1.000
ok 1 - low
END
cat >"$dir/microv" <<'END'
# bench low 99.9 1.012
# bench high 100.1 0.000
# bench pairs 50.0 2.000
# bench ratio 200.0 1.000
# bench slower 400.0 1.000
# bench bare 1020.0 0.000
# bench switches 999999.0 3.000
not ok 7 - broken
ok 8 - why # SKIP no such machine
# bench lost 5.0 1.000
END

# row NAME PATTERN: its line matches, blanks squeezed.
row() {
	number=$((number + 1))
	if printf '%s\n' "$table" | tr -s ' ' | grep -q "^| $1 | $2 |\$"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "$table" | grep "$1" | sed 's/^/# /'
		failed=1
	fi
}

table=$(awk -f "$1/table.awk" "$dir/rows" "$dir/none" "$dir/kvm" "$dir/microv")
row "below both limits" "300 | 99.9 | 0.33 | 1.00 | 1.01 | 100, 1 pair | ok"
row "over a number" "- | 100 | - | - | 0.00 | 100 | \*\*over\*\*"
row "over in switches" "- | 50.0 | - | - | 2.00 | 100, 1 pair | \*\*over\*\*"
row "half of KVM's" "400 | 200 | 0.50 | - | 1.00 | kvm_amd x 1 | ok"
row "twice KVM's" "200 | 400 | 2.00 | 1.00 | 1.00 | kvm_amd x 1.5 | \*\*over\*\*"
row "as without" "1000 | 1020 | 1.02 | - | 0.00 | without x 1.02 | ok"
row "switches only" "- | - | - | - | 3.00 | 10 pairs | ok"
row "nobody told" "- | - | - | - | - | 100 | not measured"
row "it failed" "- | - | - | - | - | 100 | \*\*failed\*\*"
row "somebody told why" "- | - | - | - | - | 100 | no such machine"
row "KVM didn't tell" "- | 5.0 | - | - | 1.00 | kvm_amd x 1 | not measured"
echo "1..$number"
exit $failed
