#!/bin/bash
# Is a small machine inside this one, with processes, mounts, network, firewall and control groups of its
# own, 1 GB of memory and no IPv6: machine.sh NAME. It says "ready", and everything in it ends with it. A
# Docker Engine in it may be stopped and killed like one on a machine that nobody else uses.
set -euo pipefail
name=$1
unified=
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || unified=yes

# Outside: go into control groups that will be the roots of those inside.
if [ "${2:-}" != inside ]; then
	while IFS=: read -r _ controllers _; do
		dir=/sys/fs/cgroup/${controllers#name=}
		[ -w "$dir/cgroup.procs" ] && { [ -n "$controllers" ] || [ -n "$unified" ]; } || continue
		mkdir -p "$dir/$name"
		for file in cpuset.cpus cpuset.mems; do
			[ -n "$unified" ] || [ ! -e "$dir/$name/$file" ] || cat "$dir/$file" >"$dir/$name/$file"
		done
		for file in memory.limit_in_bytes memory.max; do
			[ ! -e "$dir/$name/$file" ] || echo 1G >"$dir/$name/$file"
		done
		echo $$ >"$dir/$name/cgroup.procs"
	done </proc/self/cgroup
	exec unshare --mount --net --pid --cgroup --uts --ipc --fork --kill-child --mount-proc "$0" "$name" inside
fi

mount --make-rprivate /
mount -t sysfs sysfs /sys
if [ -n "$unified" ]; then
	mount -t cgroup2 cgroup /sys/fs/cgroup
	# A group with processes of its own cannot limit those below it.
	mkdir /sys/fs/cgroup/init
	echo 1 >/sys/fs/cgroup/init/cgroup.procs
	sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
else
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	while IFS=: read -r _ controllers _; do
		[ -n "$controllers" ] || continue
		dir=/sys/fs/cgroup/${controllers#name=}
		mkdir "$dir"
		case $controllers in
		name=*) mount -t cgroup -o "none,$controllers" cgroup "$dir" ;;
		*) mount -t cgroup -o "$controllers" cgroup "$dir" ;;
		esac
	done </proc/self/cgroup
fi
mount -t tmpfs -o mode=755 run /run
hostname "$name"
[ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
echo ready
# Process 1 buries whom others leave behind.
while :; do
	sleep 60 &
	wait $!
done
