#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the suite against a server of this repository, in a folder of its own that is removed afterwards. Arguments are
# flags of the suite. CONFORMANCE_SERVER names a server that is built already, CONFORMANCE_PORT the first of
# three ports.
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
# The server federates with names of a private authority, which lead to the suite itself: mock.test for homeservers with a port, those with
# a number for cases that need a name of their own; denied.mock.test is denied by the operator. Linux has more than one address of its own:
# there the suite is at one, and localhost is a name that leads to another, which the server must not connect to.
fport=$((port + 1)) mport=$((port + 2))
names="mock.test denied.mock.test"
for i in $(seq 24); do names="$names n$i.mock.test"; done
hosts='' certs='' keys='' at=127.0.0.1 mock="--mock-denied denied.mock.test"
[ "$(uname)" != Linux ] || at=127.0.0.3 mock="$mock --mock-private localhost=127.0.0.1:$mport"
for name in $names; do
	hosts="$hosts,$name=$at:$mport" mock="$mock --mock $name=$at:$mport"
	certs="$certs,$dir/ca/$name.pem" keys="$keys,$dir/ca/$name.key"
done
export PARLEY_SERVER_NAME=parley.test PARLEY_PUBLIC_URL=http://127.0.0.1:$port PARLEY_REGISTRATION_MODE=open PARLEY_REGISTRATION_ALLOW_OPEN=true
export PARLEY_FEDERATION_ENABLED=true PARLEY_FEDERATION_LISTEN=127.0.0.1:$fport PARLEY_FEDERATION_HOSTS="${hosts#,}" PARLEY_FEDERATION_ALLOW_NETWORKS=$at/32
export PARLEY_FEDERATION_TLS_CERT="$dir/ca/parley.test.pem" PARLEY_FEDERATION_TLS_KEY="$dir/ca/parley.test.key" PARLEY_FEDERATION_CA_FILE="$dir/ca/ca.pem"
export PARLEY_FEDERATION_DENY=denied.mock.test PARLEY_FEDERATION_UNKNOWN_SERVERS_PER_MINUTE="${PARLEY_FEDERATION_UNKNOWN_SERVERS_PER_MINUTE:-600}"
server=${CONFORMANCE_SERVER:-$dir/parley}
[ -n "${CONFORMANCE_SERVER:-}" ] || ${GO:-go} build -o "$server" ./server
${GO:-go} build -o "$dir/suite" ./conformance
"$server" test-ca -dir "$dir/ca" parley.test $names >/dev/null

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
"$dir/suite" --max-accounts 560 --lab "$dir/lab.yaml" $mock --mock-cert "${certs#,}" --mock-key "${keys#,}" --ca "$dir/ca/ca.pem" --federation "https://127.0.0.1:$fport" "$@" "http://127.0.0.1:$port"
