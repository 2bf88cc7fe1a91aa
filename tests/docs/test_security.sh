# SPDX-License-Identifier: MIT
#
# test_security.sh TOP: each promise of docs/security.md names a test that exists: rows of the
# tables "promise | shown by", with "file: name; name<br>file: ...". Prints TAP.

top=$1
doc=$top/docs/security.md
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

# PROMISE, tab, FILE or FILE: NAME; NAME of each row and file.
awk -F ' *[|] *' '
	/^[|] promise [|]/ { table = 1; getline; next }
	!/^[|]/ { table = 0 }
	table { n = split($3, tests, / *<br> */); if (!n) print $2 "\t"
		for (i = 1; i <= n; i++) print $2 "\t" tests[i] }' "$doc" >"$rows"

tab=$(printf '\t')
bad=0

wrong() {
	echo "# $1"
	bad=$((bad + 1))
}

while IFS=$tab read -r promise test; do
	file=${test%%: *}
	if [ -z "$file" ] || [ ! -f "$top/$file" ]; then
		wrong "no such test: '$file' ($promise)"
		continue
	fi
	[ "$file" != "$test" ] || continue
	# A name may have semicolons of its own: "bad entries; a refused list maps nothing".
	left=${test#*: }
	name=
	while [ -n "$left" ]; do
		part=${left%%; *}
		name=${name:+$name; }$part
		[ "$part" != "$left" ] && left=${left#*; } || left=
		if grep -qF -e "\"$name\"" -e "($name)" -e "($name," "$top/$file"; then
			name=
		fi
	done
	[ -z "$name" ] || wrong "$file has no test '$name' ($promise)"
done <"$rows"

echo 1..2
[ "$(wc -l <"$rows")" -ge 50 ] && echo "ok 1 - promises: $(wc -l <"$rows") files of tests" || {
	echo "# only $(wc -l <"$rows")"
	echo "not ok 1 - there are promises"
}
[ $bad -eq 0 ] && echo "ok 2 - every test is there" || echo "not ok 2 - every test is there"
[ $bad -eq 0 ]
