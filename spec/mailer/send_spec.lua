-- What a Mailer takes, and what it gives back (API section 3.5).
local client = require "spec.support.client"
local farms = require "spec.mailer.farm"
local smtplib = require "smtplib"

local function addresses(message)
  local list = {}
  for i, one in ipairs(message.to) do list[i] = one.addr end
  return list
end

describe("Mailer:send", function()
  it("sends a table of what makes a message, to all whom it names", function()
    local mailer, farm = farms.simple()
    local result = assert(mailer:send {
      from = "A <a@example.com>", to = { "b@example.com" }, cc = "c@example.com", bcc = "d@example.com",
      reply_to = "e@example.com", subject = "Grüße", text = "Guten Tag\n", html = "<p>Guten Tag</p>",
      headers = { ["X-Kind"] = "greeting" },
      attachments = { { content = "1,2\n", filename = "table.csv" } },
    })
    assert.equal(1, #farm.messages)
    local got = farm.messages[1]
    assert.equal("a@example.com", got.from)
    assert.same({ "b@example.com", "c@example.com", "d@example.com" }, addresses(got))
    local message = smtplib.email.message_from_string(got.data)
    assert.equal("Grüße", message["Subject"])
    assert.equal("e@example.com", message["Reply-To"])
    assert.equal("greeting", message["X-Kind"])
    assert.is_nil(message["Bcc"])
    assert.is_nil(got.data:find("%Xd@example%.com"))
    assert.equal("multipart/mixed", message:get_content_type())
    assert.equal(message["Message-ID"], result.message_id)
    assert.truthy(result.message_id:find("^<[^<>@]+@example%.com>$"))
    assert.same({}, result.refused)
    assert.equal(250, result.reply[1])
    assert.equal("string", type(result.reply[2]))
  end)

  it("sends a Message, and leaves it as it was", function()
    local mailer, farm = farms.simple()
    local message = assert(smtplib.email.Message { from = "a@example.com", to = "b@example.com", subject = "s", text = "t" })
    local before = message:as_string()
    local first = assert(mailer:send(message))
    local second = assert(mailer:send(message))
    assert.equal(before, message:as_string())
    assert.equal(2, #farm.messages)
    assert.are_not.equal(first.message_id, second.message_id)
    message["Message-ID"] = "<mine@example.com>"
    assert.equal("<mine@example.com>", mailer:send(message).message_id)
  end)

  it("leaves the caller's table as it was", function()
    local mailer = farms.simple()
    local given = { from = "a@example.com", to = { "b@example.com" }, subject = "s", text = "t" }
    assert(mailer:send(given))
    assert.same({ from = "a@example.com", to = { "b@example.com" }, subject = "s", text = "t" }, given)
    local raw = farms.message()
    assert(mailer:send(raw, { mail_options = {} }))
    assert.same(farms.message(), raw)
  end)

  it("sends bytes that are ready, from wherever they come", function()
    local mailer, farm = farms.simple()
    local pieces = { "Subject: x\n", "\n", ".\n" }
    local file = assert(io.tmpfile())
    file:write("Subject: x\n\n.\n")
    file:seek("set")
    local built = smtplib.email.message_from_string("Subject: x\n\n.\n")
    for _, message in ipairs { "Subject: x\n\n.\n", function() return table.remove(pieces, 1) end, file } do
      local result = assert(mailer:send { from = "a@example.com", to = { "b@example.com", "c@example.com" }, message = message })
      assert.is_nil(result.message_id)
      assert.equal(250, result.reply[1])
    end
    assert.truthy(assert(mailer:send { from = "a@example.com", to = "b@example.com", message = built }).message_id)
    for i = 1, 3 do
      assert.equal("Subject: x\r\n\r\n.\r\n", farm.messages[i].data)
      assert.same({ "b@example.com", "c@example.com" }, addresses(farm.messages[i]))
    end
    assert.equal(4, #farm.messages)
  end)

  it("takes another envelope than the message's", function()
    local mailer, farm = farms.simple()
    local message = { from = "a@example.com", to = "b@example.com", subject = "s", text = "t" }
    assert(mailer:send(message, { from = "bounces@example.com", to = "z@example.com", mail_options = { ENVID = "q1" } }))
    assert.equal("bounces@example.com", farm.messages[1].from)
    assert.same({ "z@example.com" }, addresses(farm.messages[1]))
    assert.equal(1, farm:count("MAIL FROM:<bounces@example.com> size="))
    assert.truthy(table.concat(farm:commands(), "\n"):find("ENVID=q1", 1, true))
    local raw = farms.message()
    assert(mailer:send(raw, { to = { "y@example.com" } }))
    assert.same({ "y@example.com" }, addresses(farm.messages[2]))
  end)

  it("tells who was refused where others were not", function()
    local mailer = farms.simple { replies = { ["RCPT nobody@example.org"] = "550 5.1.1 no such user" } }
    local result = assert(mailer:send { from = "a@example.com", to = { "b@example.org", "nobody@example.org" }, text = "t" })
    assert.same({ ["nobody@example.org"] = { 550, "no such user", "5.1.1" } }, result.refused)
    assert.equal(250, result.reply[1])
  end)

  it("sends to nobody where somebody is refused, if asked to: once, by a new connection and by one that was kept", function()
    for _, pipelining in ipairs { true, false } do
      for _, kept in ipairs { true, false } do
        local mailer, farm = farms.simple(
          { extensions = { PIPELINING = pipelining, CHUNKING = false }, replies = { ["RCPT nobody@example.org"] = "450 4.1.1 not now" } },
          { retries = 0 })
        if kept then assert(mailer:send(farms.message(1))) end
        local before, attempts = #farm.messages, kept and 1 or 0
        local given = { from = "a@example.com", to = { "b@example.org", "nobody@example.org" }, text = "t" }
        local result, err = mailer:send(given, { all_or_none = true })
        assert.is_nil(result)
        assert.is_true(err:is(smtplib.SMTPRecipientsRefused))
        assert.equal("none", err.delivery)
        assert.same({ ["nobody@example.org"] = { 450, "not now", "4.1.1" } }, err.recipients)
        assert.equal(before, #farm.messages)
        assert.equal(attempts + 1, farm:count("MAIL"))
        assert(mailer:send(given))
        assert.equal(before + 1, #farm.messages)
      end
    end
  end)

  it("tells whom LMTP's server refused after the message", function()
    local farm = farms.new { ["mx:2003"] = { lmtp = true, replies = { [". nobody@example.org"] = "552 5.2.2 full" } } }
    local mailer = farm:mailer { lmtp = true }
    local result = assert(mailer:send { from = "a@example.com", to = { "b@example.org", "nobody@example.org" }, text = "t" })
    assert.equal(1, #farm.messages)
    assert.equal(1, farm:count("LHLO"))
    assert.same({ "nobody@example.org" }, { (next(result.refused)) })
  end)

  it("gives an error table for what the server refuses", function()
    for verb, class in pairs { MAIL = "SMTPSenderRefused", RCPT = "SMTPRecipientsRefused", DATA = "SMTPDataError", ["."] = "SMTPDataError" } do
      for _, code in ipairs { 450, 550 } do
        local mailer, farm = farms.simple { replies = { [verb] = code .. " no" } }
        local result, err = mailer:send { from = "a@example.com", to = "b@example.com", text = "t" }
        assert.is_nil(result)
        assert.is_true(err:is(class), tostring(err))
        assert.equal("none", err.delivery)
        assert.equal(code == 450, err.temporary)
        assert.truthy(err.message_id)
        assert.equal(0, #farm.messages)
        assert.equal(1, #farm.connections)
        farm.servers["mx:25"].replies = {}
        assert(mailer:send(farms.message()))
        assert.equal(1, #farm.connections, "the connection is still good")
      end
    end
  end)

  it("gives an error table for what cannot be sent, and connects to nobody", function()
    local cases = {
      { from = "a@example.com", to = "not an address", text = "t" },
      { from = "a@example.com", to = {}, text = "t" },
      { to = "b@example.com", text = "t" },
      { from = "a@example.com", to = "b@example.com", subject = "one\r\nBcc: two@example.com", text = "t" },
      { from = "a@exa\nmple.com", to = "b@example.com", message = "x" },
      { from = "a@example.com", to = "b@exam\rple.com", message = "x" },
    }
    for i, message in ipairs(cases) do
      local mailer, farm = farms.simple()
      local result, err = mailer:send(message)
      assert.is_nil(result, i)
      assert.is_true(smtplib.is_error(err), i)
      assert.equal("none", err.delivery)
      assert.equal(0, #farm.messages)
      assert.equal(0, #farm.attempts, i)
      assert.equal(1, mailer.metrics.failed)
    end
  end)

  it("says nothing of a message whose file is not there", function()
    local mailer, farm = farms.simple(nil, { retries = 3 })
    local result, err = mailer:send {
      from = "a@example.com", to = "b@example.com", attachments = { { path = "/nowhere/at/all" } },
    }
    assert.is_nil(result)
    assert.truthy(err.message:find("/nowhere/at/all", 1, true))
    assert.is_false(err.temporary)
    assert.equal("none", err.delivery)
    assert.equal(0, farm:count("MAIL"))
    assert.equal(1, #farm.connections)
  end)

  it("says that the message may have been taken where nobody can know", function()
    local mailer, farm = farms.simple { disconnect = { ["."] = "lost" } }
    local result, err = mailer:send(farms.message())
    assert.is_nil(result)
    assert.equal("unknown", err.delivery)
    assert.is_true(err:is(smtplib.SMTPServerDisconnected))
    assert.equal(1, #farm.connections, "and does not send it again")
  end)

  it("cuts the connection where a source fails, and tells why", function()
    local mailer, farm = farms.simple()
    for _, source in ipairs { function() return nil, "disk on fire" end, function() error("disk on fire", 0) end } do
      local result, err = mailer:send { from = "a@example.com", to = "b@example.com", message = source }
      assert.is_nil(result)
      assert.truthy(err.message:find("disk on fire", 1, true))
      assert.equal("none", err.delivery)
    end
    assert.equal(0, #farm.messages)
    assert.equal(0, farm:open())
    assert(mailer:send(farms.message()))
  end)
end)

describe("Misuse of a Mailer's methods", function()
  local message = { from = "a@example.com", to = "b@example.com", text = "t" }
  local mailer, farm = farms.simple()
  local cases = {
    { "no message", function() local _ = mailer:send() end, "bad argument 'message' to 'send' (Message or table expected, got no value)" },
    { "a string", function() local _ = mailer:send("x") end, "bad argument 'message' to 'send' (Message or table expected, got string)" },
    { "a file", function() local _ = mailer:send(io.stderr) end, "bad argument 'message' to 'send' (Message or table expected, got userdata)" },
    { "an unknown field", function() local _ = mailer:send { from = "a@b", too = "c@d" } end, "unknown option 'too'" },
    { "an unknown field beside bytes", function() local _ = mailer:send { from = "a@b", to = "c@d", message = "x", subject = "y" } end, "unknown option 'subject'" },
    { "an unknown option", function() local _ = mailer:send(message, { priority = 1 }) end, "unknown option 'priority'" },
    { "options that are none", function() local _ = mailer:send(message, 7) end, "bad argument 'options' to 'send' (table expected, got number)" },
    { "a sender that is none", function() local _ = mailer:send(message, { from = 7 }) end, "bad argument 'from' to 'send' (string expected, got number)" },
    { "bytes without a sender", function() local _ = mailer:send { to = "c@d", message = "x" } end, "bad argument 'from' to 'send' (string expected, got no value)" },
    { "bytes without recipients", function() local _ = mailer:send { from = "a@b", message = "x" } end, "bad argument 'to' to 'send' (string or table expected, got no value)" },
    { "a message that is none", function() local _ = mailer:send { from = "a@b", to = "c@d", message = 7 } end, "bad argument 'message' to 'send' (string, Message, function or file expected, got number)" },
    { "send with a dot", function() local _ = mailer.send(message) end, "a method was called without its object: write mailer:send(), with a colon" },
    { "close with a dot", function() local _ = mailer.close() end, "a method was called without its object: write mailer:close(), with a colon" },
  }
  for _, case in ipairs(cases) do
    it("raises for " .. case[1], function() assert.equal(case[3], client.misuse(case[2])) end)
  end

  it("has connected to nobody", function() assert.equal(0, #farm.attempts) end)
end)
