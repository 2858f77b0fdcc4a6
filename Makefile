# smtplib for Lua. Two commands for a newcomer: `make demo` and `make test`.
#
#   make            build the C module for every Lua found here (build/<abi>/)
#   make demo       install what is missing, build, send a message to the sink
#   make test       install what is missing, build, run the specs
#                   (SPEC=spec/base: only these; LUAS="5.4": only on this Lua)
#   make check      test + lint, layers, shape, symbols, the other Luas,
#                   sanitize, valgrind, fuzz: each is a target of its own
#   make format     lay out csrc/ as .clang-format says
#   make bench      measure against peers (spec/bench)
#   make install    install for one Lua (ABI=5.4 or jit …, PREFIX, DESTDIR);
#                   also what LuaRocks calls (build.type = "make")

CC ?= cc
CLANG ?= clang
PKG_CONFIG ?= pkg-config
INSTALL ?= install
BUILD ?= build

# --- what LuaRocks hands us: CFLAGS, LIBFLAG, LUA_INCDIR, OPENSSL_DIR ---------
CFLAGS ?= -O2 -g -fPIC
LIBFLAG ?= -shared
LDFLAGS ?=
LUA_INCDIR ?=
OPENSSL_DIR ?=
OPENSSL_INCDIR ?= $(if $(OPENSSL_DIR),$(OPENSSL_DIR)/include)
OPENSSL_LIBDIR ?= $(if $(OPENSSL_DIR),$(OPENSSL_DIR)/lib)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
  -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wwrite-strings
WERROR ?=
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Icsrc $(WARNINGS) $(WERROR) $(CFLAGS) \
  -fPIC -fvisibility=hidden $(if $(OPENSSL_INCDIR),-I$(OPENSSL_INCDIR)) $(IDN2_CFLAGS) $(ICONV_CFLAGS)

# libidn2 is optional: without it a non-ASCII domain needs SMTPUTF8.
WITH_IDN2 ?= $(shell $(PKG_CONFIG) --exists libidn2 2>/dev/null && echo yes)
ifeq ($(WITH_IDN2),yes)
IDN2_CFLAGS := -DSMTP_HAVE_IDN2 $(shell $(PKG_CONFIG) --cflags libidn2)
IDN2_LIBS := $(shell $(PKG_CONFIG) --libs libidn2)
endif

UNAME := $(shell uname -s)
ifeq ($(UNAME),Darwin)
# Lua's own symbols come from the program that loads the module.
NODELETE := -undefined dynamic_lookup
ICONV_LIBS := -liconv
else
NODELETE := -Wl,-z,nodelete -Wl,--as-needed
endif

# iconv is libc's (or -liconv), and optional: without it a message may be in
# US-ASCII, UTF-8, ISO-8859-1 and Windows-1252.
ifndef WITH_ICONV
WITH_ICONV := $(shell printf '\043include <iconv.h>\nint main(void) { return iconv_open("", "") == 0; }\n' | \
  $(CC) -x c - -o /dev/null $(ICONV_LIBS) 2>/dev/null && echo yes)
endif
ifeq ($(WITH_ICONV),yes)
ICONV_CFLAGS := -DSMTP_HAVE_ICONV
LIBS_EXTRA := $(ICONV_LIBS)
endif
# OPENSSL_STATIC=yes: a copy of our own, of which nobody sees a symbol, for hosts
# that have another OpenSSL built in (an nginx that was linked statically with one).
OPENSSL_STATIC ?=
OPENSSL_LIBS = $(if $(OPENSSL_STATIC),-Wl$(comma)--exclude-libs$(comma)ALL -Wl$(comma)-Bstatic -lssl -lcrypto \
  -Wl$(comma)-Bdynamic -ldl,-lssl -lcrypto)
comma := ,
LIBS = $(if $(OPENSSL_LIBDIR),-L$(OPENSSL_LIBDIR)) $(OPENSSL_LIBS) $(IDN2_LIBS) $(LIBS_EXTRA) -pthread

# --- sources -----------------------------------------------------------------
ROOMS := base crypto engine intl mime os
CORE_SRC := $(sort $(wildcard $(ROOMS:%=csrc/%/*.c)))
BINDING_SRC := $(sort $(wildcard csrc/binding/*.c))
CORE_OBJ := $(CORE_SRC:csrc/%.c=$(BUILD)/core/%.o)

# --- which Luas: name = header folder ----------------------------------------
incdir = $(firstword $(foreach d,$(1),$(if $(wildcard $(d)/lua.h),$(d))))
INC_5.1 := $(call incdir,/usr/include/lua5.1 /usr/local/include/lua5.1)
INC_jit := $(call incdir,/usr/include/luajit-2.1 /usr/local/include/luajit-2.1)
INC_5.2 := $(call incdir,/usr/include/lua5.2 /usr/local/include/lua5.2)
INC_5.3 := $(call incdir,/usr/include/lua5.3 /usr/local/include/lua5.3)
INC_5.4 := $(call incdir,/usr/include/lua5.4 /usr/local/include/lua5.4)
ifneq ($(LUA_INCDIR),)
# One folder for each set of headers: the objects of one Lua are not another's.
ROCK := rock$(subst /,-,$(LUA_INCDIR))
ABIS := $(ROCK)
INC_$(ROCK) := $(LUA_INCDIR)
else
ABIS := $(foreach v,5.4 jit 5.1 5.2 5.3,$(if $(INC_$(v)),$(v)))
endif

.PHONY: all test specs check demo install bench clean format FORCE \
  layers shape lint symbols other-luas sanitize valgrind fuzz
all: $(ABIS:%=$(BUILD)/%/smtplib/core.so)

# One short line for each file; V=1, and a rock, show the commands.
V ?= $(LUA_INCDIR)
# make itself, on all processors unless the caller said how many.
MAKE_ALL = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell getconf _NPROCESSORS_ONLN))
run = $(if $(V),,@echo "  $(1)"; )$(2)

# Whoever changes the compiler or its flags gets new objects.
FLAGS = $(CC) $(ALL_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || \
	  printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@

$(BUILD)/core/%.o: csrc/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,cc   $@,$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@)

define abi_rules
$(BUILD)/$(1)/binding/%.o: csrc/binding/%.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call run,cc   $$@,$$(CC) $$(ALL_CFLAGS) -isystem $$(INC_$(1)) -MMD -MP -c $$< -o $$@)

$(BUILD)/$(1)/smtplib/core.so: $(CORE_OBJ) $(BINDING_SRC:csrc/%.c=$(BUILD)/$(1)/%.o)
	@mkdir -p $$(@D)
	$$(call run,link $$@,$$(CC) $$(CFLAGS) $$(LIBFLAG) $$(LDFLAGS) $$(NODELETE) -o $$@ $$^ $$(LIBS))
endef
$(foreach v,$(ABIS),$(eval $(call abi_rules,$(v))))

-include $(wildcard $(BUILD)/*/*/*.d build/fuzz/core/*/*.d)

# --- install -----------------------------------------------------------------
ABI ?= $(firstword $(ABIS))
PREFIX ?= /usr/local
DESTDIR ?=
# 504 for Lua 5.4, 501 for 5.1 and LuaJIT: the headers know.
LUA_VERSION = $(shell echo LUA_VERSION_NUM | \
  $(CC) -E -P -include lua.h -I $(INC_$(ABI)) - | tail -n 1 | sed 's/0/./')
LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
BINDIR ?= $(PREFIX)/bin
# LuaRocks wraps the command and names the interpreter itself.
LUA_COMMAND ?= $(if $(LUA_INCDIR),lua,$(if $(filter jit,$(ABI)),luajit,lua$(ABI)))

install: $(BUILD)/$(ABI)/smtplib/core.so
	$(INSTALL) -d $(DESTDIR)$(LUADIR) $(DESTDIR)$(LIBDIR)/smtplib $(DESTDIR)$(BINDIR)
	cd lua && find . -type d -exec $(INSTALL) -d $(DESTDIR)$(LUADIR)/{} \;
	cd lua && find . -name '*.lua' -exec $(INSTALL) -m 644 {} $(DESTDIR)$(LUADIR)/{} \;
	$(INSTALL) -m 755 $< $(DESTDIR)$(LIBDIR)/smtplib/core.so
	printf '%s\n' '#!/usr/bin/env $(LUA_COMMAND)' \
	  'package.path = "$(LUADIR)/?.lua;" .. package.path' \
	  'package.cpath = "$(LIBDIR)/?.so;" .. package.cpath' \
	  'os.exit(require("smtplib.main")(arg))' > $(BUILD)/$(ABI)/smtplib.command
	$(INSTALL) -m 755 $(BUILD)/$(ABI)/smtplib.command $(DESTDIR)$(BINDIR)/smtplib

# --- specs -------------------------------------------------------------------
# SPEC: which ones (spec/base, one file, …); LUAS: which Luas (5.4 jit 5.1 …)
SPEC ?= spec
LUAS ?= 5.4 jit

test:
	@sh spec/support/install_tools.sh test
	@if [ -e spec/interop/servers/install.sh ]; then sh spec/interop/servers/install.sh; fi
	+@$(MAKE_ALL) WERROR=-Werror specs

specs: $(LUAS:%=$(BUILD)/%/smtplib/core.so)
	@LUAS="$(LUAS)" BUILD="$(BUILD)" sh spec/support/run_specs.sh $(SPEC)

demo:
	@sh spec/support/install_tools.sh build
	+@$(MAKE_ALL) $(BUILD)/5.4/smtplib/core.so
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/5.4/?.so;;" \
	  lua5.4 spec/examples/demo.lua

bench: $(BUILD)/5.4/smtplib/core.so
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/5.4/?.so;;" \
	  lua5.4 spec/bench/run.lua
	@if [ -e $(BUILD)/jit/smtplib/core.so ]; then LUA_PATH="lua/?.lua;lua/?/init.lua;;" \
	  LUA_CPATH="$(BUILD)/jit/?.so;;" taskset -c 0 luajit spec/bench/nginx.lua; fi

# --- what a newcomer need not run ----------------------------------------------
# Each part of `check` counts its own specs; the first that fails ends it.
check:
	@sh spec/support/install_tools.sh check
	@$(MAKE) --no-print-directory layers shape lint
	@$(MAKE) --no-print-directory WERROR=-Werror symbols
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory WERROR=-Werror other-luas
	@$(MAKE) --no-print-directory sanitize
	@$(MAKE) --no-print-directory valgrind
	@$(MAKE) --no-print-directory fuzz

layers:
	@lua5.4 spec/house/layers.lua

shape:
	@lua5.4 spec/house/shape.lua

lint:
	@luacheck -q lua spec rockspec/*.rockspec .busted
	@find csrc -name '*.[ch]' | xargs clang-format --dry-run -Werror
	@echo $(CORE_SRC) $(BINDING_SRC) | xargs -n 4 -P 2 sh -c 'clang-tidy --quiet "$$@" -- \
	  $(filter-out -f%,$(ALL_CFLAGS)) -isystem $(INC_5.4) 2>/dev/null' clang-tidy

format:
	find csrc -name '*.[ch]' | xargs clang-format -i

# Whatever the module exports can collide with its host's own symbols.
symbols: all
	@for so in $(ABIS:%=$(BUILD)/%/smtplib/core.so); do \
	  found=$$(nm -D --defined-only $$so | awk '{print $$NF}'); \
	  [ "$$found" = luaopen_smtplib_core ] || { echo "$$so exports: $$found"; exit 1; }; \
	done; echo "symbols: only luaopen_smtplib_core"

other-luas:
	@$(MAKE) --no-print-directory LUAS="5.1 5.2 5.3" specs

# Under a sanitizer or valgrind run the specs of the module itself: those that
# start compilers or mail servers would put these under it, too.
OUTSIDE := spec/house spec/interop spec/nginx spec/bench spec/examples
INSIDE = $(if $(filter-out spec,$(SPEC)),$(SPEC),$(filter-out $(OUTSIDE),$(shell \
  find spec -name '*_spec.lua' | cut -d/ -f1,2 | sort -u)))
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

# Every lua5.4 that the specs start is sanitized, and nothing else.
sanitize:
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS="$(SANITIZE)" WERROR=-Werror \
	  build/asan/5.4/smtplib/core.so
	@mkdir -p build/asan/bin
	@$(CC) -shared -fPIC spec/support/alone.c -o build/asan/alone.so
	@printf '#!/bin/bash\nLD_PRELOAD="%s %s" exec -a "$$0" %s "$$@"\n' "$$($(CC) -print-file-name=libasan.so)" \
	  "$(CURDIR)/build/asan/alone.so" "$$(command -v lua5.4)" > build/asan/bin/lua5.4
	@chmod +x build/asan/bin/lua5.4
	@PATH="$(CURDIR)/build/asan/bin:$$PATH" LUAS=5.4 BUILD=build/asan SPEC_SECONDS=1800 \
	  SPEC_UNDER="env ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=4" \
	  sh spec/support/run_specs.sh $(INSIDE)

valgrind: $(BUILD)/5.4/smtplib/core.so
	@LUAS=5.4 BUILD="$(BUILD)" SPEC_SECONDS=3600 \
	  SPEC_UNDER="valgrind -q --keep-debuginfo=yes --leak-check=full --show-leak-kinds=definite \
	    --errors-for-leak-kinds=definite --error-exitcode=99 \
	    --suppressions=spec/support/valgrind.supp" \
	  sh spec/support/run_specs.sh $(INSIDE)

# Each target states its invariant on its first line.
FUZZ_SECONDS ?= 10
FUZZ_SRC := $(sort $(wildcard spec/fuzz/*_fuzz.c))
FUZZ := $(FUZZ_SRC:spec/fuzz/%.c=build/fuzz/%)
FUZZ_CORE := $(CORE_SRC:csrc/%.c=build/fuzz/core/%.o)
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -Icsrc $(IDN2_CFLAGS) $(ICONV_CFLAGS) -O1 -g \
  -fsanitize=address,undefined -fno-sanitize-recover=all

.SECONDARY: $(FUZZ_CORE)
build/fuzz/core/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(call run,cc   $@,$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@)

build/fuzz/%_fuzz: spec/fuzz/%_fuzz.c $(FUZZ_CORE)
	$(call run,link $@,$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ -o $@ $(LIBS))

fuzz: $(FUZZ)
	@for target in $(FUZZ); do \
	  corpus=spec/fuzz/$$(basename $$target _fuzz); mkdir -p $$target.corpus; \
	  [ -d $$corpus ] || corpus=; \
	  echo "== $$target, $(FUZZ_SECONDS) s"; \
	  $$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=0 \
	    -artifact_prefix=$$target- $$target.corpus $$corpus >$$target.log 2>&1 || \
	    { cat $$target.log; exit 1; }; \
	done

clean:
	rm -rf $(BUILD)
