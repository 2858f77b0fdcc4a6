-- A server that speaks while a long message is being sent to it is heard, although it
-- takes no more of the message.
local core = require "smtplib.core"
local nginx = require "spec.nginx.support.nginx"
local peer = require "spec.os.peer"
local scenario = require "spec.nginx.support.scenario"

describe("While a long message is being sent", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server
  setup(function() server = nginx.start() end)
  teardown(function() if server then server:stop() end end)
  after_each(function() assert.equal("", server:alarms()) end)

  local cases = {
    -- what the server does, the class, the code, whether it may have been taken
    { "half", "SMTPDataError", 552 },
    { "close", "SMTPDataError", 552 },
    { "gone", "SMTPServerDisconnected" },
  }
  for _, case in ipairs(cases) do
    it(("the server's last words are heard (%s)"):format(case[1]), function()
      local port, input = nginx.program("deaf.py " .. case[1])
      finally(function() input:close() end)
      local options = { host = "127.0.0.1", port = port, timeout = { send = 20, read = 20, connect = 20 } }
      local here = scenario.send_large(options)
      local there = server:run("return require('spec.nginx.support.scenario').send_large(...)", options)
      for _, err in ipairs { here, there } do
        assert.same({ case[2], case[3] or "none", "none", "DATA" },
          { err.name, err.smtp_code or "none", err.delivery, err.command })
      end
    end)
  end

  -- What a session's flush does with an engine's bytes, and with what comes meanwhile.
  it("a peer that writes before it reads does not stop it", function()
    local port, child = peer.serve(function(stream, channel)
      stream:settimeout(20)
      stream:send(("s"):rep(60000))
      local got = 0
      while got < 8000000 do
        local bytes = stream:receive()
        if not bytes then break end
        got = got + #bytes
      end
      stream:send(("e"):rep(1000))
      channel:send(("%d\n"):format(got))
      stream:receive()
    end)
    local ok, before, after = server:run([[
      local stream = require("smtplib.transport").choose()
      assert(stream:connect("127.0.0.1", ..., { timeout = 20 }))
      local got = {}
      local engine = { output = function() return ("c"):rep(8000000) end, input = function(_, bytes) got[#got + 1] = bytes end }
      local ok, name = stream:flush(engine)
      local before = #table.concat(got)
      while #table.concat(got) < 61000 do got[#got + 1] = assert(stream:receive()) end
      stream:close()
      return ok or name, before, #table.concat(got)
    ]], port)
    child:channel():settimeout(20)
    assert.equal("8000000\n", child:channel():receive())
    child:wait(5)
    assert.same({ true, 61000 }, { ok, after })
    assert.is_true(before <= 61000)
  end)

  it("what it has to say is not lost when the reply comes late", function()
    local port, child = peer.serve(function(stream)
      stream:settimeout(20)
      local got = 0
      while got < 8000000 do
        got = got + #assert(stream:receive())
        if got < 300000 then core.sleep(0.02) end
      end
      core.sleep(0.1)
      stream:send("250 ok\r\n")
      stream:receive()
    end)
    local ok, reply, kept = server:run([[
      local stream = require("smtplib.transport").choose()
      assert(stream:connect("127.0.0.1", ..., { timeout = 20, pool = "one", pool_size = 1 }))
      local engine = { output = function() return ("c"):rep(8000000) end, input = error }
      local ok, name = stream:flush(engine)
      local reply = stream:receive()
      return ok or name, reply, stream:setkeepalive(5, 1)
    ]], port)
    child:wait(5)
    assert.same({ true, "250 ok\r\n", true }, { ok, reply, kept })
  end)
end)
