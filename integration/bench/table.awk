# SPDX-License-Identifier: MIT
#
# awk -f table.awk rows none kvm_amd microv: the benchmark's table, in Markdown. The first file
# says what is a row and what its limits are; each of the others is what bench (and run) said
# under that driver, lines "# bench NAME TICKS SWITCHES"; what was skipped or failed says so.

function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

FNR == 1 {
	file++
	driver = file == 2 ? "none" : file == 3 ? "kvm_amd" : "microv"
}

file == 1 {
	if (/^#/ || split($0, field, "|") != 4)
		next
	name[++rows] = trim(field[1])
	title[rows] = trim(field[2])
	limit[rows] = trim(field[3])
	most[rows] = trim(field[4])
	next
}

/^ok [0-9]+ - .* # SKIP / {
	why = $0
	sub(/.* # SKIP /, "", why)
	reason[driver, $4] = why
}

/^not ok / {
	reason[driver, $5] = "**failed**"
}

$1 == "#" && $2 == "bench" {
	ticks[driver, $3] = $4
	if ($5 != "-")
		switches[driver, $3] = $5
}

function number(value) {
	if (value == "")
		return "-"
	return value >= 100 ? sprintf("%.0f", value) : sprintf("%.1f", value)
}

function count(value) {
	return value == "" ? "-" : sprintf(value < 1000 ? "%.2f" : "%.0f", value)
}

# What instructions are at most, as a number; "" when it isn't known.
function bound(text, key,    part, base) {
	if (text == "-")
		return ""
	if (split(text, part, " ") == 1)
		return text
	base = ticks[part[1] == "kvm" ? "kvm_amd" : "none", key]
	return base == "" ? "" : base * part[2]
}

# 1: over, 0: not, "": can't be told.
function over(value, at_most) {
	return value == "" || at_most == "" || at_most == "-" ? "" : value + 0 > at_most + 0
}

function limits(i,    text) {
	text = limit[i]
	sub(/^kvm /, "kvm_amd x ", text)
	sub(/^bare /, "without x ", text)
	if (text == "-")
		text = ""
	if (most[i] != "-")
		text = text (text ? ", " : "") most[i] (most[i] == 1 ? " pair" : " pairs")
	return text ? text : "-"
}

# Over, ok, or why that can't be told.
function verdict(i, mine,    a, b) {
	if (mine == "" && switches["microv", name[i]] == "")
		return ("microv", name[i]) in reason ? reason["microv", name[i]] : "not measured"
	a = over(mine, bound(limit[i], name[i]))
	# The timer of the host takes a guest out now and then, too.
	b = switches["microv", name[i]]
	b = over(b == "" ? "" : sprintf("%.1f", b), most[i])
	if (a == 1 || b == 1)
		return "**over**"
	if (a == "" && limit[i] != "-" || b == "" && most[i] != "-")
		return "not measured"
	return "ok"
}

function line(a, b, c, d, e, f, g, h) {
	printf "| %-36s | %10s | %10s | %5s | %8s | %9s | %-14s | %-8s |\n", a, b, c, d, e, f, g, h
}

END {
	# Of Linux's own work the first is Linux without a hypervisor.
	line("operation", "kvm_amd", "MicroV", "ratio", "switches", "MicroV's", "at most", "")
	line("---", "--:", "--:", "--:", "--:", "--:", "---", "---")
	for (i = 1; i <= rows; i++) {
		other = limit[i] ~ /^bare/ || name[i] ~ /^root/ ? "none" : "kvm_amd"
		theirs = ticks[other, name[i]]
		mine = ticks["microv", name[i]]
		if (limit[i] == "-")
			theirs = mine = ""
		line(title[i], number(theirs), number(mine),
		     theirs > 0 && mine != "" ? sprintf("%.2f", mine / theirs) : "-",
		     count(switches[other, name[i]]), count(switches["microv", name[i]]),
		     limits(i), verdict(i, mine))
	}
}
