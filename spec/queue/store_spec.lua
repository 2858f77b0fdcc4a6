-- One set of rules over the stores of a queue (the lua_shared_dict's: spec/nginx/
-- queue_store_spec.lua).
local memory = require "smtplib.queue.memory"
local redis = require "smtplib.queue.redis"
local redis_server = require "spec.queue.support.redis"
local rules = require "spec.queue.support.rules"

local LIMIT = 5

describe("The queue in memory", function()
  for _, rule in ipairs(rules) do
    it(rule.title, function()
      local store = memory.new { limit = LIMIT }
      rule.check(store, function() return store end)
    end)
  end
end)

describe("The queue in Redis", function()
  local server, serial = nil, 0

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  for _, rule in ipairs(rules) do
    it(rule.title, function()
      serial = serial + 1
      local function open()
        return redis.new { limit = LIMIT, redis = { port = server.port, stream = "s" .. serial } }
      end
      rule.check(open(), open)
    end)
  end

  it("leaves nothing behind of what is acknowledged", function()
    local store = redis.new { limit = LIMIT, redis = { host = server.socket, stream = "tidy" } }
    for _ = 1, 3 do
      store:put("x", {})
      store:acknowledge(store:take(60))
    end
    assert.equal("0", server:ask("XLEN", "tidy"))
    assert.equal("0", server:ask("ZCARD", "{tidy}:due"))
    assert.equal("0", server:ask("HLEN", "{tidy}:tries"))
    assert.equal("0", (server:ask("XPENDING", "tidy", "smtplib"):match("^%d+")))
  end)

  it("never trims what is not acknowledged", function()
    local store = redis.new { limit = 2, redis = { port = server.port, stream = "trim" } }
    assert(store:put("1", {}))
    local lease = store:take(0.05)
    assert(store:put("2", {}))
    for _ = 1, 50 do assert.is_nil((store:put("3", {}))) end
    assert.equal("1", lease.record)
    assert.equal("2", server:ask("XLEN", "trim"))
  end)

  it("hands out what somebody read by hand and left", function()
    local store = redis.new { limit = LIMIT, redis = { port = server.port, stream = "hand" } }
    assert(store:put("1", {}))
    assert.is_false(store:take(60) == nil)
    assert(store:put("2", {}))
    server:ask("XREADGROUP", "GROUP", "smtplib", "me", "COUNT", "1", "STREAMS", "hand", ">")
    local lease
    for _ = 1, 200 do
      lease = store:take(0.05)
      if lease then break end
      require("smtplib.core").sleep(0.01)
    end
    assert.equal("2", lease.record)
  end)

  it("goes on after Redis has been started anew", function()
    local store = redis.new { limit = LIMIT, redis = { host = server.socket, stream = "again" } }
    assert(store:put("1", {}))
    assert(store:put("2", {}))
    local lease = assert(store:take(0.05))
    server:shut_down()
    local ok, err = store:put("3", {})
    assert.is_nil(ok)
    assert.equal("SMTPSocketError", err.name)
    assert.is_true(err.temporary)
    server:run()
    local records = {}
    for _ = 1, 300 do
      local again = store:take(60)
      if again then records[#records + 1] = again.record end
      if #records == 2 then break end
      require("smtplib.core").sleep(0.01)
    end
    table.sort(records)
    assert.same({ lease.record, "2" }, records)
  end)

  it("tells what Redis says", function()
    server:ask("SET", "text", "x")
    local store = redis.new { limit = LIMIT, redis = { port = server.port, stream = "text" } }
    local ok, err = store:put("1", {})
    assert.is_nil(ok)
    assert.equal("redis", err.code)
    assert.truthy(tostring(err):find("WRONGTYPE", 1, true))
    assert.truthy(tostring(err):find("Redis at 127.0.0.1:" .. server.port, 1, true))
    assert.equal("none", err.delivery)
  end)

  for _, case in ipairs {
    { "closes instead of an answer", function(stream) stream:receive() end, "unknown", "closed" },
    { "answers with something else", function(stream) stream:receive() stream:send("hello\r\n") end, "unknown", "broken" },
    { "answers without an end", function(stream)
      stream:receive()
      for _ = 1, 3 do stream:send(("$"):rep(50000)) end
      stream:receive()
    end, "unknown", "broken" },
    { "announces more than there can be", function(stream) stream:receive() stream:send("$99999999999\r\n") end, "unknown", "broken" },
    { "answers with an error in the midst of others", function(stream)
      stream:receive()
      stream:send("*2\r\n-ERR no\r\n:1\r\n")
    end, "unknown", "broken" },
    { "nests without an end", function(stream) stream:receive() stream:send(("*1\r\n"):rep(20)) end, "unknown", "broken" },
  } do
    it("says that a message may have been put when Redis " .. case[1], function()
      local port, child = require("spec.os.peer").serve(case[2])
      local store = redis.new { limit = LIMIT, redis = { port = port } }
      local ok, err = store:put("1", {})
      assert.is_nil(ok)
      assert.equal(case[3], err.delivery)
      assert.equal(case[4], err.code)
      child:wait(5)
    end)
  end
end)

describe("What a Redis says beyond what it was asked", function()
  it("is no answer to the next question", function()
    local port, child = require("spec.os.peer").serve(function(stream)
      stream:receive()
      stream:send("$1\r\n1\r\n:7\r\n")
      stream:receive()
    end)
    local store = redis.new { limit = LIMIT, redis = { port = port } }
    assert(store:put("1", {}))
    assert.is_nil((store:size()))
    child:wait(5)
  end)
end)

describe("The queue in a Redis with a password", function()
  local server
  setup(function() server = redis_server.start("--requirepass 's e\"cret' --databases 4") end)
  teardown(function() server:stop() end)

  for _, case in ipairs {
    { "is let in", { password = 's e"cret', db = 3 }, true },
    { "is let in by name", { username = "default", password = 's e"cret' }, true },
    { "is told that it is not", { password = "wrong" }, "WRONGPASS" },
    { "is told that there is one", {}, "NOAUTH" },
  } do
    it(case[1], function()
      local options = { port = server.port }
      for name, value in pairs(case[2]) do options[name] = value end
      local store = redis.new { limit = 10, redis = options }
      local ok, err = store:put("1", {})
      if case[3] == true then
        assert.is_true(ok)
      else
        assert.is_nil(ok)
        assert.truthy(tostring(err):find(case[3], 1, true))
      end
    end)
  end
end)
