-- Connections that are kept: with what they are, found by it, and replaced when they
-- are stale without losing or doubling a message (API section 3.5).
local farms = require "spec.mailer.farm"
local pair = require "spec.support.tlspair"
local certs = require "spec.support.certs"
local smtplib = require "smtplib"

local function send(mailer, first, last)
  for i = first, last or first do assert(mailer:send(farms.message(i))) end
end

-- Every message once, in order.
local function assert_arrived(farm, last)
  local got = {}
  for i, message in ipairs(farm.messages) do got[i] = message.data:match("Subject: (%d+)") end
  local wanted = {}
  for i = 1, last do wanted[i] = tostring(i) end
  assert.same(wanted, got)
end

describe("A connection", function()
  it("is kept with its TLS, its extensions and its login", function()
    local mailer, farm = farms.simple(
      { context = pair.server_context("server"), auth = { me = "secret" }, require_auth = true, require_tls = true },
      { port = 25, tls = "starttls", tls_options = { cafile = certs.path("ca.pem"), server_hostname = "localhost" }, user = "me", password = "secret" })
    send(mailer, 1, 20)
    assert_arrived(farm, 20)
    assert.equal(1, #farm.connections)
    assert.equal(1, farm:count("STARTTLS"))
    assert.equal(1, farm:count("AUTH"))
    assert.equal(2, farm:count("EHLO"), "before TLS and behind it")
    for _, message in ipairs(farm.messages) do
      assert.equal("me", message.auth_user)
      assert.truthy(message.tls)
    end
  end)

  it("is kept with what it lacks: HELO's is not asked again", function()
    local mailer, farm = farms.simple { esmtp = false }
    send(mailer, 1, 5)
    assert_arrived(farm, 5)
    assert.equal(1, #farm.connections)
    assert.equal(1, farm:count("EHLO"))
    assert.equal(1, farm:count("HELO"))
    assert.is_nil(table.concat(farm:commands(), "\n"):find("size=", 1, true))
  end)

  it("is not shared by Mailers, whatever they send", function()
    local mailer, farm = farms.simple()
    send(mailer, 1)
    send(farm:mailer(), 2)
    assert.equal(2, #farm.connections)
  end)

  it("is kept in the number that pool_size allows, 5 if nothing is said", function()
    for _, case in ipairs { { nil, 5 }, { 2, 2 }, { 0, 0 } } do
      local wait = true
      local mailer, farm = farms.simple(nil, { pool_size = case[1] })
      local started = {}
      for i = 1, 7 do
        local message = farms.message(i)
        message.message = function()
          if not wait then return nil end
          wait = false
          if i < 7 then started[i + 1]() end -- one within the other: all are open at once
          return "text"
        end
        started[i] = function()
          wait = true
          assert(mailer:send(message))
        end
      end
      started[1]()
      assert.equal(7, #farm.connections)
      assert.equal(7, #farm.messages)
      assert.equal(case[2], farm:open())
      assert.equal(case[2], mailer:idle())
      assert.equal(7 - case[2], farm:count("QUIT"))
    end
  end)

  it("ends with its last message of max_messages, 100 if nothing is said", function()
    for _, case in ipairs { { 1, 5, 5 }, { 3, 7, 3 }, { nil, 201, 3 } } do
      local mailer, farm = farms.simple(nil, { max_messages = case[1] })
      send(mailer, 1, case[2])
      assert_arrived(farm, case[2])
      assert.equal(case[3], #farm.connections)
      assert.equal(0, mailer.metrics.reconnects)
    end
    local mailer, farm = farms.simple(nil, { max_messages = 2 })
    send(mailer, 1, 4)
    assert.equal(2, farm:count("QUIT"), "with a word")
    assert.equal(0, mailer:idle())
    assert.equal(0, farm:open())
  end)

  it("is closed after idle_timeout, 60 seconds if nothing is said", function()
    for _, case in ipairs { { nil, 60 }, { 5, 5 } } do
      farms.without_waiting(function(pass)
        local mailer, farm = farms.simple(nil, { idle_timeout = case[1] })
        send(mailer, 1)
        pass(case[2] - 1)
        send(mailer, 2)
        assert.equal(1, mailer:idle())
        pass(case[2] + 1)
        assert.equal(0, mailer:idle())
        assert.equal(0, farm:open())
        send(mailer, 3)
        assert_arrived(farm, 3)
        assert.equal(2, #farm.connections)
        assert.equal(0, mailer.metrics.reconnects, "it was not lost")
      end)
    end
  end)

  it("that nobody asks for any more is closed all the same, when others are laid aside", function()
    farms.without_waiting(function(pass)
      local farm = farms.new { ["mx1:25"] = {}, ["mx2:25"] = {} }
      local one, two = farm:mailer { host = "mx1" }, farm:mailer { host = "mx2" }
      two.pool = one.pool -- as in nginx, where a worker's Mailers share their connections
      send(one, 1)
      pass(61)
      send(two, 2)
      assert.equal(1, farm:open())
      assert.is_true(farm.connections[1].closed)
    end)
  end)

  it("survives what the server refuses, and what is no message", function()
    local mailer, farm = farms.simple { replies = { ["RCPT bad@example.org"] = "550 no", ["MAIL bad@example.org"] = "550 no" } }
    send(mailer, 1)
    for _, message in ipairs {
      { from = "a@example.org", to = "bad@example.org", message = "x" },
      { from = "bad@example.org", to = "a@example.org", message = "x" },
      { from = "a@example.org", to = "no address", message = "x" },
    } do
      assert.is_nil((mailer:send(message)))
    end
    send(mailer, 2)
    assert_arrived(farm, 2)
    assert.equal(1, #farm.connections)
    assert.equal(1, farm:count("EHLO"))
  end)

  it("goes to the host that it was made for", function()
    local farm = farms.new { ["mx1:25"] = {}, ["mx2:25"] = {} }
    local one, two = farm:mailer { host = "mx1" }, farm:mailer { host = "mx2" }
    two.pool = one.pool -- as in nginx, where a worker's Mailers share their connections
    for i = 1, 4 do send(i % 2 == 0 and two or one, i) end
    assert.equal(2, #farm.connections)
    assert.same({ "mx1:25", "mx2:25", "mx1:25", "mx2:25" }, {
      farm.messages[1].server, farm.messages[2].server, farm.messages[3].server, farm.messages[4].server })
  end)
end)

describe("The key of a connection", function()
  local function key(options)
    local given = { host = "mx", port = 25 }
    for name, value in pairs(options) do given[name] = value end
    return smtplib.Mailer(given).settings.targets[1].key
  end

  it("is the same for the same options", function()
    for _, options in ipairs {
      {}, { user = "me", password = "p" }, { tls_options = { cafile = "x", verify = true } },
      { auth = { mechanism = "XOAUTH2", user = "me", token = "t" } }, { timeout = { connect = 1, read = 2 } },
    } do
      assert.equal(key(options), key(options))
    end
    local one = { user = "me", password = "p" }
    assert.equal(key(one), key { username = "me", password = "p" })
    local context = assert(smtplib.ssl.create_default_context())
    assert.equal(key { context = context }, key { context = context })
    -- What only the Mailer has to do with does not matter.
    assert.equal(key {}, key { retries = 3, backoff = 2, rate = 7, pool_size = 1, idle_timeout = 2, max_messages = 3 })
  end)

  it("is another one for whatever makes a connection another one", function()
    local function token() return "t" end
    local cases = {
      {}, { host = "mx2" }, { port = 26 }, { tls = false }, { tls = "starttls" }, { tls = "implicit" }, { lmtp = true },
      { user = "me", password = "p" }, { user = "me", password = "q" }, { user = "you", password = "p" },
      { user = "me", password = "p", tls = false }, { user = "mep", password = "" }, { user = "", password = "mep" },
      { auth = { mechanism = "PLAIN", user = "me", password = "p" } }, { auth = { token = "t" } }, { auth = { token = "u" } },
      { auth = { token = token } }, { auth = { token = function() return token() end } },
      { tls_options = {} }, { tls_options = { verify = false } }, { tls_options = { server_hostname = "a" } },
      { tls_options = { cafile = "a" } }, { tls_options = { cafile = "b" } }, { tls_options = { fingerprint = "sha256:00" } },
      { context = assert(smtplib.ssl.create_default_context()) }, { context = assert(smtplib.ssl.create_default_context()) },
      { local_hostname = "me" }, { source_address = { "127.0.0.2" } }, { allow_insecure_auth = true }, { timeout = 5 },
      { trace = function() end }, { transport = "blocking" }, { transport = token }, { limits = { reply_lines = 7 } },
    }
    local seen = {}
    for i, options in ipairs(cases) do
      local one = key(options)
      assert.is_nil(seen[one], ("%d and %s"):format(i, tostring(seen[one])))
      seen[one] = i
    end
  end)

  it("never comes back for another function, also where that has the place in memory of one that is gone", function()
    local seen = {}
    for i = 1, 200 do
      local one = key { auth = { token = function() return tostring(i) end } }
      assert.is_nil(seen[one])
      seen[one] = true
      collectgarbage()
    end
  end)

  it("tells nothing of passwords", function()
    assert.truthy(key({ user = "me", password = "secret" }):find("^%x+$"))
  end)
end)

describe("A stale connection", function()
  -- What the server did while it was idle; whether a socket tells before the next write.
  local cases = {
    { "closed by the server", function(farm) farm:lose_all() end },
    { "closed with 421", function(farm) farm:say("421 4.4.2 idle for too long\r\n", true) end },
    { "on which something was said unasked", function(farm) farm:say("250 unasked\r\n") end },
    { "on which half a line was said unasked", function(farm) farm:say("25") end },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is replaced, and nothing lost or doubled", function()
      local mailer, farm = farms.simple()
      send(mailer, 1, 2)
      case[2](farm)
      send(mailer, 3, 4)
      assert_arrived(farm, 4)
      assert.equal(2, #farm.connections)
      assert.equal(1, mailer.metrics.reconnects)
      assert.equal(4, mailer.metrics.sent)
      assert.equal(0, mailer.metrics.failed)
      assert.equal(1, farm:open())
    end)
  end

  for i = 1, 2 do
    it(cases[i][1] .. " is replaced, also where only the next write shows it", function()
      local mailer, farm = farms.simple { deaf = true }
      send(mailer, 1, 2)
      cases[i][2](farm)
      send(mailer, 3, 4)
      assert_arrived(farm, 4)
      assert.equal(2, #farm.connections)
      assert.equal(1, mailer.metrics.reconnects)
    end)
  end

  it("that is silent until the time-out is replaced", function()
    local farm = farms.new { ["mx:25"] = {} }
    local mailer = farm:mailer { timeout = 3, transport = function()
      farm.servers["mx:25"].stall = nil
      return farm.transport()
    end }
    send(mailer, 1)
    farm.servers["mx:25"].stall = { MAIL = true }
    send(mailer, 2)
    assert_arrived(farm, 2)
    assert.equal(2, #farm.connections)
    assert.equal(1, mailer.metrics.reconnects)
  end)

  it("answers 421 to MAIL, and is replaced once", function()
    local mailer, farm = farms.simple { deaf = true, replies = {} }
    send(mailer, 1)
    farm.servers["mx:25"].replies.MAIL = "421 4.7.0 too many of yours"
    local result, err = mailer:send(farms.message(2))
    assert.is_nil(result)
    assert.equal(421, err.smtp_code)
    assert.equal("none", err.delivery)
    assert.is_true(err.temporary)
    assert.equal(2, #farm.connections, "retried once")
    assert.equal(0, mailer:idle())
  end)

  it("is replaced by one that is encrypted and logged in as it was", function()
    local mailer, farm = farms.simple(
      { context = pair.server_context("server"), auth = { me = "secret" }, require_auth = true },
      { port = 25, tls = "starttls", tls_options = { cafile = certs.path("ca.pem"), server_hostname = "localhost" }, user = "me", password = "secret" })
    send(mailer, 1)
    farm:lose_all()
    send(mailer, 2)
    assert_arrived(farm, 2)
    assert.equal("me", farm.messages[2].auth_user)
    assert.equal(farm.messages[1].tls, farm.messages[2].tls)
    assert.equal(1, mailer.metrics.reconnects)
  end)

  it("is not replaced when the message may have been taken", function()
    local mailer, farm = farms.simple { disconnect = {} }
    send(mailer, 1)
    farm.servers["mx:25"].disconnect["."] = "lost"
    local result, err = mailer:send(farms.message(2))
    assert.is_nil(result)
    assert.equal("unknown", err.delivery)
    assert.equal(1, #farm.connections)
    assert_arrived(farm, 2)
  end)

  it("is replaced for a message that is read once, if nobody has read it", function()
    local mailer, farm = farms.simple { deaf = true }
    send(mailer, 1)
    farm:lose_all()
    local message, pieces = farms.message(2), { "Subject: 2\n\n", "text\n" }
    message.message = function() return table.remove(pieces, 1) end
    assert(mailer:send(message))
    assert_arrived(farm, 2)
  end)

  it("is not replaced for a message that is read once, if it has been read", function()
    local mailer, farm = farms.simple({ deaf = true, disconnect = {} }, { retries = 3, backoff = 0 })
    send(mailer, 1)
    local message = farms.message(2)
    message.message = function()
      farm:lose_all()
      return "Subject: 2\n\n"
    end
    local result, err = mailer:send(message)
    assert.is_nil(result)
    assert.equal("none", err.delivery)
    assert.equal(1, #farm.connections)
    assert.equal(1, #farm.messages)
  end)

  it("is not what a broken source is taken for", function()
    local mailer, farm = farms.simple(nil, { retries = 3, backoff = 0 })
    send(mailer, 1)
    local calls = 0
    local result = mailer:send { from = "a@b.example", to = "c@d.example", message = function()
      calls = calls + 1
      return nil, smtplib.SMTPServerDisconnected("another server's")
    end }
    assert.is_nil(result)
    assert.equal(1, calls)
    assert.equal(1, #farm.connections)
  end)

  it("costs one connection, however many are stale", function()
    local mailer, farm = farms.simple()
    local function nested(n)
      local message, pieces = farms.message(n), { "text" }
      message.message = function()
        if n < 3 and pieces[1] then nested(n + 1) end
        return table.remove(pieces)
      end
      assert(mailer:send(message))
    end
    nested(1)
    assert.equal(3, mailer:idle())
    farm:lose_all()
    assert(mailer:send(farms.message(4)))
    assert.equal(4, #farm.connections)
    assert.equal(1, mailer.metrics.reconnects)
    assert.equal(1, mailer:idle())
  end)
end)

describe("close", function()
  it("says QUIT on every idle connection, and can be called again", function()
    local mailer, farm = farms.simple()
    send(mailer, 1)
    assert.is_true(mailer:close())
    assert.is_true(mailer:close())
    assert.equal(1, farm:count("QUIT"))
    assert.equal(0, farm:open())
    assert.equal(0, mailer:idle())
  end)

  it("leaves a Mailer that can be used", function()
    local mailer, farm = farms.simple()
    send(mailer, 1)
    mailer:close()
    send(mailer, 2)
    assert_arrived(farm, 2)
    assert.equal(0, mailer.metrics.reconnects)
  end)

  it("reaches the connection that is in use, when it is done", function()
    local mailer, farm = farms.simple()
    local message, text = farms.message(1), "Subject: 1\n\ntext\n"
    message.message = function()
      local piece = text
      mailer:close()
      text = nil
      return piece
    end
    assert(mailer:send(message))
    assert_arrived(farm, 1)
    assert.equal(0, farm:open())
    assert.equal(1, farm:count("QUIT"))
    send(mailer, 2)
    assert.equal(1, mailer:idle())
  end)

  it("is what the end of a block does; an error in it cuts the connections", function()
    local metatable = getmetatable(farms.simple())
    local mailer, farm = farms.simple()
    send(mailer, 1)
    metatable.__close(mailer, nil)
    assert.equal(1, farm:count("QUIT"))
    send(mailer, 2)
    metatable.__close(mailer, "an error")
    assert.equal(1, farm:count("QUIT"))
    assert.equal(0, farm:open())
  end)

  it("is what Lua's own <close> calls, where there is one", function()
    local load_text = rawget(_G, "loadstring") or load
    local block = load_text("local mailer, message = ... do local kept <close> = mailer; assert(kept:send(message)) end")
    if not block then return end
    local mailer, farm = farms.simple()
    block(mailer, farms.message(1))
    assert.equal(1, farm:count("QUIT"))
    assert.equal(0, farm:open())
  end)

  it("is what the collector does, without a word", function()
    local sink = assert(smtplib.sink.start())
    do
      local mailer = smtplib.Mailer { host = sink.host, port = sink.port }
      send(mailer, 1)
      assert.equal(1, sink:stats().open)
    end
    for _ = 1, 3 do collectgarbage() end
    local stats = sink:stats()
    for _ = 1, 100 do
      if stats.open == 0 then break end
      require("smtplib.core").sleep(0.01)
      stats = sink:stats()
    end
    assert.equal(0, stats.open)
    sink:stop()
  end)
end)

describe("Over sockets", function()
  it("a server that says 421 behind its reply, and closes, loses no message", function()
    local sink = assert(smtplib.sink.start { replies = { ["."] = { raw = "250 2.0.0 ok\r\n421 4.4.2 bye\r\n" } }, disconnect = { ["."] = "after" } })
    local mailer = smtplib.Mailer { host = sink.host, port = sink.port }
    for i = 1, 5 do assert(mailer:send(farms.message(i))) end
    assert.equal(5, #sink:messages())
    assert.equal(5, sink:stats().connections)
    assert.equal(5, mailer.metrics.sent)
    sink:stop()
  end)

  it("a server that closes behind its reply loses no message", function()
    for _, tls in ipairs { false, "starttls" } do
      local sink = assert(smtplib.sink.start { tls = tls or nil, certfile = tls and certs.path("server.pem"),
        keyfile = tls and certs.path("server.key"), disconnect = { ["."] = "after" }, abrupt = true })
      local mailer = smtplib.Mailer { host = "localhost", port = sink.port, tls = tls, tls_options = { cafile = certs.path("ca.pem") } }
      for i = 1, 5 do assert(mailer:send(farms.message(i))) end
      assert.equal(5, #sink:messages())
      assert.equal(5, sink:stats().connections)
      sink:stop()
    end
  end)

  it("a server that restarts is found again, with TLS and login", function()
    local options = { tls = "starttls", certfile = certs.path("server.pem"), keyfile = certs.path("server.key"), auth = { me = "secret" }, require_auth = true }
    local first = assert(smtplib.sink.start(options))
    local mailer = smtplib.Mailer { host = "localhost", port = first.port, tls = "starttls", user = "me", password = "secret",
      tls_options = { cafile = certs.path("ca.pem") } }
    for i = 1, 10 do assert(mailer:send(farms.message(i))) end
    first:stop()
    options.port = first.port
    local second = assert(smtplib.sink.start(options))
    for i = 11, 20 do assert(mailer:send(farms.message(i))) end
    assert.equal(10, #first:messages())
    assert.equal(10, #second:messages())
    assert.equal(1, second:stats().connections)
    assert.equal(1, mailer.metrics.reconnects)
    assert.equal(2, mailer.metrics.connections)
    mailer:close()
    second:stop()
    local result, err = mailer:send(farms.message(21))
    assert.is_nil(result)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("none", err.delivery)
  end)
end)
