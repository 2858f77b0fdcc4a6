/* The least that it takes to make bytes of bytes: memcpy, of as many as the
 * codecs have at a time (see work.lua). Prints what work.lua prints. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES 1048576

static double seconds_of(clockid_t clock) {
  struct timespec t;

  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  /* volatile: whoever sees through memcpy leaves the copies out */
  void *(*volatile copy)(void *, const void *, size_t) = memcpy;
  double seconds = argc > 3 ? atof(argv[2]) : 1, wall, cpu;
  long count = argc > 3 ? atol(argv[3]) : 1, done = 0;
  char *from = malloc(BYTES), *to = malloc(BYTES);

  if (!from || !to) return 1;
  memset(from, 'x', BYTES);
  copy(to, from, BYTES);
  wall = seconds_of(CLOCK_MONOTONIC);
  cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  do {
    copy(to, from, BYTES);
    done++;
  } while (done < count && seconds_of(CLOCK_MONOTONIC) - wall < seconds);
  printf("done %ld\nbytes %d\nwall %.6f\ncpu %.6f\n", done, BYTES,
         seconds_of(CLOCK_MONOTONIC) - wall,
         seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  free(from);
  free(to);
  return 0;
}
