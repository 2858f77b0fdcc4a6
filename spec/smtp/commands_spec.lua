-- The single commands: what goes out, what comes back, what is not sent (API
-- section 3.1).
local client = require "spec.support.client"
local smtplib = require "smtplib"

local connect, last = client.connect, client.last

-- A client after EHLO.
local function greeted(peer_options, options)
  local server, peer = connect(peer_options, options)
  server:ehlo()
  return server, peer
end

describe("connect", function()
  it("returns the greeting, whatever it says", function()
    for _, row in ipairs {
      { "220 mail.example ESMTP", 220, "mail.example ESMTP" }, { "554 go away", 554, "go away" },
      { { "220-one", "220 two" }, 220, "one\ntwo" }, { "421 later", 421, "later" }, { "250 odd", 250, "odd" },
    } do
      local server = smtplib.SMTP { transport = require("spec.support.peer").new { replies = { greeting = row[1] } } }
      local code, message = server:connect("localhost")
      assert.same({ row[2], row[3] }, { code, message })
      assert.equal(row[2] ~= 421, server:is_open())
    end
  end)

  it("goes back to where it was when nothing else is said", function()
    local server, peer = connect(nil, { port = 2525 })
    server:quit()
    assert.equal(220, (server:connect()))
    server:close()
    assert.equal(220, (server:connect("other.example", 26)))
    server:close()
    assert.equal(220, (server:connect()))
    assert.same({ { "localhost", 2525 }, { "localhost", 2525 }, { "other.example", 26 }, { "other.example", 26 } },
      peer.connects)
  end)

  it("defaults to localhost", function()
    local peer = require("spec.support.peer").new()
    assert.equal(220, (smtplib.SMTP { transport = peer }:connect()))
    assert.same({ { "localhost", 25 } }, peer.connects)
  end)
end)

describe("helo and ehlo", function()
  it("send their name, or local_hostname", function()
    local server, peer = connect()
    assert.equal(250, (server:helo()))
    assert.equal(250, (server:helo("a.example")))
    assert.equal(250, (server:ehlo()))
    assert.equal(250, (server:ehlo("b.example")))
    assert.same({ "HELO client.example", "HELO a.example", "EHLO client.example", "EHLO b.example" }, peer:commands())
  end)

  it("remember what was answered", function()
    local server = connect { extensions = { SIZE = 1000, ["X-Odd"] = "a b" } }
    assert.same({}, server.esmtp_features)
    assert.is_false(server.does_esmtp)
    assert.is_nil(server.ehlo_resp)
    assert.is_nil(server.helo_resp)
    local _, message = server:ehlo()
    assert.equal(message, server.ehlo_resp)
    assert.equal("sink.example greets client.example", message:match("^[^\n]*"))
    assert.is_true(server.does_esmtp)
    assert.equal("1000", server.esmtp_features.size)
    assert.equal("a b", server.esmtp_features["x-odd"])
    assert.equal("", server.esmtp_features.pipelining)
    _, message = server:helo()
    assert.equal(message, server.helo_resp)
  end)

  it("read keywords in any case, from the first token of lines behind the first", function()
    local server = connect { replies = { EHLO = {
      "250-mail.example SIZE 77 at your service", "250-8BitMime", "250-sTaRtTlS", "250-Size   1234  ", "250-HELP me",
      "250-AUTH=LOGIN", "250-auth PLAIN CRAM-MD5", "250-no.keyword here", "250-", "250--x", "250 Dsn",
    } } }
    assert.equal(250, (server:ehlo()))
    for _, name in ipairs { "8bitmime", "8BITMIME", "starttls", "StartTLS", "dsn", "help", "size", "auth" } do
      assert.is_true(server:has_extn(name), name)
    end
    assert.equal("1234", server.esmtp_features.size)
    assert.equal("me", server.esmtp_features.help)
    for mechanism in ("PLAIN LOGIN CRAM-MD5"):gmatch("%S+") do
      assert.truthy((" " .. server.esmtp_features.auth .. " "):find(" " .. mechanism .. " ", 1, true), mechanism)
    end
    for _, name in ipairs { "mail.example", "no.keyword", "", "x", "pipelining", "-x" } do
      assert.is_false(server:has_extn(name), name)
    end
  end)

  it("forget what an earlier EHLO offered", function()
    local first = true
    local server = connect { replies = { EHLO = function()
      if first then
        first = false
        return nil
      end
      return "250 nothing any more"
    end } }
    server:ehlo()
    assert.is_true(server:has_extn("size"))
    server:ehlo()
    assert.same({}, server.esmtp_features)
    assert.is_true(server.does_esmtp)
  end)

  it("hand back a refusal", function()
    local server = connect { esmtp = false }
    local code, message = server:ehlo()
    assert.same({ 502, "not implemented" }, { code, message })
    assert.is_false(server.does_esmtp)
    assert.same({}, server.esmtp_features)
    assert.is_true(server:is_open())
  end)

  it("are sent when needed, once", function()
    local server, peer = connect()
    assert.is_true(server:ehlo_or_helo_if_needed())
    assert.is_true(server:ehlo_or_helo_if_needed())
    assert.same({ "EHLO client.example" }, peer:commands())
  end)

  it("fall back to HELO where EHLO is refused", function()
    local server, peer = connect { esmtp = false }
    assert.is_true(server:ehlo_or_helo_if_needed())
    assert.is_true(server:ehlo_or_helo_if_needed())
    assert.same({ "EHLO client.example", "HELO client.example" }, peer:commands())
    assert.is_false(server.does_esmtp)
    assert.is_false(server:has_extn("size"))
  end)

  it("refused both: SMTPHeloError, and again at the next try", function()
    local server, peer = connect { replies = { EHLO = "550 5.7.1 no", HELO = "550 5.7.1 never" } }
    for _ = 1, 2 do
      local ok, err = server:ehlo_or_helo_if_needed()
      assert.is_nil(ok)
      assert.equal("SMTPHeloError", err.name)
      assert.same({ 550, "never", "5.7.1" }, { err.smtp_code, err.smtp_error, err.enhanced_code })
      assert.is_false(err.temporary)
      assert.equal("HELO", err.command)
    end
    assert.equal(4, #peer:commands())
    assert.is_true(server:is_open())
  end)

  it("LMTP says LHLO, and never HELO instead", function()
    local server, peer = connect { lmtp = true }
    assert.equal(250, (server:ehlo()))
    assert.is_true(server:has_extn("pipelining"))
    assert.same({ "LHLO client.example" }, peer:commands())
    server, peer = connect { lmtp = true, replies = { LHLO = "500 no" } }
    local ok, err = server:ehlo_or_helo_if_needed()
    assert.is_nil(ok)
    assert.equal("SMTPHeloError", err.name)
    assert.same({ "LHLO client.example" }, peer:commands())
  end)
end)

describe("a command", function()
  local rows = {
    { "help", {}, "HELP", 214 }, { "help", { "MAIL" }, "HELP MAIL", 214 }, { "noop", {}, "NOOP", 250 },
    { "rset", {}, "RSET", 250 }, { "verify", { "someone" }, "VRFY someone", 252 },
    { "vrfy", { "Some One <some@one.example>" }, "VRFY some@one.example", 252 },
    { "vrfy", { "<some@one.example>" }, "VRFY some@one.example", 252 },
    { "expn", { "list" }, "EXPN list", 252 }, { "expn", { "<list@one.example>" }, "EXPN list@one.example", 252 },
    { "vrfy", { "Some One" }, "VRFY Some One", 252 },
    { "docmd", { "NOOP" }, "NOOP", 250 }, { "docmd", { "noop", "x y" }, "noop x y", 250 },
    { "mail", { "a@b.example" }, "MAIL FROM:<a@b.example>", 250 },
    { "mail", { "A <a@b.example>" }, "MAIL FROM:<a@b.example>", 250 },
    { "mail", { "" }, "MAIL FROM:<>", 250 }, { "mail", { "<>" }, "MAIL FROM:<>", 250 },
    { "docmd", { "XTRA" }, "XTRA", 500 }, { "rcpt", { "c@d.example" }, "RCPT TO:<c@d.example>", 503 },
  }
  for _, row in ipairs(rows) do
    it(("%s(%s) sends %s"):format(row[1], table.concat(row[2], ", "), row[3]), function()
      local server, peer = greeted()
      local code, message, enhanced = server[row[1]](server, row[2][1], row[2][2])
      assert.equal(row[4], code)
      assert.equal("string", type(message))
      assert.truthy(enhanced:find("^" .. math.floor(code / 100) .. "%.%d+%.%d+$"), enhanced)
      assert.is_nil(message:find("^%d"))
      assert.equal(row[3], last(peer:commands()))
      assert.is_true(server:is_open())
    end)
  end

  it("takes domainless and quoted recipients", function()
    local server, peer = greeted()
    server:mail("a@b.example")
    assert.equal(250, (server:rcpt("postmaster")))
    assert.equal("RCPT TO:<postmaster>", last(peer:commands()))
    assert.equal(250, (server:rcpt('"a b"@c.example')))
    assert.equal('RCPT TO:<"a b"@c.example>', last(peer:commands()))
  end)

  it("returns the reply's text without codes, lines joined by LF, and the enhanced code", function()
    local rows_of_replies = {
      { "250 2.1.0 fine", 250, "fine", "2.1.0" }, { "250 fine", 250, "fine", nil }, { "250", 250, "", nil },
      { { "250-2.1.0 one", "250-2.1.0 two", "250 2.1.0 three" }, 250, "one\ntwo\nthree", "2.1.0" },
      { { "250-one", "250 two" }, 250, "one\ntwo", nil }, { "550 5.1.1 no such user", 550, "no such user", "5.1.1" },
      { "250 5.1.1 does not agree", 250, "5.1.1 does not agree", nil }, { "450 4.7.650 later", 450, "later", "4.7.650" },
      { "599 odd", 599, "odd", nil }, { "354 odd", 354, "odd", nil }, { "220 odd", 220, "odd", nil },
    }
    for _, method in ipairs { "noop", "rset", "help" } do
      for _, row in ipairs(rows_of_replies) do
        local server = greeted { replies = { [method:upper()] = row[1] } }
        local code, message, enhanced = server[method](server)
        assert.same({ row[2], row[3], row[4] }, { code, message, enhanced })
        assert.is_true(server:is_open())
      end
    end
  end)

  it("hands back a refusal, from each of them", function()
    for _, row in ipairs {
      { "EHLO", "ehlo" }, { "HELO", "helo" }, { "MAIL", "mail", "a@b.example" }, { "RCPT", "rcpt", "a@b.example" },
      { "RSET", "rset" }, { "NOOP", "noop" }, { "VRFY", "vrfy", "x" }, { "EXPN", "expn", "x" }, { "HELP", "help" },
      { "NOOP", "docmd", "NOOP" },
    } do
      for _, reply in ipairs { "450 4.0.0 later", "550 5.0.0 no" } do
        local server = connect { replies = { [row[1]] = reply } }
        if row[1] ~= "EHLO" then server:ehlo() end
        local code, message = server[row[2]](server, row[3])
        assert.equal(tonumber(reply:sub(1, 3)), code, row[2])
        assert.equal(reply:sub(11), message)
        assert.is_true(server:is_open())
      end
    end
  end)

  it("is not blocked for being out of order", function()
    local server, peer = connect()
    assert.equal(503, (server:rcpt("a@b.example")))
    assert.equal(503, (server:mail("a@b.example")))
    assert.equal(503, (server:docmd("DATA")))
    assert.equal(3, #peer:commands())
    assert.is_true(server:is_open())
  end)
end)

describe("putcmd, getreply and send", function()
  it("do in steps what docmd does", function()
    local server, peer = greeted()
    assert.is_true(server:putcmd("NOOP", "x"))
    local code, message, enhanced = server:getreply()
    assert.same({ 250, "ok", "2.0.0" }, { code, message, enhanced })
    assert.equal("NOOP x", last(peer:commands()))
  end)

  it("send raw bytes, in one piece or several", function()
    local server, peer = greeted()
    assert.is_true(server:send("NO"))
    assert.is_true(server:send("OP\r\n"))
    assert.equal(250, (server:getreply()))
    assert.equal("NOOP", last(peer:commands()))
  end)

  it("read the replies of several commands in their order", function()
    local server = greeted { replies = { ["NOOP 1"] = "251 first", ["NOOP 2"] = "252 second" } }
    server:putcmd("NOOP", "1")
    server:putcmd("NOOP", "2")
    assert.equal(251, (server:getreply()))
    assert.equal(252, (server:getreply()))
    assert.equal(250, (server:noop()))
  end)

  it("send a whole message by hand", function()
    local server, peer = greeted()
    server:mail("a@b.example")
    server:rcpt("c@d.example")
    assert.equal(354, (server:docmd("DATA")))
    assert.is_true(server:send("by hand\r\n.\r\n"))
    assert.equal(250, (server:getreply()))
    assert.equal("by hand\r\n", peer.messages[1].data)
    assert.equal(250, (server:noop()))
  end)

  it("hand back a 421, too", function()
    local server = greeted { replies = { NOOP = "421 4.3.2 bye" } }
    server:putcmd("NOOP")
    local code, message = server:getreply()
    assert.same({ 421, "bye" }, { code, message })
    assert.is_false(server:is_open())
    server = greeted { replies = { QUIT = "421 bye" } }
    assert.equal(421, (server:quit()))
  end)
end)

describe("without a connection", function()
  local rows = {
    { "helo" }, { "ehlo" }, { "ehlo_or_helo_if_needed" }, { "help" }, { "noop" }, { "rset" }, { "verify", "x" },
    { "vrfy", "x" }, { "expn", "x" }, { "mail", "a@b" }, { "rcpt", "a@b" }, { "data", "x" }, { "docmd", "NOOP" },
    { "putcmd", "NOOP" }, { "getreply" }, { "send", "x" }, { "starttls" }, { "login", "u", "p" },
    { "auth", "PLAIN", function() end }, { "sendmail", "a@b", "c@d", "x" }, { "send_messages", {} }, { "quit" },
    { "send_message", smtplib.email.Message { from = "a@b.example", to = "c@d.example", text = "x" } },
  }
  for _, row in ipairs(rows) do
    it(row[1] .. " returns SMTPServerDisconnected", function()
      local closed, quitted = connect(), connect()
      closed:close()
      quitted:quit()
      for _, server in ipairs { smtplib.SMTP(), closed, quitted } do
        local result, err = server[row[1]](server, row[2], row[3], row[4])
        assert.is_nil(result)
        assert.equal("SMTPServerDisconnected", err.name)
        assert.equal("none", err.delivery)
        assert.is_true(err.temporary)
        assert.is_nil(server.sock)
      end
    end)
  end

  it("has_extn is false, close is true", function()
    assert.is_false(smtplib.SMTP():has_extn("size"))
    assert.is_true(smtplib.SMTP():close())
  end)
end)

describe("CR, LF or NUL", function()
  local methods = {
    { "docmd", "verb", function(s, bad) return s:docmd("NO" .. bad) end },
    { "docmd", "args", function(s, bad) return s:docmd("NOOP", "x" .. bad .. "y") end },
    { "putcmd", "verb", function(s, bad) return s:putcmd("NO" .. bad) end },
    { "putcmd", "args", function(s, bad) return s:putcmd("NOOP", bad) end },
    { "helo", "name", function(s, bad) return s:helo("a" .. bad) end },
    { "ehlo", "name", function(s, bad) return s:ehlo("a" .. bad .. "b") end },
    { "help", "topic", function(s, bad) return s:help("a" .. bad) end },
    { "verify", "address", function(s, bad) return s:verify("a" .. bad) end },
    { "vrfy", "address", function(s, bad) return s:vrfy("<a@b" .. bad .. ">") end },
    { "expn", "address", function(s, bad) return s:expn("a" .. bad .. "b") end },
    { "mail", "sender", function(s, bad) return s:mail("a@b.example" .. bad) end },
    { "mail", "quoted sender", function(s, bad) return s:mail('"a' .. bad .. '"@b.example') end },
    { "mail", "display name", function(s, bad) return s:mail("A" .. bad .. "B <a@b.example>") end },
    { "mail", "option", function(s, bad) return s:mail("a@b.example", { "SIZE=1" .. bad }) end },
    { "mail", "typed option", function(s, bad) return s:mail("a@b.example", { BODY = "7BIT" .. bad }) end },
    { "mail", "option's name", function(s, bad) return s:mail("a@b.example", { ["X" .. bad] = "1" }) end },
    { "rcpt", "recipient", function(s, bad) return s:rcpt(bad .. "a@b.example") end },
    { "rcpt", "option", function(s, bad) return s:rcpt("a@b.example", { "NOTIFY=NEVER" .. bad }) end },
    { "rcpt", "typed option", function(s, bad) return s:rcpt("a@b.example", { NOTIFY = "NEVER" .. bad }) end },
    { "sendmail", "from", function(s, bad) return s:sendmail("a@b.example" .. bad, "c@d.example", "x") end },
    { "sendmail", "to", function(s, bad) return s:sendmail("a@b.example", "c@d" .. bad .. ".example", "x") end },
    { "sendmail", "one of many", function(s, bad)
      return s:sendmail("a@b.example", { "c@d.example", "e" .. bad .. "@f.example" }, "x")
    end },
    { "sendmail", "mail option", function(s, bad)
      return s:sendmail("a@b.example", "c@d.example", "x", { "SIZE=1" .. bad .. "RCPT TO:<x@y.example>" })
    end },
    { "sendmail", "rcpt option", function(s, bad)
      return s:sendmail("a@b.example", "c@d.example", "x", nil, { "NOTIFY=NEVER" .. bad })
    end },
    { "sendmail", "recipient's option", function(s, bad)
      return s:sendmail("a@b.example", { { addr = "c@d.example", NOTIFY = "NEVER" .. bad } }, "x")
    end },
    { "auth", "mechanism", function(s, bad) return s:auth("CRAM" .. bad, function() return "x" end) end },
    { "login", "user", function(s, bad) return s:login("me" .. bad, "secret") end },
  }
  for _, row in ipairs(methods) do
    it(("in %s's %s is an error, nothing is sent and the connection stays"):format(row[1], row[2]), function()
      for _, bad in ipairs { "\r", "\n", "\r\n", "\0", "\r\nRSET" } do
        local server, peer = greeted { auth = { me = "secret" } }
        local result, err = row[3](server, bad)
        assert.is_nil(result)
        assert.equal("SMTPException", err.name, tostring(err))
        assert.equal("none", err.delivery)
        assert.is_false(err.temporary)
        assert.same({ "EHLO client.example" }, peer:commands())
        assert.is_true(server:is_open())
        assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
      end
    end)
  end

  it("and every other control character, too", function()
    local server, peer = greeted()
    for _, byte in ipairs { 1, 7, 8, 11, 12, 27, 31, 127 } do
      local code, err = server:docmd("NOOP", "x" .. string.char(byte))
      assert.is_nil(code, byte)
      assert.equal("SMTPException", err.name)
    end
    assert.equal(1, #peer:commands())
  end)
end)

describe("a wrong type", function()
  local rows = {
    { "connect", { 25 }, "host" }, { "connect", { "localhost", {} }, "port" },
    { "connect", { "localhost", 25, "127.0.0.1" }, "source_address" }, { "helo", { 1 }, "name" }, { "ehlo", { {} }, "name" },
    { "has_extn", {}, "name" }, { "help", { 1 }, "topic" }, { "verify", {}, "address" },     { "expn", {}, "address" }, { "mail", {}, "sender" }, { "mail", { 1 }, "sender" }, { "mail", { "a@b", "x" }, "options" },
    { "mail", { "a@b", { 1 } }, "options" }, { "rcpt", {}, "recipient" }, { "rcpt", { "a@b", "x" }, "options" },
    { "data", {}, "message" }, { "data", { 1 }, "message" }, { "data", { {} }, "message" }, { "docmd", {}, "verb" },
    { "docmd", { "NOOP", {} }, "args" }, { "putcmd", { 1 }, "verb" }, { "putcmd", { "NOOP", true }, "args" },
    { "send", {}, "bytes" }, { "send", { 1 }, "bytes" }, { "starttls", { "x" }, "context" }, { "login", {}, "user" },
    { "login", { "me" }, "password" }, { "login", { "me", "x", 1 }, "options" }, { "auth", {}, "mechanism" },
    { "auth", { "PLAIN" }, "authobject" }, { "auth", { "PLAIN", "x" }, "authobject" },
    { "sendmail", {}, "from" }, { "sendmail", { 1 }, "from" }, { "sendmail", { "a@b" }, "to" },
    { "sendmail", { "a@b", 1, "x" }, "to" }, { "sendmail", { "a@b", { 1 }, "x" }, "to" }, { "sendmail", { "a@b", "c@d" }, "message" },
    { "sendmail", { "a@b", "c@d", 1 }, "message" }, { "sendmail", { "a@b", "c@d", {} }, "message" },
    { "sendmail", { "a@b", "c@d", true }, "message" }, { "sendmail", { "a@b", { {} }, "x" }, "to" },
    { "sendmail", { "a@b", "c@d", "x", "y" }, "mail_options" }, { "sendmail", { "a@b", "c@d", "x", nil, 1 }, "rcpt_options" },
    { "sendmail", { "a@b", "c@d", "x", { {} } }, "mail_options" },
    { "send_message", {}, "message" }, { "send_message", { "text" }, "message" },
    { "send_messages", {}, "messages" }, { "send_messages", { "x" }, "messages" }, { "send_messages", { {}, 1 }, "opts" },
    { "set_debuglevel", { "x" }, "level" },
  }
  for _, row in ipairs(rows) do
    it(("of %s's %s is misuse"):format(row[1], row[3]), function()
      local server, peer = greeted()
      local a = row[2]
      local text = client.misuse(function()
        server[row[1]](server, a[1], a[2], a[3], a[4], a[5])
      end)
      assert.truthy(text:find(("bad argument '%s' to '%s' ("):format(row[3], row[1]), 1, true), text)
      assert.equal(1, #peer:commands())
      assert.is_true(server:is_open())
    end)
  end

  it("is misuse on an unconnected object, too", function()
    local server = smtplib.SMTP()
    assert.truthy(client.misuse(function() server:mail(1) end):find("'sender' to 'mail'", 1, true))
    assert.truthy(client.misuse(function() server:docmd() end):find("'verb' to 'docmd'", 1, true))
  end)

  it("is an unknown option of login, auth and send_messages", function()
    local server = greeted()
    assert.equal("unknown option 'x'", client.misuse(function() server:login("a", "b", { x = 1 }) end))
    assert.equal("unknown option 'x'", client.misuse(function() server:auth("A", print, { x = 1 }) end))
    assert.equal("unknown option 'x'", client.misuse(function() server:send_messages({}, { x = 1 }) end))
    assert.equal("unknown option 'verfy'", client.misuse(function() server:starttls { verfy = false } end))
  end)

  it("is a method called without its object", function()
    local server = greeted()
    for _, method in ipairs { "noop", "mail", "quit", "sendmail", "close", "has_extn" } do
      assert.is_false((pcall(server[method])))
      assert.is_false((pcall(server[method], 5)))
    end
  end)
end)
