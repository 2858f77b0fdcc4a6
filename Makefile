# smtplib for Lua. Two commands for a newcomer: `make demo` and `make test`.
#
#   make            build the C module for every Lua found here (build/<abi>/)
#   make demo       install what is missing, build, send a message to the sink
#   make test       install what is missing, build, run the specs
#   make check      test + lint, layers, shape, other Luas, sanitizers, fuzz
#   make bench      measure against peers (spec/bench)
#   make install    used by LuaRocks (build.type = "make")

CC ?= cc
PKG_CONFIG ?= pkg-config
BUILD ?= build

# --- what LuaRocks hands us: CFLAGS, LIBFLAG, LUA_INCDIR, OPENSSL_DIR ---------
CFLAGS ?= -O2 -g -fPIC
LIBFLAG ?= -shared
LUA_INCDIR ?=
OPENSSL_DIR ?=
OPENSSL_INCDIR ?= $(if $(OPENSSL_DIR),$(OPENSSL_DIR)/include)
OPENSSL_LIBDIR ?= $(if $(OPENSSL_DIR),$(OPENSSL_DIR)/lib)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
  -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wwrite-strings
WERROR ?=
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Icsrc $(WARNINGS) $(WERROR) $(CFLAGS) \
  -fPIC -fvisibility=hidden $(if $(OPENSSL_INCDIR),-I$(OPENSSL_INCDIR)) $(IDN2_CFLAGS)

# libidn2 is optional: without it a non-ASCII domain needs SMTPUTF8.
WITH_IDN2 ?= $(shell $(PKG_CONFIG) --exists libidn2 2>/dev/null && echo yes)
ifeq ($(WITH_IDN2),yes)
IDN2_CFLAGS := -DSMTP_HAVE_IDN2 $(shell $(PKG_CONFIG) --cflags libidn2)
IDN2_LIBS := $(shell $(PKG_CONFIG) --libs libidn2)
endif

UNAME := $(shell uname -s)
ifeq ($(UNAME),Darwin)
NODELETE :=
else
NODELETE := -Wl,-z,nodelete -Wl,--as-needed
endif
LIBS = $(if $(OPENSSL_LIBDIR),-L$(OPENSSL_LIBDIR)) -lssl -lcrypto $(IDN2_LIBS)

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
ABIS := rock
INC_rock := $(LUA_INCDIR)
else
ABIS := $(foreach v,5.4 jit 5.1 5.2 5.3,$(if $(INC_$(v)),$(v)))
endif

.PHONY: all test specs check demo install bench clean layers shape lint format
all: $(ABIS:%=$(BUILD)/%/smtplib/core.so)

$(BUILD)/core/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define abi_rules
$(BUILD)/$(1)/binding/%.o: csrc/binding/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) -isystem $$(INC_$(1)) -MMD -MP -c $$< -o $$@

$(BUILD)/$(1)/smtplib/core.so: $(CORE_OBJ) $(BINDING_SRC:csrc/%.c=$(BUILD)/$(1)/%.o)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LIBFLAG) $$(NODELETE) -o $$@ $$^ $$(LIBS)
endef
$(foreach v,$(ABIS),$(eval $(call abi_rules,$(v))))

-include $(wildcard $(BUILD)/*/*/*.d)

# --- specs -------------------------------------------------------------------
# SPEC: which ones (spec/base, one file, …); LUAS: which Luas (5.4 jit 5.1 …)
SPEC ?= spec
LUAS ?= 5.4 jit

test:
	@sh spec/support/install_tools.sh test
	@if [ -e spec/interop/servers/install.sh ]; then sh spec/interop/servers/install.sh; fi
	@$(MAKE) --no-print-directory WERROR=-Werror specs

specs: $(LUAS:%=$(BUILD)/%/smtplib/core.so)
	@LUAS="$(LUAS)" BUILD="$(BUILD)" sh spec/support/run_specs.sh $(SPEC)

demo:
	@sh spec/support/install_tools.sh build
	@$(MAKE) --no-print-directory $(BUILD)/5.4/smtplib/core.so
	@LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$(BUILD)/5.4/?.so;;" lua5.4 spec/examples/demo.lua

clean:
	rm -rf $(BUILD)
