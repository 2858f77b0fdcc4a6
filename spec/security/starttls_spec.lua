-- STARTTLS: what an attacker in the middle can say before TLS begins, and that
-- nothing secret is ever seen in clear for it.
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local secrets = { "hunter2", "aHVudGVyMg", "AG1lAGh1bnRlcjI", "secret body" }

local function assert_nothing_secret(sent)
  for _, secret in ipairs(secrets) do assert.is_nil(sent:find(secret, 1, true), secret) end
end

local function client_context()
  return pair.client_context()
end

-- Connect with STARTTLS and a login, and send; what went wrong, and the peer.
local function attempt(options, mode)
  options.extensions = options.extensions or {}
  if options.extensions.AUTH == nil then options.extensions.AUTH = "PLAIN LOGIN" end
  options.loopback = false
  local peer = wire.peer(options)
  local server, err = smtplib.SMTP {
    host = "localhost", port = 587, local_hostname = "me.example.org", transport = peer, tls = mode or "starttls",
    context = client_context(), user = "me", password = "hunter2",
  }
  if server then server:sendmail("a@example.org", "b@example.org", "secret body") end
  return server, err, peer
end

describe("A STARTTLS that was asked for is required:", function()
  local refusals = {
    { "not offered", { extensions = { STARTTLS = false } } },
    { "offered in the first line of EHLO only", { replies = { EHLO = { "250-mx STARTTLS", "250 AUTH PLAIN" } } } },
    { "refused for now", { extensions = { STARTTLS = "" }, replies = { STARTTLS = "454 4.7.0 not now" } } },
    { "refused for good", { extensions = { STARTTLS = "" }, replies = { STARTTLS = "502 5.5.1 no" } } },
    { "answered with another 2yz", { extensions = { STARTTLS = "" }, replies = { STARTTLS = "250 ok" } } },
    { "answered with 354", { extensions = { STARTTLS = "" }, replies = { STARTTLS = "354 go" } } },
    { "answered with nonsense", { extensions = { STARTTLS = "" }, replies = { STARTTLS = "22O Ready" } } },
    { "answered, and followed by plain text", { extensions = { STARTTLS = "" } } },
    { "answered, and then the connection is gone", { extensions = { STARTTLS = "" }, disconnect = { STARTTLS = true } } },
  }
  for _, case in ipairs(refusals) do
    it(case[1], function()
      local server, err, peer = attempt(case[2])
      assert.is_nil(server)
      assert.is_true(smtplib.is_error(err))
      assert.equal("none", err.delivery)
      assert_nothing_secret(peer.sent)
      assert.is_nil(peer.sent:find("MAIL", 1, true))
      assert.is_nil(peer.sent:find("AUTH", 1, true))
      assert.is_true(peer.closed)
    end)
  end
end)

describe("If any byte is left behind the reply to STARTTLS, the session fails:", function()
  local behind = { "2", "\n", "\0", "250 injected\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", "220 again\r\n", "\22\3\1\0\5hello" }
  for _, bytes in ipairs(behind) do
    for _, cut in ipairs { 100000, 1, 7 } do
      it(("%q, read %d at a time"):format(bytes, cut), function()
        local context = pair.server_context("server")
        local server, err, peer = attempt {
          context = context, cut = cut,
          replies = { STARTTLS = { raw = "220 2.0.0 ready\r\n" .. bytes } },
        }
        assert.is_nil(server)
        assert.is_true(err:is(smtplib.SMTPException))
        assert_nothing_secret(peer.sent)
        assert.is_true(peer.closed)
      end)
    end
  end
end)

describe("Capabilities from before TLS are forgotten:", function()
  it("a mechanism and a size that were injected in clear are not used", function()
    local context = pair.server_context("server")
    local peer = wire.peer { context = context, auth = { me = "hunter2" },
      extensions = { XINJECTED = function(session) return not session.tls and "yes" end } }
    local server = assert(smtplib.SMTP { host = "localhost", port = 587, local_hostname = "me.example.org", transport = peer })
    assert(server:ehlo())
    assert.is_true(server:has_extn("xinjected"))
    assert(server:starttls(client_context()))
    assert.is_false(server:has_extn("xinjected"))
    assert.is_nil(server.ehlo_resp)
    assert.same({}, server.esmtp_features)
    assert(server:ehlo_or_helo_if_needed())
    assert.is_false(server:has_extn("xinjected"))
    assert.is_true(server:has_extn("auth"))
  end)
end)

describe("Once encrypted, no plain text leaves:", function()
  it("all that is on the wire behind STARTTLS is TLS records", function()
    local peer = wire.peer { context = pair.server_context("server"), auth = { me = "hunter2" } }
    local server = assert(smtplib.SMTP {
      host = "localhost", port = 587, local_hostname = "me.example.org", transport = peer, tls = "starttls",
      context = client_context(), user = "me", password = "hunter2",
    })
    assert.same({}, (server:sendmail("a@example.org", "b@example.org", "secret body")))
    server:quit()
    assert.equal(1, #peer.messages)
    assert_nothing_secret(peer.sent)
    local records = peer.sent:match("STARTTLS\r\n(.*)$")
    while records ~= "" do
      local kind, major, _, high, low = records:byte(1, 5)
      assert.is_true(kind >= 20 and kind <= 23 and major == 3)
      records = records:sub(6 + high * 256 + low)
    end
  end)
end)

describe("Opportunistic TLS verifies too:", function()
  it("a certificate of nobody ends the session, and nothing goes out in clear", function()
    local peer = wire.peer { context = pair.server_context("selfsigned"), extensions = { AUTH = "PLAIN" }, loopback = false }
    local server, err = smtplib.SMTP {
      host = "localhost", port = 25, local_hostname = "me.example.org", transport = peer, tls = "opportunistic",
      context = client_context(), user = "me", password = "hunter2",
    }
    assert.is_nil(server)
    assert.is_true(err:is(smtplib.SMTPTLSError))
    assert_nothing_secret(peer.sent)
  end)

  it("without STARTTLS on offer, it goes on in clear, but never with the password", function()
    local server, err, peer = attempt({ extensions = { STARTTLS = false } }, "opportunistic")
    assert.is_nil(server)
    assert.is_true(err:is(smtplib.SMTPNotSupportedError))
    assert_nothing_secret(peer.sent)
  end)
end)
