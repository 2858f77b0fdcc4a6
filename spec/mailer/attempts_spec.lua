-- Several hosts, several attempts, and how fast: always only while the server surely
-- has not taken the message (API section 3.5).
local farms = require "spec.mailer.farm"
local peers = require "spec.support.peer"
local smtplib = require "smtplib"

local message = farms.message

describe("Hosts are tried in their order:", function()
  local function two(first, second, options)
    local farm = farms.new { ["mx1:25"] = first, ["mx2:2525"] = second }
    local given = { host = { "mx1", "mx2:2525" }, timeout = 5 }
    for name, value in pairs(options or {}) do given[name] = value end
    return farm:mailer(given), farm
  end

  it("the first, while it answers", function()
    local mailer, farm = two({}, {})
    for i = 1, 3 do assert(mailer:send(message(i))) end
    assert.same({ "mx1:25" }, farm.attempts)
  end)

  local failures = {
    { "does not listen", nil },
    { "refuses", { replies = { greeting = "554 no" } } },
    { "is too busy", { replies = { greeting = "421 busy" } } },
    { "hangs up", { disconnect = { greeting = true } } },
    { "is silent", { stall = { greeting = true } } },
    { "talks nonsense", { replies = { greeting = "hello" } } },
    { "refuses EHLO and HELO", { replies = { EHLO = "554 no", HELO = "554 no" } } },
    { "hangs up at EHLO", { disconnect = { EHLO = true } } },
    { "hangs up at MAIL", { disconnect = { MAIL = true } } },
    { "closes at MAIL", { replies = { MAIL = "421 no" } } },
    { "closes at RCPT", { replies = { RCPT = "421 no" } } },
    { "hangs up at DATA", { disconnect = { DATA = true } } },
    { "closes instead of taking the message", { replies = { ["."] = "421 no" } } },
  }
  for _, case in ipairs(failures) do
    it("the next where the first " .. case[1], function()
      local mailer, farm = two(case[2], {})
      assert(mailer:send(message(1)))
      assert.equal(1, #farm.messages)
      assert.equal("mx2:2525", farm.messages[1].server)
      assert.equal(1, mailer.metrics.sent)
      assert.equal(0, mailer.metrics.failed)
      farm.servers["mx1:25"] = {}
      assert(mailer:send(message(2)))
      assert.equal("mx1:25", farm.messages[2].server, "the first again when it is back")
    end)
  end

  for _, verb in ipairs { "MAIL", "RCPT", "." } do
    it(("the next where the first says 451 to %s, on a connection that stays"):format(verb), function()
      local mailer, farm = two({ replies = { [verb] = "451 later" } }, {})
      for i = 1, 2 do
        assert(mailer:send(message(i)))
        assert.equal("mx2:2525", farm.messages[i].server)
      end
      assert.equal(2, #farm.messages)
      assert.same({ "mx1:25", "mx2:2525" }, farm.attempts)
    end)
  end

  it("no other one where the message was refused for good, or may have been taken", function()
    for _, first in ipairs {
      { replies = { MAIL = "550 no" } }, { replies = { RCPT = "550 no" } }, { replies = { ["."] = "554 no" } },
      { disconnect = { ["."] = "lost" } },
    } do
      local mailer, farm = two(first, {})
      assert.is_nil((mailer:send(message())))
      assert.same({ "mx1:25" }, farm.attempts)
    end
  end)

  it("no other one where the login was refused", function()
    local auth = { auth = { me = "other" } }
    local mailer, farm = two(auth, auth, { user = "me", password = "secret", port = 25 })
    local result, err = mailer:send(message())
    assert.is_nil(result)
    assert.is_true(err:is(smtplib.SMTPAuthenticationError))
    assert.same({ "mx1:25" }, farm.attempts)
  end)

  it("the failure that may pass is told, with its host", function()
    local mailer = two({ replies = { greeting = "421 busy" } }, { replies = { greeting = "554 no" } })
    local result, err = mailer:send(message())
    assert.is_nil(result)
    assert.is_true(err.temporary)
    assert.equal("none", err.delivery)
    assert.equal("mx1:25", err.host)
    mailer = two(nil, nil)
    result, err = mailer:send(message())
    assert.is_nil(result)
    assert.equal("mx2:2525", err.host)
    assert.equal("ECONNREFUSED", err.code)
  end)

  it("idle connections of a host that comes later are used without connecting anew", function()
    local mailer, farm = two(nil, {})
    for i = 1, 3 do assert(mailer:send(message(i))) end
    assert.equal(1, #farm.connections)
    assert.same({ "mx1:25", "mx2:2525", "mx1:25", "mx1:25" }, farm.attempts)
  end)

  it("a message that is read once goes to the next while nobody has read it", function()
    local mailer, farm = two({ disconnect = { DATA = true } }, {})
    local pieces = { "text\n" }
    local function source() return table.remove(pieces) end
    assert(mailer:send { from = "a@b.example", to = "c@d.example", message = source })
    assert.equal(1, #farm.messages)
    pieces = { "text\n" }
    mailer, farm = two({ replies = { ["."] = "421 no" } }, {})
    local result, err = mailer:send { from = "a@b.example", to = "c@d.example", message = source }
    assert.is_nil(result)
    assert.equal(421, err.smtp_code)
    assert.same({ "mx1:25" }, farm.attempts)
  end)

  it("IPv6, over sockets", function()
    local sink = assert(smtplib.sink.start { host = "::1" })
    local none = assert(smtplib.sink.start())
    none:stop()
    local mailer = smtplib.Mailer { host = { "127.0.0.1:" .. none.port, "[::1]:" .. sink.port } }
    assert(mailer:send(message()))
    assert.equal(1, #sink:messages())
    local result = assert(smtplib.Mailer(("smtp://[::1]:%d"):format(sink.port)):send(message()))
    assert.equal(250, result.reply[1])
    sink:stop()
  end)

  it("Unix sockets and LMTP, over sockets", function()
    local path = os.tmpname()
    os.remove(path)
    local sink = assert(smtplib.sink.start { host = path, lmtp = true })
    local mailer = smtplib.Mailer("lmtp://" .. path)
    for i = 1, 3 do assert(mailer:send(message(i))) end
    assert.equal(1, sink:stats().connections)
    assert.equal(3, #sink:messages())
    sink:stop()
  end)

  it("smtps, with a login whose name has signs in it, over sockets", function()
    local sink = assert(smtplib.sink.start { tls = "implicit", auth = { ["me@example.org"] = "p:/ %" }, require_auth = true })
    local mailer = smtplib.Mailer(("smtps://me%%40example.org:p%%3A%%2F%%20%%25@localhost:%d"):format(sink.port),
      { tls_options = { cafile = sink.cafile } })
    for i = 1, 3 do assert(mailer:send(message(i))) end
    assert.equal(1, sink:stats().connections)
    for _, one in ipairs(sink:messages()) do
      assert.equal("me@example.org", one.auth_user)
      assert.truthy(one.tls)
    end
    sink:stop()
    local refused, err = smtplib.Mailer(("smtps://localhost:%d"):format(sink.port)):send(message())
    assert.is_nil(refused)
    assert.equal("none", err.delivery)
  end)

  it("the next where the first cannot be trusted, or has no TLS; never in clear", function()
    for _, first in ipairs { { tls = "starttls" }, {}, { replies = { STARTTLS = "454 not now" }, tls = "starttls" } } do
      local bad, good = assert(smtplib.sink.start(first)), assert(smtplib.sink.start { tls = "starttls" })
      local mailer = smtplib.Mailer { host = { "localhost:" .. bad.port, "localhost:" .. good.port }, tls = "starttls",
        tls_options = { cafile = good.cafile } }
      assert(mailer:send(message()))
      assert.equal(0, #bad:messages())
      assert.truthy(good:messages()[1].tls)
      bad:stop()
      good:stop()
    end
  end)

  it("a certificate that is not to be trusted ends nothing but itself", function()
    local sink = assert(smtplib.sink.start { tls = "implicit" })
    local mailer = smtplib.Mailer(("smtps://localhost:%d"):format(sink.port))
    local result, err = mailer:send(message())
    assert.is_nil(result)
    assert.is_true(err:is(smtplib.SMTPTLSError))
    assert.equal("none", err.delivery)
    assert.is_false(err.temporary)
    assert.equal(0, #sink:messages())
    sink:stop()
  end)
end)

local function copy(options)
  if not options then return nil end
  local other = {}
  for name, value in pairs(options) do other[name] = value end
  return other
end

-- Runs a Mailer whose server answers as `server` says until `mend` calls of the
-- sleeper; returns what slept, the farm and what send gave.
local function tried(server, options, mend)
  local farm, mailer, result, err
  local slept = farms.without_waiting(function()
    farm = farms.new { ["mx:25"] = server }
    mailer = farm:mailer(options)
    local core, sleeps = require "smtplib.core", 0
    local sleep = core.sleep
    core.sleep = function(seconds)
      sleep(seconds)
      sleeps = sleeps + 1
      if sleeps == mend then
        local mended = farm.servers["mx:25"] or {}
        mended.replies, mended.disconnect, mended.stall = nil, nil, nil
        farm.servers["mx:25"] = mended
      end
    end
    result, err = mailer:send(message())
  end)
  return slept, farm, mailer, result, err
end

describe("Attempts", function()
  local temporary = {
    { "a refusal for now", { replies = { RCPT = "450 4.2.0 greylisted" } } },
    { "a refusal of the message for now", { replies = { ["."] = "451 4.3.0 later" } } },
    { "a refused connection", nil },
    { "a closed connection", { disconnect = { MAIL = true } } },
    { "silence", { stall = { EHLO = true } } },
    { "421", { replies = { greeting = "421 busy" } } },
  }
  for _, case in ipairs(temporary) do
    it("are made again after " .. case[1], function()
      local slept, farm, mailer, result = tried(copy(case[2]), { retries = 3, backoff = 2 }, 2)
      assert.truthy(result)
      assert.equal(1, #farm.messages)
      assert.equal(2, #slept)
      assert.equal(1, mailer.metrics.sent)
      assert.equal(0, mailer.metrics.failed)
    end)

    it("are not made again after " .. case[1] .. " if nothing is said of retries", function()
      local slept, farm, mailer, result, err = tried(case[2], {})
      assert.is_nil(result)
      assert.is_true(err.temporary)
      assert.same({}, slept)
      assert.equal(1, #farm.attempts)
      assert.equal(1, mailer.metrics.failed)
    end)
  end

  it("are as many as retries and one", function()
    for _, retries in ipairs { 0, 1, 4 } do
      local slept, farm, mailer, result, err = tried({ replies = { MAIL = "451 later" } }, { retries = retries, backoff = 1 })
      assert.is_nil(result)
      assert.equal(451, err.smtp_code)
      assert.equal(retries, #slept)
      assert.equal(retries + 1, farm:count("MAIL"))
      assert.equal(1, #farm.connections)
      assert.equal(1, mailer.metrics.failed)
    end
  end)

  it("wait twice as long each time, a quarter more or less, 1 second if nothing is said", function()
    for _, backoff in ipairs { 1, 3 } do
      local slept = tried(nil, { retries = 10, backoff = backoff > 1 and backoff or nil })
      assert.equal(10, #slept)
      for i, seconds in ipairs(slept) do
        local wanted = math.min(backoff * 2 ^ (i - 1), 300)
        assert.is_true(seconds >= wanted * 0.75 and seconds <= wanted * 1.25, i .. ": " .. seconds)
      end
    end
  end)

  it("wait as a function says, or not at all", function()
    assert.same({ 10, 20, 30 }, (tried(nil, { retries = 3, backoff = function(n) return n * 10 end })))
    assert.same({}, (tried(nil, { retries = 3, backoff = 0 })))
    assert.same({}, (tried(nil, { retries = 3, backoff = function() return nil end })))
  end)

  it("end where trying again cannot help, or may double the message", function()
    for _, server in ipairs {
      { replies = { MAIL = "550 no" } }, { replies = { RCPT = "550 no" } }, { replies = { ["."] = "554 no" } },
      { disconnect = { ["."] = "lost" } }, { stall = { ["."] = true } }, { replies = { ["."] = { raw = "25" } }, disconnect = { ["."] = "after" } },
    } do
      local slept, farm, _, result = tried(server, { retries = 5, backoff = 1, timeout = 3 })
      assert.is_nil(result)
      assert.same({}, slept)
      assert.equal(1, #farm.connections)
    end
  end)

  it("are not made again with what has been read and cannot be read again", function()
    local farm = farms.new { ["mx:25"] = { replies = { ["."] = "451 later" } } }
    local mailer = farm:mailer { retries = 3, backoff = 0 }
    local pieces = { "x" }
    local result, err = mailer:send { from = "a@b.example", to = "c@d.example", message = function() return table.remove(pieces) end }
    assert.is_nil(result)
    assert.equal(451, err.smtp_code)
    assert.equal(1, farm:count("DATA"))
  end)

  it("have the same Message-ID and Date", function()
    local farm, seen = nil, {}
    farms.without_waiting(function()
      farm = farms.new { ["mx:25"] = { replies = { ["."] = function(session)
        seen[#seen + 1] = true
        return #seen < 3 and "451 later" or nil, session
      end } } }
      local result = assert(farm:mailer({ retries = 5 }):send { from = "a@example.org", to = "b@example.org", text = "t" })
      assert.truthy(farm.messages[1].data:find("Message-ID: " .. result.message_id, 1, true))
    end)
    assert.equal(3, #seen)
    assert.equal(1, #farm.messages)
  end)

  it("go to all hosts each", function()
    local farm = farms.new {}
    local slept = farms.without_waiting(function()
      local mailer = farm:mailer { host = { "mx1", "mx2" }, retries = 2 }
      assert.is_nil((mailer:send(message())))
    end)
    assert.equal(2, #slept)
    assert.same({ "mx1:25", "mx2:25", "mx1:25", "mx2:25", "mx1:25", "mx2:25" }, farm.attempts)
  end)
end)

describe("A rate", function()
  local number = 0

  -- A host of its own, since what was sent to one holds the next Mailer back, too.
  local function fresh(options)
    number = number + 1
    local host = "rated" .. number
    local farm = farms.new { [host .. ":25"] = {}, [host .. "b:25"] = {} }
    options.host = host
    return farm:mailer(options), farm, host
  end

  local function total(list)
    local sum = 0
    for _, seconds in ipairs(list) do sum = sum + seconds end
    return sum
  end

  local function near(wanted, got)
    assert.is_true(math.abs(wanted - got) < 1e-6, ("%g wanted, got %g"):format(wanted, got))
  end

  it("is how many messages go in a second, evenly", function()
    for _, rate in ipairs { 5, 0.5, 100 } do
      local slept = farms.without_waiting(function()
        local mailer = fresh { rate = rate }
        for i = 1, 11 do assert(mailer:send(message(i))) end
      end)
      assert.equal(10, #slept)
      near(10 / rate, total(slept))
    end
  end)

  it("holds nobody back who is slower", function()
    local slept = farms.without_waiting(function(pass)
      local mailer = fresh { rate = 2 }
      for i = 1, 5 do
        assert(mailer:send(message(i)))
        pass(0.6)
      end
    end)
    assert.same({}, slept)
  end)

  it("cannot be saved up", function()
    local slept = farms.without_waiting(function(pass)
      local mailer = fresh { rate = 1 }
      assert(mailer:send(message(1)))
      pass(60)
      for i = 2, 4 do assert(mailer:send(message(i))) end
    end)
    near(2, total(slept))
  end)

  it("is the host's: for all Mailers together, and for no other host", function()
    local slept = farms.without_waiting(function()
      local mailer, farm, host = fresh { rate = 1 }
      local same, other = farm:mailer { host = host, rate = 1 }, farm:mailer { host = host .. "b", rate = 1 }
      assert(mailer:send(message(1)))
      assert(other:send(message(2)))
      assert(same:send(message(3)))
    end)
    near(1, total(slept))
  end)

  it("holds for attempts, too", function()
    local slept = farms.without_waiting(function()
      local mailer, farm, host = fresh { rate = 1, retries = 2, backoff = 0 }
      farm.servers[host .. ":25"].replies = { MAIL = "451 later" }
      assert.is_nil((mailer:send(message())))
    end)
    near(2, total(slept))
  end)

  it("is waited for before the connection is taken, which may become stale meanwhile", function()
    local farm
    farms.without_waiting(function()
      local mailer
      mailer, farm = fresh { rate = 1, idle_timeout = 0.5 }
      for i = 1, 3 do assert(mailer:send(message(i))) end
      assert.equal(0, mailer.metrics.reconnects)
    end)
    assert.equal(3, #farm.connections)
  end)
end)

describe("A transport of the caller's", function()
  it("that is one object carries one connection after another", function()
    local there = peers.new {}
    local mailer = smtplib.Mailer { host = { "mx1", "mx2" }, tls = false, transport = there, max_messages = 2 }
    for i = 1, 5 do assert(mailer:send(message(i))) end
    assert.equal(5, #there.messages)
    assert.equal(3, #there.sessions)
    there.link.ended = true
    assert(mailer:send(message(6)))
    assert.equal(6, #there.messages)
    assert.equal(1, mailer.metrics.reconnects)
    mailer:close()
    assert.is_true(there.closed)
  end)

  it("that is one object is given up by the idle connection when another host needs it", function()
    local there = peers.new {}
    local connect, refuse = there.connect, "mx1"
    there.connect = function(self, host, port)
      if host == refuse then return nil, "ECONNREFUSED", "refused" end
      return connect(self, host, port)
    end
    local mailer = smtplib.Mailer { host = { "mx1", "mx2" }, tls = false, transport = there }
    assert(mailer:send(message(1)))
    refuse = nil
    for i = 2, 3 do assert(mailer:send(message(i))) end
    assert.equal(3, #there.messages)
    assert.equal("mx1", there.connects[#there.connects][1])
    assert.equal(1, mailer:idle())
  end)

  it("that is one object serves one message at a time", function()
    local there = peers.new {}
    local mailer = smtplib.Mailer { host = "mx", tls = false, transport = there }
    local err
    local outer, pieces = message(1), { "text\n" }
    outer.message = function()
      if pieces[1] then err = select(2, mailer:send(message(2))) end
      return table.remove(pieces)
    end
    assert(mailer:send(outer))
    assert.truthy(err.message:find("in use", 1, true))
    assert.equal("none", err.delivery)
    assert.equal(1, #there.messages)
    assert(mailer:send(message(3)))
    assert.equal(2, #there.messages)
  end)

  it("may be made by a function, one for each connection", function()
    local mailer, farm = farms.simple()
    assert(mailer:send(message(1)))
    assert.equal(1, #farm.connections)
    local what = { smtplib.transport.blocking.new, function() return smtplib.transport.blocking.new() end, "blocking" }
    local sink = assert(smtplib.sink.start())
    for _, transport in ipairs(what) do
      local real = smtplib.Mailer { host = sink.host, port = sink.port, transport = transport }
      for i = 1, 2 do assert(real:send(message(i))) end
      real:close()
    end
    assert.equal(6, #sink:messages())
    assert.equal(3, sink:stats().connections)
    sink:stop()
  end)
end)
