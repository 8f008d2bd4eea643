#!/usr/bin/env bash
# The whole audit beside the floor and beside other programs, on the same bytes in one run: a table in Markdown.
#
#     benches/compare.sh [FOLDER]          the loads are kept there, 3.7 GB; target/load unless told otherwise
#     SCALE=10 benches/compare.sh          a tenth of every load
#     RUNS=5 PEERS=quick benches/compare.sh    rounds (3); without the programs that take minutes
#
# Every round runs every program once, so that noise of the machine falls on all alike; the median of the rounds counts,
# programs that take minutes run in the first round only. A program that is not there is named and left out.
# Needs GNU time for peak memory. Debian has rg (ripgrep), tcpdump, tshark, sngrep and time; `pip install duckdb` gives DuckDB.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-target/load} scale=${SCALE:-1} runs=${RUNS:-3} peers=${PEERS:-all}
audit=${AUDIT:-target/release/sipconsent}
export LC_ALL=C
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -z "${AUDIT:-}" ]; then cargo build --release --locked --quiet; fi
cargo build --release --locked --quiet --example load --example floor
load=target/release/examples/load floor=target/release/examples/floor

make_load() { # name, arguments
    local name=$1; shift
    local stamp="$* scale $scale $(cksum < "$load")"
    if [ "$(cat "$folder/$name.made" 2>/dev/null)" != "$stamp" ]; then
        "$load" "$@" "$folder/$name"
        echo "$stamp" > "$folder/$name.made"
    fi
}
make_load rtp.pcap rtp --calls $((1000 / scale))
make_load sip.pcap sip --calls $((150000 / scale))
make_load api.jsonl ndjson --lines $((3000000 / scale))
make_load access.log combined --lines $((3000000 / scale))
# Every call of the load satisfies this rule: what is timed is the audit, not the writing of findings.
printf '[[consent.header]]\nname = "Max-Forwards"\ngranted = ["69"]\n' > "$scratch/granted.toml"

there() { command -v "$1" > /dev/null; }
timer=""
if [ -x /usr/bin/time ]; then timer=/usr/bin/time; else echo "GNU time is not installed: no times" >&2; exit 1; fi

# One measurement: load, name, command. Appends "load|name|wall|cpu|KiB".
measure() {
    local on=$1 name=$2; shift 2
    local status=0
    "$timer" -q -o "$scratch/time" -f '%e %U %S %M' "$@" > "$scratch/out" 2> "$scratch/err" || status=$?
    # 1 and 3 are an audit's findings and undecided legs; grep says 1 when nothing matched.
    case $status in 0 | 1 | 3) ;; *) echo "$name on $on: status $status: $(head -c 300 "$scratch/err")" >&2; return ;; esac
    awk -v on="$on" -v name="$name" '{ printf "%s|%s|%s|%s|%s\n", on, name, $1, $2 + $3, $4 }' "$scratch/time" >> "$scratch/all"
}

# The floor and the audits take fractions of a second: GNU time's hundredths are too coarse for them.
precise() {
    local on=$1 name=$2; shift 2
    local before after
    before=$(date +%s%N)
    measure "$on" "$name" "$@"
    after=$(date +%s%N)
    sed -i "\$s/|\([^|]*\)|\([^|]*\)|\([^|]*\)\$/|$(awk -v ns=$((after - before)) 'BEGIN { printf "%.3f", ns / 1e9 }')|\2|\3/" "$scratch/all"
}

duckdb='import duckdb, sys
c = duckdb.connect()
c.execute("SET threads TO 2")
print(c.execute("SELECT count(*) FROM read_ndjson(?, columns={status: \"INTEGER\"}) WHERE status = 403", [sys.argv[1]]).fetchall())'

for round in $(seq "$runs"); do
    for on in rtp.pcap sip.pcap; do
        config=(); if [ $on = sip.pcap ]; then config=(-c "$scratch/granted.toml"); fi
        file="$folder/$on"
        precise $on floor "$floor" "$file"
        for hash in none sha256; do for threads in 2 1; do
            precise $on "audit, $threads thr., digest $hash" "$audit" audit "${config[@]}" -q -j $threads --hash $hash -f json --show findings -o "$scratch/report.json" "$file"
        done; done
        if there rg; then precise $on "rg -c" rg -c -a INVITE "$file"; fi
        if there tcpdump; then precise $on tcpdump tcpdump -q -r "$file" -w /dev/null udp port 5060; fi
        if [ "$round" = 1 ] && [ "$peers" = all ]; then
            if there tshark; then measure $on tshark tshark -r "$file" -Y 'sip.Method == "INVITE"' -T fields -e sip.Call-ID; fi
            if there sngrep; then measure $on sngrep sngrep -N -q -I "$file" -O "$scratch/sngrep.pcap"; fi
        fi
    done
    for on in api.jsonl access.log; do
        file="$folder/$on"
        if there rg; then precise $on "rg -c" rg -c -a INVITE "$file"; fi
        for hash in none sha256; do for threads in 2 1; do
            precise $on "audit, $threads thr., digest $hash" "$audit" audit -q -j $threads --hash $hash -f json --show findings -o "$scratch/report.json" "$file"
        done; done
        if [ $on = api.jsonl ] && python3 -c 'import duckdb' 2> /dev/null; then precise $on "DuckDB, 2 threads" python3 -c "$duckdb" "$file"; fi
        if [ "$round" = 1 ] && [ "$peers" = all ] && [ $on = api.jsonl ] && there jq; then measure $on jq jq -c 'select(.status == 403) | .uri' "$file"; fi
    done
done

echo "$(date -u +%Y-%m-%d), $("$audit" --version), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
    "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), $(uname -sr), load average $(cut -d' ' -f1 /proc/loadavg);" \
    "loads $([ "$scale" = 1 ] && echo whole || echo "1/$scale"), medians of $runs rounds."
missing=""
for program in rg tcpdump tshark sngrep jq; do there $program || missing="$missing $program"; done
python3 -c 'import duckdb' 2> /dev/null || missing="$missing DuckDB"
[ -z "$missing" ] || echo "Not installed here, so not compared:$missing."
echo
echo "| load | program | time | CPU time | ratio to the base | peak memory |"
echo "|---|---|---|---|---|---|"
awk -F'|' '
    function median(list, count,   values, i, j, value) {
        split(list, values, " ")
        for (i = 2; i <= count; i++) for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; j--) { value = values[j]; values[j] = values[j - 1]; values[j - 1] = value }
        return values[int((count + 1) / 2)]
    }
    { key = $1 "|" $2; if (!(key in count)) order[++keys] = key
      count[key]++; wall[key] = wall[key] " " $3; cpu[key] = cpu[key] " " $4; memory[key] = memory[key] " " $5 }
    END {
        for (i = 1; i <= keys; i++) {
            key = order[i]; split(key, part, "|")
            base = part[1] "|" (part[1] ~ /pcap/ ? "floor" : "rg -c")
            time = median(wall[key], count[key])
            ratio = (base in count) ? sprintf("%.1f", time / median(wall[base], count[base])) : "-"
            printf "| %s | %s | %.3f s | %.2f s | %s | %.0f MiB |\n", part[1], part[2], time, median(cpu[key], count[key]), ratio, median(memory[key], count[key]) / 1024
        }
    }' "$scratch/all"
echo
echo "The base is the floor for captures (\`examples/floor.rs\`) and \`rg -c\` for logs."
