#!/bin/bash
# Run programs that print TAP, show what failed, sum up.
#
# Usage: tap.sh PROGRAM...
# A program that dies, or runs fewer tests than it planned, is a failed test.
# Ends with "N passed, N failed"; with GSTORE_TALLY=FILE, the two numbers are
# appended there instead, for the caller to add up.  TAP_RUN names what starts
# a program ("perl -I...").
set -u

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$@"; do
	name=${program##*/}
	# shellcheck disable=SC2086
	${TAP_RUN:-} "$program" >"$log" 2>&1
	status=$?
	good=$(grep -c '^ok\b' "$log")
	bad=$(grep -c '^not ok\b' "$log")
	todo=$(grep -c '^not ok\b.*# TODO' "$log")
	planned=$(sed -n 's/^1\.\.\([0-9]\+\).*/\1/p' "$log" | tail -1)
	ran=$((good + bad))
	bad=$((bad - todo))
	problem=
	if [ -z "$planned" ]; then
		problem="printed no plan"
	elif [ "$planned" != "$ran" ]; then
		problem="planned $planned tests, ran $ran"
	elif [ $status -ne 0 ] && [ $bad -eq 0 ]; then
		problem="exited with status $status"
	fi
	if [ -n "$problem" ]; then
		bad=$((bad + 1))
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ $bad -gt 0 ]; then
		echo "$name: $good passed, $bad FAILED${problem:+ ($problem, status $status)}"
		grep -v '^ok\b' "$log" | tail -n "${TAP_LINES:-200}" | sed 's/^/    /'
	elif [ "$planned" = 0 ]; then
		echo "$name: skipped,$(sed -n 's/^1\.\.0 # SKIP//p' "$log")"
	else
		echo "$name: $good passed"
	fi
done

if [ -n "${GSTORE_TALLY:-}" ]; then
	echo "$passed $failed" >>"$GSTORE_TALLY"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
