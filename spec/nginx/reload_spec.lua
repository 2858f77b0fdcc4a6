-- nginx -s reload, workers that are killed, and memory, all under load.
--
--   NGINX_MAILS=n    so many messages while the memory is watched (default 3000)
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

local send = [[
  local options, number = ...
  local handler = require "spec.nginx.support.handler"
  handler.mailer = handler.mailer or require("smtplib").Mailer(options)
  return handler.mailer:send { from = "a@example.com", to = "b" .. number .. "@example.org", text = "x" }
]]

describe("nginx under load", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end
  -- Once is enough: nginx's Lua is LuaJIT, whichever Lua runs the specs.
  if not rawget(_G, "jit") then return end

  local server, mail
  before_each(function() mail = assert(sink.start()) end)
  after_each(function()
    if server then server:stop() end
    mail:stop()
  end)

  local function options() return { host = mail.host, port = mail.port, max_messages = 1000000 } end

  -- How often each message arrived.
  local function arrivals()
    local times = {}
    for _, message in ipairs(mail:take()) do
      local number = tonumber(message.to[1].addr:match("^b(%d+)@"))
      times[number] = (times[number] or 0) + 1
    end
    return times
  end

  it("is reloaded fifty times: no request fails, no message is lost or doubled, and nothing crashes", function()
    server = nginx.start { workers = 2 }
    local number, requests = 0, {}
    local function more(n)
      for _ = 1, n do
        number = number + 1
        requests[#requests + 1] = server:begin(send, options(), number)
      end
    end
    local function collect(down_to)
      while #requests > down_to do
        local result, err = nginx.result(table.remove(requests, 1))
        assert(result, err and err.text)
      end
    end
    for _ = 1, 50 do
      more(8)
      nginx.signal(server:master(), "HUP")
      more(8)
      collect(8)
    end
    collect(0)
    local times = arrivals()
    for i = 1, number do assert.equal(1, times[i], "message " .. i) end
    assert.equal("", server:alarms())
    assert.is_true(nginx.eventually(function() return #server:workers() == 2 end))
    assert.is_true(nginx.eventually(function() return mail:stats().open <= 2 * 5 end))
  end)

  it("loses a worker to SIGKILL: the next one sends, no message is doubled, and what was answered has arrived", function()
    mail:script { delays = { ["."] = 0.01 } }
    server = nginx.start()
    local number, answered = 0, {}
    for _ = 1, 10 do
      local requests = {}
      for i = 1, 8 do
        number = number + 1
        requests[i] = { number = number, request = server:begin(send, options(), number) }
      end
      local worker = server:workers()[1]
      local first = table.remove(requests, 1)
      local result, err = nginx.result(first.request)
      assert(result, err and err.text)
      answered[first.number] = true
      nginx.signal(worker, "KILL")
      for _, one in ipairs(requests) do
        local ok, outcome = pcall(nginx.result, one.request)
        if ok then
          assert(outcome)
          answered[one.number] = true
        end
      end
      assert.is_true(nginx.eventually(function()
        local now = server:workers()[1]
        return now and now ~= worker
      end))
    end
    local result, err = server:run(send, options(), number + 1)
    assert(result, err and err.text)
    local times = arrivals()
    for i = 1, number + 1 do
      assert.is_true((times[i] or 0) <= 1, "message " .. i .. " is doubled")
      if answered[i] then assert.equal(1, times[i], "message " .. i) end
    end
    assert.equal("", server:alarms("exited on signal 9"))
  end)

  -- Sends `n` messages in one request each, 20 in a request, and returns what the
  -- worker's memory is then.
  local function memory_after(n, code, ...)
    local answer
    for i = 1, n / 20 do
      answer = server:run(code, ...)
      assert.equal(20, answer)
      if i % 50 == 0 then mail:take() end
    end
    server:run("collectgarbage() collectgarbage()")
    return nginx.memory(server:workers()[1])
  end

  it("keeps its memory over thousands of messages", function()
    local count = tonumber(os.getenv("NGINX_MAILS") or 3000)
    local cases = {
      { "a Mailer", [[
        local options = ...
        local mailer = require("smtplib").Mailer(options)
        local sent = 0
        for _ = 1, 20 do
          if mailer:send { from = "a@example.com", to = "b@example.org", subject = "s", text = ("text\n"):rep(100) } then
            sent = sent + 1
          end
        end
        return sent
      ]], function() return options() end },
      { "a connection for each", [[
        local host, port = ...
        local sent = 0
        for _ = 1, 20 do
          if require("spec.nginx.support.handler").send("x", { host = host, port = port }) then sent = sent + 1 end
        end
        return sent
      ]], function() return mail.host, mail.port end },
    }
    for _, case in ipairs(cases) do
      -- What LuaJIT compiles would grow for a long while, with anything that runs.
      server = nginx.start { http = "init_by_lua_block { jit.off() }" }
      local before = memory_after(600, case[2], case[3]())
      local after = memory_after(count, case[2], case[3]())
      assert.is_true(after - before < 256, ("%s: from %d to %d KiB in %d messages"):format(case[1], before, after, count))
      if os.getenv("NGINX_MAILS") then print(case[1], before, after) end
      assert.equal("", server:alarms())
      server:stop()
      server = nil
    end
  end)
end)
