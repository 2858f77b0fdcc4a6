-- The sink as a process: sockets, TLS, many at once. Clients are raw streams,
-- and Python's smtplib as somebody else's opinion.
local core = require "smtplib.core"
local sink = require "smtplib.sink"

local running

local function start(options)
  running = assert(sink.start(options))
  return running
end

local function dial(server)
  local stream = core.tcp()
  assert(stream:connect(server.host, server.port, { timeout = 5 }))
  return stream
end

-- Send, and read until the last line that came matches.
local function exchange(stream, bytes, pattern)
  if bytes then assert(stream:send(bytes)) end
  local said = ""
  while not said:find(pattern) do
    local more, why = stream:receive()
    if not more then return said, why end
    said = said .. more
  end
  return said
end

local ENVELOPE = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"

local function greet(server)
  local stream = dial(server)
  exchange(stream, nil, "^220 ")
  exchange(stream, "EHLO me\r\n", "\n250 [^\n]*\n$")
  return stream
end

local function python(server, script)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write("import smtplib, ssl, sys\nhost, port, cafile = sys.argv[1:4]\n", script)
  file:close()
  local command = ("/usr/bin/python3 %s %s %d %s 2>&1"):format(name, server.host, server.port,
    server.cafile or "-")
  local pipe = io.popen(command)
  local said = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return said
end

describe("a sink", function()
  after_each(function()
    if running then running:stop() end
    running = nil
  end)

  it("takes a message and hands it over", function()
    local server = start()
    local client = greet(server)
    exchange(client, ENVELOPE, "354 ")
    exchange(client, "hello\r\n..\r\n.\r\n", "250 ")
    local message = assert(server:wait(1, 5))[1]
    assert.equal("hello\r\n.\r\n", message.data)
    assert.equal("a@x", message.from)
    assert.same({ { addr = "b@y", params = {} } }, message.to)
    assert.same({ "EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA" }, server:commands())
  end)

  it("knows of a message as soon as the client knows", function()
    local server = start()
    local client = greet(server)
    for n = 1, 20 do
      exchange(client, ENVELOPE, "354 ")
      exchange(client, ".\r\n", "250 ")
      assert.equal(n, #server:messages())
    end
  end)

  it("counts turns: a pipelined group is one", function()
    local server = start()
    local client = greet(server)
    local before = server:stats().turns
    exchange(client, ENVELOPE, "354 ")
    exchange(client, "x\r\n.\r\n", "250 ")
    assert.equal(2, server:stats().turns - before)
  end)

  it("serves many connections at once", function()
    local server = start()
    local clients = {}
    for i = 1, 50 do clients[i] = greet(server) end
    for _, client in ipairs(clients) do exchange(client, ENVELOPE, "354 ") end
    for i = 50, 1, -1 do exchange(clients[i], i .. "\r\n.\r\n", "250 ") end
    assert.equal(50, #server:wait(50, 5))
    assert.equal(50, server:stats().connections)
  end)

  it("takes 20 MiB in one message", function()
    local server = start { extensions = { SIZE = false } }
    local client = greet(server)
    local line = ("x"):rep(70) .. "\r\n"
    local body = line:rep(math.ceil(20 * 1024 * 1024 / #line))
    exchange(client, ENVELOPE, "354 ")
    assert(client:send(body))
    exchange(client, ".\r\n", "250 ")
    -- Valgrind needs a minute for it.
    assert.is_true(server:wait(1, os.getenv("SPEC_UNDER") and 120 or 20)[1].data == body)
  end)

  it("takes 10,000 messages while nobody asks for them", function()
    local server = start()
    local client = greet(server)
    local round = (ENVELOPE:gsub("DATA\r\n", "BDAT 4 LAST\r\nab\r\n")):rep(100)
    for _ = 1, 100 do
      assert(client:send(round))
      local replies = 0
      while replies < 300 do
        replies = replies + select(2, assert(client:receive()):gsub("\n", ""))
      end
    end
    assert.equal(10000, #server:wait(10000, 20))
    assert.equal("ab\r\n", server:messages()[10000].data)
  end)

  it("follows its script: functions, delays, silence, disconnects, cut replies", function()
    local server = start {
      replies = { VRFY = function(session, argument) return "250 " .. session.helo .. argument end },
      delays = { NOOP = 0.2 }, stall = { RSET = true }, disconnect = { HELP = 3 }, cut = 2,
    }
    local client = greet(server)
    assert.equal("250 meyou\r\n", exchange(client, "VRFY you\r\n", "\n"))
    local before = core.now()
    exchange(client, "NOOP\r\n", "250 [^\n]*\n")
    assert.truthy(core.now() - before >= 0.2)
    local said, why = exchange(greet(server), "HELP\r\n", "\n")
    assert.same({ "214", "closed" }, { said, why })
    client:settimeout(0.2)
    said, why = exchange(client, "RSET\r\n", "\n")
    assert.same({ "", "timeout" }, { said, why })
  end)

  it("never ends a reply that has no end, and still serves others", function()
    local server = start { replies = { HELP = { endless = "214-more\r\n" } } }
    local client, other = greet(server), greet(server)
    local got = 0
    assert(client:send "HELP\r\n")
    while got < 1e6 do got = got + #assert(client:receive()) end
    exchange(other, "NOOP\r\n", "250 ")
    client:close()
    exchange(other, "NOOP\r\n", "250 ")
  end)

  it("changes its script while it runs", function()
    local server = start()
    local client = greet(server)
    assert(server:script { replies = { NOOP = "450 later" } })
    assert.equal("450 later\r\n", exchange(client, "NOOP\r\n", "\n"))
    assert(server:script { replies = false })
    assert.equal("250 2.0.0 ok\r\n", exchange(client, "NOOP\r\n", "\n"))
  end)

  it("listens on a Unix socket, and removes it", function()
    local path = os.tmpname()
    os.remove(path)
    local server = start { host = "unix:" .. path, lmtp = true }
    local client = dial(server)
    assert.truthy(exchange(client, nil, "\n"):find("LMTP"))
    server:stop()
    assert.is_nil((io.open(path)))
  end)

  it("says what is wrong when it cannot start, and blames a wrong option", function()
    local server = start()
    local second, err = sink.start { port = server.port }
    assert.is_nil(second)
    assert.truthy(tostring(err):find "in use")
    local ok, text = pcall(sink.start, { prot = 1 })
    assert.is_false(ok)
    assert.truthy(text:find "unknown option 'prot'")
  end)

  it("gives up waiting in time", function()
    local server = start()
    local before = core.now()
    local messages, err = server:wait(1, 0.2)
    assert.is_nil(messages)
    assert.equal("timeout", err.code)
    assert.truthy(core.now() - before < 2)
  end)

  it("is gone after stop, with its messages kept", function()
    local server = start()
    local client = greet(server)
    exchange(client, ENVELOPE, "354 ")
    exchange(client, ".\r\n", "250 ")
    local pid = server.child:pid()
    assert.is_true(server:stop())
    assert.is_true(server:stop())
    assert.equal(1, #server:messages())
    assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
    assert.is_nil((client:receive()))
  end)

  it("ends its process when it is collected", function()
    local pid = assert(sink.start()).child:pid()
    collectgarbage()
    collectgarbage()
    assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
  end)

  describe("talks to Python:", function()
    it("plain, with a refused recipient", function()
      local server = start { replies = { ["RCPT no@y"] = "550 5.1.1 no" } }
      assert.equal("{'no@y': (550, b'5.1.1 no')}\n", python(server, [[
s = smtplib.SMTP(host, int(port), timeout=5)
print(s.sendmail("a@x", ["b@y", "no@y"], "Subject: hi\n\n.dot\n"))
s.quit()]]))
      assert.equal("Subject: hi\r\n\r\n.dot\r\n", server:wait(1, 5)[1].data)
    end)

    it("STARTTLS with the sink's own certificate, then AUTH", function()
      local server = start { tls = "starttls", auth = { me = "secret" }, require_auth = true,
        mechanisms = { "CRAM-MD5", "PLAIN" } }
      assert.equal("ok\n", python(server, [[
s = smtplib.SMTP(host, int(port), timeout=5)
s.starttls(context=ssl.create_default_context(cafile=cafile))
s.login("me", "secret")
s.sendmail("a@x", "b@y", "x" * 200000)
s.quit()
print("ok")]]))
      local message = server:wait(1, 5)[1]
      assert.equal(200002, #message.data)
      assert.equal("me", message.auth_user)
      assert.equal("TLSv1.3", message.tls)
      assert.equal(1, server:stats().handshakes)
    end)

    it("TLS from the first byte", function()
      local server = start { tls = "implicit", name = "localhost" }
      assert.equal("220\n", python(server, [[
s = smtplib.SMTP_SSL("localhost", int(port), timeout=5,
                     context=ssl.create_default_context(cafile=cafile))
print(220 if s.noop()[0] == 250 else "?")
s.sendmail("a@x", "b@y", "x")
s.quit()]]))
      assert.equal("TLSv1.3", server:wait(1, 5)[1].tls)
    end)

    it("LMTP", function()
      local server = start { lmtp = true }
      assert.equal("{}\n", python(server, [[
s = smtplib.LMTP(host, int(port))
print(s.sendmail("a@x", ["b@y"], "x"))
s.quit()]]))
      assert.equal("b@y", server:wait(1, 5)[1].to[1].addr)
    end)
  end)
end)
