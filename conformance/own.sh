#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the suite against a server of this repository, in a folder of its own that is removed afterwards. Arguments are
# flags of the suite. CONFORMANCE_SERVER names a server that is built already, CONFORMANCE_PORT a port.
set -eu
dir=$(mktemp -d)
chmod 755 "$dir"
port=${CONFORMANCE_PORT:-18777}
export PARLEY_LISTEN=127.0.0.1:$port PARLEY_DATA_DIR="$dir/data" PARLEY_LOG_LEVEL=error
# Rates that no other case waits for, and that those of the profile ABUSE still meet; what is set in the environment holds.
export PARLEY_LIMITS_MESSAGES_PER_MINUTE="${PARLEY_LIMITS_MESSAGES_PER_MINUTE:-1000}" PARLEY_LIMITS_GROUP_MESSAGES_PER_MINUTE="${PARLEY_LIMITS_GROUP_MESSAGES_PER_MINUTE:-300}"
export PARLEY_LIMITS_REPORTS_PER_DAY="${PARLEY_LIMITS_REPORTS_PER_DAY:-100}"
export PARLEY_LIMITS_NEWCOMER_CONVERSATIONS="${PARLEY_LIMITS_NEWCOMER_CONVERSATIONS:-100}" PARLEY_LIMITS_LOOKUPS_PER_MINUTE="${PARLEY_LIMITS_LOOKUPS_PER_MINUTE:-2000}"
export PARLEY_LIMITS_SEARCHES_PER_MINUTE="${PARLEY_LIMITS_SEARCHES_PER_MINUTE:-300}" PARLEY_LIMITS_REQUESTS_AT_ONCE="${PARLEY_LIMITS_REQUESTS_AT_ONCE:-1000}"
export PARLEY_LIMITS_REQUESTS_PER_SECOND="${PARLEY_LIMITS_REQUESTS_PER_SECOND:-1000}"
server=${CONFORMANCE_SERVER:-$dir/parley}
[ -n "${CONFORMANCE_SERVER:-}" ] || ${GO:-go} build -o "$server" ./server
${GO:-go} build -o "$dir/suite" ./conformance

cat > "$dir/start" <<EOF
#!/bin/sh
"$server" serve >> "$dir/log" 2>&1 &
echo \$! > "$dir/pid"
EOF
# A killed process holds its data folder until the kernel has taken it down.
cat > "$dir/kill" <<END
#!/bin/sh
kill -9 \$(cat "$dir/pid")
n=0
while kill -0 \$(cat "$dir/pid") 2>/dev/null && [ \$n -lt 100 ]; do n=\$((n + 1)); sleep 0.1; done
END
printf 'kill: sh %s/kill\nstart: sh %s/start\n' "$dir" "$dir" > "$dir/lab.yaml"

stop() {
	kill "$(cat "$dir/pid")" 2>/dev/null || true
	while kill -0 "$(cat "$dir/pid")" 2>/dev/null; do sleep 0.2; done
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

sh "$dir/start"
n=0
until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do
	n=$((n + 1))
	if [ $n -gt 300 ]; then echo "the server did not start:"; cat "$dir/log"; exit 2; fi
	sleep 0.2
done
"$dir/suite" --max-accounts 560 --lab "$dir/lab.yaml" "$@" "http://127.0.0.1:$port"
