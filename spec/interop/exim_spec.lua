-- Exim: TLS by GnuTLS, EXTERNAL behind a client certificate, and a server that
-- hangs up on whoever speaks before his turn.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"
local bodies = require "spec.interop.bodies"

describe("Exim", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local exim, server
  local sender, alice = "sender@example.test", "alice@example.test"

  setup(function() exim = servers.exim() end)
  teardown(function() if exim then exim:stop() end end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(overrides)
    server = assert(smtplib.SMTP(exim:options(overrides)))
    return server
  end

  local function assert_delivered(text, id, stored)
    local mail = exim:delivered(id)
    assert.is_nil(servers.difference(stored or servers.stored(text), mail.bytes))
    return mail.trace
  end

  local ways = {
    { "in clear", function() return {} end, "esmtp " },
    { "after STARTTLS", function() return { tls = "starttls" } end, "esmtps " },
    { "over implicit TLS", function() return { port = exim.smtps, tls = "implicit" } end, "esmtps " },
  }
  for _, way in ipairs(ways) do
    it("takes a message " .. way[1], function()
      local text, id = servers.message(".\r\n\228\r\n")
      assert.same({}, assert(connect(way[2]()):sendmail(sender, alice, text)))
      assert.equal(221, (server:quit()))
      local trace = assert_delivered(text, id)
      assert.truthy(trace.received:find("with " .. way[3], 1, true), trace.received)
    end)
  end

  local users = { { "alice", "secret" }, { "bob", "p \195\164ssw\195\182rd" } }
  for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5" } do
    for _, user in ipairs(users) do
      it(("takes the login of %s with %s"):format(user[1], mechanism), function()
        connect { tls = "starttls" }
        assert.equal(235, (assert(server:login(user[1], user[2], { mechanisms = { mechanism } }))))
        local text, id = servers.message("Hello.\r\n")
        assert.same({}, assert(server:sendmail(sender, alice, text)))
        assert.truthy(assert_delivered(text, id).received:find("esmtpsa", 1, true))
      end)
    end
  end

  it("takes EXTERNAL behind a client certificate", function()
    connect {
      tls = "starttls", auth = { mechanism = "EXTERNAL", user = "alice" },
      tls_options = {
        cafile = exim.ca, certfile = exim.certs .. "/client.pem", keyfile = exim.certs .. "/client.key",
      },
    }
    local text, id = servers.message("Hello.\r\n")
    assert.same({}, assert(server:sendmail(sender, alice, text)))
    assert.truthy(assert_delivered(text, id).received:find("esmtpsa", 1, true))
  end)

  it("refuses one of three recipients, and the others get their mail", function()
    local text, id = servers.message("Hello.\r\n")
    local refused = assert(connect():sendmail(sender, { alice, "unknown@example.test", "bob@example.test" }, text))
    assert.equal(550, refused["unknown@example.test"][1])
    local mails = exim:collect(id, 2)
    assert.is_nil(servers.difference(mails[1].bytes, mails[2].bytes))
    assert.is_nil(servers.difference(servers.stored(text), mails[1].bytes))
  end)

  it("refuses the wrong password", function()
    connect { tls = "starttls" }
    local code, err = server:login("alice", "wrong", { mechanisms = { "PLAIN" } })
    assert.is_nil(code)
    assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
    assert.equal(535, err.smtp_code)
  end)

  it("takes 100 messages on one connection without being spoken to out of turn", function()
    local messages = {}
    for i = 1, 100 do
      messages[i] = { from = sender, to = alice,
        message = ("Message-ID: <many.%d@client.example.test>\r\n\r\n%d\r\n"):format(i, i) }
    end
    for i, result in ipairs(assert(connect { tls = "starttls" }:send_messages(messages))) do
      assert.is_nil(result.err, i .. ": " .. tostring(result.err))
    end
    assert.equal(100, #exim:collect("<many.", 100))
    assert.is_nil(exim:log_text():find("synchronization error", 1, true))
  end)

  describe("delivers byte for byte", function()
    for _, body in ipairs(bodies) do
      it(body[1], function()
        local text, id = servers.message(body[2])
        assert.same({}, assert(connect():sendmail(sender, alice, text)))
        local head = text:sub(1, #text - #body[2])
        assert_delivered(text, id, servers.stored(head) .. (body[3] or servers.stored(body[2])))
      end)
    end
  end)
end)
