// SPDX-License-Identifier: MIT
/*
 * docs/kvm-api.md says what becomes of each capability and ioctl. Here it is compared with
 * the header and with what /dev/kvm answers, on both drivers.
 */
#include "kvmtest.h"

#define TABLE "docs/kvm-api.md"
#define HEADER "/usr/include/linux/kvm.h"
#define COLUMNS 6
#define BAD_POINTER 8UL

struct row {
	char text[512];
	char *column[COLUMNS];
	unsigned int columns;
};

static bool on_microv(void)
{
	return access("/sys/module/microv_kvm", F_OK) == 0;
}

static FILE *file_open(const char *path)
{
	FILE *file = fopen(path, "r");

	REQUIRE(file != NULL);
	return file;
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " ");
	for (end = text + strlen(text); end > text && end[-1] == ' '; end--)
		end[-1] = '\0';
	return text;
}

/* The next row of a table in the page. */
static bool row_next(FILE *file, struct row *row)
{
	while (fgets(row->text, sizeof(row->text), file)) {
		char *at = row->text, *column;

		if (*at++ != '|')
			continue;
		row->columns = 0;
		while (row->columns < COLUMNS && (column = strsep(&at, "|")) != NULL && at)
			row->column[row->columns++] = trim(column);
		if (row->columns >= 4)
			return true;
	}
	return false;
}

/* The row whose `column` has this text. */
static bool row_find(struct row *row, unsigned int column, const char *text)
{
	FILE *file = file_open(TABLE);
	bool found = false;

	while (!found && row_next(file, row))
		found = column < row->columns && !strcmp(row->column[column], text);
	fclose(file);
	return found;
}

static void every_capability_has_a_line(void)
{
	FILE *file = file_open(HEADER);
	unsigned int number, found = 0;
	char line[512], name[128];
	struct row row;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "#define KVM_CAP_%127s %u", name, &number) != 2)
			continue;
		found++;
		if (!row_find(&row, 1, name))
			kt_fail(__FILE__, __LINE__, "no line for KVM_CAP_%s", name);
		else if (strtoul(row.column[0], NULL, 10) != number)
			kt_fail(__FILE__, __LINE__, "KVM_CAP_%s is not %s", name, row.column[0]);
	}
	fclose(file);
	CHECK(found > 200);
}

static bool is_of_others(const char *name)
{
	static const char *const others[] = { "S390_", "PPC_",	       "ARM_",
					      "SPAPR", "ALLOCATE_RMA", "DIRTY_TLB" };

	for (unsigned int i = 0; i < KT_LEN(others); i++)
		if (strstr(name, others[i]))
			return true;
	return false;
}

static bool is_request(const char *line)
{
	return strstr(line, "_IO(") || strstr(line, "_IOR(") || strstr(line, "_IOW(") ||
	       strstr(line, "_IOWR(");
}

static void every_ioctl_has_a_line(void)
{
	FILE *file = file_open(HEADER);
	char line[512], name[128];
	unsigned int found = 0;
	struct row row;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "#define %127s", name) != 1 || !is_request(line) ||
		    strncmp(name, "KVM_", 4) || strchr(name, '(') || is_of_others(name))
			continue;
		found++;
		if (!row_find(&row, 0, name))
			kt_fail(__FILE__, __LINE__, "no line for %s", name);
	}
	fclose(file);
	CHECK(found > 90);
}

static bool as_said(const char *want, int got)
{
	return strcmp(want, "+") ? got == (int)strtol(want, NULL, 0) : got > 0;
}

static void capabilities_are_as_said(void)
{
	const unsigned int column = on_microv() ? 3 : 2;
	FILE *file = file_open(TABLE);
	struct kt_vm vm = kt_vm_create();
	unsigned int found = 0;
	struct row row;

	while (row_next(file, &row)) {
		int got;

		if (row.columns < 5 || row.column[0][0] < '0' || row.column[0][0] > '9')
			continue;
		found++;
		got = ioctl(vm.fd, KVM_CHECK_EXTENSION, strtoul(row.column[0], NULL, 10));
		if (!as_said(row.column[column], got))
			kt_fail(__FILE__, __LINE__, "KVM_CAP_%s is %d, not %s", row.column[1], got,
				row.column[column]);
		if (strcmp(row.column[4], "works") && on_microv() && got)
			kt_fail(__FILE__, __LINE__, "KVM_CAP_%s: %s, but %d", row.column[1],
				row.column[4], got);
	}
	fclose(file);
	CHECK(found > 200);
}

/* Those of the page, by name. */
static const struct {
	const char *name;
	unsigned long request;
} ioctls[] = {
#define I(name)                                                                                    \
	{                                                                                          \
#name, name                                                                        \
	}
	I(KVM_GET_API_VERSION),
	I(KVM_CREATE_VM),
	I(KVM_GET_MSR_INDEX_LIST),
	I(KVM_GET_MSR_FEATURE_INDEX_LIST),
	I(KVM_CHECK_EXTENSION),
	I(KVM_GET_VCPU_MMAP_SIZE),
	I(KVM_GET_SUPPORTED_CPUID),
	I(KVM_GET_EMULATED_CPUID),
	I(KVM_X86_GET_MCE_CAP_SUPPORTED),
	I(KVM_GET_SUPPORTED_HV_CPUID),
	I(KVM_GET_MSRS),
	I(KVM_HAS_DEVICE_ATTR),
	I(KVM_GET_DEVICE_ATTR),
	I(KVM_SET_DEVICE_ATTR),
	I(KVM_CREATE_VCPU),
	I(KVM_SET_USER_MEMORY_REGION),
	I(KVM_GET_DIRTY_LOG),
	I(KVM_CLEAR_DIRTY_LOG),
	I(KVM_SET_NR_MMU_PAGES),
	I(KVM_GET_NR_MMU_PAGES),
	I(KVM_SET_MEMORY_REGION),
	I(KVM_SET_MEMORY_ALIAS),
	I(KVM_SET_TSS_ADDR),
	I(KVM_SET_IDENTITY_MAP_ADDR),
	I(KVM_SET_BOOT_CPU_ID),
	I(KVM_IOEVENTFD),
	I(KVM_REGISTER_COALESCED_MMIO),
	I(KVM_UNREGISTER_COALESCED_MMIO),
	I(KVM_ENABLE_CAP),
	I(KVM_SET_CLOCK),
	I(KVM_GET_CLOCK),
	I(KVM_GET_STATS_FD),
	I(KVM_SET_GSI_ROUTING),
	I(KVM_CREATE_IRQCHIP),
	I(KVM_IRQ_LINE),
	I(KVM_IRQ_LINE_STATUS),
	I(KVM_GET_IRQCHIP),
	I(KVM_SET_IRQCHIP),
	I(KVM_CREATE_PIT),
	I(KVM_CREATE_PIT2),
	I(KVM_GET_PIT),
	I(KVM_SET_PIT),
	I(KVM_GET_PIT2),
	I(KVM_SET_PIT2),
	I(KVM_REINJECT_CONTROL),
	I(KVM_IRQFD),
	I(KVM_SIGNAL_MSI),
	I(KVM_CREATE_DEVICE),
	I(KVM_SET_PMU_EVENT_FILTER),
	I(KVM_X86_SET_MSR_FILTER),
	I(KVM_HYPERV_EVENTFD),
	I(KVM_XEN_HVM_CONFIG),
	I(KVM_XEN_HVM_GET_ATTR),
	I(KVM_XEN_HVM_SET_ATTR),
	I(KVM_XEN_HVM_EVTCHN_SEND),
	I(KVM_MEMORY_ENCRYPT_OP),
	I(KVM_MEMORY_ENCRYPT_REG_REGION),
	I(KVM_MEMORY_ENCRYPT_UNREG_REGION),
	I(KVM_RESET_DIRTY_RINGS),
	I(KVM_ASSIGN_PCI_DEVICE),
	I(KVM_DEASSIGN_PCI_DEVICE),
	I(KVM_ASSIGN_DEV_IRQ),
	I(KVM_DEASSIGN_DEV_IRQ),
	I(KVM_ASSIGN_SET_MSIX_NR),
	I(KVM_ASSIGN_SET_MSIX_ENTRY),
	I(KVM_ASSIGN_SET_INTX_MASK),
	I(KVM_SET_TSC_KHZ),
	I(KVM_GET_TSC_KHZ),
	I(KVM_RUN),
	I(KVM_GET_REGS),
	I(KVM_SET_REGS),
	I(KVM_GET_SREGS),
	I(KVM_SET_SREGS),
	I(KVM_GET_SREGS2),
	I(KVM_SET_SREGS2),
	I(KVM_TRANSLATE),
	I(KVM_INTERRUPT),
	I(KVM_NMI),
	I(KVM_SMI),
	I(KVM_SET_MSRS),
	I(KVM_SET_CPUID),
	I(KVM_SET_CPUID2),
	I(KVM_GET_CPUID2),
	I(KVM_SET_SIGNAL_MASK),
	I(KVM_GET_FPU),
	I(KVM_SET_FPU),
	I(KVM_GET_XSAVE),
	I(KVM_GET_XSAVE2),
	I(KVM_SET_XSAVE),
	I(KVM_GET_XCRS),
	I(KVM_SET_XCRS),
	I(KVM_GET_LAPIC),
	I(KVM_SET_LAPIC),
	I(KVM_TPR_ACCESS_REPORTING),
	I(KVM_SET_VAPIC_ADDR),
	I(KVM_GET_MP_STATE),
	I(KVM_SET_MP_STATE),
	I(KVM_SET_GUEST_DEBUG),
	I(KVM_X86_SETUP_MCE),
	I(KVM_X86_SET_MCE),
	I(KVM_GET_VCPU_EVENTS),
	I(KVM_SET_VCPU_EVENTS),
	I(KVM_GET_DEBUGREGS),
	I(KVM_SET_DEBUGREGS),
	I(KVM_KVMCLOCK_CTRL),
	I(KVM_GET_NESTED_STATE),
	I(KVM_SET_NESTED_STATE),
	I(KVM_XEN_VCPU_GET_ATTR),
	I(KVM_XEN_VCPU_SET_ATTR),
	I(KVM_GET_ONE_REG),
	I(KVM_SET_ONE_REG),
	I(KVM_GET_REG_LIST),
#undef I
};

/*
 * A call that works reads or writes where its argument points, and finds nothing there; one
 * that doesn't is unknown. On kvm_amd only the first can be said.
 */
static void try_call(const char *name, unsigned long request, const char *state, int fd,
		     int unknown)
{
	const bool works = !strcmp(state, "works");
	int ret;

	if (works ? !_IOC_SIZE(request) : !on_microv())
		return;
	errno = 0;
	ret = ioctl(fd, request, BAD_POINTER);
	if (ret != -1 || errno != (works ? EFAULT : unknown))
		kt_fail(__FILE__, __LINE__, "%s (%s) gave %d, errno %d", name, state, ret, errno);
}

static void ioctls_are_as_said(void)
{
	struct kt_vm vm = kt_vm_create(), with_vcpu = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&with_vcpu, 0);
	struct row row;

	for (unsigned int i = 0; i < KT_LEN(ioctls); i++) {
		if (!row_find(&row, 0, ioctls[i].name)) {
			kt_fail(__FILE__, __LINE__, "no line for %s", ioctls[i].name);
			continue;
		}
		if (strstr(row.column[1], "system"))
			try_call(ioctls[i].name, ioctls[i].request, row.column[2], vm.kvm, EINVAL);
		if (strstr(row.column[1], "VM"))
			try_call(ioctls[i].name, ioctls[i].request, row.column[2], vm.fd, ENOTTY);
		if (strstr(row.column[1], "vCPU"))
			try_call(ioctls[i].name, ioctls[i].request, row.column[2], vcpu.fd, EINVAL);
	}
}

/* All that the page has can be tried. */
static void every_line_is_tried(void)
{
	FILE *file = file_open(TABLE);
	struct row row;

	while (row_next(file, &row)) {
		bool tried = strncmp(row.column[0], "KVM_", 4) || row.columns != 4;

		for (unsigned int i = 0; !tried && i < KT_LEN(ioctls); i++)
			tried = !strcmp(ioctls[i].name, row.column[0]);
		if (!tried)
			kt_fail(__FILE__, __LINE__, "%s isn't tried", row.column[0]);
	}
	fclose(file);
}

static const struct kt_test tests[] = {
	{ "kvm-api.md: every capability has a line", every_capability_has_a_line },
	{ "kvm-api.md: every ioctl has a line", every_ioctl_has_a_line },
	{ "kvm-api.md: capabilities are as said", capabilities_are_as_said },
	{ "kvm-api.md: ioctls are as said", ioctls_are_as_said },
	{ "kvm-api.md: every line is tried", every_line_is_tried },
};

KT_MAIN(tests)
