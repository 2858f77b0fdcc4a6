-- The TLS filter as a carrier of bytes: any cut of the wire, large transfers,
-- the end of a connection, garbage, and what it leaves to the host.
local core = require "smtplib.core"
local pair = require "spec.support.tlspair"

local function open(opts)
  opts = opts or {}
  local client, server = pair.connect(pair.client_context(opts.client), pair.server_context("server", opts.server), opts)
  assert(client:state() == "open" and server:state() == "open")
  return client, server
end

local versions = { "TLSv1.2", "TLSv1.3" }

for _, version in ipairs(versions) do
  local limits = { max_version = version }

  describe("a TLS filter, " .. version .. ",", function()
    it("has its ClientHello ready at once", function()
      local client = core.tls(pair.client_context(limits), "localhost")
      assert.are.equal("handshake", client:state())
      assert.are.equal("\22\3\1", client:output():sub(1, 3))
      assert.are.equal("", client:output())
    end)

    for _, step in ipairs { 1, 2, 3, 7, 100 } do
      it(("carries bytes both ways, %d at a time"):format(step), function()
        local client, server = open { client = limits, step = step }
        for i = 1, 3 do
          assert.is_true(client:write("to the server " .. i))
          assert.is_true(server:write("to the client " .. i))
          pair.pump(client, server, step)
          assert.are.equal("to the client " .. i, pair.read(client))
          assert.are.equal("to the server " .. i, pair.read(server))
        end
        pair.finish(client, server, step)
        assert.are.equal("closed", client:state())
        assert.are.equal("closed", server:state())
      end)
    end

    it("carries 8 MiB unchanged, in pieces of any size", function()
      local client, server = open { client = limits }
      local piece = core.random(1024):rep(97) .. "tail"
      local sent, received = 0, {}
      while sent < 8 * 1024 * 1024 do
        assert.is_true(client:write(piece))
        sent = sent + #piece
        pair.pump(client, server)
        received[#received + 1] = pair.read(server)
      end
      local bytes = table.concat(received)
      assert.are.equal(sent, #bytes)
      assert.are.equal(core.digest("sha256", piece:rep(sent / #piece)), core.digest("sha256", bytes))
    end)

    it("hands out one record's worth at a time and nil at the end", function()
      local client, server = open { client = limits }
      server:write(("a"):rep(40000))
      pair.pump(client, server)
      local count, total = 0, 0
      for bytes in function() return (client:read()) end do
        count, total = count + 1, total + #bytes
      end
      assert.are.equal(40000, total)
      assert.are.equal(3, count)
      assert.is_nil(client:read())
    end)

    it("writes nothing before the handshake is done", function()
      local client = core.tls(pair.client_context(limits), "localhost")
      local ok, name = client:write("secret")
      assert.is_nil(ok)
      assert.are.equal("state", name)
      assert.is_nil(client:read())
      assert.is_nil(client:binding())
    end)

    it("takes an empty write for nothing", function()
      local client = open { client = limits }
      client:output()
      assert.is_true(client:write(""))
      assert.are.equal("", client:output())
    end)

    it("reads what came before close_notify, and is closed then", function()
      local client, server = open { client = limits }
      server:write("221 bye\r\n")
      server:shutdown()
      pair.pump(client, server)
      assert.are.equal("open", client:state())
      assert.are.equal("221 bye\r\n", pair.read(client))
      assert.are.equal("closed", client:state())
      assert.is_nil(client:failure())
      assert.is_true(client:input_end())
      assert.is_nil((client:read()))
      assert.are.equal("closed", client:state())
      local ok, name = client:write("late")
      assert.is_nil(ok)
      assert.are.equal("closed", name)
    end)

    it("says close_notify once, and writes nothing afterwards", function()
      local client, server = open { client = limits }
      client:output()
      client:shutdown()
      assert.are_not.equal("", client:output())
      client:shutdown()
      assert.are.equal("", client:output())
      local ok, name = client:write("late")
      assert.is_nil(ok)
      assert.are.equal("state", name)
      assert.truthy(server)
    end)

    it("notices a connection cut without close_notify, after what had come", function()
      local client, server = open { client = limits }
      server:write("250 ok\r\n")
      client:input(server:output())
      assert.is_true(client:input_end())
      assert.are.equal("250 ok\r\n", (client:read()))
      local bytes, name = client:read()
      assert.is_nil(bytes)
      assert.are.equal("tls_truncated", name)
      assert.are.equal("failed", client:state())
    end)

    it("notices a connection cut within a record", function()
      local client, server = open { client = limits }
      server:write("250 ok\r\n")
      client:input(server:output():sub(1, -2))
      assert.is_nil((client:read()))
      client:input_end()
      assert.are.equal("tls_truncated", select(2, client:read()))
    end)

    it("fails a handshake that the wire ends", function()
      local client = core.tls(pair.client_context(limits), "localhost")
      local ok, name, sentence = client:input_end()
      assert.is_nil(ok)
      assert.are.equal("tls_handshake", name)
      assert.truthy(sentence:find("connection closed during the handshake", 1, true))
    end)

    it("refuses a record that was tampered with", function()
      local client, server = open { client = limits }
      server:write("250 ok\r\n")
      local bytes = server:output()
      client:input(bytes:sub(1, -2) .. string.char((bytes:byte(-1) + 1) % 256))
      local plain, name = client:read()
      assert.is_nil(plain)
      assert.are.equal("tls_protocol", name)
      assert.are_not.equal("", client:output())
      assert.are.equal("failed", client:state())
    end)

    it("refuses a record that is played again", function()
      local client, server = open { client = limits }
      server:write("250 ok\r\n")
      local bytes = server:output()
      client:input(bytes)
      assert.are.equal("250 ok\r\n", pair.read(client))
      client:input(bytes)
      assert.are.equal("tls_protocol", select(2, client:read()))
    end)
  end)
end

describe("a TLS client that hears no TLS", function()
  -- what, bytes
  local cases = {
    { "an SMTP greeting", "220 mail.example.test ESMTP ready\r\n" },
    { "zeros", ("\0"):rep(64) },
    { "an alert", "\21\3\3\0\2\2\40" },
    { "a ServerHello cut short", "\22\3\3\0\4\2\0\0\0" },
    { "a record that is too long", "\22\3\3\255\255" .. ("x"):rep(70000) },
  }
  for _, row in ipairs(cases) do
    it("fails at " .. row[1] .. ", whole and bytewise", function()
      for _, step in ipairs { #row[2], 1 } do
        local client = core.tls(pair.client_context(), "localhost")
        for i = 1, #row[2], step do client:input(row[2]:sub(i, i + step - 1)) end
        assert.are.equal("failed", client:state())
        local name, reason = client:failure()
        assert.are.equal("tls_handshake", name)
        assert.are_not.equal("", reason)
      end
    end)
  end

  it("suspects that the port does not speak TLS", function()
    local client = core.tls(pair.client_context(), "localhost")
    client:input("220 mail.example.test ESMTP ready\r\n")
    assert.truthy(select(2, client:failure()):find("may not speak TLS", 1, true))
  end)

  it("survives random bytes", function()
    for _ = 1, 200 do
      local client = core.tls(pair.client_context(), "localhost")
      client:input("\22\3\3\0\200" .. core.random(300))
      assert.are_not.equal("open", client:state())
    end
  end)

  it("survives a flight with one byte changed anywhere", function()
    local contexts = { pair.client_context(), pair.server_context("server") }
    for at = 1, 1500, 13 do
      local client, server = core.tls(contexts[1], "localhost"), core.tls(contexts[2])
      server:input(client:output())
      local flight = server:output()
      if at > #flight then break end
      client:input(flight:sub(1, at - 1) .. string.char((flight:byte(at) + 1) % 256) .. flight:sub(at + 1))
      pair.pump(client, server)
      client:write("hello")
      pair.pump(client, server)
      assert.is_nil((server:read()))
    end
  end)
end)

describe("a ticket in several records", function()
  -- A client certificate makes tickets long, max_fragment cuts them.
  local certs = require "spec.support.certs"
  it("holds plain bytes back until it is whole, and loses none", function()
    local client_context = pair.client_context { certfile = certs.path("client.pem"), keyfile = certs.path("client.key") }
    local server_context = pair.server_context("server", { cafile = certs.path("ca.pem"), verify = true, max_fragment = 512 })
    local client, server = core.tls(client_context, "localhost", "peer"), core.tls(server_context)
    server:input(client:output())
    while client:state() == "handshake" do
      client:input(server:output())
    end
    server:input(client:output())
    local tickets = server:output()
    assert.truthy(#tickets > 1024)
    local written = {}
    for i = 1, #tickets do
      client:input(tickets:sub(i, i))
      assert.is_nil((client:read()))
      assert.is_true(client:write(i .. ","))
      written[#written + 1] = i .. ","
    end
    pair.pump(client, server)
    assert.are.equal(table.concat(written), pair.read(server))
    server:write("and back")
    pair.pump(client, server)
    assert.are.equal("and back", pair.read(client))
  end)
end)

-- The queue belongs to the process; only LuaJIT can look at it from here.
local found, ffi = pcall(require, "ffi")
if found then
  ffi.cdef [[
    unsigned long ERR_peek_error(void);
    void *BIO_new_file(const char *name, const char *mode);
  ]]
  local function load_crypto()
    for _, name in ipairs { "libcrypto.so.3", "libcrypto.so.1.1", "crypto" } do
      local ok, library = pcall(ffi.load, name)
      if ok then return library end
    end
  end
  local crypto = load_crypto()

  describe("OpenSSL's error queue", function()
    local function is_clean()
      assert.are.equal(0, tonumber(crypto.ERR_peek_error()))
    end
    local function soil()
      assert(crypto.BIO_new_file("/nonexistent", "r") == nil)
      assert(crypto.ERR_peek_error() ~= 0)
    end

    it("is empty after every failure", function()
      for _, options in ipairs { { cafile = "/nonexistent" }, { cadata = "x" }, { ciphers = "x" }, { certfile = "/nonexistent" },
        { capath = "/nonexistent" }, { min_version = "x" }, {} } do
        core.tls_context(options)
        is_clean()
      end
      for _, cert in ipairs { "expired", "wronghost", "server" } do
        local client, server = pair.connect(pair.client_context(), pair.server_context(cert))
        is_clean()
        client:input(("junk"):rep(100))
        client:read()
        is_clean()
        server:shutdown()
        client:binding("tls-unique")
        is_clean()
        client:fingerprint()
        is_clean()
      end
      core.tls(pair.client_context(), "localhost"):input("220 hello there\r\n")
      is_clean()
      core.tls(pair.client_context(), ("a"):rep(255))
      is_clean()
    end)

    it("with an error of the host's in it does not mislead us", function()
      local client, server = open()
      soil()
      assert.is_true(client:write("hello"))
      soil()
      pair.pump(client, server)
      soil()
      assert.are.equal("hello", pair.read(server))
      soil()
      assert.is_nil((server:read()))
      assert.are.equal("open", server:state())
      soil()
      local a, b = open()
      assert.truthy(a and b)
    end)

    it("keeps an error of the host's through a digest", function()
      soil()
      local before = tonumber(crypto.ERR_peek_error())
      core.digest("md5", "x")
      core.hmac("sha1", "k"):digest()
      assert.are.equal(before, tonumber(crypto.ERR_peek_error()))
      pair.client_context()
    end)
  end)
end

describe("when memory runs out", function()
  -- Let each allocation fail once; what fails must be said and freed.
  it("TLS fails with nomem, or does without what it wanted", function()
    local client_options = { alpn = "a,b", server_hostname = "localhost" }
    local certs = require "spec.support.certs"
    local server_options = { server = true, certfile = certs.path("server.pem"), keyfile = certs.path("server.key") }
    client_options.cafile = certs.path("ca.pem")
    local failures, n = 0, 0

    local function attempt()
      local server_context, e1 = core.tls_context(server_options)
      if not server_context then return e1 end
      local client_context, e2 = core.tls_context(client_options)
      if not client_context then return e2 end
      local server, e3 = core.tls(server_context)
      if not server then return e3 end
      local client, e4 = core.tls(client_context, "localhost", "peer")
      if not client then return e4 end
      pair.pump(client, server)
      client:write("hello")
      pair.pump(client, server)
      local got = pair.read(server)
      local name = client:failure() or server:failure()
      if not name then assert.are.equal("hello", got) end
      return name or "fine"
    end

    repeat
      n = n + 1
      core.allocation_fail_at(n)
      local outcome = attempt()
      local made = core.allocation_fail_at(0)
      if outcome ~= "fine" then failures = failures + 1 end
      assert.truthy(outcome == "fine" or outcome == "nomem" or outcome == "tls_handshake", outcome)
    until made < n
    assert.truthy(failures > 5, failures)
    collectgarbage()
  end)

  it("an hmac object is refused", function()
    core.allocation_fail_at(1)
    local object, name = core.hmac("md5", "key")
    core.allocation_fail_at(0)
    assert.is_nil(object)
    assert.are.equal("nomem", name)
  end)
end)
