#!/usr/bin/env bash
# Makes a manual page (section 3) of every function in the C header, from the comment above it.
#
#   tools/man.sh HEADER FOLDER
#
# The comments follow one form, which this script demands: the first sentence names what the function does;
# a paragraph that begins with "Returns" is RETURN VALUE; one that begins with "Any thread", "One thread" or
# "Threads" is THREADS; "# Safety" and what follows is SAFETY, which every function with pointers has.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 HEADER FOLDER" >&2; exit 2; }
mkdir -p "$2"
awk -v folder="$2" '
# roff takes a leading dot or quote for a request, and a backslash for an escape.
function roff(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/`/, "", text)
	return text ~ /^[.'"'"']/ ? "\\&" text : text
}
function section(title, text) {
	if (text != "") print ".SH " title "\n" text > page
}
function paragraph(text, more) {
	return text == "" ? more : text "\n.PP\n" more
}
function finish(    i, kind) {
	kind = "body"
	for (i = 1; i <= paragraphs; i++) {
		if (part[i] ~ /^# Safety/) { kind = "safety"; sub(/^# Safety\n?/, "", part[i]); if (part[i] == "") continue }
		else if (part[i] ~ /^Returns/) kind = "returns"
		else if (part[i] ~ /^(Any thread|One thread)/) kind = "threads"
		else if (kind != "safety") kind = "body"
		text[kind] = paragraph(text[kind], roff_lines(part[i]))
	}
}
function roff_lines(lines,    n, all, i, out) {
	n = split(lines, all, "\n")
	out = ""
	for (i = 1; i <= n; i++) out = out (i > 1 ? "\n" : "") roff(all[i])
	return out
}
function write_page(declaration, name, types,    first, brief) {
	delete text
	finish()
	first = part[1]
	gsub(/\n/, " ", first)
	brief = first
	sub(/[.:;,(].*/, "", brief)
	page = folder "/" name ".3"
	print ".\\\" Generated from the header; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0" > page
	print ".TH " toupper(name) " 3 \"\" ktli-uring \"ktli-uring\"" > page
	print ".SH NAME\n" name " \\- " tolower(substr(brief, 1, 1)) roff(substr(brief, 2)) > page
	print ".SH SYNOPSIS\n.nf\n#include <ktli_uring.h>\n" > page
	if (types != "") print roff_lines(types) "\n" > page
	print roff(declaration) "\n.fi" > page
	section("DESCRIPTION", text["body"])
	section("RETURN VALUE", text["returns"])
	section("THREADS", text["threads"])
	section("SAFETY", text["safety"])
	print ".SH SEE ALSO\n.BR ktli\\-uring (7)" > page
	close(page)
	made++
}
# Comments: blocks of // lines, paragraphs parted by an empty one.
/^[ ]*\/\// && !inside {
	line = $0
	sub(/^[ ]*\/\/ ?/, "", line)
	if (!comment) { comment = 1; delete part; paragraphs = 1 }
	if (line == "") { if (part[paragraphs] != "") paragraphs++ }
	else part[paragraphs] = part[paragraphs] (part[paragraphs] == "" ? "" : "\n") line
	next
}
/^struct ktli_uring_[a-z]+ \{/ { inside = $2; struct[inside] = $0; next }
inside { struct[inside] = struct[inside] "\n" $0; if (/^};/) { inside = ""; comment = 0 } next }
/^typedef / { typedef = $0; comment = 0; next }
/^[a-z].*ktli_uring_[a-z_]+\(.*\);$/ {
	match($0, /ktli_uring_[a-z_]+\(/)
	name = substr($0, RSTART, RLENGTH - 1)
	if (!comment) { print name " has no comment" > "/dev/stderr"; exit 1 }
	types = ""
	for (known in struct) if (index($0, "struct " known " ") > 0) types = struct[known]
	if (index($0, "ktli_uring_log_fn") > 0) types = typedef
	write_page($0, name, types)
	comment = 0
	next
}
!/^$/ { comment = 0 }
END { if (made == 0) { print "the header has no functions" > "/dev/stderr"; exit 1 } }
' "$1"
