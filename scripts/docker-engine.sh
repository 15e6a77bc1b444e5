#!/usr/bin/env bash
# Sees to it that a Docker Engine answers: installs and starts one on Debian and Ubuntu, and says
# exactly what to install elsewhere. Does nothing where one answers.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

log=/var/log/berth-dockerd.log

answers() { docker version >/dev/null 2>&1; }

await() {
	for _ in $(seq 120); do
		answers && return 0
		sleep 0.5
	done
	return 1
}

# Where no image registry answers, runtime images start from a Debian that debootstrap makes.
if ! command -v debootstrap >/dev/null 2>&1 && command -v dockerd >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
	apt_install debootstrap
fi

answers && exit 0

[ "$(uname -s)" = Linux ] || die "Berth runs workloads on Linux. Install Docker Engine 20.10 or newer on a Linux machine and run this there."

if ! command -v dockerd >/dev/null 2>&1; then
	command -v apt-get >/dev/null 2>&1 || die "No Docker Engine answers. Install these with your package manager, start dockerd, and run this again:
  Docker Engine 20.10 or newer (docker, dockerd, containerd, runc), iptables, debootstrap, ca-certificates, git, curl"
	say "Installing Docker Engine (docker.io, iptables, debootstrap)"
	packages=(docker.io iptables debootstrap ca-certificates git curl)
	[ -d /run/systemd/system ] || mountpoint -q /sys/fs/cgroup || packages+=(cgroupfs-mount)
	apt_install "${packages[@]}"
	# Newer releases have the client in a package of its own.
	command -v docker >/dev/null 2>&1 || apt_install docker-cli
fi

if [ -d /run/systemd/system ]; then
	as_root systemctl start docker
elif ! pgrep -x dockerd >/dev/null 2>&1; then
	say "Starting dockerd (log: $log)"
	# setsid and closed descriptors: the engine must outlive this shell and hold none of its pipes.
	as_root sh -c "setsid dockerd >>'$log' 2>&1 </dev/null &"
fi

if ! await; then
	[ -r "$log" ] && tail -n 20 "$log" >&2
	die "Docker Engine was started but does not answer. Its last lines are above; if you are not root, you may have to join the group docker."
fi
