# SPDX-License-Identifier: MIT
#
# One front for CMake (hypervisor, programs, tests) and Kbuild (modules).
# Everything that is made goes to build/. `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
DRIVER ?= microv
GUEST ?= debian
INTERACTIVE ?=
LAB ?= lab
TIME ?= 60

RELEASE := $(shell tools/kernel-version)
KDIR ?= $(if $(RELEASE),/lib/modules/$(RELEASE)/build)

# Where udev looks depends on the prefix; elsewhere only /etc is left.
UDEVDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,/etc)/udev/rules.d

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
IMAGES := build/microkernel.elf build/microv.elf
MODULES := build/modules/microv_loader.ko build/modules/microv_kvm.ko

.PHONY: all programs modules help setup guest demo bench test test-unit test-lab test-kasan check fuzz size install uninstall clean

all: programs modules

help:
	@echo 'make demo        install what is needed, build, boot Debian under MicroV in the lab'
	@echo '                 [GUEST=debian|tiny] [DRIVER=microv|kvm_amd] [INTERACTIVE=1]'
	@echo 'make bench       measures operations on stock kvm_amd and on MicroV, prints a table'
	@echo '                 [LAB=lab|host] host: on this machine itself, with a real AMD CPU'
	@echo 'make test        install what is needed, build, run every test'
	@echo
	@echo 'make             build everything: build/mvctl, build/*.elf, build/modules/*.ko, tests'
	@echo 'make modules     only the kernel modules [KDIR=headers] [MODULE=shim|...]'
	@echo 'make programs    everything but the kernel modules'
	@echo 'make setup       install the Debian packages that are needed (as root)'
	@echo 'make guest       make the Debian guest for the demo and the tests, once (as root)'
	@echo 'make test-unit   only the unit tests on the host (address and UB sanitizers)'
	@echo 'make check       static analysis: clang, clang-tidy, cppcheck, sparse, W=1, checkpatch'
	@echo 'make test-kasan  the tests in the lab on a kernel with KASAN, lockdep, UBSAN (built once)'
	@echo 'make test-lab    only the tests in the lab: hypercalls, KVM API on MicroV and kvm_amd'
	@echo 'make fuzz        fuzzes each target of tests/fuzz [TIME=60] seconds'
	@echo 'make size        lines of code in ring 0, and their limit'
	@echo 'make install     [DESTDIR=] [PREFIX=/usr/local] mvctl, hypervisor, modules, udev rule'
	@echo 'make uninstall   takes them out again'
	@echo 'make clean       removes build/'
	@echo
	@echo 'tools/lab/run --help: run any command in the lab'

# cmake runs each time: it is quick, and sees parts that come and go.
programs:
	@command -v cmake >/dev/null || { echo "no cmake: run 'make setup'" >&2; exit 1; }
	@mkdir -p build
	@flock build/cmake.lock cmake -S . -B build/cmake >build/cmake.log 2>&1 || \
		{ cat build/cmake.log >&2; exit 1; }
	@flock build/cmake.lock $(MAKE) -C build/cmake

modules:
	@+MAKE="$(MAKE)" tools/build-modules "$(KDIR)" $(MODULE)

setup:
	@tools/setup

guest:
	@tools/guest-image

demo:
	@tools/setup
	@$(MAKE) all
	@[ $(GUEST) = tiny ] || $(MAKE) guest
	@tools/demo $(DRIVER) $(GUEST) $(if $(INTERACTIVE),interactive)

bench: all guest
	@integration/bench/run $(LAB)

test:
	@tools/setup
	@$(MAKE) all guest
	@tools/run-tests all

test-unit: programs
	@tools/run-tests unit

check:
	@tools/setup
	@$(MAKE) programs
	@tools/static

test-kasan:
	@tools/setup kasan
	@$(MAKE) all
	@tools/test-kasan

test-lab: all guest
	@tools/run-tests lab

fuzz: programs
	@tests/fuzz/run $(TIME)

size:
	@tools/size 3500 microkernel

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/microv $(DESTDIR)$(UDEVDIR)
	install -m 755 build/mvctl $(DESTDIR)$(PREFIX)/sbin/mvctl
	install -m 644 $(IMAGES) $(MODULES) $(DESTDIR)$(PREFIX)/lib/microv/
	install -m 644 tools/70-microv-kvm.rules $(DESTDIR)$(UDEVDIR)/70-microv-kvm.rules

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/mvctl $(DESTDIR)$(UDEVDIR)/70-microv-kvm.rules
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/microv/,$(notdir $(IMAGES) $(MODULES)))
	-rmdir $(DESTDIR)$(PREFIX)/lib/microv

clean:
	rm -rf build
