#!/usr/bin/env bash
# Do in a folder what a recipe says, by chroot, where there is no Apptainer: as root, with a base system in ROOT.
#   debootstrap --variant=minbase --components=main,universe noble ROOT MIRROR
#   bash containers/try.sh containers/ffn-cuda.def ROOT     (in the folder of this repository)
# Its %files are copied, then %post and %test run. FILES may name more files of this machine for them to find.
set -euo pipefail
recipe=$1 root=$(realpath "$2")

section() { awk -v name="%$1" '/^%/ { here = $1 == name; next } here' "$recipe"; }
inside() { env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin ${PIP_CERT:+PIP_CERT="$PIP_CERT"} chroot "$root" sh -e; }

section files | while read -r from to; do
    [ -n "$from" ] || continue
    mkdir -p "$root/$(dirname "$to")"
    cp -RT "$from" "$root/$to"
done
for file in /etc/resolv.conf ${FILES:-}; do
    mkdir -p "$root/$(dirname "$file")"
    cp "$file" "$root/$file"
done
echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
trap 'umount -R "$root/dev" "$root/proc"' EXIT
section post | inside
{ section environment; section test; } | inside
echo "try: $recipe was built in $root and passed its own test"
