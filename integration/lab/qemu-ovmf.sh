# SPDX-License-Identifier: MIT
#
# Debian by OVMF instead of SeaBIOS: UEFI, GRUB, a stock kernel to the login prompt,
# and power off.
#
# cpus: 2
# driver: kvm_amd,microv
# timeout: 600

. integration/lab/tap
. integration/lab/qemu

firmware=/usr/share/OVMF
cp $firmware/OVMF_VARS_4M.fd /tmp/vars
if on_microv; then model=host; else model=; fi
guest_start_debian -machine q35,kernel-irqchip=off -cpu "$(cpu_here $model)" \
	-drive if=pflash,format=raw,readonly=on,file=$firmware/OVMF_CODE_4M.fd \
	-drive if=pflash,format=raw,file=/tmp/vars
ok "OVMF, GRUB" guest_expect 180 'GRUB loads the kernel'
ok "a stock kernel, a login prompt, root logs in" guest_login 400
guest_age "login"
ok "the firmware is UEFI" guest_run 30 'test -d /sys/firmware/efi/efivars && dmesg | grep -q OVMF || ls /sys/firmware/efi'
guest_type 'poweroff\n'
ok "it powers off, QEMU ends" guest_end 120
finish
