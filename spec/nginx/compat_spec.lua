-- Programs of other libraries inside nginx: lua-resty-mail's as they are there, and
-- LuaSocket's, which could not run without holding up the worker.
local nginx = require "spec.nginx.support.nginx"
local smtplib = require "smtplib"

describe("inside nginx", function()
  local missing = nginx.missing()
  if missing then
    print(missing)
    return
  end
  local server, sink

  setup(function() server = nginx.start() end)
  teardown(function() server:stop() end)

  before_each(function() sink = assert(smtplib.sink.start()) end)
  after_each(function()
    sink:stop()
    assert.equal("", server:alarms())
  end)

  it("lua-resty-mail's programs send, one connection for many requests", function()
    local tls = assert(smtplib.sink.start { tls = "starttls", auth = { me = "secret" }, require_auth = true })
    -- The certificate's issuer is among the machine's.
    local trusting = nginx.start { main = "env SSL_CERT_FILE=" .. tls.cafile .. ";" }
    for _ = 1, 3 do
      assert.is_true((trusting:run([[
        local mail = require "smtplib.compat.resty_mail"

        local mailer, err = mail.new({
          host = "localhost",
          port = ...,
          starttls = true,
          username = "me",
          password = "secret",
        })
        if err then return nil, err end
        local ok, failure = mailer:send({
          from = "Me <me@example.com>",
          to = { "you@example.com" },
          cc = { "she@example.com", "Him <him@example.com>" },
          subject = "Hello",
          text = "Text.",
          html = "<p>Text.</p>",
          attachments = { { filename = "list.txt", content_type = "text/plain", content = "1\n2" } },
        })
        if failure then return nil, failure end
        return ok
      ]], tls.port)))
    end
    assert.equal(3, #tls:messages())
    assert.equal(1, tls:stats().connections)
    assert.equal("me", tls:messages()[3].auth_user)
    local ok, err = trusting:run([[
      local mailer = require("smtplib.compat.resty_mail").new({ port = ..., starttls = true, ssl_host = "mail.example.com" })
      return mailer:send({ from = "me@example.com", to = { "you@example.com" }, text = "Text." })
    ]], tls.port)
    assert.is_false(ok)
    assert.truthy(err:find("^sslhandshake error: .*name"), err)
    assert.equal("", trusting:alarms())
    trusting:stop()
    tls:stop()
  end)

  it("LuaSocket's programs send, and the worker goes on meanwhile", function()
    sink:script { delays = { greeting = 0.5, DATA = 0.5 } }
    local program = [[
      local smtp = require "smtplib.compat.socket_smtp"
      return smtp.send {
        from = "<me@example.com>", rcpt = "<you@example.com>", server = (...), port = select(2, ...),
        source = smtp.message { headers = { subject = "Hello" }, body = "Text." },
      }
    ]]
    local requests = {}
    for i = 1, 5 do requests[i] = server:begin(program, sink.host, sink.port) end
    local all_open = nginx.eventually(function() return sink:stats().open == 5 end)
    assert.equal(200, (server:get("/ping")))
    for i = 1, 5 do assert.equal(1, (nginx.result(requests[i]))) end
    assert.is_true(all_open)
    assert.equal(5, #sink:messages())
  end)
end)
