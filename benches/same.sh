#!/usr/bin/env bash
# Whether two builds of the program write the same reports, in every format: for changes that must change nothing but the time.
#
#     benches/same.sh BEFORE AFTER [EVIDENCE...]
#
# BEFORE and AFTER are binaries. Reads the recorded incident, the cases of fixtures/calls where SIPCONSENT_KEEP had the
# tests keep them (fixtures/README.md), and every further file or folder named, each with one and with two threads.
set -euo pipefail
cd "$(dirname "$0")/.."
before=$1 after=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
same=0 other=0

compare() { # arguments of an audit
    for run in {1,2}" "{json,ndjson,csv,text,markdown,html}; do
        local status=(0 0) threads=${run% *} format=${run#* }
        "$before" audit -q -j $threads -f $format "$@" > "$scratch/before" 2> "$scratch/before.err" || status[0]=$?
        "$after" audit -q -j $threads -f $format "$@" > "$scratch/after" 2> "$scratch/after.err" || status[1]=$?
        if [ "${status[0]}" = "${status[1]}" ] && cmp -s "$scratch/before" "$scratch/after" && cmp -s "$scratch/before.err" "$scratch/after.err"; then
            same=$((same + 1))
        else
            other=$((other + 1))
            echo "differs, $format, $threads threads, status ${status[0]} and ${status[1]}: $*"
        fi
    done
}

compare -c fixtures/incident/sipconsent.toml fixtures/incident/evidence
if [ -n "${SIPCONSENT_KEEP:-}" ]; then
    for case in "$SIPCONSENT_KEEP"/*/; do
        config=fixtures/calls/$(basename "$case")/sipconsent.toml
        [ -f "$config" ] || config=fixtures/calls/sipconsent.toml
        compare -c "$config" "$case"
    done
fi
for evidence in "$@"; do compare "$evidence"; done
echo "$same reports are the same, $other differ"
[ $other = 0 ]
