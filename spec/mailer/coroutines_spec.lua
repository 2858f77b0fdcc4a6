-- One Mailer and several coroutines, over transports that yield (API sections 3.5, 8):
-- each sends on a connection of its own, and finds what others have laid aside.
local farms = require "spec.mailer.farm"

local isyieldable = rawget(coroutine, "isyieldable") or coroutine.running

-- A Mailer whose connections let others run whenever they wait.
local function yielding(options, server)
  local farm = farms.new { ["mx:25"] = server or {} }
  local given = { transport = function()
    local one = farm.transport()
    for _, name in ipairs { "connect", "receive" } do
      local plain = one[name]
      one[name] = function(self, ...)
        if isyieldable() then coroutine.yield(name) end
        return plain(self, ...)
      end
    end
    return one
  end }
  for name, value in pairs(options or {}) do given[name] = value end
  return farm:mailer(given), farm
end

local function spawn(f, ...)
  local arguments = { ... }
  return coroutine.create(function() return f(arguments[1], arguments[2], arguments[3]) end)
end

-- Run them in turn until all are done; each one's first two results.
local function run(threads)
  local results, left = {}, #threads
  while left > 0 do
    left = 0
    for i, thread in ipairs(threads) do
      if coroutine.status(thread) ~= "dead" then
        local ok, first, second = coroutine.resume(thread)
        assert(ok, first)
        if coroutine.status(thread) == "dead" then results[i] = { first, second } else left = left + 1 end
      end
    end
  end
  return results
end

local function sends(mailer, first, last)
  local threads = {}
  for i = first, last do threads[#threads + 1] = spawn(mailer.send, mailer, farms.message(i)) end
  return threads
end

local function senders(farm)
  local list = {}
  for i, message in ipairs(farm.messages) do list[i] = tonumber(message.from:match("%d+")) end
  table.sort(list)
  return list
end

describe("Several coroutines", function()
  it("send at once, each message once, and lay their connections aside", function()
    local mailer, farm = yielding()
    for _, result in ipairs(run(sends(mailer, 1, 4))) do assert.equal(250, result[1].reply[1]) end
    assert.equal(4, #farm.connections)
    assert.equal(4, mailer:idle())
    for _, result in ipairs(run(sends(mailer, 5, 8))) do assert.equal(250, result[1].reply[1]) end
    assert.equal(4, #farm.connections, "those that were laid aside")
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, senders(farm))
    for _, message in ipairs(farm.messages) do
      assert.equal(message.from:match("%d+"), message.data:match("Subject: (%d+)"))
    end
    assert.equal(8, mailer.metrics.sent)
  end)

  it("keep no more connections than pool_size", function()
    local mailer, farm = yielding { pool_size = 2 }
    run(sends(mailer, 1, 6))
    assert.equal(6, #farm.messages)
    assert.equal(2, mailer:idle())
    assert.equal(2, farm:open())
  end)

  it("lose and double nothing when all connections are stale", function()
    for _, deaf in ipairs { false, true } do
      local mailer, farm = yielding(nil, { deaf = deaf or nil })
      run(sends(mailer, 1, 4))
      farm:lose_all()
      for _, result in ipairs(run(sends(mailer, 5, 8))) do assert.truthy(result[1], tostring(result[2])) end
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, senders(farm))
    end
  end)

  it("count as much as they would one after another", function()
    local mailer, farm = yielding()
    run(sends(mailer, 1, 5))
    local turns, bytes = 0, 0
    for _, one in ipairs(farm.connections) do turns, bytes = turns + one.turns, bytes + one.bytes end
    assert.equal(turns, mailer.metrics.round_trips)
    assert.equal(bytes, mailer.metrics.bytes)
    assert.equal(5, mailer.metrics.connections)
  end)

  it("are not disturbed by one that was left behind in the midst of its message", function()
    local mailer, farm = yielding()
    assert(coroutine.resume(sends(mailer, 1, 1)[1]))
    for _ = 1, 3 do collectgarbage() end
    run(sends(mailer, 2, 3))
    assert.same({ 2, 3 }, senders(farm))
  end)

  it("may close the Mailer: what is on its way arrives, and then its connection is closed", function()
    local mailer, farm = yielding()
    run(sends(mailer, 1, 1))
    local thread = sends(mailer, 2, 2)[1]
    assert(coroutine.resume(thread))
    run { spawn(mailer.close, mailer) }
    run { thread }
    assert.same({ 1, 2 }, senders(farm))
    assert.equal(0, mailer:idle())
    assert.equal(0, farm:open())
  end)

  it("with one transport among them are told that it is in use", function()
    local there
    local mailer, farm = yielding()
    there = mailer.settings.smtp.transport()
    mailer = farm:mailer { transport = there }
    local results = run(sends(mailer, 1, 2))
    assert.equal(250, results[1][1].reply[1])
    assert.is_nil(results[2][1])
    assert.truthy(results[2][2].message:find("in use", 1, true))
    assert.same({ 1 }, senders(farm))
    run(sends(mailer, 3, 3))
    assert.same({ 1, 3 }, senders(farm))
  end)

  it("do not wait for one that was left behind with the one transport, and is gone", function()
    local mailer, farm = yielding()
    mailer = farm:mailer { transport = mailer.settings.smtp.transport() }
    assert(coroutine.resume(sends(mailer, 1, 1)[1]))
    mailer:close()
    run(sends(mailer, 2, 2))
    assert.same({ 2 }, senders(farm))
  end)
end)
