-- The same calls as anywhere, in a request of nginx.
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

describe("In nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail
  setup(function()
    mail = assert(sink.start())
    server = nginx.start()
  end)
  teardown(function()
    if server then server:stop() end
    if mail then mail:stop() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  it("a request sends a message", function()
    local refused, err = server:run([[
      local host, port = ...
      local smtplib = require "smtplib"
      local client, err = smtplib.SMTP(host, port)
      if not client then return nil, err end
      local refused, err = client:sendmail("a@example.com", { "b@example.org" }, "Subject: hi\n\nHello.\n.dot\n")
      client:quit()
      return refused, err
    ]], mail.host, mail.port)
    assert.same({}, refused, err and err.text)
    local message = assert(mail:wait(1, 10))[1]
    assert.equal("Subject: hi\r\n\r\nHello.\r\n.dot\r\n", message.data)
    assert.equal("b@example.org", message.to[1].addr)
  end)
end)
