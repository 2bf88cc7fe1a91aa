// SPDX-License-Identifier: MIT
/*
 * thread-mover THREAD MS: sends a thread of another program to the next CPU every MS
 * milliseconds, as taskset would, until SIGTERM or until the thread is no more. Then it
 * prints how often.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int move(pid_t thread, unsigned long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(thread, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct timespec pause = { 0 };
	unsigned long moves = 0, cpus = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);
	pid_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: thread-mover THREAD MS\n");
		return 2;
	}
	thread = atoi(argv[1]);
	pause.tv_nsec = atoi(argv[2]) % 1000 * 1000000L;
	sigaction(SIGTERM, &action, NULL);
	while (!stop && !move(thread, moves % cpus)) {
		moves++;
		nanosleep(&pause, NULL);
	}
	printf("%lu\n", moves);
	return 0;
}
