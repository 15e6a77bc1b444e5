#!/usr/bin/env bash
# Sees to it that what only tests need is there: a browser, debootstrap, openssl, curl, jq, a static shell, an SSH server, another SSH client, a registry of images,
# makers of file systems.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

missing=()
need() { # program, Debian package
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2")
}

need chromium chromium
need debootstrap debootstrap
need openssl openssl
need curl curl
need git git
need certutil libnss3-tools
need ip iproute2
need jq jq
need iptables iptables
need mkfs.ext4 e2fsprogs
need busybox busybox-static
need sshd openssh-server
need rsync rsync
need docker-registry docker-registry
need mkfs.xfs xfsprogs
need mkfs.btrfs btrfs-progs

/usr/bin/python3 -c 'import paramiko' >/dev/null 2>&1 || missing+=(python3-paramiko)

[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null 2>&1 || die "Tests need these programs; install them and run this again: ${missing[*]}"
say "Installing what tests need: ${missing[*]}"
apt_install "${missing[@]}"
