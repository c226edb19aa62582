#!/bin/sh
# build_base.sh RELEASE MIRROR SECURITY_MIRROR PACKAGES OUTPUT [MMDEBSTRAP OPTION…]
# A small Debian with systemd and SSH, as a tar file, from Debian's packages alone.
# Empty mirrors mean mmdebstrap's own default.
set -eu
release=$1 mirror=$2 security=$3 packages=$4 output=$5
shift 5

set -- --variant=minbase --include="$(echo "$packages" | tr ' ' ',')" \
    --skip=cleanup/apt/lists \
    --aptopt='Acquire::Languages "none"' \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash vagrant' \
    --customize-hook='echo "vagrant ALL=(ALL) NOPASSWD: ALL" > "$1/etc/sudoers.d/vagrant"' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
    --customize-hook='mkdir -p "$1/etc/systemd/system/ssh.service.d"' \
    --customize-hook='printf "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n" > "$1/etc/systemd/system/ssh.service.d/own-keys.conf"' \
    --format=tar "$@" "$release" "$output.part"

if [ -n "$mirror" ]; then
    mmdebstrap "$@" - <<SOURCES
deb $mirror $release main
deb $mirror $release-updates main
deb $security $release-security main
SOURCES
else
    mmdebstrap "$@"
fi
[ ! -e "$output.part" ] || mv "$output.part" "$output"
