# SPDX-License-Identifier: MIT
#
# Turns the TAP that a test program printed into a line per test: PASS name,
# FAIL name - reason, SKIP name - reason. What a program fails to report (no
# plan, fewer tests than planned, a bad end) is a failure of its own.
#
#   -v program=NAME   what the lines begin with
#   -v status=N       exit status of the program; empty: it never ended
#   -v death=TEXT     why it never ended
#   -v plain=1        a program without TAP passes when its status is 0

function emit(verdict, name, reason) {
	printf "%s %s%s\n", verdict, name, reason == "" ? "" : " - " reason
}

# A failure waits for its reason: what was said before it, or else after it.
function flush_failure() {
	if (failed_name != "")
		emit("FAIL", failed_name, failed_reason)
	failed_name = ""
}

{
	sub(/\r$/, "")
}

/^1\.\.[0-9]+/ {
	plans++
	planned += substr($1, 4)
	if ($1 == "1..0") {
		sub(/^1\.\.0[ \t]*#?[ \t]*(SKIP[ \t]*)?/, "")
		emit("SKIP", program, $0)
	}
	next
}

/^Bail out!/ {
	flush_failure()
	sub(/^Bail out![ \t]*/, "")
	emit("FAIL", program, "gave up: " $0)
	failures++
	bailed = 1
	next
}

# cmocka says "# not ok - group" at the end, which is no reason.
/^#/ {
	if ($0 ~ /^# (not )?ok - /)
		next
	sub(/^#[ \t]*/, "")
	if (failed_name != "" && failed_reason == "")
		failed_reason = $0
	else if (said == "")
		said = $0
	next
}

/^(not )?ok([ \t]|$)/ {
	flush_failure()
	reported++
	text = $0
	good = text !~ /^not/
	sub(/^(not )?ok[ \t]*[0-9]*[ \t]*(-[ \t]*)?/, "", text)
	note = ""
	if (match(text, /[ \t]*# /)) {
		note = substr(text, RSTART + RLENGTH)
		text = substr(text, 1, RSTART - 1)
	}
	if (text == "" && note !~ /^SKIP/)
		text = "test " reported
	name = program (text == "" ? "" : ": " text)
	# cmocka has the name where others have the reason, and says "not ok".
	if (note ~ /^SKIP/) {
		sub(/^SKIP[ \t]*:?[ \t]*/, "", note)
		if (text == "")
			emit("SKIP", program ": " note)
		else
			emit("SKIP", name, note)
	} else if (good) {
		emit("PASS", name)
	} else {
		failures++
		failed_name = name
		failed_reason = note != "" ? note : said
	}
	said = ""
	next
}

END {
	flush_failure()
	if (bailed && status != "")
		exit
	if (status == "")
		emit("FAIL", program, (death == "" ? "never ended" : death) \
		     (reported ? " (after test " reported ")" : ""))
	else if (!plans && !reported && plain)
		emit(status == 0 ? "PASS" : "FAIL", program, status == 0 ? "" : "exit status " status)
	else if (status == 124)
		emit("FAIL", program, "timeout")
	else if (status > 128 && status <= 192)
		emit("FAIL", program, "killed by signal " status - 128)
	else if (!plans)
		emit("FAIL", program, "printed no plan (1..N), exit status " status)
	else if (planned != reported)
		emit("FAIL", program, planned " tests planned, " reported + 0 " reported")
	else if (status != 0 && !failures)
		emit("FAIL", program, "all tests passed, but exit status " status)
}
