-- Connections and the requests they belong to: objects that outlive their request,
-- clients that go away, workers that end.
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

describe("In nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail
  before_each(function() mail = assert(sink.start()) end)
  after_each(function()
    if server then
      local alarms = server:alarms()
      server:stop()
      server = nil
      assert.equal("", alarms)
    end
    mail:stop()
  end)

  -- Puts an object where every request of the worker finds it.
  local keep_object = [[
    local host, port, seconds = ...
    local server = assert(require("smtplib").SMTP(host, port))
    package.loaded.kept_object = server
    if seconds then ngx.sleep(seconds) end
    return server:noop()
  ]]

  it("an object of a request that is over is closed, and says so", function()
    server = nginx.start()
    assert.equal(250, (server:run(keep_object, mail.host, mail.port)))
    local before, code, err, after = server:run([[
      local server = package.loaded.kept_object
      local before = server:is_open()
      local code, err = server:noop()
      return before, code, err, server:is_open()
    ]])
    assert.is_nil(code)
    assert.equal("SMTPServerDisconnected", err.name)
    assert.same({ true, false }, { before, after })
    assert.equal(250, (server:run [[
      local server = package.loaded.kept_object
      assert(server:connect())
      return server:noop()
    ]]))
  end)

  it("an object of another request is refused, and left to it", function()
    server = nginx.start()
    local owner = server:begin(keep_object, mail.host, mail.port, 0.5)
    assert.is_true(nginx.eventually(function() return mail:stats().open == 1 end))
    local results = {}
    for _, method in ipairs { "noop", "ehlo", "rset" } do
      local code, err
      assert.is_true(nginx.eventually(function()
        code, err = server:run([[
          local server = package.loaded.kept_object
          if not server then return end
          return server[...](server)
        ]], method)
        return code or err
      end))
      results[#results + 1] = { code, err.name, err.message:match("another request") }
    end
    for _, result in ipairs(results) do assert.same({ nil, "SMTPException", "another request" }, result) end
    assert.equal(250, (nginx.result(owner)))
  end)

  it("a client that goes away ends its request, and the connection with it", function()
    mail:script { delays = { MAIL = 0.3 } }
    server = nginx.start { http = "lua_check_client_abort on;" }
    local request = server:begin([[
      local host, port = ...
      return require("spec.nginx.support.handler").send("x", { host = host, port = port })
    ]], mail.host, mail.port)
    assert.is_true(nginx.eventually(function()
      return table.concat(mail:commands(), "\n"):find("EHLO", 1, true) ~= nil
    end))
    request:close()
    assert.is_true(nginx.eventually(function() return mail:stats().open == 0 end))
    assert.equal(0, #mail:messages())
  end)

  it("a client that goes away does not end what on_abort is to finish", function()
    mail:script { delays = { MAIL = 0.3 } }
    server = nginx.start { http = "lua_check_client_abort on;" }
    local request = server:begin([[
      local host, port = ...
      ngx.on_abort(function() package.loaded.aborted = true end)
      return require("spec.nginx.support.handler").send("x", { host = host, port = port })
    ]], mail.host, mail.port)
    assert.is_true(nginx.eventually(function()
      return table.concat(mail:commands(), "\n"):find("EHLO", 1, true) ~= nil
    end))
    request:close()
    assert.truthy(mail:wait(1, 10))
    assert.is_true(server:run "return package.loaded.aborted")
  end)

  it("a worker that is told to end finishes what it is sending", function()
    mail:script { delays = { EHLO = 0.2, MAIL = 0.2, ["."] = 0.2 } }
    server = nginx.start()
    local worker = server:workers()[1]
    local request = server:begin([[
      local host, port = ...
      return require("spec.nginx.support.handler").send("x", { host = host, port = port })
    ]], mail.host, mail.port)
    assert.is_true(nginx.eventually(function() return mail:stats().open == 1 end))
    nginx.signal(server:master(), "HUP")
    assert.same({}, (nginx.result(request)))
    assert.equal(1, #mail:messages())
    assert.is_true(nginx.eventually(function() return server:workers()[1] ~= worker end))
  end)

  it("idle connections of a Mailer do not keep a worker from ending", function()
    server = nginx.start()
    local worker = server:workers()[1]
    assert.truthy(server:run([[
      local host, port = ...
      return require("smtplib").Mailer { host = host, port = port }:send {
        from = "a@example.com", to = "b@example.org", text = "x" }
    ]], mail.host, mail.port))
    assert.equal(1, mail:stats().open)
    nginx.signal(server:master(), "HUP")
    assert.is_true(nginx.eventually(function() return server:workers()[1] ~= worker and #server:workers() == 1 end))
    assert.is_true(nginx.eventually(function() return mail:stats().open == 0 end))
  end)

  it("a light thread that is killed while it sends harms nobody", function()
    mail:script { stall = { EHLO = true } }
    server = nginx.start()
    assert.equal("killed", server:run([[
      local host, port = ...
      local thread = ngx.thread.spawn(function()
        return require("spec.nginx.support.handler").send("x", { host = host, port = port })
      end)
      ngx.sleep(0.05)
      return ngx.thread.kill(thread) and "killed"
    ]], mail.host, mail.port))
    assert.equal(0, mail:stats().messages)
  end)

  it("a timer of a request that is over sends", function()
    server = nginx.start()
    server:run([[
      local host, port = ...
      ngx.timer.at(0.05, function()
        require("spec.nginx.support.handler").send("from a timer", { host = host, port = port })
      end)
    ]], mail.host, mail.port)
    assert.truthy(mail:wait(1, 10)[1].data:find("from a timer", 1, true))
  end)
end)
