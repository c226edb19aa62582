#!/bin/sh
# virtualbox.sh BOX.ovf, as root: imports the box with Debian unstable's VirtualBox and prints what became of it,
# as `VBoxManage showvminfo --machinereadable` does. VirtualBox is unpacked into a temporary folder, without its kernel
# module, so it starts no machine. It runs in namespaces of its own, which end with it, and reaches no network.
# LAB_MIRROR: the Debian mirror; by default the host's own.
set -eu
box=$1
mirror=${LAB_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    sed -n 's/^Debian //p' | head -n 1)}
if [ -z "$mirror" ]; then
    echo "This host has no Debian mirror. Remedy: LAB_MIRROR=http://…/debian make test-box" >&2
    exit 1
fi
export folder tree
folder=$(cd "$(dirname "$box")" && pwd)
tree=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$tree" "$tree.list" "$tree.lists"' EXIT
trap 'exit 1' HUP INT TERM

apt="-oDir::Etc::sourceparts=- -oDir::Etc::sourcelist=$tree.list -oDir::State::lists=$tree.lists
     -oAcquire::Check-Valid-Until=false"
mkdir -p "$tree.lists/partial"
chmod 0755 "$tree" "$tree.lists"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main contrib" > "$tree.list"
# Its libraries, without those that only the desktop and a running machine need.
# shellcheck disable=SC2086 # several options
{
    apt-get $apt -qq update
    libraries=$(apt-cache $apt show --no-all-versions virtualbox | sed -n 's/^Depends: //p' | tr ',|' '\n\n' |
        awk '/^ *lib/ && !/libgl1|libsdl|libvnc|libx11|libxt6|libgsoap/ { print $1 }' | paste -s -d ,)
    mmdebstrap --quiet --variant=extract --mode=root --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$libraries,dash,coreutils,base-files" sid "$tree" "$(cat "$tree.list")"
    (cd "$tree" && apt-get $apt -qq download virtualbox && dpkg-deb --extract virtualbox_*.deb .)
} >&2
echo 'root:x:0:0:root:/root:/bin/sh' > "$tree/etc/passwd"
mkdir "$tree/box"

# shellcheck disable=SC2016 # the inner shells expand them
unshare --mount --pid --fork --net --kill-child sh -c '
    mount -t proc proc "$tree/proc"
    mount --bind /dev "$tree/dev"
    mount --bind "$folder" "$tree/box"
    exec chroot "$tree" /usr/bin/env -i HOME=/root USER=root LOGNAME=root PATH=/usr/lib/virtualbox:/usr/bin:/bin \
        sh -ec "VBoxManage import /box/$1 --vsys 0 --vmname imported >&2
                VBoxManage modifyvm imported --firmware efi
                VBoxManage showvminfo imported --machinereadable"' sh "$(basename "$box")"
