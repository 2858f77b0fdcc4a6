-- The rules of a queue's store (spec/queue/support/rules.lua) inside nginx: over a
-- lua_shared_dict, and over Redis with lua-resty-redis.
local nginx = require "spec.nginx.support.nginx"
local redis_server = require "spec.queue.support.redis"
local rules = require "spec.queue.support.rules"

-- Runs in nginx; what a rule raises comes back as text.
local run_rule = [[
  local kind, number, options = ...
  local module = require("smtplib.queue." .. kind)
  local function open() return module.new(options) end
  local ok, why = pcall(require("spec.queue.support.rules")[number].check, open(), open)
  return ok, not ok and tostring(why) or nil
]]

describe("The queue in a lua_shared_dict", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server
  setup(function() server = nginx.start { http = "lua_shared_dict mails 1m; lua_shared_dict small 64k;" } end)
  teardown(function() if server then server:stop() end end)
  after_each(function() assert.equal("", server:alarms()) end)

  for i, rule in ipairs(rules) do
    it(rule.title, function()
      assert.same({ true }, { server:run(run_rule, "dict", i, { dict = "mails", limit = 5, name = tostring(i) }) })
    end)
  end

  it("leaves nothing behind of what is acknowledged", function()
    assert.equal("attended b:0 count head next tail", server:run([[
      local store = require("smtplib.queue.dict").new { dict = "mails", limit = 5, name = "tidy" }
      for _ = 1, 10 do
        store:put("x", {})
        store:acknowledge(store:take(60))
      end
      local found = {}
      for _, key in ipairs(ngx.shared.mails:get_keys(0)) do found[#found + 1] = key:match("^smtplib:tidy:(.*)$") end
      table.sort(found)
      return table.concat(found, " ")
    ]]))
  end)

  it("forgets the blocks that all have passed", function()
    assert.equal(2, server:run([[
      local store = require("smtplib.queue.dict").new { dict = "mails", limit = 5, name = "blocks" }
      for _ = 1, 2000 do
        store:put("x", {})
        store:acknowledge(store:take(60))
      end
      store.sweep_at = 0
      store:take(60)
      local n = 0
      for _, key in ipairs(ngx.shared.mails:get_keys(0)) do
        if key:find("^smtplib:blocks:b:") then n = n + 1 end
      end
      return n
    ]]))
  end)

  -- In memory that is full, whatever is stored without care pushes something out.
  it("never loses a message to lack of memory: it refuses, and what is there can be sent", function()
    local put, taken, why, sizes = server:run([[
      local store = require("smtplib.queue.dict").new { dict = "small", limit = 100000 }
      local put, why = {}, nil
      for i = 1, 100000 do
        local ok
        ok, why = store:put(i .. ":" .. ("x"):rep(i % 7 * 100), {})
        if not ok then break end
        put[#put + 1] = i
      end
      local other = require("smtplib.queue.dict").new { dict = "small", limit = 100000 }
      local leases, taken = {}, {}
      local size = store:size()
      for i = 1, #put do
        leases[i] = (i % 2 == 0 and store or other):take(60)
        taken[i] = leases[i] and tonumber(leases[i].record:match("^%d+"))
      end
      for i = 1, #put do if leases[i] then store:give_back(leases[i], 0) end end
      for i = 1, #put do
        local lease = require("smtplib.queue.dict").new { dict = "small", limit = 100000 }:take(60)
        if lease then store:acknowledge(lease) end
      end
      return put, taken, why, { size, store:size() }
    ]])
    assert.equal("no memory", why)
    assert.is_true(#put > 20)
    assert.same(put, taken)
    assert.same({ #put, 0 }, sizes)
  end)

  it("counts a message once that two acknowledge at the same time", function()
    assert.same({ 1, 0 }, { server:run [[
      local store = require("smtplib.queue.dict").new { dict = "mails", limit = 5, name = "twice" }
      store:put("1", {})
      local lease = store:take(0.01)
      ngx.shared.mails:incr("smtplib:twice:a:1", 2 ^ 40) -- the other one has got so far
      store:acknowledge(lease)
      local before = store:size()
      ngx.sleep(0.02)
      store.sweep_at = 0
      assert(not store:take(60))
      return before, store:size()
    ]] })
  end)

  -- Each case is what a worker has left behind that was killed between two steps.
  for _, case in ipairs {
    { "while it put a message, before anybody could see it", [[
      local d = ngx.shared.mails
      store:put("1", {})
      local n = d:incr(prefix .. "tail", 1)
      d:incr(prefix .. "count", 1)
      d:incr(prefix .. "b:0", 1)
      d:set(prefix .. "m:" .. n, "half")
      d:set(prefix .. "a:" .. n, 0)
      store:put("3", {})
    ]], "1 3" },
    { "after it had counted on, before it took", [[
      store:put("1", {})
      store:put("2", {})
      ngx.shared.mails:incr(prefix .. "next", 1)
    ]], "1 2" },
    { "after it had acknowledged, before anything was removed", [[
      store:put("1", {})
      store:put("2", {})
      store:take(0)
      ngx.shared.mails:incr(prefix .. "a:1", 2 ^ 40)
    ]], "2" },
    { "after it had removed the record alone", [[
      store:put("1", {})
      store:put("2", {})
      store:take(0)
      ngx.shared.mails:incr(prefix .. "a:1", 2 ^ 40)
      ngx.shared.mails:delete(prefix .. "m:1")
    ]], "2" },
    { "after it had counted too far", [[
      ngx.shared.mails:set(prefix .. "next", 0)
      ngx.shared.mails:set(prefix .. "tail", 0)
      ngx.shared.mails:set(prefix .. "count", 0)
      ngx.shared.mails:set(prefix .. "head", 0)
      ngx.shared.mails:incr(prefix .. "next", 2)
      store:put("1", {})
      store:put("2", {})
    ]], "1 2" },
  } do
    it("goes on after a worker was killed " .. case[1], function()
      local records, size = server:run(([[
        local dict, prefix = require "smtplib.queue.dict", "smtplib:killed:"
        for _, key in ipairs(ngx.shared.mails:get_keys(0)) do
          if key:find(prefix, 1, true) == 1 then ngx.shared.mails:delete(key) end
        end
        local function open() return dict.new { dict = "mails", limit = 5, name = "killed" } end
        local store = open()
        %s
        local records = {}
        local waiting = open()
        for _ = 1, 20 do
          local lease = waiting:take(60)
          if lease then
            records[#records + 1] = lease.record
            waiting:acknowledge(lease)
          end
          waiting.sweep_at = 0
        end
        -- What is counted wrongly is put right once the block is behind all.
        for _ = 1, 1000 do
          store:put("x", {})
          store:acknowledge(store:take(60))
        end
        store.sweep_at = 0
        store:take(60)
        return table.concat(records, " "), store:size()
      ]]):format(case[2]))
      assert.equal(case[3], records)
      assert.equal(0, size)
    end)
  end
end)

describe("The queue in Redis, in nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, redis
  setup(function()
    redis = redis_server.start()
    server = nginx.start {}
  end)
  teardown(function()
    if server then server:stop() end
    if redis then redis:stop() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  for _, library in ipairs { "with lua-resty-redis", "without it" } do
    for i, rule in ipairs(rules) do
      it(library .. " " .. rule.title, function()
        if library == "without it" then
          server:run [[require("smtplib.queue.resty").is_available = function() return false end]]
        end
        local where = i % 2 == 0 and { port = redis.port } or { host = redis.socket }
        where.stream = library .. i
        assert.same({ true }, { server:run(run_rule, "redis", i, { limit = 5, redis = where }) })
      end)
    end
  end

  it("uses lua-resty-redis where it is installed", function()
    assert.is_true(server:run [[package.loaded["smtplib.queue.resty"] = nil
      return require("smtplib.queue.resty").is_available()]])
  end)

  it("keeps its connections", function()
    local before = redis:ask("INFO", "stats"):match("total_connections_received:(%d+)")
    for _ = 1, 20 do
      server:run([[require("smtplib.queue.redis").new { limit = 5, redis = { port = ... } }:size()]], redis.port)
    end
    local after = redis:ask("INFO", "stats"):match("total_connections_received:(%d+)")
    assert.is_true(after - before <= 3) -- redis-cli's own included
  end)
end)
