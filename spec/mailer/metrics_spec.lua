-- What a Mailer counts: exactly what the servers saw (API section 3.5).
local certs = require "spec.support.certs"
local farms = require "spec.mailer.farm"
local smtplib = require "smtplib"

local message = farms.message

-- What the servers of a farm saw.
local function seen(farm)
  local turns, bytes = 0, 0
  for _, one in ipairs(farm.connections) do
    turns, bytes = turns + one.turns, bytes + one.bytes
  end
  return turns, bytes
end

local function counts(mailer)
  local m = mailer.metrics
  return { m.sent, m.refused, m.failed, m.reconnects, m.connections }
end

local function assert_traffic(mailer, farm)
  local turns, bytes = seen(farm)
  assert.equal(turns, mailer.metrics.round_trips, "round trips")
  assert.equal(bytes, mailer.metrics.bytes, "bytes")
end

describe("A Mailer's metrics", function()
  it("are all there, and zero", function()
    local mailer = smtplib.Mailer("smtp://localhost")
    for _, name in ipairs { "sent", "refused", "failed", "reconnects", "connections", "round_trips", "bytes" } do
      assert.equal(0, mailer.metrics[name], name)
    end
  end)

  it("count messages, and two round trips each on a connection that is kept", function()
    local mailer, farm = farms.simple { extensions = { CHUNKING = false } }
    assert(mailer:send(message(1)))
    local before = mailer.metrics.round_trips
    assert.equal(3, before)
    for i = 2, 10 do assert(mailer:send(message(i))) end
    assert.equal(before + 18, mailer.metrics.round_trips)
    assert.same({ 10, 0, 0, 0, 1 }, counts(mailer))
    assert_traffic(mailer, farm)
    mailer:close()
    assert_traffic(mailer, farm)
    assert.equal(before + 19, mailer.metrics.round_trips, "QUIT")
  end)

  it("count recipients that were refused, where others were not and where all were", function()
    local mailer, farm = farms.simple { replies = { ["RCPT x@d.example"] = "550 no", ["RCPT y@d.example"] = "450 no" } }
    assert(mailer:send { from = "a@b.example", to = { "x@d.example", "y@d.example", "c@d.example" }, message = "m" })
    assert.same({ 1, 2, 0, 0, 1 }, counts(mailer))
    assert.is_nil((mailer:send { from = "a@b.example", to = { "x@d.example", "y@d.example" }, message = "m" }))
    assert.same({ 1, 4, 1, 0, 1 }, counts(mailer))
    assert_traffic(mailer, farm)
  end)

  -- what goes wrong, and sent, refused, failed, reconnects, connections
  local cases = {
    { "a refused greeting", { replies = { greeting = "554 no" } }, { 0, 0, 1, 0, 1 } },
    { "a lost greeting", { disconnect = { greeting = true } }, { 0, 0, 1, 0, 1 } },
    { "a refused EHLO", { replies = { EHLO = "554 no", HELO = "554 no" } }, { 0, 0, 1, 0, 1 } },
    { "a refused sender", { replies = { MAIL = "550 no" } }, { 0, 0, 1, 0, 1 } },
    { "a refused message", { replies = { ["."] = "550 no" } }, { 0, 0, 1, 0, 1 } },
    { "a connection lost at MAIL", { disconnect = { MAIL = true } }, { 0, 0, 1, 0, 1 } },
    { "421", { replies = { DATA = "421 no" } }, { 0, 0, 1, 0, 1 } },
    { "silence", { stall = { DATA = true } }, { 0, 0, 1, 0, 1 } },
    { "nonsense", { replies = { MAIL = "hello" } }, { 0, 0, 1, 0, 1 } },
    { "a connection lost behind the message", { disconnect = { ["."] = "lost" } }, { 0, 0, 1, 0, 1 } },
  }
  for _, case in ipairs(cases) do
    it("count what went over the wire before " .. case[1], function()
      local mailer, farm = farms.simple(case[2])
      assert.is_nil((mailer:send(message(1))))
      assert.same(case[3], counts(mailer))
      assert_traffic(mailer, farm)
      farm.servers["mx:25"].replies, farm.servers["mx:25"].disconnect, farm.servers["mx:25"].stall = nil, nil, nil
      assert(mailer:send(message(2)))
      assert.equal(1, mailer.metrics.sent)
      assert_traffic(mailer, farm)
    end)
  end

  it("count what never left as failed, and nobody as connected", function()
    local mailer = farms.simple()
    assert.is_nil((mailer:send { from = "a@b.example", to = "no address", message = "m" }))
    assert.same({ 0, 0, 1, 0, 0 }, counts(mailer))
    mailer = farms.simple(nil, { host = "nobody" })
    assert.is_nil((mailer:send(message(1))))
    assert.same({ 0, 0, 1, 0, 0 }, counts(mailer))
  end)

  it("count each attempt's traffic, and the message once", function()
    local mailer, farm = farms.simple({ replies = { MAIL = "451 later" } }, { retries = 3, backoff = 0 })
    assert.is_nil((mailer:send(message(1))))
    assert.same({ 0, 0, 1, 0, 1 }, counts(mailer))
    assert_traffic(mailer, farm)
  end)

  it("count a connection in place of a stale one, where it was seen before the write and where behind", function()
    for _, deaf in ipairs { false, true } do
      local mailer, farm = farms.simple { deaf = deaf or nil }
      for i = 1, 3 do
        assert(mailer:send(message(i)))
        farm:lose_all()
      end
      assert(mailer:send(message(4)))
      assert.same({ 4, 0, 0, 3, 4 }, counts(mailer))
      assert.equal(4, #farm.messages)
      if not deaf then assert_traffic(mailer, farm) end
    end
  end)

  it("count the QUIT of a connection that has had its messages", function()
    local mailer, farm = farms.simple(nil, { max_messages = 2 })
    for i = 1, 4 do assert(mailer:send(message(i))) end
    assert.same({ 4, 0, 0, 0, 2 }, counts(mailer))
    assert_traffic(mailer, farm)
  end)

  it("count the connections that a server's limits cost", function()
    local mailer, farm = farms.simple { extensions = { LIMITS = "MAILMAX=2" } }
    for i = 1, 5 do assert(mailer:send(message(i))) end
    assert.same({ 5, 0, 0, 0, 3 }, counts(mailer))
    assert.equal(3, #farm.connections)
    assert_traffic(mailer, farm)
  end)

  it("are what a server behind sockets counts", function()
    local sink = assert(smtplib.sink.start { replies = { ["RCPT x@d.example"] = "550 no" } })
    local mailer = smtplib.Mailer { host = sink.host, port = sink.port, max_messages = 7 }
    for i = 1, 20 do assert(mailer:send { from = "a@b.example", to = { "x@d.example", "c@d.example" }, subject = tostring(i), text = "t" }) end
    mailer:close()
    local stats = sink:stats()
    assert.same({ 20, 20, 0, 0, 3 }, counts(mailer))
    assert.same({ 20, 3 }, { stats.messages, stats.connections })
    assert.equal(stats.turns, mailer.metrics.round_trips)
    assert.equal(stats.bytes, mailer.metrics.bytes)
    sink:stop()
  end)

  it("do not ask a core that the collector has ended", function()
    local engine = assert(require("smtplib.core").engine())
    engine:release()
    assert.same({ 0, 0 }, { engine:traffic() })
  end)

  it("count the bytes of TLS, as they are on the wire", function()
    local sink = assert(smtplib.sink.start { tls = "starttls", certfile = certs.path("server.pem"), keyfile = certs.path("server.key") })
    local mailer = smtplib.Mailer { host = "localhost", port = sink.port, tls = "starttls", tls_options = { cafile = certs.path("ca.pem") } }
    assert(mailer:send(message(1)))
    assert.equal(sink:stats().bytes, mailer.metrics.bytes)
    sink:stop()
  end)
end)
