-- Mailer:enqueue in nginx: the handler answers, timers send, and whatever was called
-- queued arrives.
local core = require "smtplib.core"
local nginx = require "spec.nginx.support.nginx"
local redis_server = require "spec.queue.support.redis"
local smtplib = require "smtplib"

-- In a module of the worker, as a program would have it.
local program = [[
  local options = ...
  local mailer = package.loaded["spec.mailer"]
  if not mailer then
    local smtplib = require "smtplib"
    mailer = smtplib.Mailer(options)
    package.loaded["spec.mailer"] = mailer
  end
  return mailer:enqueue { from = "a@example.com", to = "b@example.org", subject = "x", text = "hello" }
]]

local function id_of(message)
  return message.data:match("\nMessage%-ID: (<[^>]+>)\r\n")
end

-- How often each Message-ID has arrived.
local function arrivals(sink)
  local times = {}
  for _, message in ipairs(sink:messages()) do
    local id = id_of(message)
    times[id] = (times[id] or 0) + 1
  end
  return times
end

local function missing_of(ids, sink)
  local times, missing = arrivals(sink), {}
  for _, id in ipairs(ids) do
    if not times[id] then missing[#missing + 1] = id end
  end
  return missing
end

local function all_arrive(ids, sink, seconds)
  nginx.eventually(function() return #missing_of(ids, sink) == 0 end, seconds or 60)
  return missing_of(ids, sink)
end

describe("Mailer:enqueue in nginx", function()
  local lacking = nginx.missing()
  if lacking then return pending(lacking) end

  local server, sink

  local function start(options, sink_options)
    sink = assert(smtplib.sink.start(sink_options))
    options = options or {}
    options.http = "lua_shared_dict mails 10m;" .. (options.http or "")
    server = nginx.start(options)
  end

  local function mailer_options(queue)
    queue = queue or { dict = "mails" }
    return { host = sink.host, port = sink.port, queue = queue }
  end

  after_each(function()
    if server then server:stop() end
    if sink then sink:stop() end
    server, sink = nil, nil
  end)

  it("answers while the server makes everybody wait, and sends afterwards", function()
    start(nil, { delays = { greeting = 1, MAIL = 1 } })
    local ids = {}
    for i = 1, 3 do ids[i] = assert(server:run(program, mailer_options())) end
    assert.equal(0, #sink:messages())
    assert.same({}, all_arrive(ids, sink))
    assert.equal("", server:alarms())
  end)

  it("serves others while it sends", function()
    start(nil, { delays = { MAIL = 2 } })
    local id = assert(server:run(program, mailer_options()))
    for _ = 1, 20 do assert.equal(200, (server:get("/ping"))) end
    assert.equal(0, #sink:messages())
    assert.same({}, all_arrive({ id }, sink))
  end)

  it("refuses when the queue is full, and says so", function()
    start(nil, { stall = { greeting = true } })
    local options = mailer_options { dict = "mails", limit = 2 }
    assert(server:run(program, options))
    assert(server:run(program, options))
    local id, err = server:run(program, options)
    assert.is_nil(id)
    assert.equal("full", err.code)
    assert.equal("SMTPException: the queue is full: 2 messages are in lua_shared_dict 'mails'", err.text)
    assert.equal("", server:alarms())
  end)

  it("refuses what has no room, and tells how much it was", function()
    start(nil, { stall = { greeting = true } })
    local function enqueue(size)
      return server:run([[
        local options, size = ...
        local mailer = require("smtplib").Mailer(options)
        return mailer:enqueue { from = "a@x.example", to = "b@x.example", text = ("x"):rep(size) }
      ]], mailer_options(), size)
    end
    assert.is_string(enqueue(6000000))
    local id, err = enqueue(6000000)
    assert.is_nil(id)
    assert.equal("full", err.code)
    assert.is_true(err.temporary)
    assert.truthy(err.text:find("no room for 6%d%d%d%d%d%d bytes in lua_shared_dict 'mails'"))
    assert(server:run(program, mailer_options()))
    id, err = enqueue(20000000)
    assert.is_nil(id)
    assert.equal("size", err.code)
    assert.is_false(err.temporary)
    assert.truthy(err.text:find("more than all of lua_shared_dict 'mails'", 1, true))
  end)

  it("sends as many at a time as the Mailer keeps connections", function()
    start({ workers = 1 }, { delays = { ["."] = 0.3 } })
    local ids, options = {}, mailer_options()
    options.pool_size = 3
    for i = 1, 12 do ids[i] = assert(server:run(program, options)) end
    assert.same({}, all_arrive(ids, sink))
    assert.equal(3, sink:stats().connections)
  end)

  it("tries again until the server is there", function()
    start()
    local listener = assert(core.listen("127.0.0.1", 0))
    local port = listener:port()
    listener:close()
    local id = assert(server:run(program, { host = "127.0.0.1", port = port, queue = { dict = "mails", backoff = 0.2 } }))
    core.sleep(0.3)
    local late = assert(smtplib.sink.start { port = port })
    assert.same({}, all_arrive({ id }, late))
    late:stop()
    assert.equal("", server:alarms())
  end)

  it("tells the callback what is refused for good, and counts", function()
    start(nil, { replies = { RCPT = "550 5.1.1 no such user" } })
    local given = server:run([[
      local options, given = ..., {}
      options.queue = { dict = "mails", on_failure = function(id, err, record)
        given.id, given.err, given.from = id, tostring(err), record.from
      end }
      local mailer = require("smtplib").Mailer(options)
      local id = mailer:enqueue { from = "a@example.com", to = "b@example.org", text = "x" }
      while not given.id or mailer:queued() > 0 do ngx.sleep(0.01) end
      given.is_same = given.id == id
      given.metrics = mailer.metrics
      return given
    ]], mailer_options())
    assert.is_true(given.is_same)
    assert.equal("a@example.com", given.from)
    assert.equal("SMTPRecipientsRefused: b@example.org: 550 5.1.1 no such user (RCPT)", given.err)
    assert.equal(1, given.metrics.queued)
    assert.equal(1, given.metrics.dead)
    assert.equal(0, given.metrics.sent)
  end)

  it("writes into the error log what is given up, where there is no callback", function()
    start(nil, { replies = { RCPT = "550 5.1.1 no such user" } })
    local id = assert(server:run(program, mailer_options()))
    assert.is_true(nginx.eventually(function()
      return server:log():find("message " .. id .. " is given up: SMTPRecipientsRefused", 1, true) ~= nil
    end))
    assert.equal("", server:alarms())
  end)

  it("keeps the Mailer's rate", function()
    start()
    local options, ids = mailer_options(), {}
    options.rate = 10
    local began = core.now()
    for i = 1, 11 do ids[i] = assert(server:run(program, options)) end
    assert.same({}, all_arrive(ids, sink))
    assert.is_true(core.now() - began >= 0.9)
  end)

  it("works in every request, where each makes a Mailer of its own", function()
    start()
    local ids = {}
    for i = 1, 30 do
      ids[i] = assert(server:run([[
        local mailer = require("smtplib").Mailer(...)
        local id, err = mailer:enqueue { from = "a@example.com", to = "b@example.org", text = "x" }
        mailer:close()
        return id, err
      ]], mailer_options()))
    end
    assert.same({}, all_arrive(ids, sink))
    for _, times in pairs(arrivals(sink)) do assert.equal(1, times) end
  end)

  for _, case in ipairs {
    { "servers", { port = 2 } },
    { "logins", { port = 1, user = "you", password = "x" } },
  } do
    it("refuses two Mailers for different " .. case[1] .. " on one queue", function()
      start()
      local ok, why = server:run([[
        local options = ...
        local smtplib = require "smtplib"
        smtplib.Mailer { host = "127.0.0.1", port = 1, user = "me", password = "x", queue = { dict = "mails" } }
        options.host = "127.0.0.1"
        options.queue = { dict = "mails", name = "other" }
        smtplib.Mailer(options)
        options.queue.name = nil
        return pcall(smtplib.Mailer, options)
      ]], case[2])
      assert.is_false(ok)
      assert.truthy(why:find("belongs to smtplib.Mailer (127.0.0.1:1) as me: give each Mailer one of its own", 1, true))
    end)
  end

  it("takes messages in phases that have no cosockets", function()
    start { server = [[
      location = /log {
        return 200 "ok";
        log_by_lua_block {
          local handler = require "spec.nginx.support.handler"
          local mailer = require("smtplib").Mailer { host = "127.0.0.1", port = tonumber(ngx.var.arg_port),
            queue = { dict = "mails" } }
          handler.keep("log", mailer:enqueue { from = "a@example.com", to = "b@example.org", text = "x" })
        }
      }
    ]] }
    assert.equal(200, (server:get("/log?port=" .. ("%d"):format(sink.port))))
    assert.is_true(nginx.eventually(function() return #sink:messages() == 1 end))
    assert.equal("", server:alarms())
  end)

  -- Requests, many at a time, while `disturb` is called now and then; the Message-IDs
  -- of those that were answered.
  local function under_load(options, rounds, disturb)
    local ids = {}
    for round = 1, rounds do
      local requests = {}
      for i = 1, 20 do
        local ok, request = pcall(server.begin, server, program, options)
        requests[i] = ok and request or nil
      end
      disturb(round)
      for _, request in pairs(requests) do
        local ok, id = pcall(nginx.result, request)
        if ok and id then ids[#ids + 1] = id end
      end
    end
    return ids
  end

  it("loses and doubles nothing when nginx is reloaded under load", function()
    start({ workers = 2 }, { delays = { ["."] = 0.02 } })
    local ids = under_load(mailer_options(), 25, function(round)
      if round % 2 == 0 then nginx.signal(server:master(), "HUP") end
    end)
    assert.is_true(#ids >= 300)
    assert.same({}, all_arrive(ids, sink))
    for id, times in pairs(arrivals(sink)) do assert.same({ id, 1 }, { id, times }) end
    assert.equal("", server:alarms())
  end)

  it("loses nothing when workers are killed under load", function()
    start({ workers = 2 }, { delays = { ["."] = 0.02 } })
    local ids = under_load(mailer_options { dict = "mails", lease = 2 }, 25, function(round)
      if round % 5 == 0 then nginx.signal(server:workers()[1], "KILL") end
    end)
    assert.is_true(#ids >= 300)
    assert.same({}, all_arrive(ids, sink))
    assert.equal("", server:alarms("exited on signal 9"))
  end)

  it("goes on by itself after the only worker was killed, where the Mailer is made with the worker", function()
    sink = assert(smtplib.sink.start { stall = { greeting = true } })
    server = nginx.start { http = ([[
      lua_shared_dict mails 10m;
      init_worker_by_lua_block {
        package.loaded["spec.mailer"] = require("smtplib").Mailer { host = "127.0.0.1", port = %d,
          timeout = 5, queue = { dict = "mails", lease = 1 } }
      }
    ]]):format(sink.port) }
    local id = assert(server:run(program))
    nginx.signal(server:workers()[1], "KILL")
    assert(sink:script { stall = {} })
    assert.same({}, all_arrive({ id }, sink))
  end)

  -- The lease is much shorter than the sending, and renewed while that lasts.
  it("finishes what it is sending when it is reloaded, and nobody sends it again", function()
    start({ workers = 1 }, { delays = { ["."] = 4 } })
    local queue = { dict = "mails", lease = 0.5, poll = 0.1 }
    local ids = { assert(server:run(program, mailer_options(queue))) }
    nginx.eventually(function() return #sink:messages() == 1 end)
    nginx.signal(server:master(), "HUP")
    nginx.eventually(function() return #server:workers() == 2 end, 2)
    ids[2] = assert(server:run(program, mailer_options(queue)))
    assert.is_true(nginx.eventually(function()
      return server:run([[return require("smtplib").Mailer(...):queued()]], mailer_options(queue)) == 0
    end))
    assert.same({ [ids[1]] = 1, [ids[2]] = 1 }, arrivals(sink))
    assert.equal("", server:alarms())
  end)

  it("sends what is enqueued while nginx starts, by a Mailer that is made there", function()
    sink = assert(smtplib.sink.start())
    server = nginx.start { workers = 2, http = ([[
      lua_shared_dict mails 10m;
      init_by_lua_block {
        local mailer = require("smtplib").Mailer { host = "127.0.0.1", port = %d, queue = { dict = "mails" } }
        package.loaded["spec.mailer"] = mailer
        assert(mailer:enqueue { from = "a@x.example", to = "b@x.example", subject = "starting" })
      }
      init_worker_by_lua_block { assert(package.loaded["spec.mailer"]:run()) }
    ]]):format(sink.port) }
    local got = assert(sink:wait(1, 20))
    assert.truthy(got[1].data:find("Subject: starting", 1, true))
    assert.equal("", server:alarms())
  end)

  it("works as the README has it", function()
    sink = assert(smtplib.sink.start { auth = { me = "secret" } })
    local text = nginx.read_file("README.md"):match("```nginx\n(lua_shared_dict.-\n}\n)```")
    local changes = {
      { 'host = "smtp.example.com"', ('host = "%s", port = %d'):format(sink.host, sink.port) },
      { "server {\n", "server {\n    listen unix:{folder}/http.sock;\n" },
    }
    for _, change in ipairs(changes) do
      local at, stop = text:find(change[1], 1, true)
      text = text:sub(1, at - 1) .. change[2] .. text:sub(stop + 1)
    end
    server = nginx.start {
      http_block = 'lua_package_path "{top}/lua/?.lua;;"; lua_package_cpath "{build}/?.so;;";\n' .. text,
    }
    local status, body = server:get("/order")
    assert.equal(200, status)
    assert.equal(body, id_of(assert(sink:wait(1, 20))[1]) .. "\n")
    assert.equal("", server:alarms())
  end)

  it("sends what is left before nginx ends properly", function()
    start({ workers = 2 }, { delays = { ["."] = 0.05 } })
    local ids = {}
    for i = 1, 40 do ids[i] = assert(server:run(program, mailer_options())) end
    nginx.signal(server:master(), "QUIT")
    assert.same({}, all_arrive(ids, sink))
    for _, times in pairs(arrivals(sink)) do assert.equal(1, times) end
    assert.equal("", server:alarms())
  end)
end)

describe("Mailer:enqueue in nginx over Redis", function()
  local lacking = nginx.missing()
  if lacking then return pending(lacking) end

  local server, sink, redis

  setup(function() redis = redis_server.start() end)
  teardown(function() redis:stop() end)
  after_each(function()
    if server then server:stop() end
    if sink then sink:stop() end
    redis:ask("FLUSHALL")
  end)

  local function options()
    return { host = sink.host, port = sink.port, queue = { redis = { port = redis.port }, lease = 1 } }
  end

  it("sends, and leaves nothing behind", function()
    sink = assert(smtplib.sink.start())
    server = nginx.start { workers = 2 }
    local ids = {}
    for i = 1, 20 do ids[i] = assert(server:run(program, options())) end
    assert.same({}, all_arrive(ids, sink))
    assert.is_true(nginx.eventually(function() return redis:ask("XLEN", "smtplib") == "0" end))
    for _, times in pairs(arrivals(sink)) do assert.equal(1, times) end
    assert.equal("", server:alarms())
  end)

  it("loses nothing when workers are killed", function()
    sink = assert(smtplib.sink.start { delays = { ["."] = 0.05 } })
    server = nginx.start { workers = 2 }
    local ids = {}
    for round = 1, 30 do
      local ok, id = pcall(server.run, server, program, options())
      if ok and id then ids[#ids + 1] = id end
      -- A new worker sends when it makes a Mailer: requests follow the last killing.
      if round % 10 == 0 and round < 30 then nginx.signal(server:workers()[1], "KILL") end
    end
    assert.is_true(#ids >= 20)
    assert.same({}, all_arrive(ids, sink))
    assert.equal("", server:alarms("exited on signal 9"))
  end)

  it("tells what is wrong when Redis is not there", function()
    sink = assert(smtplib.sink.start())
    server = nginx.start {}
    local id, err = server:run(program, { host = sink.host, port = sink.port, queue = { redis = { port = 1 } } })
    assert.is_nil(id)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("SMTPSocketError: Redis at 127.0.0.1:1: connection refused", err.text)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("none", err.delivery)
    assert.equal("", server:alarms())
  end)

  it("tells where nginx does not let it ask Redis", function()
    sink = assert(smtplib.sink.start())
    server = nginx.start { server = ([[
      location = /log {
        return 200 "ok";
        log_by_lua_block {
          local handler = require "spec.nginx.support.handler"
          local mailer = require("smtplib").Mailer { host = "127.0.0.1", queue = { redis = { port = %d } } }
          handler.keep("log", mailer:enqueue { from = "a@example.com", to = "b@example.org", text = "x" })
        }
      }
    ]]):format(redis.port) }
    assert.equal(200, (server:get("/log")))
    local kept = server:run [[return require("spec.nginx.support.handler").kept.log]]
    assert.is_nil(kept[1])
    assert.equal("phase", kept[2].code)
    assert.equal("SMTPSocketError", kept[2].name)
    assert.matches("nginx's log phase.*ngx%.timer%.at", kept[2].text)
    assert.equal("", server:alarms())
  end)

  it("asks over another connection with another password", function()
    local locked = redis_server.start("--requirepass secret")
    server = nginx.start {}
    local function ask(password)
      return server:run([[
        local port, password = ...
        local store = require("smtplib.queue.redis").new { limit = 9, redis = { port = port, password = password } }
        return store:size()
      ]], locked.port, password)
    end
    assert.equal(0, (ask "secret"))
    local n, err = ask "wrong"
    locked:stop()
    assert.is_nil(n)
    assert.equal("redis", err.code)
    assert.matches("WRONGPASS", err.text)
    assert.equal("", server:alarms())
  end)
end)
