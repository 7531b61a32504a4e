// Holds a pod's namespaces: waits for the end, and reaps what the pod's processes leave behind.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) { _exit(0); }
static void reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0); }

int main(void) {
	struct sigaction action = {0};
	action.sa_handler = end;
	sigaction(SIGINT, &action, 0);
	sigaction(SIGTERM, &action, 0);
	action.sa_handler = reap;
	action.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, 0);
	for (;;) pause();
}
