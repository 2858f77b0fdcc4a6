-- Whom a client believes, and whom it must not: a negative case for every
-- option. Both ends are filters in memory.
local core = require "smtplib.core"
local certs = require "spec.support.certs"
local pair = require "spec.support.tlspair"

local function connect(server, client, opts)
  return pair.connect(pair.client_context(client), pair.server_context(server.cert or server, server.options), opts)
end

local function refused(client, server, reason, code)
  assert.are.equal("failed", client:state())
  local name, why, verify_code = client:failure()
  assert.are.equal("tls_verify", name)
  assert.are.equal(reason, why)
  if code then assert.are.equal(code, verify_code) end
  assert.are.not_equal(0, verify_code)
  assert.are_not.equal("open", server:state())
end

local function accepted(client, server)
  assert.is_nil(client:failure())
  assert.are.equal("open", client:state())
  assert.are.equal("open", server:state())
  server:write("hello")
  pair.pump(client, server)
  assert.are.equal("hello", pair.read(client))
end

local unknown_issuer = "unable to get local issuer certificate"

describe("a TLS client by default", function()
  -- certificate, host, reason (nil: accepted), X509_V_ERR number
  local cases = {
    { "server", "localhost" },
    { "server", "LOCALHOST" },
    { "server", "localhost." },
    { "server", "mail.example.test" },
    { "server", "127.0.0.1" },
    { "server", "::1" },
    { "server", "[::1]" },
    { "server", "0:0:0:0:0:0:0:1" },
    { "server-rsa", "localhost" },
    { "server-sha512", "localhost" },
    { "chain", "localhost" },
    { "server", "example.test", "hostname mismatch", 62 },
    { "server", "localhost.example.test", "hostname mismatch", 62 },
    { "server", "127.0.0.2", "IP address mismatch", 64 },
    { "server", "::2", "IP address mismatch", 64 },
    { "wronghost", "localhost", "hostname mismatch", 62 },
    { "wronghost", "127.0.0.1", "IP address mismatch", 64 },
    { "wildcard", "mail.example.test" },
    { "wildcard", "example.test", "hostname mismatch", 62 },
    { "wildcard", "a.mail.example.test", "hostname mismatch", 62 },
    { "partial", "mail.example.test", "hostname mismatch", 62 },
    { "cnonly", "localhost", "hostname mismatch", 62 },
    { "cnmismatch", "localhost" },
    { "cnmismatch", "mail.example.test", "hostname mismatch", 62 },
    { "expired", "localhost", "certificate has expired", 10 },
    { "notyet", "localhost", "certificate is not yet valid", 9 },
    { "untrusted", "localhost", unknown_issuer, 20 },
    { "incomplete", "localhost", unknown_issuer, 20 },
    { "clientonly", "localhost", nil, 26, true },
    { "selfsigned", "localhost", nil, 18, true },
  }
  for _, row in ipairs(cases) do
    local cert, host, reason, code, version_dependent = row[1], row[2], row[3], row[4], row[5]
    it(("%s '%s' towards %s"):format(code and "refuses" or "accepts", cert, host), function()
      local client, server = connect(cert, {}, { host = host })
      if version_dependent then reason = select(2, client:failure()) end
      if code then refused(client, server, reason, code) else accepted(client, server) end
    end)
    it(("decides the same bytewise: '%s' towards %s"):format(cert, host), function()
      local client, server = connect(cert, {}, { host = host, step = 1 })
      if version_dependent then reason = select(2, client:failure()) end
      if code then refused(client, server, reason, code) else accepted(client, server) end
    end)
  end

  it("refuses in TLS 1.2 as well", function()
    for _, cert in ipairs { "expired", "wronghost", "untrusted", "selfsigned", "clientonly" } do
      local client, server = connect(cert, { max_version = "TLSv1.2" })
      assert.are.equal("tls_verify", (client:failure()))
      assert.are.equal("tls_handshake", (server:failure()))
    end
  end)

  it("sends the alert that tells the server why", function()
    local _, server = connect("expired", {})
    local name, reason = server:failure()
    assert.are.equal("tls_handshake", name)
    assert.truthy(reason:find("certificate expired", 1, true), reason)
  end)

  it("stays failed: later calls return the same failure", function()
    local client = connect("expired", {})
    for _, call in ipairs { "input", "write" } do
      local ok, name, sentence = client[call](client, "x")
      assert.is_nil(ok)
      assert.are.equal("tls_verify", name)
      assert.are.equal("certificate verification failed: certificate has expired", sentence)
    end
    local bytes, name = client:read()
    assert.is_nil(bytes)
    assert.are.equal("tls_verify", name)
    assert.are.equal("tls_verify", select(2, client:input_end()))
  end)

  it("needs a host name", function()
    for _, host in ipairs { false, "" } do
      local client = core.tls(pair.client_context(), host or nil)
      assert.are.equal("failed", client:state())
      local name, reason = client:failure()
      assert.are.equal("tls_setup", name)
      assert.are.equal("no host name to verify", reason)
      assert.are.equal("", client:output())
    end
  end)

  it("takes no pattern for a host name", function()
    for _, host in ipairs { ".example.test", "*.example.test", "*", ".", "a b", "a\nb", "m\195\164il.example.test", ("a"):rep(300) } do
      local client = connect("wildcard", {}, { host = host })
      assert.are.equal("failed", client:state(), host)
    end
  end)

  it("sends the host name as SNI, but never an address", function()
    local names = { ["localhost"] = "localhost", ["mail.example.test."] = "mail.example.test",
      ["127.0.0.1"] = "", ["::1"] = "", ["[::1]"] = "" }
    for host, sent in pairs(names) do
      local _, server = connect("server", {}, { host = host })
      assert.are.equal("open", server:state())
      assert.are.equal(sent, server:server_name())
    end
  end)
end)

describe("the option", function()
  it("verify = false believes anybody, and still sends SNI", function()
    for _, cert in ipairs { "selfsigned", "expired", "wronghost", "clientonly" } do
      local client, server = connect(cert, { cafile = "none", verify = false })
      accepted(client, server)
      assert.are.equal("localhost", server:server_name())
    end
    accepted(connect("selfsigned", { cafile = "none", verify = false }, { host = false }))
  end)

  it("cafile is the only trust: the system's store does not help", function()
    local client, server = connect("server", { cafile = certs.path("otherca.pem") })
    refused(client, server, unknown_issuer, 20)
  end)

  it("cafile may be an intermediate or the certificate itself", function()
    accepted(connect("incomplete", { cafile = certs.path("intermediate.pem") }))
    accepted(connect("selfsigned", { cafile = certs.path("selfsigned.pem") }))
  end)

  it("capath takes a folder of hashed names", function()
    accepted(connect("server", { cafile = "none", capath = certs.path("hashed") }))
    local client, server = connect("untrusted", { cafile = "none", capath = certs.path("hashed") })
    refused(client, server, unknown_issuer, 20)
  end)

  it("cadata takes PEM, several PEM, and DER", function()
    local pem, other, der = certs.read("ca.pem"), certs.read("otherca.pem"), certs.read("ca.der")
    for _, data in ipairs { pem, other .. pem, "some text\n" .. pem .. "\ntail", der } do
      accepted(connect("server", { cafile = "none", cadata = data }))
    end
    local client, server = connect("server", { cafile = "none", cadata = other })
    refused(client, server, unknown_issuer, 20)
  end)

  it("none of these: a private authority is not in the system's store", function()
    local client, server = connect("server", { cafile = "none" })
    assert.are.equal("tls_verify", (client:failure()))
    assert.are_not.equal("open", server:state())
  end)

  it("server_hostname wins over the connection's host", function()
    accepted(connect("server", { server_hostname = "mail.example.test" }, { host = "elsewhere.test" }))
    local _, server = connect("server", { server_hostname = "mail.example.test" }, { host = "127.0.0.1" })
    assert.are.equal("mail.example.test", server:server_name())
    local client, peer = connect("server", { server_hostname = "elsewhere.test" }, { host = "localhost" })
    refused(client, peer, "hostname mismatch", 62)
  end)

  it("fingerprint replaces chain and name", function()
    local client = connect("selfsigned", { verify = false })
    local pin = client:fingerprint()
    assert.truthy(pin:find("^sha256:%x+$"))
    for _, spelling in ipairs { pin, "sha256:" .. pin:sub(8):upper(), "sha256:" .. (pin:sub(8):gsub("%x%x", ":%0"):sub(2)) } do
      accepted(connect("selfsigned", { cafile = "none", fingerprint = spelling }, { host = "elsewhere.test" }))
      accepted(connect("selfsigned", { cafile = "none", fingerprint = spelling }, { host = false }))
    end
  end)

  it("fingerprint refuses another certificate, valid or not", function()
    local pin = connect("selfsigned", { verify = false }):fingerprint()
    for _, cert in ipairs { "server", "expired", "server-rsa" } do
      local client, server = connect(cert, { fingerprint = pin })
      refused(client, server, "certificate fingerprint mismatch", 50)
    end
  end)

  it("fingerprint holds with verify = false too", function()
    local pin = connect("selfsigned", { verify = false }):fingerprint()
    local client, server = connect("server", { verify = false, fingerprint = pin })
    refused(client, server, "certificate fingerprint mismatch", 50)
  end)

  -- client's options, server's options, version (nil: no handshake)
  local versions = {
    { {}, {}, "TLSv1.3" },
    { {}, { max_version = "TLSv1.2" }, "TLSv1.2" },
    { { max_version = "TLSv1.2" }, {}, "TLSv1.2" },
    { { min_version = "TLSv1.3" }, { max_version = "TLSv1.2" }, nil },
    { {}, { min_version = "TLSv1", max_version = "TLSv1.1" }, nil },
    { {}, { min_version = "TLSv1", max_version = "TLSv1" }, nil },
    { { min_version = "TLSv1.1" }, { min_version = "TLSv1", max_version = "TLSv1.1" }, "TLSv1.1" },
    { { min_version = "TLSv1" }, { min_version = "TLSv1", max_version = "TLSv1" }, "TLSv1" },
  }
  for i, row in ipairs(versions) do
    it(("min_version, case %d: %s"):format(i, row[3] or "refused"), function()
      local client, server = connect({ cert = "server", options = row[2] }, row[1])
      if row[3] then
        accepted(client, server)
        assert.are.equal(row[3], client:version())
        assert.are.equal(row[3], server:version())
      else
        assert.are.equal("tls_handshake", (client:failure()))
        assert.are.equal("", client:version())
      end
    end)
  end

  it("ciphers chooses, and fails when nothing is in common", function()
    local client, server = connect("server", { max_version = "TLSv1.2", ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" })
    accepted(client, server)
    assert.are.equal("ECDHE-ECDSA-AES256-GCM-SHA384", client:cipher())
    client, server = connect("server", { ciphers = "TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256" })
    accepted(client, server)
    assert.are.equal("TLS_CHACHA20_POLY1305_SHA256", client:cipher())
    client = connect({ cert = "server", options = { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } },
      { max_version = "TLSv1.2", ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" })
    assert.are.equal("tls_handshake", (client:failure()))
  end)

  it("alpn is off by default, and offers what it is given", function()
    local client = connect({ cert = "server", options = { alpn = "smtp,x" } }, {})
    assert.are.equal("", client:alpn())
    for _, alpn in ipairs { "y,smtp", { "y", "smtp" } } do
      local server
      client, server = connect({ cert = "server", options = { alpn = "smtp,x" } }, { alpn = alpn })
      accepted(client, server)
      assert.are.equal("smtp", client:alpn())
      assert.are.equal("smtp", server:alpn())
    end
    client = connect({ cert = "server", options = { alpn = "smtp" } }, { alpn = "other" })
    assert.are.equal("tls_handshake", (client:failure()))
  end)
end)

describe("a client certificate", function()
  local authority = { cafile = certs.path("ca.pem") }
  local function demanding(more)
    local options = { cafile = authority.cafile, verify = true }
    for k, v in pairs(more or {}) do options[k] = v end
    return { cert = "server", options = options }
  end
  local shown = { certfile = certs.path("client.pem"), keyfile = certs.path("client.key") }

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    local limits = { max_version = version }

    it("satisfies a server that demands one, " .. version, function()
      local client, server = connect(demanding(limits), shown)
      accepted(client, server)
      assert.truthy(server:fingerprint())
    end)

    it("is missed by a server that demands one, " .. version, function()
      local client, server = connect(demanding(limits), {})
      assert.are.equal("tls_handshake", (server:failure()))
      client:read()
      assert.are.equal("failed", client:state())
      assert.are.equal("tls_handshake", (client:failure()))
    end)

    it("of another authority is refused, " .. version, function()
      local options = { certfile = certs.path("untrusted.pem"), keyfile = certs.path("untrusted.key") }
      local _, server = connect(demanding(limits), options)
      assert.are.equal("tls_verify", (server:failure()))
    end)

    it("for servers only is refused, " .. version, function()
      local options = { certfile = certs.path("server.pem"), keyfile = certs.path("server.key") }
      local _, server = connect(demanding(limits), options)
      assert.are.equal("tls_verify", (server:failure()))
    end)
  end

  it("is optional with request_client_cert, but a bad one is refused", function()
    local server = { cert = "server", options = { cafile = authority.cafile, request_client_cert = true } }
    local a, b = connect(server, {})
    accepted(a, b)
    assert.is_nil(b:fingerprint())
    a, b = connect(server, shown)
    accepted(a, b)
    assert.truthy(b:fingerprint())
    a, b = connect(server, { certfile = certs.path("untrusted.pem"), keyfile = certs.path("untrusted.key") })
    assert.are.equal("tls_verify", (b:failure()))
    assert.truthy(a)
  end)

  it("may have an encrypted key, and both may be in one file", function()
    accepted(connect(demanding(), { certfile = certs.path("client-encrypted.pem"),
      keyfile = certs.path("client-encrypted.key"), key_password = "secret" }))
    assert(core.tls_context { certfile = certs.path("both.pem") })
  end)
end)

describe("a TLS context", function()
  -- what, options, words of the sentence
  local cases = {
    { "a missing cafile", { cafile = "/nonexistent/ca.pem" }, { "cafile", "/nonexistent/ca.pem", "No such file" } },
    { "a cafile that is a folder", { cafile = "/" }, { "cafile" } },
    { "a cafile without certificates", { cafile = "Makefile" }, { "cafile", "Makefile" } },
    { "a missing capath", { capath = "/nonexistent" }, { "capath", "/nonexistent" } },
    { "a capath that is a file", { capath = certs.path("ca.pem") }, { "capath" } },
    { "a capath without hashed names", { capath = "spec" }, { "capath", "hashed" } },
    { "cadata that is text", { cadata = "hello" }, { "cadata" } },
    { "empty cadata", { cadata = "" }, { "cadata" } },
    { "cadata that breaks off", { cadata = certs.read("ca.pem"):sub(1, 300) }, { "cadata" } },
    { "cadata whose second certificate is broken",
      { cadata = certs.read("ca.pem") .. (certs.read("otherca.pem"):gsub("\nMII", "\nXXX")) }, { "cadata" } },
    { "a missing certfile", { certfile = "/nonexistent" }, { "certfile", "No such file" } },
    { "a missing keyfile", { certfile = certs.path("client.pem"), keyfile = "/nonexistent" }, { "keyfile", "No such" } },
    { "a certfile without the key", { certfile = certs.path("client.pem") }, { "keyfile", "client.pem" } },
    { "a key without a certificate", { keyfile = certs.path("client.key") }, { "keyfile" } },
    { "the key of another certificate", { certfile = certs.path("client.pem"), keyfile = certs.path("server.key") },
      { "keyfile", "mismatch" } },
    { "an encrypted key without password",
      { certfile = certs.path("client.pem"), keyfile = certs.path("client-encrypted.key") }, { "keyfile" } },
    { "an encrypted key with a wrong password",
      { certfile = certs.path("client.pem"), keyfile = certs.path("client-encrypted.key"), key_password = "x" }, { "keyfile" } },
    { "an unknown min_version", { min_version = "SSLv3" }, { "min_version", "SSLv3" } },
    { "an unknown max_version", { max_version = "1.2" }, { "max_version", "1.2" } },
    { "unknown ciphers", { ciphers = "NOSUCHCIPHER" }, { "ciphers", "NOSUCHCIPHER" } },
    { "unknown TLS 1.3 suites", { ciphers = "TLS_NOSUCH" }, { "ciphers" } },
    { "empty ciphers", { ciphers = "" }, { "ciphers" } },
    { "an empty alpn", { alpn = "" }, { "alpn" } },
    { "an alpn with a gap", { alpn = "a,,b" }, { "alpn" } },
    { "an alpn name of 256 bytes", { alpn = ("a"):rep(256) }, { "alpn" } },
    { "a fingerprint without its hash", { fingerprint = ("ab"):rep(32) }, { "fingerprint" } },
    { "a short fingerprint", { fingerprint = "sha256:" .. ("ab"):rep(31) }, { "fingerprint" } },
    { "a long fingerprint", { fingerprint = "sha256:" .. ("ab"):rep(33) }, { "fingerprint" } },
    { "a fingerprint with other letters", { fingerprint = "sha256:" .. ("ag"):rep(32) }, { "fingerprint" } },
    { "a fingerprint by sha1", { fingerprint = "sha1:" .. ("ab"):rep(20) }, { "fingerprint" } },
    { "a server without certificate", { server = true }, { "certfile" } },
  }
  for _, row in ipairs(cases) do
    it("is not made with " .. row[1], function()
      local context, name, sentence = core.tls_context(row[2])
      assert.is_nil(context)
      assert.are.equal("tls_setup", name)
      for _, word in ipairs(row[3]) do assert.truthy(sentence:find(word, 1, true), sentence) end
      assert.falsy(sentence:find("secret", 1, true))
    end)
  end

  it("raises for unknown options and wrong types, naming them", function()
    assert.has_error(function() core.tls_context { cafil = "x" } end, "unknown option 'cafil'")
    for name, value in pairs { cafile = 1, verify = "yes", alpn = { 1 }, min_version = true, ciphers = {}, server = 1 } do
      local ok, err = pcall(core.tls_context, { [name] = value })
      assert.is_false(ok)
      assert.truthy(err:find("'" .. name .. "'", 1, true), err)
    end
    assert.is_false(pcall(core.tls_context, { cafile = "/etc\0x" }))
    assert.is_false(pcall(core.tls_context, { "x" }))
    assert.is_false(pcall(core.tls_context))
    assert.is_false(pcall(core.tls, {}))
  end)

  it("serves connections that outlive it", function()
    local client, server = connect("server", {})
    collectgarbage()
    collectgarbage()
    accepted(client, server)
  end)
end)
