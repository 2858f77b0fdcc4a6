-- A connection of the sink without a socket, as the in-memory peer uses it.
local core = require "smtplib.core"
local peer = require "spec.support.peer"

local function context_of_server(options)
  local certificate, key = core.self_signed("mx.example")
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(certificate, key)
  file:close()
  local server = { server = true, certfile = name }
  for k, v in pairs(options or {}) do server[k] = v end
  local context = assert(core.tls_context(server))
  os.remove(name)
  return context, assert(core.tls_context { cadata = certificate })
end

-- A client with TLS over a transport.
local Client = {}
Client.__index = Client

local function secure(transport, context, host)
  local client = setmetatable({ transport = transport, tls = assert(core.tls(context, host)) }, Client)
  client:flush()
  while client.tls:state() == "handshake" do
    if not client:fill() then break end
  end
  return client
end

function Client:flush()
  local bytes = self.tls:output()
  if bytes ~= "" then self.transport:send(bytes) end
end

function Client:fill()
  local bytes = self.transport:receive()
  if not bytes then return false end
  self.tls:input(bytes)
  self:flush()
  return true
end

function Client:ask(bytes, pattern)
  if bytes then
    assert(self.tls:write(bytes))
    self:flush()
  end
  local said = ""
  repeat
    local plain = self.tls:read()
    said = said .. (plain or "")
    if not plain and not said:find(pattern) and not self:fill() then return said end
  until said:find(pattern)
  return said
end

describe("a peer in memory", function()
  it("cuts replies, counts writes and turns", function()
    local transport = peer.new { cut = 1 }
    transport:connect("localhost", 25)
    local said = ""
    while not said:find "\n" do said = said .. assert(transport:receive()) end
    assert.equal("220 sink.example ESMTP ready\r\n", said)
    transport:send "EHLO me\r\n"
    assert.equal("2", transport:receive())
    assert.equal("5", transport:receive())
    assert.same({ 1, 1 }, { transport.writes, transport.turns })
  end)

  it("lets simulated time pass, and no more than the client waits", function()
    local transport = peer.new { delays = { NOOP = 60 }, stall = { RSET = true } }
    transport:connect("localhost", 25)
    transport:receive()
    transport:settimeout(100)
    transport:send "NOOP\r\n"
    assert.truthy(transport:receive())
    assert.equal(60, transport.clock)
    transport:settimeout(50)
    transport:send "NOOP\r\n"
    assert.same({ nil, "timeout" }, { transport:receive() })
    assert.equal("250 ok\r\n", transport:receive())
    transport:send "RSET\r\n"
    assert.same({ nil, "timeout" }, { transport:receive() })
  end)

  it("fails at the chosen call", function()
    for _, what in ipairs { "send", "receive" } do
      local transport = peer.new { fail = { [what] = 2, with = "timeout" } }
      transport:connect("localhost", 25)
      assert.truthy(transport:receive())
      assert.truthy(transport:send "NOOP\r\n")
      if what == "receive" then
        assert.same({ nil, "timeout" }, { transport:receive() })
      else
        assert.same({ nil, "timeout" }, { transport:send "NOOP\r\n" })
      end
      assert.same({ nil, "closed" }, { transport:receive() })
    end
    assert.same({ nil, "refused" }, { peer.new { refuse = "refused" }:connect("h", 25) })
  end)

  it("speaks TLS after STARTTLS and from the first byte, however it is cut", function()
    for _, cut in ipairs { 7, 1e6 } do
      local server, trusting = context_of_server()
      local transport = peer.new { context = server, cut = cut, auth = { me = "secret" } }
      transport:connect("mx.example", 25)
      repeat until transport:receive():find "\n"
      transport:send "EHLO me\r\nSTARTTLS\r\n"
      local said = ""
      repeat said = said .. transport:receive() until said:find "220 2.0.0 [^\n]*\n"
      assert.truthy(said:find("250-STARTTLS", 1, true))
      local client = secure(transport, trusting, "mx.example")
      assert.equal("open", client.tls:state())
      said = client:ask("EHLO me\r\n", "\n250 [^\n]*\n")
      assert.truthy(said:find("SCRAM-SHA-256-PLUS", 1, true))
      assert.falsy(said:find("STARTTLS", 1, true))
      assert.equal("221", client:ask("QUIT\r\n", "\n"):sub(1, 3))
      repeat until not client:fill()
      assert.is_nil(client.tls:read())
      assert.equal("closed", client.tls:state())

      transport = peer.new { context = server, implicit = true, cut = cut }
      transport:connect("mx.example", 465)
      client = secure(transport, trusting, "mx.example")
      assert.equal("220", client:ask(nil, "\n"):sub(1, 3))
    end
  end)

  it("binds SCRAM-PLUS to the same bytes as the client", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local server, trusting = context_of_server { max_version = version }
      local transport = peer.new { context = server, implicit = true }
      transport:connect("mx.example", 465)
      local client = secure(transport, trusting, "mx.example")
      client:ask(nil, "\n")
      local kind, bytes = client.tls:binding()
      assert.equal(bytes, transport.session.tls.binding(kind))
      assert.is_nil(transport.session.tls.binding("tls-nonsense"))
    end
  end)

  it("ends when the client refuses the certificate", function()
    local server = context_of_server()
    local _, trusting_another = context_of_server()
    local transport = peer.new { context = server, implicit = true }
    transport:connect("mx.example", 465)
    local client = secure(transport, trusting_another, "mx.example")
    assert.equal("failed", client.tls:state())
    assert.is_true(transport.link.ended)
  end)

  it("injects replies behind the 220 of STARTTLS, and goes on to TLS", function()
    local server, trusting = context_of_server()
    local transport = peer.new { context = server,
      replies = { STARTTLS = "220 go\r\n250 injected\r\n" } }
    transport:connect("mx.example", 25)
    transport:receive()
    transport:send "STARTTLS\r\n"
    assert.equal("220 go\r\n250 injected\r\n", transport:receive())
    local client = secure(transport, trusting, "mx.example")
    assert.equal("250", client:ask("EHLO me\r\n", "\n250 "):sub(1, 3))
  end)

  it("leaves the client alone with its handshake", function()
    local server, trusting = context_of_server()
    for _, implicit in ipairs { false, true } do
      local transport = peer.new { context = server, implicit = implicit, stall = { TLS = true } }
      transport:connect("mx.example", 25)
      if not implicit then
        transport:send "STARTTLS\r\n"
        assert.truthy(transport:receive():find("\n220 ", 1, true))
      end
      local client = secure(transport, trusting, "mx.example")
      assert.equal("handshake", client.tls:state())
      assert.same({ nil, "timeout" }, { transport:receive() })
    end
  end)

  it("stays in clear after STARTTLS when it has no certificate", function()
    local transport = peer.new { starttls = true }
    transport:connect("mx.example", 25)
    transport:send "EHLO me\r\nSTARTTLS\r\n"
    transport:receive()
    transport:send "\22\3\1 is no command\r\n"
    assert.truthy(transport:receive():find "500 ")
  end)
end)
