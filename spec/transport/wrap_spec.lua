local wrap = require("smtplib.transport").wrap

-- Sockets of several makes, scripted: `incoming` is an array of chunks, each a
-- string or an error; `sent` collects what was written.
local function new_socket(incoming)
  return { incoming = incoming or {}, sent = {}, timeouts = {}, closed = 0 }
end

local base = {}

function base:settimeout(seconds)
  self.timeouts[#self.timeouts + 1] = seconds
end

function base:close()
  self.closed = self.closed + 1
end

function base:connect(host, port)
  self.connected = host .. ":" .. port
  return 1
end

function base:getpeername()
  return self.connected and self.connected:match("^(.*):")
end

function base:send(bytes)
  local portion = bytes:sub(1, self.portion or #bytes)
  self.sent[#self.sent + 1] = portion
  return #portion
end

-- LuaSocket: exactly n bytes, or nil, error, what there was.
local function receive_exactly(self, n)
  local have = ""
  while #have < n do
    local chunk = self.incoming[1]
    if chunk == nil or chunk == "timeout" or chunk == "closed" then
      if chunk ~= "closed" then table.remove(self.incoming, 1) end
      return nil, chunk or "timeout", have
    end
    local taken = chunk:sub(1, n - #have)
    have = have .. taken
    if #taken == #chunk then table.remove(self.incoming, 1) else self.incoming[1] = chunk:sub(#taken + 1) end
  end
  return have
end

local function make(incoming, extra)
  local sock = new_socket(incoming)
  for name, method in pairs(base) do sock[name] = method end
  for name, method in pairs(extra) do sock[name] = method end
  return sock
end

local makes = {
  luasocket = { receive = receive_exactly, dirty = function() return false end },
  copas = {
    receivepartial = function(self)
      local chunk = table.remove(self.incoming, 1)
      if chunk == "timeout" or chunk == "closed" then return nil, chunk, "" end
      return chunk
    end,
  },
  ["old copas"] = {
    receivePartial = function(self)
      local chunk = table.remove(self.incoming, 1)
      if chunk == "timeout" or chunk == "closed" then return nil, chunk, "" end
      return nil, "timeout", chunk
    end,
  },
  cosocket = {
    getreusedtimes = function() return 0 end,
    receiveany = function(self)
      local chunk = table.remove(self.incoming, 1)
      if chunk == "timeout" or chunk == "closed" then return nil, chunk end
      return chunk
    end,
  },
  unknown = { receive = receive_exactly },
}

for name, extra in pairs(makes) do
  describe("a wrapped socket (" .. name .. ")", function()
    local function connected(incoming)
      local sock = make(incoming, extra)
      local stream = wrap(sock)
      assert(stream:connect("mail.example", 25, { timeout = 7 }))
      return stream, sock
    end

    it("receives what is there, then the end", function()
      local stream = connected { "220 hello\r\n", "timeout", "250 ok\r\n", "closed" }
      local got = ""
      while #got < 19 do
        local bytes, err = stream:receive()
        if not bytes then
          assert.equal("timeout", err)
          stream.open = true -- the script goes on
        end
        got = got .. (bytes or "")
      end
      assert.equal("220 hello\r\n250 ok\r\n", got)
      local bytes, err = stream:receive()
      assert.same({ nil, "closed" }, { bytes, err })
    end)

    it("hands over what came before the end", function()
      local stream = connected { "421 bye\r\n", "closed" }
      local got = ""
      repeat
        local bytes, err = stream:receive()
        got = got .. (bytes or "")
      until not bytes and err
      assert.equal("421 bye\r\n", got)
    end)

    it("closes after a time-out", function()
      local stream, sock = connected { "timeout" }
      assert.equal("timeout", select(2, stream:receive()))
      assert.equal(1, sock.closed)
      assert.is_false(stream:is_open())
      assert.equal("closed", select(2, stream:receive()))
      assert.equal("closed", select(2, stream:send("x")))
    end)

    it("sends all, also in portions", function()
      local stream, sock = connected()
      sock.portion = 4
      assert.is_true(stream:send("0123456789"))
      assert.equal("0123456789", table.concat(sock.sent))
    end)
  end)
end

describe("wrap", function()
  it("connects a fresh socket, and takes a connected one as it is", function()
    local sock = make({}, makes.luasocket)
    assert(wrap(sock):connect("one.example", 25))
    assert.equal("one.example:25", sock.connected)
    assert(wrap(sock):connect("two.example", 25))
    assert.equal("one.example:25", sock.connected)
  end)

  it("takes a wrapper without connect as connected, and closes the socket within", function()
    local inner = make({}, {})
    local stream = wrap({ socket = inner, receive = receive_exactly, incoming = { "x" } })
    assert.is_true(stream:is_open())
    assert(stream:connect("one.example", 25))
    assert.equal("x", stream:receive())
    assert.is_true(stream:close())
    assert.equal(1, inner.closed)
  end)

  it("reports a connection that fails, in the socket's words", function()
    local sock = make({}, makes.luasocket)
    sock.connect = function() return nil, "connection refused" end
    local done, name, sentence = wrap(sock):connect("one.example", 25)
    assert.same({ nil, "system" }, { done, name })
    assert.truthy(sentence:find("one.example: connection refused", 1, true))
    assert.equal(1, sock.closed)
  end)

  it("passes time-outs on, and clamps math.huge", function()
    local sock = make({ "x" }, makes.unknown)
    local stream = wrap(sock)
    assert(stream:connect("one.example", 25, { timeout = { connect = 1, send = 2, read = math.huge } }))
    assert(stream:send("x"))
    assert.equal("x", stream:receive())
    assert.same({ 1, 2, 2147483 }, sock.timeouts)
  end)

  it("counts in milliseconds for cosockets", function()
    local sock = make({ "x" }, makes.cosocket)
    assert(wrap(sock):connect("one.example", 25, { timeout = 1.5 }))
    assert.same({ 1500 }, sock.timeouts)
  end)

  it("binds the source address where the socket can", function()
    local sock = make({}, makes.luasocket)
    sock.bind = function(self, host, port) self.bound = host .. ":" .. port return 1 end
    assert(wrap(sock):connect("one.example", 25, { source_address = { "127.0.0.2", 0 } }))
    assert.equal("127.0.0.2:0", sock.bound)
  end)

  it("knows loopback peers", function()
    local rows = { ["127.0.0.1"] = true, ["::1"] = true, localhost = true, ["192.0.2.1"] = false,
                   ["127.0.0.1.example"] = false, ["/run/lmtp"] = true }
    for host, expected in pairs(rows) do
      local stream = wrap(make({}, makes.unknown))
      assert(stream:connect(host, 25))
      assert.equal(expected, stream:is_loopback(), host)
    end
  end)

  it("raises on anything but an object", function()
    local ok, err = pcall(function() local stream = wrap("socket") return stream end)
    assert.is_false(ok)
    assert.truthy(err:find("wrap_spec.lua:", 1, true) and err:find("'sock' to 'wrap'", 1, true))
  end)
end)
