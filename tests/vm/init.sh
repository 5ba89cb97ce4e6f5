#!/bin/busybox sh
# The guest's first process: this machine's root, read-only, and in it what has to be the guest's own.
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
for m in /m/*.ko; do $b insmod $m; done
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose root /mnt
for d in tmp run; do $b mount -t tmpfs none /mnt/$d; done
for d in proc sys dev; do $b mount -o move /$d /mnt/$d; done
$b mkdir -p /mnt/dev/hugepages /mnt/dev/shm
$b mount -t hugetlbfs none /mnt/dev/hugepages
$b mount -t tmpfs none /mnt/dev/shm
share=$($b sed -n 's/.* share=\([^ ]*\).*/\1/p' /mnt/proc/cmdline)
$b chroot /mnt /bin/bash $share/guest.sh $share
$b poweroff -f
