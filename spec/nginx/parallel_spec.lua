-- A worker serves all its requests while each of them waits for a mail server.
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

describe("One worker of nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end
  -- Once is enough: nginx's Lua is LuaJIT, whichever Lua runs the specs.
  if not rawget(_G, "jit") then return end

  local REQUESTS = 50

  local server, mail
  setup(function()
    mail = assert(sink.start { delays = { greeting = 1, EHLO = 1, MAIL = 1, RCPT = 1, DATA = 1, ["."] = 1, QUIT = 1 } })
    server = nginx.start()
  end)
  teardown(function()
    if server then server:stop() end
    if mail then mail:stop() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  it("has 50 sessions open at once, and answers others while all of them wait", function()
    local requests = {}
    for i = 1, REQUESTS do
      requests[i] = server:begin([[
        local host, port, number = ...
        return require("spec.nginx.support.handler").send("message " .. number, { host = host, port = port })
      ]], mail.host, mail.port, i)
    end
    assert.is_true(nginx.eventually(function() return mail:stats().open == REQUESTS end))
    local status, body = server:get("/ping")
    assert.same({ 200, "pong" }, { status, body })
    assert.same({ REQUESTS, 0 }, { mail:stats().open, mail:stats().messages })
    for i = 1, REQUESTS do
      local refused, err = nginx.result(requests[i])
      assert.same({}, refused, err and err.text)
    end
    local seen = {}
    for _, message in ipairs(mail:messages()) do seen[message.data:match("message (%d+)")] = true end
    for i = 1, REQUESTS do assert.is_true(seen[tostring(i)], "message " .. i) end
    assert.equal(REQUESTS, #mail:messages())
  end)

  it("runs two sendings of one request at the same time", function()
    mail:script { delays = { MAIL = 0.05 } }
    local before = mail:stats().messages
    local sent = server:run([[
      local host, port = ...
      local send = require("spec.nginx.support.handler").send
      local threads = {}
      for i = 1, 5 do threads[i] = ngx.thread.spawn(send, "thread " .. i, { host = host, port = port }) end
      local good = 0
      for _, thread in ipairs(threads) do
        local ok, refused = ngx.thread.wait(thread)
        if ok and refused then good = good + 1 end
      end
      return good
    ]], mail.host, mail.port)
    assert.equal(5, sent)
    assert.equal(before + 5, mail:stats().messages)
  end)
end)
