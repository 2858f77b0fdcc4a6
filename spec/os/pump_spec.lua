local core = require "smtplib.core"
local peer = require "spec.os.peer"

local MEGABYTE = ("x"):rep(1024 * 1024)

local function greeted()
  local client, server = peer.pair()
  local engine = core.engine()
  assert(server:send("220 hello\r\n"))
  assert.is_true(client:fill(engine))
  assert.equal("reply", (engine:next()))
  return client, server, engine
end

describe("the pump of a stream", function()
  it("fills an engine with what came, and flushes what it has to say", function()
    local client, server, engine = greeted()
    assert(engine:command("NOOP", ""))
    assert.equal("send", (engine:next()))
    assert.is_true(client:flush(engine))
    assert.equal("NOOP\r\n", server:receive())
    assert.equal("receive", (engine:next()))
    server:send("250 2.0.0 ok\r\n")
    assert.is_true(client:fill(engine))
    local what, command, code = engine:next()
    assert.same({ "reply", "NOOP", 250 }, { what, command, code })
    assert.is_true(client:flush(engine)) -- nothing left
  end)

  it("takes in what the peer writes while the peer does not read (both write first)", function()
    local path = peer.unix_path()
    local listener = assert(core.listen(path))
    local child = assert(core.spawn(function(_, inherited)
      local stream = assert(inherited:accept(5))
      local line = "220-" .. ("x"):rep(400) .. "\r\n"
      local sent
      repeat -- until the kernel holds as much as it can
        sent = stream:try_send(line)
        if sent < #line and sent > 0 then stream:send(line:sub(sent + 1)) end
      until sent == 0
      assert(stream:send(line:rep(40) .. "220 at last\r\n"))
      stream:settimeout(0.2)
      while stream:receive() do end -- luacheck: ignore
    end, listener))
    local client = core.tcp()
    assert(client:connect(path, nil, { timeout = 3 }))
    local engine = core.engine(false, nil, 100000)
    assert(engine:raw(MEGABYTE))
    peer.sleep(0.1)
    local done, name = client:flush(engine)
    assert.same({ true, nil }, { done, name })
    client:close()
    assert.equal(0, child:wait(5))
    os.remove(path)
  end)

  it("hands over what the peer said before it went away", function()
    local client, server, engine = greeted()
    assert(engine:command("NOOP", ""))
    assert.equal("send", (engine:next()))
    assert(client:flush(engine))
    assert.equal("NOOP\r\n", server:receive())
    server:send("421 4.3.2 closing\r\n")
    server:close()
    core.poll({ client }, {}, 5)
    assert(engine:raw(MEGABYTE))
    for _ = 1, 3 do assert.is_true(client:flush(engine)) end
    local what, command, code = engine:next()
    assert.same({ "reply", "NOOP", 421 }, { what, command, code })
  end)

  it("lets the engine judge the end of the stream", function()
    local client, server, engine = greeted()
    assert(engine:command("NOOP", ""))
    assert.equal("send", (engine:next()))
    assert(client:flush(engine))
    server:close()
    assert.is_true(client:fill(engine))
    local what, name = engine:next()
    assert.same({ "failed", "closed" }, { what, name })
    assert.is_false(client:is_open())
  end)

  it("fails at the time-out of either direction, and closes", function()
    local client, _, engine = greeted()
    client:settimeouts(nil, 0.1, 0.1)
    assert(engine:command("NOOP", ""))
    assert(client:flush(engine))
    local done, name = client:fill(engine)
    assert.same({ nil, "timeout" }, { done, name })
    assert.is_false(client:is_open())

    local stalled, _, other = greeted()
    stalled:settimeouts(nil, 0.1, 0.1)
    assert(other:raw(MEGABYTE:rep(16)))
    done, name = stalled:flush(other)
    assert.same({ nil, "timeout" }, { done, name })
    assert.is_false(stalled:is_open())
  end)

  it("looks for unasked words without waiting", function()
    local client, server, engine = greeted()
    assert.is_true(client:idle_check(engine))
    assert.equal("idle", (engine:next()))
    assert.is_true(client:is_open())
    server:send("421 4.4.2 idle for too long\r\n")
    server:close()
    core.poll({ client }, {}, 5)
    assert.is_true(client:idle_check(engine))
    assert(engine:command("NOOP", ""))
    local what, name = engine:next()
    assert.same({ "failed", "unsolicited" }, { what, name })
  end)

  it("raises on anything but an engine", function()
    local client = peer.pair()
    for _, method in ipairs { "flush", "fill", "idle_check" } do
      assert.is_false((pcall(client[method], client)))
      assert.is_false((pcall(client[method], client, client)))
    end
  end)
end)
