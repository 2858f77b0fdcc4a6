-- TLS through the SMTP classes (API sections 3, 4): STARTTLS, implicit TLS, and
-- the rule that TLS which was asked for is had, or the session ends.
local certs = require "spec.support.certs"
local client = require "spec.support.client"
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"

local contexts = {}

-- A server's context of a certificate, made once.
local function context_of(name)
  contexts[name] = contexts[name] or pair.server_context(name)
  return contexts[name]
end

local trusting = { cafile = certs.path("ca.pem") }

local function with(more)
  local all = { cafile = trusting.cafile }
  for name, value in pairs(more) do all[name] = value end
  return all
end

-- Ended for want of TLS: closed, and nothing but these commands was sent.
local function check_ended(server, peer, ...)
  assert.is_false(server:is_open())
  assert.is_nil(server.sock)
  assert.is_true(peer.closed)
  assert.same({ ... }, peer:commands())
end

describe("starttls", function()
  it("returns the reply, encrypts, and forgets what was known", function()
    local server, peer = client.connect { context = context_of("server") }
    server:ehlo()
    assert.is_true(server:has_extn("starttls"))
    local code, message, enhanced = server:starttls(trusting)
    assert.same({ 220, "go ahead", "2.0.0" }, { code, message, enhanced })
    assert.same({}, server.esmtp_features)
    assert.is_nil(server.ehlo_resp)
    assert.is_false(server.does_esmtp)
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.is_false(server:has_extn("starttls"))
    assert.truthy(tostring(peer.messages[1].tls):find("^TLSv1%.[23]$"))
    assert.same({ "EHLO client.example", "STARTTLS", "EHLO client.example", "MAIL FROM:<a@b.example> size=3",
      "RCPT TO:<c@d.example>", "DATA" }, peer:commands())
    assert.equal(221, (server:quit()))
  end)

  it("takes a context, options for one, or the object's own", function()
    local made = assert(smtplib.ssl.create_default_context(trusting))
    for _, try in ipairs {
      { nil, made }, { nil, trusting }, { { context = made }, nil }, { { tls_options = trusting }, nil },
    } do
      local server = client.connect({ context = context_of("server") }, try[1])
      assert.equal(220, (server:starttls(try[2])))
      assert.equal(250, (server:noop()))
    end
  end)

  it("works byte by byte", function()
    local server, peer = client.connect { context = context_of("server"), cut = 1, cut_in = 1 }
    assert.equal(220, (server:starttls(trusting)))
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.truthy(peer.messages[1].tls)
  end)

  it("a second time is an error, and the connection stays", function()
    local server = client.connect { context = context_of("server") }
    server:starttls(trusting)
    local code, err = server:starttls(trusting)
    assert.is_nil(code)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(250, (server:noop()))
  end)

  it("that is not offered ends the session: SMTPNotSupportedError", function()
    for _, options in ipairs { {}, { esmtp = false } } do
      local server, peer = client.connect(options)
      local code, err = server:starttls(trusting)
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.is_false(server:is_open())
      assert.is_true(peer.closed)
      assert.equal(0, client.count(peer, "STARTTLS"))
    end
  end)

  it("that is refused ends the session: SMTPResponseException", function()
    for _, reply in ipairs { "454 4.7.0 not now", "501 5.5.4 no", "250 2.0.0 what", "421 4.3.2 bye" } do
      local server, peer = client.connect { context = context_of("server"), replies = { STARTTLS = reply } }
      local code, err = server:starttls(trusting)
      assert.is_nil(code)
      assert.equal("SMTPResponseException", err.name)
      assert.equal(tonumber(reply:sub(1, 3)), err.smtp_code)
      assert.equal("STARTTLS", err.command)
      assert.equal(reply:sub(1, 1) == "4", err.temporary)
      check_ended(server, peer, "EHLO client.example", "STARTTLS")
    end
  end)

  it("by a server that knows no TLS is an error, not a hang", function()
    local server, peer = client.connect({ starttls = true }, { timeout = 0.2 })
    local code, err = server:starttls(trusting)
    assert.is_nil(code)
    assert.is_true(smtplib.is_error(err))
    assert.is_false(server:is_open())
    assert.is_true(peer.closed)
  end)

  it("with a context that cannot be made is SMTPTLSError", function()
    local server, peer = client.connect { context = context_of("server") }
    local code, err = server:starttls { cafile = "/nonexistent/ca.pem" }
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
    assert.is_false(server:is_open())
    assert.equal(0, client.count(peer, "STARTTLS"))
  end)
end)

describe("plaintext behind the reply to STARTTLS", function()
  it("is an attack: SMTPTLSError, and the connection is closed", function()
    for _, more in ipairs { "250 injected\r\n", "2", "\r\n", "250-x\r\n250 AUTH PLAIN\r\n" } do
      for _, cut in ipairs { 1, 5, 1000 } do
        local server, peer = client.connect {
          context = context_of("server"), cut = cut, replies = { STARTTLS = { raw = "220 go\r\n" .. more } },
        }
        local code, err = server:starttls(trusting)
        assert.is_nil(code)
        assert.equal("SMTPTLSError", err.name)
        assert.equal("none", err.delivery)
        assert.is_false(err.temporary)
        check_ended(server, peer, "EHLO client.example", "STARTTLS")
      end
    end
  end)

  it("before it, by way of EHLO, is not believed later", function()
    local server = client.connect {
      context = context_of("server"),
      replies = { EHLO = function(session)
        return not session.tls and { "250-hi", "250-STARTTLS", "250-X-EVIL", "250 AUTH PLAIN" } or nil
      end },
    }
    server:ehlo()
    assert.is_true(server:has_extn("x-evil"))
    server:starttls(trusting)
    assert.is_false(server:has_extn("x-evil"))
    server:ehlo()
    assert.is_false(server:has_extn("x-evil"))
    assert.is_false(server:has_extn("auth"))
  end)
end)

describe("a certificate", function()
  local bad = { "wronghost", "expired", "notyet", "untrusted", "selfsigned", "clientonly", "incomplete", "cnmismatch" }
  for _, name in ipairs(bad) do
    -- cnmismatch is good for localhost, its name counts for nothing else.
    local host = name == "cnmismatch" and "mail.example.test" or "localhost"
    it("that is bad (" .. name .. ") ends the session: SMTPTLSError", function()
      local server, peer = client.connect({ context = context_of(name) }, { host = host })
      local code, err = server:starttls(trusting)
      assert.is_nil(code)
      assert.equal("SMTPTLSError", err.name)
      assert.equal("string", type(err.reason))
      assert.not_equal("", err.reason)
      assert.equal("number", type(err.verify_code))
      assert.not_equal(0, err.verify_code)
      assert.equal("STARTTLS", err.command)
      assert.equal("none", err.delivery)
      assert.is_false(err.temporary)
      check_ended(server, peer, "EHLO client.example", "STARTTLS")
    end)

    it("that is bad (" .. name .. ") passes where the caller says verify = false", function()
      local server = client.connect({ context = context_of(name) }, { host = host })
      assert.equal(220, (server:starttls { verify = false }))
      assert.equal(250, (server:noop()))
    end)

    it("that is bad (" .. name .. ") ends implicit TLS and opportunistic TLS, too", function()
      for _, mode in ipairs { "implicit", "opportunistic", "starttls" } do
        local server, err, peer = client.try({ context = context_of(name), implicit = mode == "implicit" },
          { tls = mode, tls_options = trusting, host = host })
        assert.is_nil(server)
        assert.equal("SMTPTLSError", err.name)
        assert.is_true(peer.closed)
        assert.equal(0, client.count(peer, "MAIL"))
      end
    end)
  end

  it("is verified by the system's store when nothing else is said", function()
    local server = client.connect { context = context_of("server") }
    local code, err = server:starttls()
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
  end)

  it("may be known by its fingerprint instead", function()
    local context = context_of("selfsigned")
    local pipe = io.popen("openssl x509 -noout -fingerprint -sha256 -in " .. certs.path("selfsigned.pem"))
    local fingerprint = pipe:read("*a"):match("=([%x:]+)")
    pipe:close()
    local server = client.connect({ context = context }, { host = "other.example" })
    assert.equal(220, (server:starttls { fingerprint = "sha256:" .. fingerprint }))
    server = client.connect { context = context }
    local code, err = server:starttls { fingerprint = "sha256:" .. ("00"):rep(32) }
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
  end)

  it("may bear the name of server_hostname", function()
    local server = client.connect({ context = context_of("server") }, { host = "relay.internal" })
    assert.equal(220, (server:starttls(with { server_hostname = "mail.example.test" })))
    server = client.connect({ context = context_of("server") }, { host = "localhost" })
    local code, err = server:starttls(with { server_hostname = "other.example.test" })
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
  end)

  it("may bear an address", function()
    for _, host in ipairs { "127.0.0.1", "[::1]", "::1" } do
      local server = client.connect({ context = context_of("server") }, { host = host })
      assert.equal(220, (server:starttls(trusting)))
    end
    local server = client.connect({ context = context_of("server") }, { host = "127.0.0.2" })
    assert.is_nil((server:starttls(trusting)))
  end)

  it("is checked against the new name after connecting elsewhere", function()
    local server, peer = client.connect({ context = context_of("server") }, { tls_options = trusting })
    assert.equal(220, (server:starttls()))
    server:quit()
    assert.equal(220, (server:connect("other.example")))
    local code, err = server:starttls()
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
    assert.equal(220, (server:connect("mail.example.test")))
    assert.equal(220, (server:starttls()))
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.truthy(peer.messages[1].tls)
  end)

  it("is not excused by a session of before: another name fails with the same context", function()
    local context = assert(smtplib.ssl.create_default_context(trusting))
    local server = client.connect({ context = context_of("server") }, { context = context })
    assert.equal(220, (server:starttls()))
    server:noop()
    server:quit()
    server:connect("other.example")
    assert.is_nil((server:starttls()))
  end)

  it("must not be too old in its protocol", function()
    local old = pair.server_context("server", { min_version = "TLSv1.2", max_version = "TLSv1.2" })
    local server = client.connect { context = old }
    local code, err = server:starttls(with { min_version = "TLSv1.3" })
    assert.is_nil(code)
    assert.equal("SMTPTLSError", err.name)
    assert.is_false(server:is_open())
  end)

  it("of the client is shown", function()
    local context = pair.server_context("server", { cafile = certs.path("ca.pem"), verify = true })
    local server = client.connect { context = context }
    assert.equal(220, (server:starttls(with { certfile = certs.path("client.pem"), keyfile = certs.path("client.key") })))
    assert.equal(250, (server:noop()))
  end)
end)

describe("the option tls", function()
  it("starttls encrypts during construction", function()
    local server, peer = client.connect({ context = context_of("server") }, { tls = "starttls", tls_options = trusting })
    server:sendmail("a@b.example", "c@d.example", "x")
    assert.truthy(peer.messages[1].tls)
  end)

  it("starttls fails where it is not offered or refused", function()
    local server, err, peer = client.try({}, { tls = "starttls" })
    assert.is_nil(server)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.is_true(peer.closed)
    server, err, peer = client.try({ starttls = true, replies = { STARTTLS = "454 no" } }, { tls = "starttls" })
    assert.is_nil(server)
    assert.equal("SMTPResponseException", err.name)
    assert.is_true(peer.closed)
  end)

  it("opportunistic encrypts where it is offered, and goes on in clear where it is not", function()
    local options = { tls = "opportunistic", tls_options = trusting }
    local server, peer = client.connect({ context = context_of("server") }, options)
    server:sendmail("a@b.example", "c@d.example", "x")
    assert.truthy(peer.messages[1].tls)
    server, peer = client.connect({}, options)
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.is_false(peer.messages[1].tls)
  end)

  it("false never encrypts", function()
    local server, peer = client.connect({ context = context_of("server") }, { tls = false })
    server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_false(peer.messages[1].tls)
    assert.equal(0, client.count(peer, "STARTTLS"))
  end)

  it("implicit, and SMTP_SSL, encrypt from the first byte", function()
    for _, options in ipairs {
      { tls = "implicit", tls_options = trusting }, { class = "SMTP_SSL", tls_options = trusting },
      { class = "SMTP_SSL", context = assert(smtplib.ssl.create_default_context(trusting)) },
    } do
      local server, peer = client.connect({ context = context_of("server"), implicit = true }, options)
      assert.equal(465, peer.connects[1][2])
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
      assert.truthy(peer.messages[1].tls)
      assert.equal(0, client.count(peer, "STARTTLS"))
      assert.equal(221, (server:quit()))
      assert.equal(220, (server:connect()))
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
      assert.truthy(peer.messages[2].tls)
    end
  end)

  it("implicit against a server in clear is SMTPTLSError", function()
    local server, err, peer = client.try({}, { tls = "implicit", tls_options = trusting, timeout = 0.2 })
    assert.is_nil(server)
    assert.equal("SMTPTLSError", err.name)
    assert.is_true(peer.closed)
    assert.same({}, peer:commands())
  end)

  it("implicit against a server that says nothing times out", function()
    local server, err = client.try({ context = context_of("server"), implicit = true, stall = { TLS = true } },
      { tls = "implicit", tls_options = trusting, timeout = 0.2 })
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("timeout", err.code)
  end)

  it("works for LMTP", function()
    local server, peer = client.connect({ context = context_of("server"), lmtp = true },
      { tls = "starttls", tls_options = trusting })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.truthy(peer.messages[1].tls)
    assert.equal(2, client.count(peer, "LHLO"))
  end)

  it("with options of TLS that cannot be used is an error before anything is connected", function()
    local server, err, peer = client.try({}, { tls = "starttls", tls_options = { cafile = "/nonexistent/ca.pem" } })
    assert.is_nil(server)
    assert.equal("SMTPTLSError", err.name)
    assert.equal(0, #peer.connects)
  end)
end)

describe("TLS that ends", function()
  it("without a goodbye, in the midst of an answer, is a lost connection", function()
    for _, abrupt in ipairs { true, false } do
      local server = client.connect({ context = context_of("server"), abrupt = abrupt, disconnect = { ["."] = true } },
        { tls = "starttls", tls_options = trusting })
      local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_nil(refused)
      assert.is_true(smtplib.is_error(err))
      assert.equal("unknown", err.delivery)
      assert.is_false(server:is_open())
    end
  end)

  it("is said goodbye to after QUIT", function()
    local server, peer = client.connect({ context = context_of("server") }, { tls = "starttls", tls_options = trusting })
    local writes = peer.writes
    assert.equal(221, (server:quit()))
    assert.is_true(peer.writes >= writes + 1)
    assert.is_true(peer.closed)
  end)
end)

describe("over real sockets", function()
  it("sessions are resumed across connections of one context", function()
    local sink = assert(smtplib.sink.start { tls = "starttls", name = "localhost" })
    finally(function() sink:stop() end)
    local context = assert(smtplib.ssl.create_default_context { cafile = sink.cafile, server_hostname = "localhost" })
    for _ = 1, 3 do
      local server = assert(smtplib.SMTP { host = sink.host, port = sink.port, tls = "starttls", context = context })
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
      assert.equal(221, (server:quit()))
    end
    local stats = assert(sink:stats())
    assert.equal(3, stats.handshakes)
    assert.equal(2, stats.resumed)
    local other = assert(smtplib.SMTP { host = sink.host, port = sink.port, tls = "starttls",
      tls_options = { cafile = sink.cafile, server_hostname = "localhost" } })
    other:noop()
    assert.equal(2, sink:stats().resumed)
    other:quit()
  end)

  it("a megabyte passes through implicit TLS", function()
    local sink = assert(smtplib.sink.start { tls = "implicit", name = "localhost" })
    finally(function() sink:stop() end)
    local server = assert(smtplib.SMTP_SSL { host = "localhost", port = sink.port, tls_options = { cafile = sink.cafile } })
    local text = ("y"):rep(62) .. "\r\n"
    assert.same({}, server:sendmail("a@b.example", "c@d.example", text:rep(16384)))
    server:quit()
    assert.equal(text:rep(16384), assert(sink:wait(1, 10))[1].data)
  end)
end)
