-- Several copies of OpenSSL in one process: the module as it is built shares the
-- host's; with OPENSSL_STATIC=yes it has one of its own, which the host cannot get in
-- the way of, nor the other way round.
local certs = require "spec.support.certs"
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

local top = nginx.shell("pwd"):match("[^\n]+") .. "/"

-- What stands in for an OpenSSL that is linked into the host's program and exports
-- its functions, as nginx's static one does.
local intruder = [[
#include <stdio.h>
#include <stdlib.h>
static void *die(const char *name) { fprintf(stderr, "intruder: %s\n", name); exit(9); }
void *SSL_CTX_new(const void *method) { (void)method; return die("SSL_CTX_new"); }
void *EVP_MD_CTX_new(void) { return die("EVP_MD_CTX_new"); }
]]

local tls_at_work = [[
local sink = assert(require("smtplib").sink.start{ tls = "implicit" })
local server = assert(require("smtplib").SMTP_SSL{ host = "localhost", port = sink.port, tls_options = { cafile = sink.cafile } })
assert(server:noop())
server:quit()
sink:stop()
print "fine"
]]

describe("OpenSSL", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end
  -- Once is enough: nginx's Lua is LuaJIT, whichever Lua runs the specs.
  if not rawget(_G, "jit") then return end

  local built = (os.getenv("BUILD") or "build") .. "/static"
  local server, mail
  setup(function()
    local output, status = nginx.make(("-j2 BUILD=%s CFLAGS='-O0 -fPIC' OPENSSL_STATIC=yes %s/jit/smtplib/core.so"):format(built, built))
    assert(status == 0, output)
    mail = assert(sink.start { tls = "starttls", certfile = certs.path("server.pem"), keyfile = certs.path("server.key") })
  end)
  teardown(function()
    if mail then mail:stop() end
  end)
  after_each(function()
    if not server then return end
    local alarms = server:alarms()
    server:stop()
    server = nil
    assert.equal("", alarms)
  end)

  -- nginx speaks TLS itself, and gives its cosockets TLS, beside the module.
  local function start(build)
    server = nginx.start { build = build, http = ([[
      lua_ssl_trusted_certificate %s;
      server {
        listen unix:{folder}/https.sock ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        location / { return 204; }
      }
    ]]):format(top .. certs.path("ca.pem"), top .. certs.path("server.pem"), top .. certs.path("server.key")) }
  end

  local function assert_all_speak_tls()
    for _ = 1, 3 do
      local refused, err = server:run([[ return require("spec.nginx.support.handler").send("x", ...) ]], {
        host = "localhost", port = mail.port, tls = "starttls", tls_options = { cafile = top .. certs.path("ca.pem") },
      })
      assert.same({}, refused, err and err.text)
      assert.is_true(server:run([[
        local sock = ngx.socket.tcp()
        assert(sock:connect("unix:" .. ...))
        return sock:sslhandshake(false, "localhost", true)
      ]], server.folder .. "/https.sock"))
    end
    assert.equal(3, #mail:take())
  end

  -- The OpenSSL libraries that a worker has mapped.
  local function libraries()
    local names, count = {}, 0
    for path in nginx.read_file("/proc/" .. ("%d"):format(server:workers()[1]) .. "/maps"):gmatch("/[^\n]*libcrypto[^\n]*") do
      if not names[path] then count = count + 1 end
      names[path] = true
    end
    return count
  end

  it("is there once in nginx and for the module", function()
    start()
    assert_all_speak_tls()
    assert.equal(1, libraries())
  end)

  it("may be there twice: nginx's, and one of the module's own", function()
    start(top .. built .. "/jit")
    assert_all_speak_tls()
    assert.equal(1, libraries())
    nginx.signal(server:master(), "HUP")
    local before = server:workers()[1]
    assert.is_true(nginx.eventually(function() return server:workers()[1] ~= before end))
    assert_all_speak_tls()
  end)

  it("of the module's own is seen by nobody, and needs no library", function()
    local exports = nginx.shell("nm -D --defined-only " .. built .. "/jit/smtplib/core.so")
    assert.equal("luaopen_smtplib_core", exports:match("%S+ T (%S+)\n$"))
    local needed = nginx.shell("readelf -d " .. built .. "/jit/smtplib/core.so")
    assert.truthy(needed:find("NEEDED", 1, true))
    assert.falsy(needed:find("libssl", 1, true) or needed:find("libcrypto", 1, true))
  end)

  it("that a host has linked in gets in the way of the shared one, and not of the module's own", function()
    local folder = nginx.shell("mktemp -d"):match("%S+")
    finally(function() nginx.shell("rm -rf " .. folder) end)
    nginx.write_file(folder .. "/intruder.c", intruder)
    nginx.write_file(folder .. "/work.lua", tls_at_work)
    assert.equal("", (nginx.shell(("cc -shared -fPIC -o %s/intruder.so %s/intruder.c"):format(folder, folder))))
    local function work(build)
      return (nginx.shell(("LUA_PATH='lua/?.lua;;' LUA_CPATH='%s/?.so;;' LD_PRELOAD=%s/intruder.so luajit %s/work.lua"):format(
        build, folder, folder)))
    end
    assert.truthy(work((os.getenv("BUILD") or "build") .. "/jit"):find("intruder: ", 1, true))
    assert.equal("fine\n", work(built .. "/jit"))
  end)
end)
