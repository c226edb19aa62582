#!/bin/sh
# customize.sh ROOT, run by mmdebstrap as root: makes a virtual machine of the containers' Debian. Vagrant's key, DHCP
# on the first card, and what starts the kernel from BIOS and UEFI: /boot/revezamento.{mbr,bios,efi}.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$1

install -D --mode=0600 "$here/vagrant.pub" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
chmod 0700 "$root/home/vagrant/.ssh"
echo localhost > "$root/etc/hostname"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'LABEL=revezamento / ext4 errors=remount-ro 0 1' > "$root/etc/fstab"
cat > "$root/etc/network/interfaces" <<INTERFACES
source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet dhcp
INTERFACES

# ifupdown waits until udev has seen all devices, at most three minutes: too short for an emulated machine. The cards
# are enough, and the kernel finds both of them at the same time.
mkdir -p "$root/etc/systemd/system/ifupdown-pre.service.d"
cat > "$root/etc/systemd/system/ifupdown-pre.service.d/card.conf" <<SERVICE
[Service]
TimeoutSec=infinity
ExecStart=
ExecStart=/bin/udevadm wait --timeout=1800 /sys/class/net/eth0
SERVICE

mkdir -p "$root/etc/systemd/system/networking.service.d"
cat > "$root/etc/systemd/system/networking.service.d/slow.conf" <<SERVICE
[Service]
TimeoutSec=infinity
SERVICE

# Keep the login user's systemd manager running: starting one for each login takes seconds in an emulated machine.
mkdir -p "$root/var/lib/systemd/linger"
: > "$root/var/lib/systemd/linger/vagrant"

# GRUB's images contain all modules, and Debian keeps /vmlinuz and /initrd.img pointing to the newest kernel. So GRUB
# itself need not stay. The kernel's check of the timer fails now and then in emulated machines that boot on a busy
# computer ("IO-APIC + timer doesn't work"); with KVM, the kernel leaves it out by itself. After a panic, nobody is there
# to press a button.
cat > "$root/boot/revezamento.cfg" <<GRUB
search --no-floppy --label revezamento --set=root
linux /vmlinuz root=LABEL=revezamento ro net.ifnames=0 no_timer_check panic=10 console=tty0 console=ttyS0
initrd /initrd.img
boot
GRUB
grub() { # FORMAT OUTPUT MODULE…
    format=$1 output=$2
    shift 2
    chroot "$root" grub-mkimage --format="$format" --output="$output" --prefix=/boot/grub \
        --config=/boot/revezamento.cfg part_msdos ext2 search search_label linux boot "$@"
}
cp "$root/usr/lib/grub/i386-pc/boot.img" "$root/boot/revezamento.mbr"
grub i386-pc /boot/revezamento.bios biosdisk
grub x86_64-efi /boot/revezamento.efi
chroot "$root" apt-get -qq purge --yes --autoremove grub-pc-bin grub-efi-amd64-bin
rm -f "$root/etc/resolv.conf" # DHCP writes it
