-- Several processes send from one queue in Redis, and some of them die over it.
local core = require "smtplib.core"
local redis_server = require "spec.queue.support.redis"
local smtplib = require "smtplib"

local function eventually(condition)
  local deadline = core.now() + 60
  while not condition() do
    if core.now() > deadline then return false end
    core.sleep(0.02)
  end
  return true
end

local function arrivals(sink)
  local times = {}
  for _, message in ipairs(sink:messages()) do
    local id = message.data:match("\nMessage%-ID: (<[^>]+>)\r\n")
    times[id] = (times[id] or 0) + 1
  end
  return times
end

local function have_arrived(ids, sink)
  local times = arrivals(sink)
  for _, id in ipairs(ids) do
    if not times[id] then return false end
  end
  return true
end

describe("A queue in Redis, outside nginx", function()
  local redis, sink

  setup(function() redis = redis_server.start() end)
  teardown(function() redis:stop() end)
  after_each(function()
    sink:stop()
    redis:ask("FLUSHALL")
  end)

  local function mailer(queue)
    queue = queue or {}
    queue.redis, queue.lease, queue.poll = { port = redis.port }, queue.lease or 1, 0.05
    return smtplib.Mailer { host = sink.host, port = sink.port, queue = queue }
  end

  local function enqueue(n)
    local ids, m = {}, mailer()
    for i = 1, n do
      ids[i] = assert(m:enqueue { from = "a@x.example", to = "b@x.example", subject = tostring(i), text = "x" })
    end
    return ids
  end

  local function consumer(lease)
    return assert(core.spawn(function() assert(mailer({ lease = lease }):run()) end))
  end

  it("is sent from by several, each message once", function()
    sink = assert(smtplib.sink.start { delays = { ["."] = 0.01 } })
    local ids = enqueue(60)
    local consumers = { consumer(60), consumer(60), consumer(60) }
    assert.is_true(eventually(function() return have_arrived(ids, sink) end))
    assert.is_true(eventually(function() return redis:ask("XLEN", "smtplib") == "0" end))
    for _, times in pairs(arrivals(sink)) do assert.equal(1, times) end
    for _, one in ipairs(consumers) do one:kill() end
  end)

  it("loses nothing when one is killed in mid-delivery, and doubles that one message alone", function()
    sink = assert(smtplib.sink.start { delays = { DATA = 0.3 } })
    local ids = enqueue(5)
    local first = consumer()
    assert.is_true(eventually(function()
      return redis:ask("XPENDING", "smtplib", "smtplib"):match("^%d+") == "1"
    end))
    first:kill()
    first:wait(5)
    local second = consumer(60)
    assert.is_true(eventually(function() return have_arrived(ids, sink) end))
    local total = 0
    for _, times in pairs(arrivals(sink)) do total = total + times end
    assert.is_true(total <= #ids + 1)
    second:kill()
  end)

  it("sends again, with the same Message-ID, what was accepted by a consumer that died before it said so", function()
    sink = assert(smtplib.sink.start())
    local id = enqueue(1)[1]
    local victim = assert(core.spawn(function(channel)
      local store = require "smtplib.queue.redis"
      local metatable = getmetatable(store.new { limit = 1, redis = {} })
      metatable.__index.acknowledge = function()
        channel:send("accepted")
        core.sleep(60)
      end
      mailer():deliver()
    end))
    assert.equal("accepted", victim:channel():receive())
    assert.same({ [id] = 1 }, arrivals(sink))
    victim:kill()
    victim:wait(5)
    local total = mailer():run { until_empty = true }
    assert.equal(1, total.sent)
    assert.same({ [id] = 2 }, arrivals(sink))
  end)

  it("sends again, with the same Message-ID, what may have been taken", function()
    local lost = false
    sink = assert(smtplib.sink.start { replies = { ["."] = function()
      if lost then return nil end
      lost = true
      return { "250 ok", disconnect = "lost" }
    end } })
    local id = enqueue(1)[1]
    assert.same({ sent = 1, deferred = 1, dead = 0 }, mailer { backoff = 0 }:run { until_empty = true })
    assert.same({ [id] = 2 }, arrivals(sink))
  end)

  it("says how long it may run", function()
    sink = assert(smtplib.sink.start())
    assert.same({ sent = 0, deferred = 0, dead = 0 }, mailer():run { seconds = 0.1 })
  end)

  it("is told that Redis is gone while it delivers, and goes on when it runs", function()
    sink = assert(smtplib.sink.start())
    local m = smtplib.Mailer { host = sink.host, port = sink.port, queue = { redis = { port = 1 }, poll = 0.05 } }
    local result, err = m:deliver()
    assert.is_nil(result)
    assert.equal("ECONNREFUSED", err.code)
    assert.same({ sent = 0, deferred = 0, dead = 0 }, m:run { seconds = 0.2 })
    assert.is_true(m:close())
  end)
end)
