/* The bare reader that PTY lines are compared with: forkpty, poll, read, count. Prints one JSON line. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  int master;
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  pid_t pid = forkpty(&master, NULL, NULL, &size);
  if (pid < 0) return 1;
  if (pid == 0) {
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  fcntl(master, F_SETFL, O_NONBLOCK);
  static char buffer[65536];
  double first = 0, last = 0;
  long long bytes = 0;
  for (;;) {
    struct pollfd poller = {.fd = master, .events = POLLIN};
    if (poll(&poller, 1, -1) < 0 && errno != EINTR) break;
    ssize_t count = read(master, buffer, sizeof buffer);
    if (count > 0) {
      last = now_ms();
      if (bytes == 0) first = last;
      bytes += count;
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) break; /* EIO: the last holder is gone */
  }
  waitpid(pid, NULL, 0);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec * 1e3 + usage.ru_utime.tv_usec / 1e3 + usage.ru_stime.tv_sec * 1e3 + usage.ru_stime.tv_usec / 1e3;
  printf("{\"bytes\":%lld,\"ms\":%.3f,\"cpuMs\":%.3f}\n", bytes, last - first, cpu);
  return 0;
}
