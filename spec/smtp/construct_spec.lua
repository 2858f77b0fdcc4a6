-- Making the objects: arguments by position and by name, hosts and ports, what
-- is misuse, and where nothing answers (API sections 1, 3, 5).
local core = require "smtplib.core"
local client = require "spec.support.client"
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

-- Arguments that reach no connection: the transport refuses, after it was
-- asked.
local function connects_of(class, options)
  local there = peer.new { refuse = "ECONNREFUSED" }
  options.transport = there
  local server, err = smtplib[class](options)
  assert.is_nil(server)
  assert.equal("ECONNREFUSED", err.code)
  return there.connects
end

-- A port of this machine on which nobody listens.
local function silent_port()
  local listener = assert(core.listen("127.0.0.1", 0))
  local port = listener:port()
  listener:close()
  return port
end

describe("an object without a host", function()
  it("is not connected yet", function()
    for _, class in ipairs { "SMTP", "SMTP_SSL", "LMTP" } do
      local server = smtplib[class]()
      assert.is_nil(server.sock)
      assert.is_false(server:is_open())
      assert.same({}, server.esmtp_features)
      assert.equal("smtplib." .. class .. " (not connected)", tostring(server))
    end
    assert.is_nil(smtplib.SMTP("").sock)
    assert.is_nil(smtplib.SMTP({}).sock)
  end)

  it("reads its arguments back as given", function()
    local source = { "127.0.0.1", 0 }
    local server = smtplib.SMTP("", 0, "me.example", 12.5, source)
    assert.equal("me.example", server.local_hostname)
    assert.equal(12.5, server.timeout)
    assert.equal(source, server.source_address)
    assert.equal(math.huge, smtplib.SMTP { timeout = math.huge }.timeout)
    assert.equal(60, smtplib.SMTP().timeout)
    local three = { connect = 1, send = 2, read = 3 }
    assert.equal(three, smtplib.SMTP { timeout = three }.timeout)
  end)

  it("takes positional arguments in the order of its class", function()
    local source = { "127.0.0.1", 0 }
    local lmtp = smtplib.LMTP(nil, nil, "me.example", source, 7)
    assert.equal(source, lmtp.source_address)
    assert.equal(7, lmtp.timeout)
    local context = assert(smtplib.ssl.create_default_context { verify = false })
    local tls = smtplib.SMTP_SSL(nil, nil, nil, 7, source, context)
    assert.equal(7, tls.timeout)
    assert.equal(source, tls.source_address)
    assert.equal(context, tls.context)
  end)

  it("leaves the caller's table as it was", function()
    local options = { username = "me", password = "secret" }
    smtplib.SMTP_SSL(options)
    assert.same({ username = "me", password = "secret" }, options)
  end)

  it("has user and password to be read and assigned", function()
    local server = smtplib.SMTP { username = "me", password = "secret" }
    assert.equal("me", server.user)
    assert.equal("secret", server.password)
    server.user, server.password = "you", "other"
    assert.equal("\0you\0other", server:auth_plain())
  end)
end)

describe("a host", function()
  local rows = {
    { "localhost", nil, "localhost", 25 }, { "localhost", 0, "localhost", 25 }, { "localhost", 2525, "localhost", 2525 },
    { "localhost:2525", nil, "localhost", 2525 }, { "localhost:2525", 0, "localhost", 2525 },
    { "127.0.0.1:26", nil, "127.0.0.1", 26 }, { "[::1]:27", nil, "::1", 27 }, { "[::1]", nil, "::1", 25 },
    { "::1", nil, "::1", 25 }, { "::1", 28, "::1", 28 }, { "localhost", "2525", "localhost", 2525 },
    { "localhost:0", nil, "localhost", 25 }, { "unix:/tmp/socket", nil, "/tmp/socket", 0 },
    { "/tmp/socket", nil, "/tmp/socket", 0 },
  }
  for _, row in ipairs(rows) do
    it(("may be %q with port %s"):format(row[1], tostring(row[2])), function()
      assert.same({ { row[3], row[4] } }, connects_of("SMTP", { host = row[1], port = row[2] }))
    end)
  end

  it("has the default port of its class", function()
    assert.same({ { "localhost", 465 } }, connects_of("SMTP_SSL", { host = "localhost" }))
    assert.same({ { "localhost", 2003 } }, connects_of("LMTP", { host = "localhost" }))
    assert.same({ { "localhost", 465 } }, connects_of("SMTP", { host = "localhost", tls = "implicit" }))
  end)

  it("with a port that is none is misuse", function()
    for _, row in ipairs {
      { "localhost:bogus" }, { "localhost:" }, { "localhost", "bogus" }, { "localhost", 65536 }, { "localhost", -1 },
      { "localhost", 2.5 }, { "localhost:70000" }, { "[::1]:x" }, { "[::1]25" }, { "localhost", math.huge },
      { "localhost", 0 / 0 },
    } do
      local text = client.misuse(function() smtplib.SMTP(row[1], row[2]) end)
      assert.truthy(text:find("'port' to 'SMTP'", 1, true), text)
      text = client.misuse(function() smtplib.SMTP { host = row[1], port = row[2] } end)
      assert.truthy(text:find("'port' to 'SMTP'", 1, true), text)
      local server = smtplib.SMTP()
      text = client.misuse(function() server:connect(row[1], row[2]) end)
      assert.truthy(text:find("'port' to 'connect'", 1, true), text)
    end
  end)

  it("with CR, LF or NUL is an error and asks nobody", function()
    for _, bad in ipairs { "local\rhost", "local\nhost", "local\0host", "localhost\r\n" } do
      local server, err = smtplib.SMTP(bad, 25)
      assert.is_nil(server)
      assert.is_true(err:is(smtplib.SMTPException))
      assert.equal("none", err.delivery)
    end
  end)
end)

describe("misuse of a constructor", function()
  it("is an unknown option, by its name", function()
    for _, class in ipairs { "SMTP", "SMTP_SSL", "LMTP" } do
      assert.equal("unknown option 'tiemout'", client.misuse(function() smtplib[class] { tiemout = 3 } end))
    end
    assert.equal("unknown option '1'", client.misuse(function() smtplib.SMTP { "localhost" } end))
    assert.equal("unknown option 'limits.lines'", client.misuse(function() smtplib.SMTP { limits = { lines = 1 } } end))
    assert.equal("unknown option 'timeout.write'", client.misuse(function() smtplib.SMTP { timeout = { write = 1 } } end))
    assert.equal("unknown option 'verfy'", client.misuse(function() smtplib.SMTP { tls_options = { verfy = false } } end))
    assert.equal("unknown option 'auth.tokn'", client.misuse(function() smtplib.SMTP { auth = { tokn = "x" } } end))
  end)

  it("is a wrong type, with the argument's name", function()
    local rows = {
      { "host", 25 }, { "port", {} }, { "local_hostname", 1 }, { "source_address", "127.0.0.1" }, { "timeout", "9" },
      { "tls", 1 }, { "context", "x" }, { "tls_options", "x" }, { "user", 1 }, { "password", 1 }, { "auth", "PLAIN" },
      { "debuglevel", "1" }, { "trace", "x" }, { "transport", "tcp" }, { "limits", 1 }, { "command_timeouts", 1 },
      { "allow_insecure_auth", "yes" }, { "add_missing_headers", 1 }, { "username", {} },
    }
    for _, row in ipairs(rows) do
      local text = client.misuse(function() smtplib.SMTP { [row[1]] = row[2] } end)
      assert.truthy(text:find("bad argument '" .. row[1] .. "' to 'SMTP' (", 1, true), text)
    end
  end)

  it("is a wrong type by position", function()
    local text = client.misuse(function() smtplib.SMTP(25) end)
    assert.equal("bad argument 'host' to 'SMTP' (string expected, got number)", text)
    text = client.misuse(function() smtplib.LMTP("localhost", 25, nil, 3) end)
    assert.truthy(text:find("'source_address' to 'LMTP'", 1, true), text)
    text = client.misuse(function() smtplib.SMTP("localhost", 25, nil, 3, nil, 1) end)
    assert.truthy(text:find("too many arguments", 1, true), text)
  end)

  it("is a time-out that is not positive", function()
    for _, bad in ipairs { 0, -1, 0 / 0, -math.huge } do
      for _, options in ipairs {
        { timeout = bad }, { timeout = { read = bad } }, { timeout = { connect = bad } }, { timeout = { send = bad } },
        { command_timeouts = { data_final = bad } },
      } do
        local text = client.misuse(function() smtplib.SMTP(options) end)
        assert.truthy(text:find("positive number", 1, true), text)
      end
      local text = client.misuse(function() smtplib.SMTP("", 0, nil, bad) end)
      assert.truthy(text:find("'timeout' to 'SMTP'", 1, true), text)
    end
  end)

  it("is an unknown way of TLS", function()
    for _, bad in ipairs { true, "ssl", "STARTTLS", "" } do
      assert.truthy(client.misuse(function() smtplib.SMTP { tls = bad } end):find("'tls' to 'SMTP'", 1, true))
    end
  end)

  it("is a limit of replies that is not a positive whole number", function()
    for _, bad in ipairs { 0, -1, 1.5, 0 / 0 } do
      for _, name in ipairs { "reply_line", "reply_lines" } do
        local text = client.misuse(function() smtplib.SMTP { limits = { [name] = bad } } end)
        assert.truthy(text:find("limits." .. name, 1, true), text)
      end
    end
  end)

  it("is a user without a password, and two contexts", function()
    assert.truthy(client.misuse(function() smtplib.SMTP { user = "me" } end):find("'password'", 1, true))
    local context = assert(smtplib.ssl.create_default_context())
    assert.truthy(client.misuse(function()
      smtplib.SMTP { context = context, tls_options = {} }
    end):find("exclude", 1, true))
  end)
end)

describe("a connection that is not made", function()
  it("is refused: SMTPSocketError ECONNREFUSED, temporary, nothing delivered", function()
    local port = silent_port()
    local server, err = smtplib.SMTP("127.0.0.1", port)
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("ECONNREFUSED", err.code)
    assert.is_true(err.temporary)
    assert.equal("none", err.delivery)
    assert.equal("connect", err.command)
    assert.truthy(tostring(err):find("SMTPSocketError: ", 1, true))
    server = smtplib.SMTP()
    local code
    code, err = server:connect("127.0.0.1", port)
    assert.is_nil(code)
    assert.equal("ECONNREFUSED", err.code)
    assert.is_nil(server.sock)
  end)

  it("has an unknown host: SMTPSocketError", function()
    local server, err = smtplib.SMTP { host = "no-such-host.invalid", timeout = 5 }
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("lookup", err.code)
    assert.equal("none", err.delivery)
    assert.truthy(err.message:find("no-such-host.invalid", 1, true), err.message)
  end)

  it("has no such Unix socket", function()
    local server, err = smtplib.LMTP("/nonexistent/lmtp.socket")
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("ENOENT", err.code)
  end)

  it("has a source address that is not ours", function()
    local port = silent_port()
    local server, err = smtplib.SMTP { host = "127.0.0.1", port = port, source_address = { "192.0.2.1", 0 } }
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("EADDRNOTAVAIL", err.code)
  end)

  it("has a greeting other than 220: SMTPConnectError", function()
    local server, err = client.try { replies = { greeting = "554 5.3.2 no service" } }
    assert.is_nil(server)
    assert.equal("SMTPConnectError", err.name)
    assert.equal(554, err.smtp_code)
    assert.equal("no service", err.smtp_error)
    assert.equal("5.3.2", err.enhanced_code)
    assert.equal("greeting", err.command)
    assert.is_false(err.temporary)
    server, err = client.try { replies = { greeting = "421 later" } }
    assert.is_nil(server)
    assert.equal(421, err.smtp_code)
    assert.is_true(err.temporary)
  end)
end)

describe("a real socket", function()
  local sink
  setup(function() sink = assert(smtplib.sink.start()) end)
  teardown(function() sink:stop() end)

  it("serves the quick start", function()
    local server = assert(smtplib.SMTP(sink.host, sink.port))
    local refused = assert(server:sendmail("sender@example.com", "target@example.com",
      "Subject:testing smtplib\n\nBody of the message"))
    assert.same({}, refused)
    assert.equal(221, (server:quit()))
    local message = assert(sink:wait(1, 5))[1]
    assert.equal("sender@example.com", message.from)
    assert.equal("Subject:testing smtplib\r\n\r\nBody of the message\r\n", message.data)
  end)

  it("is told to the object: sock, tostring, name:port", function()
    local server = assert(smtplib.SMTP(sink.host .. ":" .. sink.port))
    finally(function() server:close() end)
    assert.truthy(server.sock)
    assert.equal(("smtplib.SMTP (%s:%d)"):format(sink.host, sink.port), tostring(server))
  end)

  it("comes from the source address", function()
    local server = assert(smtplib.SMTP { host = sink.host, port = sink.port, source_address = { "127.0.0.9", 0 } })
    finally(function() server:close() end)
    assert.truthy(server.sock:near():find("127.0.0.9", 1, true))
  end)

  it("names itself by the system's name or its address", function()
    local server = assert(smtplib.SMTP(sink.host, sink.port))
    finally(function() server:close() end)
    local name = core.gethostname()
    if not name:find(".", 1, true) then name = "[127.0.0.1]" end
    assert.equal(name, server.local_hostname)
    server:ehlo()
    assert.equal("EHLO " .. name, client.last(sink:commands()))
  end)

  it("may be a Unix socket, for SMTP and LMTP", function()
    for _, class in ipairs { "SMTP", "LMTP" } do
      local path = os.tmpname()
      os.remove(path)
      local there = assert(smtplib.sink.start { host = "unix:" .. path, lmtp = class == "LMTP" })
      for _, host in ipairs { path, "unix:" .. path } do
        local server = assert(smtplib[class](host))
        assert.same({}, server:sendmail("a@example.com", "b@example.com", "hi"))
        server:quit()
      end
      assert.equal(2, #assert(there:wait(2, 5)))
      there:stop()
    end
  end)
end)

describe("local_hostname", function()
  it("is sent as given", function()
    local server, there = client.connect(nil, { local_hostname = "[192.0.2.7]" })
    server:ehlo()
    server:helo("other.example")
    assert.same({ "EHLO [192.0.2.7]", "HELO other.example" }, there:commands())
  end)

  it("with a control character is an error, nothing is sent, the connection stays", function()
    for _, bad in ipairs { "a\rb", "a\nb", "a\0b", "a\r\nMAIL FROM:<x@y>" } do
      local server, there = client.connect(nil, { local_hostname = bad })
      for _, method in ipairs { "ehlo", "helo", "ehlo_or_helo_if_needed" } do
        local code, err = server[method](server)
        assert.is_nil(code)
        assert.equal("SMTPException", err.name)
        assert.equal("none", err.delivery)
      end
      local refused, err = server:sendmail("a@b.example", "c@d.example", "hi")
      assert.is_nil(refused)
      assert.equal("SMTPException", err.name)
      assert.same({}, there:commands())
      assert.is_true(server:is_open())
      assert.equal(250, (server:ehlo("good.example")))
    end
  end)
end)
