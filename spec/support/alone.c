/* Loaded ahead of an interpreter together with a sanitizer's runtime: the
 * programs that the specs start shall run without it. */
#include <stdlib.h>

static void forget_preload(void) __attribute__((constructor));

static void forget_preload(void) {
  unsetenv("LD_PRELOAD");
}
