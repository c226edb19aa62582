#!/bin/sh
# disk.sh BASE.tar DISK.raw, as root: makes a disk that boots by BIOS and by UEFI from the tar file that customize.sh
# ended. It mounts nothing.
# The disk: the boot sector, GRUB for BIOS, from 1 MB on a partition with GRUB for UEFI, then Debian's.
set -eu
tar=$1 disk=$2
gigabytes=6
first=2048 efi=16384 # sectors of 512 bytes
second=$((first + efi))
PATH=$PATH:/usr/sbin:/sbin

root=$(mktemp -d -p "$(dirname "$disk")")
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
tar --extract --numeric-owner --xattrs --xattrs-include='*' --directory="$root" --file="$tar"

rm -f "$disk"
truncate --size="${gigabytes}G" "$disk"
sfdisk --quiet --label dos "$disk" <<PARTITIONS
label-id: 0x72657665
start=$first, size=$efi, type=ef
start=$second, type=83, bootable
PARTITIONS
dd if="$root/boot/revezamento.mbr" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$root/boot/revezamento.bios" of="$disk" bs=512 seek=1 conv=notrunc status=none

fat="$disk@@$((first * 512))"
mformat -i "$fat" -T $efi -H $first -N 72657665 -v EFI ::
mmd -i "$fat" ::/EFI ::/EFI/BOOT
mcopy -i "$fat" "$root/boot/revezamento.efi" ::/EFI/BOOT/BOOTX64.EFI

# The names and versions of the packages, for whom asks later what is in the box.
chroot "$root" dpkg-query --show --showformat='${Package}\t${Version}\n' > "$disk.packages"
rm "$root"/boot/revezamento.*
# bookworm's GRUB 2.06 cannot read a file system with metadata_csum_seed.
mke2fs -q -t ext4 -L revezamento -U 72657665-7a61-4d65-8e74-6f0000000000 -O ^metadata_csum_seed \
    -E offset=$((second * 512)),lazy_itable_init=0,hash_seed=72657665-7a61-4d65-8e74-6f0000000000 \
    -d "$root" "$disk" $((gigabytes * 1024 * 1024 - second / 2))k
[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$disk" "$disk.packages"
