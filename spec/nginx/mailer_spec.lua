-- A Mailer in nginx: its connections outlive the requests that made them.
local certs = require "spec.support.certs"
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

local top = nginx.shell("pwd"):match("[^\n]+") .. "/"

-- Each request makes a Mailer of its own, as a handler does that keeps nothing.
local send = [[
  local options, number = ...
  local mailer = require("smtplib").Mailer(options)
  return mailer:send { from = "a@example.com", to = "b" .. number .. "@example.org", subject = "n", text = "x" }
]]

describe("A Mailer in nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail

  local function start_mail(changes)
    local options = {
      tls = "starttls", auth = { me = "secret" }, require_auth = true, require_tls = true,
      certfile = certs.path("server.pem"), keyfile = certs.path("server.key"),
    }
    for name, value in pairs(changes or {}) do options[name] = value end
    mail = assert(sink.start(options))
  end

  local function options_of(changes)
    local options = {
      host = mail.host, port = mail.port, tls = "starttls", user = "me", password = "secret", max_messages = 1000000,
      tls_options = { cafile = top .. certs.path("ca.pem") },
    }
    for name, value in pairs(changes or {}) do options[name] = value end
    return options
  end

  local function count_commands(start)
    local n = 0
    for _, line in ipairs(mail:commands()) do
      if line:sub(1, #start) == start then n = n + 1 end
    end
    return n
  end

  before_each(function()
    start_mail()
    server = nginx.start()
  end)
  after_each(function()
    local alarms = server:alarms()
    server:stop()
    mail:stop()
    assert.equal("", alarms)
  end)

  local function send_some(first, last, options)
    for number = first, last do
      local result, err = server:run(send, options, number)
      assert(result, err and err.text)
      assert.equal(250, result.reply[1])
    end
  end

  -- Recipients of all messages that arrived since, each once.
  local function assert_each_once(first, last)
    local times = {}
    for _, message in ipairs(mail:take()) do
      local number = message.to[1].addr:match("^b(%d+)@")
      times[number] = (times[number] or 0) + 1
    end
    for number = first, last do assert.equal(1, times[tostring(number)], "message " .. number) end
  end

  it("sends a thousand messages of a thousand requests over one connection, and over another server", function()
    local options = options_of()
    send_some(1, 1000, options)
    assert_each_once(1, 1000)
    local stats = mail:stats()
    assert.same({ 1, 1, 1000 }, { stats.connections, stats.handshakes + 1, stats.messages })
    assert.same({ 2, 1, 1, 0 }, { count_commands("EHLO"), count_commands("STARTTLS"), count_commands("AUTH"), count_commands("QUIT") })
    for round = 1, 3 do
      local port = mail.port
      mail:stop()
      start_mail { port = port }
      send_some(1000 * round + 1, 1000 * round + 20, options)
      assert_each_once(1000 * round + 1, 1000 * round + 20)
      assert.same({ 1, 20 }, { mail:stats().connections, mail:stats().messages })
    end
  end)

  it("keeps as many as it may when requests come together", function()
    local options = options_of { pool_size = 3 }
    mail:script { delays = { ["."] = 0.1 } }
    for round = 1, 3 do
      local requests = {}
      for i = 1, 8 do requests[i] = server:begin(send, options, round * 8 + i) end
      for _, request in ipairs(requests) do
        local result, err = nginx.result(request)
        assert(result, err and err.text)
      end
      assert_each_once(round * 8 + 1, round * 8 + 8)
    end
    assert.is_true(nginx.eventually(function() return mail:stats().open == 3 end))
    assert.equal(8 + 5 + 5, mail:stats().connections)
  end)

  it("keeps apart what differs in host, login, TLS or authority", function()
    local good = options_of()
    send_some(1, 2, good)
    local other = assert(sink.start { auth = { me = "secret", you = "secret" } })
    finally(function() other:stop() end)
    local cases = {
      { options_of { user = "you" }, "SMTPAuthenticationError" },
      { options_of { password = "wrong" }, "SMTPAuthenticationError" },
      { options_of { tls_options = { cafile = top .. certs.path("untrusted.pem") } }, "SMTPTLSError" },
      { options_of { tls = false, user = nil }, "SMTPNotSupportedError" },
      { options_of { port = other.port }, "SMTPNotSupportedError" },
    }
    for i, case in ipairs(cases) do
      local result, err = server:run(send, case[1], i)
      assert.is_nil(result, "case " .. i)
      assert.is_true(err.is_error)
    end
    send_some(3, 3, good)
    assert.equal(3, mail:stats().messages)
    assert.equal(0, other:stats().messages)
  end)

  it("replaces a connection that the server has closed while it was idle", function()
    local options = options_of()
    send_some(1, 1, options)
    mail:script { disconnect = { NOOP = true } }
    send_some(2, 2, options)
    mail:script { replies = { MAIL = "421 4.4.2 idle for too long" }, disconnect = false }
    local result, err = server:run(send, options, 3)
    assert.is_nil(result)
    assert.same({ 421, "none", true }, { err.smtp_code, err.delivery, err.temporary })
    mail:script { replies = false }
    send_some(4, 4, options)
    assert.equal(3, mail:stats().messages)
  end)

  it("says goodbye on all connections when it is closed", function()
    local options = options_of()
    send_some(1, 1, options)
    assert.is_true(server:run("return require('smtplib').Mailer(...):close()", options))
    assert.is_true(nginx.eventually(function() return mail:stats().open == 0 end))
    assert.equal(1, count_commands("QUIT"))
  end)

  it("keeps its connections when it is used where no mail can be sent", function()
    server:stop()
    local lines = ([[
      location = /log { return 204; log_by_lua_block {
        local handler = require "spec.nginx.support.handler"
        handler.keep("log", handler.mailer:send { from = "a@example.com", to = "b@example.org", text = "x" })
      } }
    ]])
    server = nginx.start { server = lines }
    local options = options_of()
    send_some(1, 1, options)
    server:run("require('spec.nginx.support.handler').mailer = require('smtplib').Mailer(...)", options)
    server:get("/log")
    local kept
    assert.is_true(nginx.eventually(function()
      kept = server:run("return require('spec.nginx.support.handler').kept.log")
      return kept
    end))
    assert.equal("phase", kept[2].code)
    send_some(2, 2, options)
    assert.equal(1, mail:stats().connections)
  end)
end)
