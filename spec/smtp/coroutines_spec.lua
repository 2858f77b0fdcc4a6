-- One object and several coroutines, as under copas and cqueues: who calls while
-- another waits is refused; close() and connect() always work, also when a
-- coroutine was left behind in the midst of a call.
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

local FROM = "a@example.org"

local isyieldable = rawget(coroutine, "isyieldable") or coroutine.running

-- A peer whose receive() lets others run first.
local function yielding(options)
  local transport = peer.new(options or {})
  local receive = transport.receive
  transport.receive = function(self)
    if self.yields and isyieldable() then coroutine.yield("waiting") end
    return receive(self)
  end
  return transport
end

local function connect(options)
  local transport = yielding(options)
  local server = assert(smtplib.SMTP { host = "mx.example.org", transport = transport })
  assert.equal(250, (server:ehlo()))
  transport.yields = true
  return server, transport
end

local function spawn(f)
  local result = {}
  local co = coroutine.create(function() result.n, result[1], result[2] = true, f() end)
  assert(coroutine.resume(co))
  return co, result
end

local function finish(co)
  while coroutine.status(co) ~= "dead" do assert(coroutine.resume(co)) end
end

describe("While one coroutine waits for the server", function()
  it("another one's message is refused, and none goes to the wrong recipient", function()
    for _, pipelining in ipairs { true, false } do
      local server, transport = connect { extensions = { PIPELINING = pipelining } }
      local co, first = spawn(function() return server:sendmail(FROM, "one@example.org", "first\r\n") end)
      transport.yields = false
      local refused, err = server:sendmail(FROM, "two@example.org", "second\r\n")
      assert.is_nil(refused)
      assert.truthy(tostring(err):find("another coroutine", 1, true))
      assert.is_nil((server:noop()))
      assert.is_nil((server:quit()))
      finish(co)
      assert.same({}, first[1])
      assert.equal(1, #transport.messages)
      assert.equal("first\r\n", transport.messages[1].data)
      assert.equal(250, (server:noop()))
    end
  end)

  it("another one may close the object: the first gets an error", function()
    local server = connect()
    local co, first = spawn(function() return server:sendmail(FROM, "one@example.org", "first\r\n") end)
    assert.is_true(server:close())
    assert.is_false(server:is_open())
    finish(co)
    assert.is_nil(first[1])
    assert.is_true(first[2]:is(smtplib.SMTPServerDisconnected))
    assert.equal("none", first[2].delivery)
  end)
end)

-- PUC Lua 5.1 cannot yield within a guarded callback.
local may_yield = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

if may_yield then
  describe("A coroutine that was left behind", function()
    local leavings = {
      { "in a source", function(server)
        return server:sendmail(FROM, "one@example.org", function() coroutine.yield() end)
      end },
      { "in on_result", function(server)
        return server:send_messages({ { from = FROM, to = FROM, message = "x" }, { from = FROM, to = FROM, message = "y" } },
          { on_result = function() coroutine.yield() end })
      end },
      { "in an authobject", function(server)
        return server:auth("LOGIN", function() coroutine.yield() end)
      end },
    }
    for _, case in ipairs(leavings) do
      it(case[1] .. " does not keep close() and connect() from working", function()
        local server, transport = connect { auth = { u = "p" } }
        transport.yields = false
        spawn(function() return case[2](server) end)
        assert.is_nil((server:noop()))
        assert.is_true(server:close())
        assert.is_false(server:is_open())
        assert.equal(220, (server:connect("mx.example.org")))
        assert.same({}, assert(server:sendmail(FROM, "two@example.org", "again\r\n")))
      end)

      it(case[1] .. " is left by connect(), too", function()
        local server, transport = connect { auth = { u = "p" } }
        transport.yields = false
        local co = spawn(function() return case[2](server) end)
        assert.equal(220, (server:connect("mx.example.org")))
        assert.equal(250, (server:noop()))
        finish(co) -- its own call ends with an error, the new connection is unharmed
        assert.same({}, assert(server:sendmail(FROM, "two@example.org", "again\r\n")))
      end)
    end
  end)
end

describe("close() within a callback", function()
  local mails = {}
  for i = 1, 3 do mails[i] = { from = FROM, to = i .. "@example.org", message = i .. "\r\n" } end

  it("ends send_messages for good, from a source as well", function()
    local server, transport = connect()
    transport.yields = false
    local list = { { from = FROM, to = FROM, message = function() server:close() end }, mails[2], mails[3] }
    local results = assert(server:send_messages(list))
    for i = 1, 3 do assert.is_true(results[i].err:is(smtplib.SMTPServerDisconnected)) end
    assert.equal(1, #transport.connects)
    assert.same({}, transport.messages)
    assert.is_false(server:is_open())
  end)

  it("takes effect from the trace of putcmd", function()
    local transport, server = peer.new {}, nil
    server = assert(smtplib.SMTP { host = "h", transport = transport, trace = function(_, bytes)
      if bytes:find("NOOP", 1, true) then server:close() end
    end })
    local ok, err = server:putcmd("NOOP")
    assert.is_nil(ok)
    assert.is_true(err:is(smtplib.SMTPServerDisconnected))
    assert.is_false(server:is_open())
    assert.is_nil(server.sock)
  end)
end)

describe("send_messages", function()
  it("sends again on a new connection what 421 turned away at MAIL", function()
    local count = 0
    local server, transport = connect { replies = { MAIL = function()
      count = count + 1
      return count == 3 and "421 4.7.0 too many for one connection" or nil
    end } }
    transport.yields = false
    local mails = {}
    for i = 1, 5 do mails[i] = { from = FROM, to = i .. "@example.org", message = i .. "\r\n" } end
    local results = assert(server:send_messages(mails))
    for i = 1, 5 do assert.is_nil(results[i].err, tostring(results[i].err)) end
    assert.equal(5, #transport.messages)
    assert.equal(2, #transport.connects)
  end)

  it("raises for an array with a hole", function()
    local server = connect()
    local mail = { from = FROM, to = FROM, message = "x" }
    assert.has_error(function() server:send_messages { mail, nil, mail } end)
  end)
end)
