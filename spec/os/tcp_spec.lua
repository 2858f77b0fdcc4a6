local core = require "smtplib.core"
local peer = require "spec.os.peer"

local MEGABYTE = ("x"):rep(1024 * 1024)

local function connect(...)
  return core.tcp():connect(...)
end

describe("connecting", function()
  it("reports a refused connection by the system's name", function()
    local done, name, sentence = connect("127.0.0.1", peer.free_port(), { timeout = 5 })
    assert.is_nil(done)
    assert.equal("ECONNREFUSED", name)
    assert.truthy(sentence:find("127.0.0.1", 1, true))
  end)

  it("reports an unknown host as a failed lookup that names it", function()
    local done, name, sentence = connect("no-such-host.invalid", 25, { timeout = 20 })
    assert.is_nil(done)
    assert.equal("lookup", name)
    assert.truthy(sentence:find("no-such-host.invalid", 1, true))
  end)

  it("gives up at the time-out while the name is still being looked up", function()
    if (os.getenv("LD_PRELOAD") or ""):find("vgpreload", 1, true) then
      return pending("valgrind runs one thread at a time")
    end
    for _ = 1, 3 do
      local _, name, sentence = connect("no-such-host.invalid", 25, { timeout = 1e-6 })
      assert.equal("timeout", name)
      assert.truthy(sentence:find("looking up no-such-host.invalid", 1, true))
    end
  end)

  it("looks up for as long as it takes with math.huge", function()
    local _, name = connect("no-such-host.invalid", 25, { timeout = math.huge })
    assert.equal("lookup", name)
  end)

  it("reports a name that no host can have", function()
    local _, name, sentence = connect(("x"):rep(5000), 25, { timeout = 5 })
    assert.equal("lookup", name)
    assert.truthy(sentence:find("too long", 1, true))
  end)

  it("gives up at the time-out where a peer does not answer", function()
    local listener = assert(core.listen("127.0.0.1", 0, 0))
    local first = core.tcp()
    assert(first:connect("127.0.0.1", listener:port(), { timeout = 5 })) -- fills the backlog
    local done, name, sentence = connect("127.0.0.1", listener:port(), { timeout = 0.2 })
    assert.is_nil(done)
    assert.equal("timeout", name)
    assert.truthy(sentence:find("connecting to", 1, true))
  end)

  it("tries the next address: localhost is found where only IPv4 listens", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    for _, host in ipairs { "localhost", "LOCALHOST.", "mail.localhost" } do
      local client = core.tcp()
      assert(client:connect(host, listener:port(), { timeout = 5 }))
      assert.equal("127.0.0.1", (client:peer()))
    end
  end)

  it("lets no missing route hide that the connection was refused", function()
    local options = { timeout = 5, source_address = { "127.0.0.1", 0 } }
    local _, name = connect("localhost", peer.free_port(), options)
    assert.equal("ECONNREFUSED", name)
  end)

  it("restricts a name to the family that was asked for", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local port = listener:port()
    assert.is_true((connect("localhost", port, { timeout = 5, family = 4 })))
    assert.is_nil((connect("localhost", port, { timeout = 5, family = 6 })))
  end)

  it("speaks IPv6", function()
    if not core.listen("::1", 0) then return pending("no IPv6 here") end
    local client, server = peer.pair("::1")
    assert.equal("[IPv6:::1]", client:local_literal())
    assert.equal("::1", (server:peer()))
    assert.is_true(client:is_loopback())
  end)

  it("speaks to Unix sockets, by either spelling", function()
    local path = peer.unix_path()
    local listener = assert(core.listen("unix:" .. path))
    for _, host in ipairs { path, "unix:" .. path } do
      local client = core.tcp()
      assert(client:connect(host, nil, { timeout = 5 }))
      local server = assert(listener:accept(5))
      assert(server:send("hello"))
      assert.equal("hello", client:receive())
      assert.is_true(client:is_loopback())
      assert.equal("[127.0.0.1]", client:local_literal())
    end
    os.remove(path)
  end)

  it("reports what is wrong with a Unix socket's path", function()
    local _, missing = connect("/no/such/socket")
    local _, long = connect("/" .. ("x"):rep(300))
    local _, empty = connect("unix:")
    assert.same({ "ENOENT", "ENAMETOOLONG", "ENOENT" }, { missing, long, empty })
  end)

  it("waits for a Unix socket with a full backlog, no longer than the time-out", function()
    local path = peer.unix_path()
    local listener = assert(core.listen(path, 0, 0))
    local first = core.tcp()
    assert(first:connect(path))
    local _, name = connect(path, nil, { timeout = 0.1 })
    assert.equal("timeout", name)
    listener:close()
    os.remove(path)
  end)

  it("binds the source address", function()
    local port = peer.free_port()
    local client, server = peer.pair("127.0.0.1", { source_address = { "127.0.0.2", port } })
    local host, source_port = server:peer()
    assert.same({ "127.0.0.2", port }, { host, source_port })
    assert.equal("[127.0.0.2]", client:local_literal())
  end)

  it("binds a source port alone", function()
    local port = peer.free_port()
    local _, server = peer.pair("127.0.0.1", { source_address = { "", port } })
    assert.equal(port, select(2, server:peer()))
  end)

  it("fails where the source address is not this machine's", function()
    local _, name = connect("127.0.0.1", peer.free_port(), { timeout = 5, source_address = { "192.0.2.1", 0 } })
    assert.equal("EADDRNOTAVAIL", name)
  end)

  it("connects again after closing", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local client = core.tcp()
    for _ = 1, 2 do
      assert(client:connect("127.0.0.1", listener:port(), { timeout = 5 }))
      assert.is_true(client:is_open())
      client:close()
      assert.is_false(client:is_open())
      assert.is_nil(client:fileno())
    end
    assert.equal("[127.0.0.1]", client:local_literal()) -- still known
  end)

  local misuses = {
    -- host, port, options, what is named
    { nil, 25, nil, "string" },
    { "", 25, nil, "host" },
    { "a\0b", 25, nil, "host" },
    { "localhost", -1, nil, "port" },
    { "localhost", 65536, nil, "port" },
    { "localhost", 1.5, nil, "port" },
    { "localhost", 25, { timeout = 0 }, "seconds" },
    { "localhost", 25, { timeout = -1 }, "seconds" },
    { "localhost", 25, { timeout = 0 / 0 }, "seconds" },
    { "localhost", 25, { timeout = { read = 0 } }, "seconds" },
    { "localhost", 25, { source_address = { {} } }, "string" },
  }
  it("raises on misuse", function()
    for i, row in ipairs(misuses) do
      local ok, err = pcall(connect, row[1], row[2], row[3])
      assert.is_false(ok, "row " .. i)
      assert.truthy(tostring(err):find(row[4], 1, true), "row " .. i .. ": " .. tostring(err))
    end
  end)
end)

describe("a stream", function()
  it("sends all and receives what is there", function()
    local port, child = peer.serve(function(stream, channel)
      local total = 0
      while total < 2 * #MEGABYTE do
        total = total + #assert(stream:receive())
        peer.sleep(0.0005)
      end
      channel:send(tostring(total))
    end)
    local client = core.tcp()
    assert(client:connect("127.0.0.1", port, { timeout = 10 }))
    assert.is_true(client:send(MEGABYTE))
    assert.is_true(client:send(MEGABYTE))
    assert.equal(tostring(2 * #MEGABYTE), child:channel():receive())
    assert.equal(0, child:wait(5))
  end)

  it("carries every byte value", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local client, server = peer.pair()
    assert(client:send(table.concat(all)))
    assert.equal(table.concat(all), server:receive())
  end)

  it("reports the end of the stream as closed, and stays so", function()
    local client, server = peer.pair()
    server:close()
    assert.same({ nil, "closed" }, { (select(1, client:receive())), (select(2, client:receive())) })
    assert.is_false(client:is_open())
    assert.equal("closed", select(2, client:send("x")))
  end)

  it("times out while reading, and closes", function()
    local client = peer.pair()
    client:settimeouts(nil, nil, 0.1)
    local bytes, name, sentence = client:receive()
    assert.is_nil(bytes)
    assert.same({ "timeout", "timed out while receiving" }, { name, sentence })
    assert.is_false(client:is_open())
  end)

  it("times out while writing to a peer that never reads, and closes", function()
    local client, server = peer.pair()
    client:settimeouts(nil, 0.1, nil)
    local name, sentence
    for _ = 1, 64 do
      local _
      _, name, sentence = client:send(MEGABYTE)
      if name then break end
    end
    assert.same({ "timeout", "timed out while sending" }, { name, sentence })
    assert.is_false(client:is_open())
    assert.is_true(server:is_open())
  end)

  it("waits for ever with math.huge", function()
    local port = peer.serve(function(stream)
      peer.sleep(0.2)
      stream:send("late")
    end)
    local client = core.tcp()
    assert(client:connect("127.0.0.1", port, { timeout = math.huge }))
    assert.equal("late", client:receive())
  end)

  it("learns a new read time-out between two reads", function()
    local client, server = peer.pair()
    client:settimeout(0.05)
    server:send("a")
    assert.equal("a", client:receive())
    client:settimeout(5)
    local listener = assert(core.listen("127.0.0.1", 0))
    listener:accept(0.15) -- longer than the old one
    server:send("b")
    assert.equal("b", client:receive())
  end)

  it("goes on waiting after a signal, with what is left of the time", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local port = listener:port()
    local child = assert(core.spawn(function(channel)
      local client = core.tcp()
      assert(client:connect("127.0.0.1", port, { timeout = 3 }))
      channel:send("waiting")
      local bytes, name = client:receive()
      channel:send(bytes or name)
      client:settimeout(0.4)
      bytes, name = client:receive()
      channel:send(bytes or name)
    end))
    local server = assert(listener:accept(5))
    local channel = child:channel()
    channel:settimeout(5)
    assert.equal("waiting", channel:receive())
    peer.sleep(0.05)
    for _ = 1, 3 do -- stopping and resuming interrupts a call like a handler does
      assert(child:kill(19))
      peer.sleep(0.02)
      assert(child:kill(18))
      peer.sleep(0.02)
    end
    assert.equal("timeout", select(2, channel:try_receive()))
    server:send("answer")
    assert.equal("answer", channel:receive())
    assert(child:kill(19))
    assert(child:kill(18))
    assert.equal("timeout", channel:receive())
    assert.equal(0, child:wait(5))
  end)

  it("never raises SIGPIPE", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local port = listener:port()
    local child = assert(core.spawn(function(channel)
      local client = core.tcp()
      assert(client:connect("127.0.0.1", port, { timeout = 3 }))
      channel:receive() -- the peer has closed
      local names = {}
      for _ = 1, 3 do
        local done, name = client:send(MEGABYTE)
        names[#names + 1] = done and "sent" or name
      end
      assert(names[#names] == "closed", table.concat(names, " "))
      channel:send("survived")
    end))
    assert(listener:accept(5)):close()
    local channel = child:channel()
    channel:settimeout(5)
    channel:send("go")
    assert.equal("survived", channel:receive())
    assert.equal(0, child:wait(5))
  end)

  it("is not inherited by programs that are started", function()
    local client, server = peer.pair()
    local listener = assert(core.listen("127.0.0.1", 0))
    local pipe = assert(io.popen("ls /proc/self/fd 2>/dev/null"))
    local listing = "\n" .. pipe:read("*a")
    pipe:close()
    if listing == "\n" then return pending("no /proc here") end
    for _, object in ipairs { client, server, listener } do
      assert.is_nil(listing:find("\n" .. object:fileno() .. "\n", 1, true))
    end
  end)

  -- LuaJIT's ffi can ask the kernel; the code is the same for every Lua.
  if rawget(_G, "jit") and rawget(_G, "jit").os == "Linux" then
    it("sends without delay (TCP_NODELAY) and keeps alive", function()
      local ffi = require "ffi"
      pcall(ffi.cdef, "int getsockopt(int, int, int, void *, unsigned *);")
      local function option(stream, level, name)
        local value, len = ffi.new("int[1]"), ffi.new("unsigned[1]", 4)
        assert(ffi.C.getsockopt(stream:fileno(), level, name, value, len) == 0)
        return value[0]
      end
      for _, stream in ipairs { peer.pair() } do
        assert.equal(1, option(stream, 6, 1))
        assert.equal(1, option(stream, 1, 9))
      end
    end)
  end

  it("closes when it is collected", function()
    local client, server = peer.pair()
    assert.is_true(client:is_open())
    client = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal("closed", select(2, server:receive()))
  end)

  it("says what it is", function()
    local client = peer.pair()
    assert.truthy(tostring(client):find("smtplib.core.tcp (127.0.0.1:", 1, true))
    client:close()
    assert.equal("smtplib.core.tcp (closed)", tostring(client))
  end)
end)

describe("without waiting", function()
  it("a stream tells that nothing has come, and stays open", function()
    local client, server = peer.pair()
    assert.equal("timeout", select(2, client:try_receive()))
    server:send("now")
    core.poll({ client }, {}, 5)
    assert.equal("now", client:try_receive())
    server:close()
    core.poll({ client }, {}, 5)
    assert.equal("closed", select(2, client:try_receive()))
  end)

  it("a stream takes what there is room for", function()
    local client = peer.pair()
    local total, sent = 0, 1
    while sent > 0 do
      sent = client:try_send(MEGABYTE)
      total = total + sent
    end
    assert.is_true(total > 0)
    assert.is_true(client:is_open())
  end)

  it("a stream sends from a position on", function()
    local client, server = peer.pair()
    assert.equal(3, client:try_send("abcdef", 4))
    assert.equal("def", server:receive())
    assert.equal(0, client:try_send("abc", 4))
  end)
end)
