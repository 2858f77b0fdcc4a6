-- What Postfix makes of what we send: over plain TCP and TLS, every kind of
-- body, refused recipients, large messages, many messages.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"
local bodies = require "spec.interop.bodies"

describe("Postfix", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local postfix, server
  local sender, alice = "sender@example.test", "alice@example.test"

  setup(function() postfix = servers.postfix() end)
  teardown(function() if postfix then postfix:stop() end end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(overrides)
    server = assert(smtplib.SMTP(postfix:options(overrides)))
    return server
  end

  local function assert_delivered(text, id, stored)
    local mail = postfix:delivered(id)
    assert.is_nil(servers.difference(stored or servers.stored(text), mail.bytes))
    return mail.trace
  end

  describe("takes a message", function()
    local function plain_login(p)
      return { port = p.submission, tls = "starttls", user = alice, password = "secret" }
    end
    local ways = {
      { "in clear", function() return {} end, "ESMTP " },
      { "after STARTTLS", function() return { tls = "starttls" } end, "ESMTPS " },
      { "with opportunistic TLS", function() return { tls = "opportunistic" } end, "ESMTPS " },
      { "over implicit TLS", function(p) return { port = p.smtps, tls = "implicit" } end, "ESMTPS " },
      { "after STARTTLS and login", plain_login, "ESMTPSA " },
      { "at its IPv4 address", function() return { host = "127.0.0.1", tls = "starttls" } end, "ESMTPS " },
    }
    for _, way in ipairs(ways) do
      it(way[1], function()
        local text, id = servers.message("Hello.\r\n")
        assert.same({}, assert(connect(way[2](postfix)):sendmail(sender, alice, text)))
        assert.equal(221, (server:quit()))
        local trace = assert_delivered(text, id)
        assert.truthy(trace.received:find("with " .. way[3], 1, true), trace.received)
        assert.equal("<" .. sender .. ">", trace["return-path"])
      end)
    end

    it("at its IPv6 address", function()
      if not postfix.ipv6 then return pending("no IPv6 on this machine") end
      local text, id = servers.message("Hello.\r\n")
      assert(connect { host = "::1", tls = "starttls" }:sendmail(sender, alice, text))
      assert.truthy(assert_delivered(text, id).received:find("IPv6:::1", 1, true))
    end)

    it("from SMTP_SSL and the arguments in Python's order", function()
      local text, id = servers.message("Hello.\r\n")
      local context = smtplib.ssl.create_default_context { cafile = postfix.ca }
      server = assert(smtplib.SMTP_SSL("localhost", postfix.smtps, nil, 20, nil, context))
      assert.same({}, assert(server:sendmail(sender, alice, text)))
      assert_delivered(text, id)
    end)

    it("step by step", function()
      local text, id = servers.message("Hello.\r\n")
      server = assert(smtplib.SMTP())
      assert.equal(220, (server:connect("localhost", postfix.port)))
      assert.equal(250, (server:ehlo("client.example.test")))
      assert.is_true(server:has_extn("Pipelining"))
      assert.equal(220, (server:starttls { cafile = postfix.ca }))
      assert.equal(250, (server:ehlo("client.example.test")))
      assert.is_false(server:has_extn("starttls"))
      assert.equal(250, (server:mail(sender, { "size=1000", "body=8bitmime" })))
      assert.equal(250, (server:rcpt(alice)))
      assert.equal(250, (server:data(text)))
      assert.truthy(assert_delivered(text, id).received:find("from client.example.test", 1, true))
    end)

    it("that comes with a client certificate", function()
      local text, id = servers.message("Hello.\r\n")
      local tls_options = {
        cafile = postfix.ca,
        certfile = postfix.certs .. "/client.pem", keyfile = postfix.certs .. "/client.key",
      }
      assert(connect { tls = "starttls", tls_options = tls_options }:sendmail(sender, alice, text))
      local received = assert_delivered(text, id).received
      assert.truthy(received:find('Client CN "client"', 1, true) and received:find("verified OK", 1, true), received)
    end)

    it("that is a Message, and its Bcc stays secret", function()
      local _, id = servers.message("")
      local message = smtplib.email.Message()
      message["From"], message["To"], message["Bcc"] = sender, alice, "bob@example.test"
      message["Message-ID"] = "<" .. id .. ">"
      message["Subject"] = "Gr\195\188\195\159e"
      message:set_payload("one\n.\ntwo\n")
      assert.same({}, assert(connect():send_message(message)))
      local mails, recipients = postfix:collect(id, 2), {}
      for i, mail in ipairs(mails) do
        recipients[i] = mail.trace["delivered-to"]
        assert.truthy(mail.bytes:find("\n\none\n.\ntwo\n$"), mail.bytes)
        assert.truthy(mail.bytes:find("\nSubject: =?utf-8?", 1, true), mail.bytes)
        assert.is_nil(mail.bytes:lower():find("bcc", 1, true))
        assert.is_nil(mail.bytes:find("bob", 1, true))
      end
      table.sort(recipients)
      assert.same({ alice, "bob@example.test" }, recipients)
      assert.equal("bob@example.test", message["Bcc"])
    end)

    it("from the null reverse-path", function()
      local text, id = servers.message("Hello.\r\n")
      assert(connect():sendmail("<>", alice, text))
      assert.equal("<>", assert_delivered(text, id)["return-path"])
    end)
  end)

  describe("delivers byte for byte", function()
    for _, body in ipairs(bodies) do
      it(body[1], function()
        local text, id = servers.message(body[2])
        assert.same({}, assert(connect():sendmail(sender, alice, text)))
        local head = text:sub(1, #text - #body[2])
        assert_delivered(text, id, servers.stored(head) .. (body[3] or servers.stored(body[2])))
        assert.equal(0, postfix:count())
      end)
    end

    local sources = {
      { "a function source cut at every byte", function(text)
        local at = 0
        return function()
          at = at + 1
          return at <= #text and text:sub(at, at) or nil
        end
      end },
      { "a file", function(text)
        local file = assert(io.tmpfile())
        file:write(text)
        file:seek("set")
        return file
      end },
    }
    for _, source in ipairs(sources) do
      it(source[1], function()
        local text, id = servers.message(".\r\n..\r\n\228\r\n.a\r\nend\r\n")
        assert(connect():sendmail(sender, alice, source[2](text)))
        assert_delivered(text, id)
      end)
    end

    it("20 MiB from a function, over TLS", function()
      local text, id = servers.message("")
      local lines, number = { text }, 0
      while #lines < 301 do
        number = number + 1
        lines[#lines + 1] = (".%06d %s\r\n"):format(number, ("\228 "):rep(30)):rep(1000)
      end
      local at = 0
      assert(connect { tls = "starttls" }:sendmail(sender, alice, function()
        at = at + 1
        return lines[at]
      end))
      local all = table.concat(lines)
      assert.is_true(#all > 20 * 1024 * 1024)
      assert_delivered(all, id)
    end)

    it("20 MiB from a string", function()
      local text, id = servers.message(("0123456789abcde\r\n"):rep(20 * 1024 * 64))
      assert(connect():sendmail(sender, alice, text))
      assert_delivered(text, id)
    end)
  end)

  describe("refuses", function()
    it("one of three recipients, and the others get their mail", function()
      local text, id = servers.message("Hello.\r\n")
      local to = { alice, "unknown@example.test", "bob@example.test" }
      local refused = assert(connect():sendmail(sender, to, text))
      assert.equal(550, refused["unknown@example.test"][1])
      assert.truthy(refused["unknown@example.test"][2]:find("User unknown", 1, true))
      refused["unknown@example.test"] = nil
      assert.same({}, refused)

      local recipients = {}
      for _, mail in ipairs(postfix:collect(id, 2)) do
        assert.is_nil(servers.difference(servers.stored(text), mail.bytes))
        recipients[#recipients + 1] = mail.trace["delivered-to"]
      end
      table.sort(recipients)
      assert.same({ alice, "bob@example.test" }, recipients)
    end)

    local refusals = {
      { "an unknown recipient", "unknown@example.test", 550, "5.1.1", false },
      { "a recipient for now", "tempfail@example.test", 451, "4.3.0", true },
      { "a full mailbox", "full@example.test", 452, "4.2.2", true },
      { "another domain without login", "alice@example.org", 554, "5.7.1", false },
    }
    for _, case in ipairs(refusals) do
      it(case[1] .. ", and the connection goes on", function()
        local text, id = servers.message("Hello.\r\n")
        local result, err = connect():sendmail(sender, case[2], text)
        assert.is_nil(result)
        assert.is_true(err:is(smtplib.SMTPRecipientsRefused), tostring(err))
        assert.equal(case[3], err.recipients[case[2]][1])
        assert.equal(case[5], err.temporary)
        assert.equal("none", err.delivery)
        assert.is_true(server:is_open())
        assert.same({}, assert(server:sendmail(sender, alice, text)))
        assert_delivered(text, id)
      end)
    end

    it("the whole session with 421, and nothing is delivered", function()
      local result, err = connect():sendmail(sender, { alice, "drop@example.test" }, (servers.message("Hello.\r\n")))
      assert.is_nil(result)
      assert.is_true(smtplib.is_error(err))
      assert.equal("none", err.delivery)
      assert.is_false(server:is_open())
      assert.equal(0, postfix:count())
    end)

    it("a sender that is not logged in at the submission port", function()
      local result, err = connect { port = postfix.submission, tls = "starttls" }:sendmail(sender, alice, "x")
      assert.is_nil(result)
      assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
      assert.equal(554, err.smtp_code or err.recipients[alice][1])
      assert.is_false(err.temporary)
    end)

    it("a size above its limit at MAIL", function()
      connect():ehlo()
      assert.equal(552, (server:mail(sender, { "size=70000000" })))
    end)

    it("nothing that is too large for it: it is not even asked", function()
      local result, err = connect():sendmail(sender, alice, ("x"):rep(1022):gsub("$", "\r\n"):rep(65 * 1024))
      assert.is_nil(result)
      assert.is_true(err:is(smtplib.SMTPSenderRefused), tostring(err))
      assert.equal(552, err.smtp_code)
      assert.is_true(server:is_open())
    end)
  end)

  describe("understands", function()
    it("addresses that need SMTPUTF8", function()
      local text, id = servers.message("Hello.\r\n")
      local address = "\206\180\206\191\206\186\206\185\206\188\206\174@example.test"
      assert.same({}, assert(connect():sendmail(address, address, text)))
      local trace = assert_delivered(text, id)
      assert.equal(address, trace["delivered-to"])
      assert.truthy(trace.received:find("UTF8SMTP", 1, true), trace.received)
    end)

    it("a quoted local part", function()
      local text, id = servers.message("Hello.\r\n")
      assert.same({}, assert(connect():sendmail(sender, '"a b"@example.test', text)))
      assert.equal('"a b"@example.test', assert_delivered(text, id)["x-original-to"])
    end)

    it("the options of DSN", function()
      local text, id = servers.message("Hello.\r\n")
      assert.same({}, assert(connect():sendmail(sender,
        { { addr = alice, NOTIFY = "FAILURE,DELAY", ORCPT = "rfc822;a+b@example.test" } }, text,
        { RET = "HDRS", ENVID = "a+b=c d" })))
      assert_delivered(text, id)
    end)

    it("NOOP, RSET, VRFY and what it does not know", function()
      connect()
      assert.equal(250, (server:noop()))
      assert.equal(250, (server:rset()))
      assert.equal(252, (server:vrfy(alice)))
      assert.equal(500, (server:expn("everybody")))
      assert.equal(221, (server:quit()))
    end)
  end)

  describe("takes 500 messages on one connection", function()
    local function numbered(word, i)
      return ("From: %s\r\nTo: %s\r\nSubject: %d\r\nMessage-ID: <%s.%d@client.example.test>\r\n\r\n.%d\r\n")
        :format(sender, alice, i, word, i, i)
    end

    local function assert_all_arrived(word)
      local expected, got = {}, {}
      for i, mail in ipairs(postfix:collect("<" .. word .. ".", 500)) do
        expected[i], got[i] = servers.stored(numbered(word, i)), mail.bytes
      end
      table.sort(expected)
      table.sort(got)
      assert.is_nil(servers.difference(table.concat(expected), table.concat(got)))
    end

    it("one call each", function()
      connect()
      for i = 1, 500 do
        assert.same({}, assert(server:sendmail(sender, alice, numbered("one", i))))
      end
      assert.equal(221, (server:quit()))
      assert_all_arrived("one")
    end)

    it("in one call, over TLS", function()
      local messages = {}
      for i = 1, 500 do messages[i] = { from = sender, to = alice, message = numbered("all", i) } end
      local results = assert(connect { tls = "starttls" }:send_messages(messages))
      for i = 1, 500 do
        assert.same({}, results[i].refused, tostring(results[i].err))
        assert.equal(250, results[i].reply[1])
      end
      assert.equal(221, (server:quit()))
      assert_all_arrived("all")
    end)
  end)
end)
