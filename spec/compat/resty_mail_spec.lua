-- What lua-resty-mail's programs call, and what they get (its README): options,
-- results, messages; and the rules that are stricter here.
local elsewhere = require "spec.compat.elsewhere"
local mail = require "smtplib.compat.resty_mail"
local smtplib = require "smtplib"

local function example(changes)
  local data = {
    from = "Master Splinter <splinter@example.com>",
    to = { "michelangelo@example.com" },
    cc = { "leo@example.com", "Raphael <raph@example.com>", "donatello@example.com" },
    subject = "Pizza is here!",
    text = "There's pizza in the sewer.",
    html = "<h1>There's pizza in the sewer.</h1>",
    attachments = {
      { filename = "toppings.txt", content_type = "text/plain", content = "1. Cheese\n2. Pepperoni" },
    },
  }
  for name, value in pairs(changes or {}) do data[name] = value end
  return data
end

local function addresses(message)
  local list = {}
  for i, one in ipairs(message.to) do list[i] = one.addr end
  return list
end

describe("compat.resty_mail", function()
  local sink

  local function start(options)
    sink = assert(smtplib.sink.start(options))
    return sink
  end

  local function mailer(options)
    local given = { host = sink.host, port = sink.port }
    for name, value in pairs(options or {}) do given[name] = value end
    return mail.new(given)
  end

  local function received(n)
    return smtplib.email.message_from_string(sink:messages()[n or 1].data)
  end

  after_each(function()
    if sink then sink:stop() end
    sink = nil
  end)

  it("sends what the example of its README sends", function()
    start()
    assert.is_true(mailer():send(example()))
    local got, message = sink:messages()[1], received()
    assert.equal("splinter@example.com", got.from)
    assert.same({ "michelangelo@example.com", "leo@example.com", "raph@example.com", "donatello@example.com" }, addresses(got))
    assert.equal("Master Splinter <splinter@example.com>", message["From"])
    assert.equal("leo@example.com, Raphael <raph@example.com>, donatello@example.com", message["Cc"])
    assert.equal("Pizza is here!", message["Subject"])
    assert.equal("multipart/mixed", message:get_content_type())
    assert.equal("multipart/alternative", message:get_payload(1):get_content_type())
    assert.equal("There's pizza in the sewer.\r\n", message:get_body("plain"):get_content())
    assert.equal("<h1>There's pizza in the sewer.</h1>\r\n", message:get_body("html"):get_content())
    local part = message:get_payload(2)
    assert.equal("text/plain", part["Content-Type"])
    assert.equal("toppings.txt", part:get_filename())
    assert.equal("attachment", part:get_content_disposition())
    assert.truthy(part["Content-ID"]:find("^<[^<>@]+@localhost%.localdomain>$"))
    assert.equal("1. Cheese\n2. Pepperoni", part:get_payload(nil, true))
    assert.truthy(message["Message-ID"] and message["Date"] and message["MIME-Version"])
  end)

  it("writes header fields and attachments as they are given, and Bcc nowhere", function()
    start()
    local bytes = "a\r\nb\nc\0\228ü"
    assert.is_true(mailer():send {
      from = "From <from@example.com>", reply_to = "Reply <reply@example.com>", to = { "To <to@example.com>" },
      bcc = { "Bcc <bcc@example.com>" }, subject = "Grüße", html = "<p>x</p>",
      headers = { ["X-Foo"] = "bar", ["Message-ID"] = "<mine@example.com>", subject = "another", ["Content-Type"] = "x/y" },
      attachments = {
        { filename = "ü.txt", content_type = "text/plain; charset=iso-8859-1", content = bytes },
        { filename = "foo.png", content_type = "image/png", content = bytes, disposition = "inline", content_id = "custom" },
      },
    })
    local message = received()
    assert.same({ "to@example.com", "bcc@example.com" }, addresses(sink:messages()[1]))
    assert.is_nil(sink:messages()[1].data:lower():find("bcc", 1, true))
    assert.equal("Reply <reply@example.com>", message["Reply-To"])
    assert.same({ "Grüße" }, message:get_all("Subject"))
    assert.equal("bar", message["X-Foo"])
    assert.same({ "<mine@example.com>" }, message:get_all("Message-ID"))
    assert.equal(1, #message:get_all("Content-Type"))
    local first, second = message:get_payload(2), message:get_payload(3)
    assert.equal("text/plain; charset=iso-8859-1", first["Content-Type"])
    assert.equal("ü.txt", first:get_filename())
    assert.equal(bytes, first:get_payload(nil, true))
    assert.equal("inline", second:get_content_disposition())
    assert.equal("<custom>", second["Content-ID"])
    assert.equal(bytes, second:get_payload(nil, true))
  end)

  it("leaves the options and the data as they were", function()
    start()
    local options = { host = sink.host, port = sink.port }
    local data, before = example(), example()
    local one = mail.new(options)
    assert.is_true(one:send(data))
    assert.same({ host = sink.host, port = sink.port }, options)
    assert.same(before, data)
    assert.equal("localhost.localdomain", one.options.domain)
  end)

  it("keeps its connection for the next message", function()
    start()
    local one = mailer { domain = "www.example.com" }
    for _ = 1, 3 do assert.is_true(one:send(example())) end
    assert.equal(1, sink:stats().connections)
    assert.equal("www.example.com", sink:messages()[1].helo)
  end)

  describe("returns nil and a sentence from new", function()
    for _, case in ipairs {
      { "for a password alone", { password = "foo" }, "authentication requested, but missing username" },
      { "for a user alone", { username = "foo" }, "authentication requested, but missing password" },
      { "for auth_type alone", { auth_type = "plain" }, "authentication requested, but missing username" },
      { "for an unknown auth_type", { username = "a", password = "b", auth_type = "x" }, "invalid auth_type: x" },
    } do
      it(case[1], function() assert.same({ nil, case[3] }, { mail.new(case[2]) }) end)
    end
  end)

  describe("returns false and a sentence from send", function()
    local refusing = { replies = {
      ["RCPT nobody@example.com"] = "550-5.1.1 no such user\r\n550 5.1.1 here", ["MAIL bad@example.com"] = "553 no",
    } }
    for _, case in ipairs {
      { "when nobody listens", {}, {}, "connect failure: connection refused", { port = 1 } },
      { "when a recipient is refused", refusing, { to = { "b@example.com", "nobody@example.com" } },
        "SMTP response was not successful: 550-5.1.1 no such user\n550 5.1.1 here" },
      { "when the sender is refused", refusing, { from = "bad@example.com" }, "SMTP response was not successful: 553 no" },
      { "when the message is refused", { replies = { ["."] = "554 5.7.1 spam" } }, {},
        "SMTP response was not successful: 554 5.7.1 spam" },
      { "when the server goes away", { disconnect = { MAIL = true } }, {}, "closed" },
      { "when the server is silent", { stall = { EHLO = true } }, {}, "timeout", { timeout_read = 100 } },
      { "when STARTTLS is wanted and not offered", {}, {}, "STARTTLS extension not supported by server.", { starttls = true } },
      { "when there is no TLS to be had", {}, {}, "sslhandshake error: wrong version number (the peer may not speak TLS on this port)", { ssl = true } },
      { "without a sender", {}, { from = false }, "the message has no From field to take the sender from" },
      { "without a recipient", {}, { to = {}, cc = {} }, "no recipients" },
      { "for an attachment without a name", {}, { attachments = { { content_type = "a/b", content = "" } } },
        "attachment 1: filename: string expected" },
    } do
      it(case[1], function()
        start(case[2])
        local data = example(case[3])
        data.from = data.from or nil
        local ok, err, details = mailer(case[5]):send(data)
        assert.is_false(ok)
        assert.equal(case[4], err)
        assert.is_true(smtplib.is_error(details))
        assert.equal(0, #sink:messages())
      end)
    end
  end)

  for name, extensions in pairs { ["with PIPELINING"] = {}, ["without PIPELINING"] = { PIPELINING = false } } do
    it("sends to all of the recipients or to none, " .. name, function()
      start { extensions = extensions, replies = { ["RCPT nobody@example.com"] = "550 no" } }
      local one = mailer()
      assert.is_false((one:send(example { to = { "b@example.com", "nobody@example.com" } })))
      assert.equal(0, #sink:messages())
      assert.is_true(one:send(example()))
      assert.equal(1, #sink:messages())
    end)
  end

  it("sends to none when the server takes fewer at a time", function()
    start { extensions = { LIMITS = "RCPTMAX=2" } }
    local ok, err = mailer():send(example())
    assert.is_false(ok)
    assert.equal("SMTP response was not successful: 452 4.5.3 too many recipients for one transaction", err)
    assert.equal(0, #sink:messages())
  end)

  describe("rule: line breaks add neither fields nor recipients", function()
    local break_in = "x\r\nBcc: victim@example.com"
    for _, case in ipairs {
      { "subject", { subject = break_in } },
      { "reply_to", { reply_to = "a@example.com\r\nBcc: victim@example.com" } },
      { "from", { from = "a@example.com>\r\nRCPT TO:<victim@example.com" } },
      { "a recipient", { to = { "a@example.com>\r\nRCPT TO:<victim@example.com" } } },
      { "a second mailbox in a recipient", { to = { "a@example.com, victim@example.com" } } },
      { "a parameter behind a recipient", { to = { "<a@example.com> NOTIFY=SUCCESS" } } },
      { "a header field", { headers = { ["X-Foo"] = break_in } } },
      { "the name of a header field", { headers = { ["X-Foo: a\r\nBcc"] = "victim@example.com" } } },
      { "a file name", { attachments = { { filename = break_in, content_type = "text/plain", content = "" } } } },
      { "a content type", { attachments = { { filename = "a", content_type = break_in, content = "" } } } },
      { "a content id", { attachments = { { filename = "a", content_type = "a/b", content = "", content_id = break_in } } } },
    } do
      it(case[1], function()
        start()
        local ok, err = mailer():send(example(case[2]))
        assert.is_false(ok)
        assert.equal("string", type(err))
        assert.equal(0, #sink:messages())
      end)
    end
  end)

  describe("rule: certificates are verified unless ssl_verify is false", function()
    for _, mode in ipairs { "starttls", "ssl" } do
      it(mode, function()
        start { tls = mode == "ssl" and "implicit" or "starttls" }
        local ok, err = mailer { [mode] = true }:send(example())
        assert.is_false(ok)
        assert.truthy(err:find("^sslhandshake error: "))
        assert.is_true(mailer { [mode] = true, ssl_verify = false }:send(example()))
        assert.truthy(sink:messages()[1].tls)
      end)
    end

    it("also where STARTTLS is used because it is offered", function()
      start { tls = "starttls" }
      local ok, err = mailer():send(example())
      assert.is_false(ok)
      assert.truthy(err:find("^sslhandshake error: "))
    end)
  end)

  it("rule: a password does not go out in clear", function()
    start { auth = { me = "secret" } }
    local login = { username = "me", password = "secret", auth_type = "plain" }
    local one = mailer(login)
    local ok, err = elsewhere.call(one.send, one, example())
    assert.is_false(ok)
    assert.truthy(err:find("in clear text", 1, true), err)
    for _, line in ipairs(sink:commands()) do assert.is_nil(line:find("^AUTH")) end
    login.allow_insecure_auth = true
    one = mailer(login)
    assert.is_true((elsewhere.call(one.send, one, example())))
    assert.equal("me", sink:messages()[1].auth_user)
  end)

  describe("logs in", function()
    for _, case in ipairs {
      { "as the server likes it, without auth_type", nil, { "PLAIN", "LOGIN" } },
      { "where only LOGIN is offered", nil, { "LOGIN" } },
      { "by plain", "plain", { "PLAIN", "LOGIN" } },
      { "by login", "login", { "PLAIN", "LOGIN" } },
    } do
      it(case[1], function()
        start { auth = { me = "secret" }, mechanisms = case[3], require_auth = true }
        local one = mailer { username = "me", password = "secret", auth_type = case[2] }
        assert.is_true(one:send(example()))
        assert.equal("me", sink:messages()[1].auth_user)
        local used = {}
        for _, line in ipairs(sink:commands()) do used[#used + 1] = line:match("^AUTH (%a+)") end
        assert.same({ case[2] and case[2]:upper() or case[3][1] }, used)
      end)
    end

    it("and tells when it cannot", function()
      start { auth = { me = "secret" } }
      local ok, err = mailer { username = "me", password = "wrong", auth_type = "plain" }:send(example())
      assert.is_false(ok)
      assert.truthy(err:find("^SMTP response was not successful: 535 "), err)
    end)
  end)
end)
