package = "smtplib"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "Send mail: SMTP objects, TLS, login and message composition",
  detailed = [[
Python's smtplib and email composition for Lua, on a protocol core in C that
does no input or output of its own: the same code serves plain scripts and
nginx workers. Certificates are verified by default, failures are tables, and
every refused recipient is reported.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.1, < 5.5",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
}
build = {
  type = "make",
  variables = {
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    OPENSSL_DIR = "$(OPENSSL_DIR)",
    OPENSSL_INCDIR = "$(OPENSSL_INCDIR)",
    OPENSSL_LIBDIR = "$(OPENSSL_LIBDIR)",
  },
  install_variables = {
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
  },
}
