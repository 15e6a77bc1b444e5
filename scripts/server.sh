# The server that run.sh starts: its process, by pid file and only if it is ours. Source it after lib.sh.

pidfile="$BERTH_DATA/serve.pid"
serverlog="$BERTH_DATA/serve.log"

# server_pid prints the server's pid when that process is a berth serve on this data directory.
server_pid() {
	local pid
	pid=$(cat -- "$pidfile" 2>/dev/null) || return 1
	case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
	*"berth serve "*"--data $BERTH_DATA "*) printf '%s\n' "$pid" ;;
	*) return 1 ;;
	esac
}

running() { server_pid >/dev/null; }

answers() { bin/berth whoami >/dev/null 2>&1; }

# serve_flags prints where the server listens: as asked for, else as before, else on the standard ports
# where nobody listens there, else on 8080 and 8443.
serve_flags() {
	local kept="$BERTH_DATA/serve.flags"
	if [ -n "${BERTH_SERVE_FLAGS:-}" ]; then
		printf '%s\n' "$BERTH_SERVE_FLAGS" >"$kept"
	elif [ ! -e "$kept" ]; then
		if taken 80 || taken 443; then
			say "Port 80 or 443 is taken; Berth listens on 8080 and 8443." >&2
			printf '%s\n' "--http :8080 --https :8443" >"$kept"
		else
			printf '%s\n' "--http :80 --https :443" >"$kept"
		fi
	fi
	cat -- "$kept"
}

# taken reports whether somebody listens on a port of this machine.
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_server starts bin/berth serve in a session of its own and waits until it answers.
start_server() {
	mkdir -p -- "$BERTH_DATA"
	chmod 700 "$BERTH_DATA"
	local flags
	read -r -a flags < <(serve_flags)
	setsid bin/berth serve --data "$BERTH_DATA" "${flags[@]}" >>"$serverlog" 2>&1 </dev/null &
	printf '%s\n' "$!" >"$pidfile"
	local _
	for _ in $(seq 300); do
		answers && return 0
		running || break
		sleep 0.2
	done
	tail -n 20 -- "$serverlog" >&2
	die "The server does not answer; its last lines are above ($serverlog)."
}

# stop_server asks the server to end and waits; it is killed only when it does not.
stop_server() {
	local pid _
	pid=$(server_pid) || return 0
	kill -TERM "$pid"
	for _ in $(seq 150); do
		running || { rm -f -- "$pidfile"; return 0; }
		sleep 0.2
	done
	kill -KILL "$pid"
	rm -f -- "$pidfile"
}
