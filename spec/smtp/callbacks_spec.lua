-- User code that runs in the midst of a call (sources, authobjects, traces,
-- on_result, iterators) may do what it likes: it cannot get between a command and
-- its reply, and an object is never left half way (API sections 3.2 and 3.4).
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

local FROM, TO = "a@example.org", "b@example.org"

local function connect(options, more)
  local transport = peer.new(options or {})
  local given = { host = "mx.example.org", transport = transport }
  for name, value in pairs(more or {}) do given[name] = value end
  return assert(smtplib.SMTP(given)), transport
end

-- Everything that talks to the server.
local calls = {
  noop = function(s) return s:noop() end,
  rset = function(s) return s:rset() end,
  ehlo = function(s) return s:ehlo() end,
  ehlo_or_helo_if_needed = function(s) return s:ehlo_or_helo_if_needed() end,
  docmd = function(s) return s:docmd("NOOP") end,
  putcmd = function(s) return s:putcmd("NOOP") end,
  getreply = function(s) return s:getreply() end,
  send = function(s) return s:send("NOOP\r\n") end,
  mail = function(s) return s:mail(FROM) end,
  rcpt = function(s) return s:rcpt(TO) end,
  data = function(s) return s:data("x") end,
  vrfy = function(s) return s:vrfy(TO) end,
  starttls = function(s) return s:starttls() end,
  login = function(s) return s:login("u", "p") end,
  auth = function(s) return s:auth("X", function() end) end,
  sendmail = function(s) return s:sendmail(FROM, TO, "NESTED") end,
  send_messages = function(s) return s:send_messages({}) end,
  connect = function(s) return s:connect("other.example.org") end,
  quit = function(s) return s:quit() end,
}

local function assert_refused(server, name)
  local result, err = calls[name](server)
  assert.is_nil(result, name)
  assert.is_true(smtplib.is_error(err, smtplib.SMTPException), name)
  assert.truthy(tostring(err):find("callback", 1, true), name .. ": " .. tostring(err))
end

local function texts(transport)
  local list = {}
  for i, message in ipairs(transport.messages) do list[i] = message.to[1].addr .. " " .. message.data end
  return list
end

local mails = {
  { from = FROM, to = "one@example.org", message = "first\r\n" },
  { from = FROM, to = "two@example.org", message = "second\r\n" },
  { from = FROM, to = "three@example.org", message = "third\r\n" },
}
local all = { "one@example.org first\r\n", "two@example.org second\r\n", "three@example.org third\r\n" }

for name in pairs(calls) do
  describe(name .. " is refused", function()
    it("within a source, and the message goes on", function()
      local server, transport = connect()
      local n = 0
      local refused = assert(server:sendmail(FROM, TO, function()
        n = n + 1
        if n == 2 then assert_refused(server, name) end
        return n < 4 and "line\r\n" or nil
      end))
      assert.same({}, refused)
      assert.same({ "b@example.org line\r\nline\r\nline\r\n" }, texts(transport))
      assert.equal(250, (server:noop()))
    end)

    it("within on_result, and every message gets to its own recipient", function()
      local server, transport = connect()
      local sent = server:send_messages(mails, { on_result = function() assert_refused(server, name) end })
      assert.equal(3, sent)
      assert.same(all, texts(transport))
    end)

    it("within an iterator", function()
      local server, transport = connect()
      local i = 0
      assert(server:send_messages(function()
        i = i + 1
        assert_refused(server, name)
        return mails[i]
      end))
      assert.same(all, texts(transport))
    end)

    it("within a trace", function()
      local server
      local seen = 0
      server = connect(nil, { trace = function()
        if not server then return end
        assert_refused(server, name) -- what it raises is swallowed, so count behind it
        seen = seen + 1
      end })
      assert.equal(250, (server:noop()))
      assert.equal(2, seen)
    end)
  end)
end

describe("close() within", function()
  it("a source cuts the connection before the final dot", function()
    local server, transport = connect()
    local refused, err = server:sendmail(FROM, TO, function()
      server:close()
      return "x"
    end)
    assert.is_nil(refused)
    assert.is_true(err:is(smtplib.SMTPServerDisconnected))
    assert.equal("none", err.delivery)
    assert.is_false(server:is_open())
    assert.same({}, transport.messages)
  end)

  it("on_result ends the sending; the rest is told as not sent", function()
    local server, transport = connect()
    local results = {}
    local sent, failed = server:send_messages(mails, { on_result = function(i, result)
      results[i] = result
      if i == 1 then server:close() end
    end })
    assert.equal(1, sent)
    assert.equal(2, failed)
    assert.is_nil(results[1].err)
    assert.is_true(results[2].err:is(smtplib.SMTPServerDisconnected))
    assert.equal("none", results[2].err.delivery)
    assert.is_false(server:is_open())
    assert.same({ all[1] }, texts(transport))
  end)

  it("an authobject ends the exchange with an error", function()
    local server = connect { auth = { u = "p" } }
    server:ehlo()
    local code, err = server:auth("LOGIN", function(challenge)
      if challenge then server:close() end
      return challenge and "u" or nil
    end)
    assert.is_nil(code)
    assert.is_true(err:is(smtplib.SMTPServerDisconnected), tostring(err))
    assert.is_false(server:is_open())
  end)

  it("a trace ends the call with an error", function()
    local server
    server = connect(nil, { trace = function() if server then server:close() end end })
    local code, err = server:noop()
    assert.is_nil(code)
    assert.is_true(err:is(smtplib.SMTPServerDisconnected), tostring(err))
    assert.is_false(server:is_open())
  end)
end)

describe("send_messages hands on what is raised", function()
  local function raises(server, messages, opts)
    local ok, err = pcall(server.send_messages, server, messages, opts)
    assert.is_false(ok)
    return err
  end

  -- Whatever happened, the next message gets to its own recipient or nowhere.
  local function assert_in_order(server, transport, count)
    assert.equal(count, #transport.messages)
    if server:is_open() then
      assert.same({}, assert(server:sendmail(FROM, TO, "after\r\n")))
      assert.equal("b@example.org after\r\n", texts(transport)[count + 1])
    else
      assert.is_nil((server:noop()))
    end
  end

  it("by on_result", function()
    local server, transport = connect()
    local thrown = {}
    assert.equal(thrown, raises(server, mails, { on_result = function() error(thrown, 0) end }))
    assert_in_order(server, transport, 1)
  end)

  it("by the iterator, the messages before it sent", function()
    local server, transport = connect()
    local i = 0
    assert.equal("boom", raises(server, function()
      i = i + 1
      if i == 3 then error("boom", 0) end
      return mails[i]
    end))
    assert_in_order(server, transport, 2)
  end)

  it("about an entry of a wrong type, the messages before it sent", function()
    local server, transport = connect()
    local err = raises(server, { mails[1], mails[2], { from = FROM, to = 5, message = "x" } })
    assert.truthy(err:find("bad argument 'to'", 1, true), err)
    assert_in_order(server, transport, 2)
  end)

  it("about an unknown name in an entry", function()
    local server, transport = connect()
    local err = raises(server, { mails[1], { from = FROM, to = TO, message = "x", all_or_nothing = true } })
    assert.truthy(err:find("unknown option 'all_or_nothing'", 1, true), err)
    assert_in_order(server, transport, 1)
  end)
end)

describe("putcmd and getreply", function()
  it("pair commands and replies in their order, however late they are read", function()
    local server = connect { replies = { A = "250 a", B = "251 b", C = "252 c" } }
    for _, verb in ipairs { "A", "B", "C" } do assert.is_true(server:putcmd(verb)) end
    assert.same({ 250, "a" }, { server:getreply() })
    assert.same({ 251, "b" }, { server:getreply() })
    assert.same({ 252, "c" }, { server:getreply() })
    assert.equal(250, (server:noop()))
  end)
end)

describe("a transport that returns no bytes", function()
  it("is an error, not an endless loop", function()
    local server, transport = connect()
    transport.receive = function() return "" end
    local code, err = server:noop()
    assert.is_nil(code)
    assert.truthy(tostring(err):find("receive()", 1, true), tostring(err))
    assert.is_false(server:is_open())
  end)
end)

describe("MAILMAX (RFC 9422)", function()
  it("is obeyed by going on on a new connection", function()
    local server, transport = connect { extensions = { LIMITS = "MAILMAX=2" } }
    for i = 1, 5 do assert.same({}, assert(server:sendmail(FROM, TO, i .. "\r\n"))) end
    assert.equal(3, #transport.connects)
    assert.equal(5, #transport.messages)
  end)

  it("is obeyed by send_messages", function()
    local server, transport = connect { extensions = { LIMITS = "MAILMAX=2" } }
    local results = assert(server:send_messages(mails))
    for i = 1, 3 do assert.is_nil(results[i].err, tostring(results[i].err)) end
    assert.equal(2, #transport.connects)
    assert.same(all, texts(transport))
  end)
end)

describe("Misuse that would lose mail or secrets", function()
  it("is raised for an array of recipients with a hole or a name in it", function()
    local server = connect()
    assert.has_error(function() server:sendmail(FROM, { TO, x = "c@example.org" }, "x") end)
    assert.has_error(function() server:sendmail(FROM, { TO, nil, "c@example.org" }, "x") end)
  end)

  it("is raised for holes in other arrays: options, a Message's recipients and attachments", function()
    local server = connect()
    local Message = smtplib.email.Message
    assert.has_error(function() server:sendmail(FROM, TO, "x", { "BODY=8BITMIME", nil, "RET=FULL" }) end)
    assert.has_error(function() Message { from = FROM, to = { TO, nil, "c@example.org" } } end)
    assert.has_error(function() Message { from = FROM, attachments = { { content = "a" }, nil, { content = "b" } } } end)
    assert.has_error(function() Message()["To"] = { TO, nil, "c@example.org" } end)
  end)

  it("is raised for SMTP_SSL without TLS from the first byte", function()
    for _, mode in ipairs { false, "starttls", "opportunistic" } do
      assert.has_error(function() smtplib.SMTP_SSL { host = "h", tls = mode, transport = peer.new {} } end)
    end
  end)

  it("is raised, at the caller's line, for a method called with a dot", function()
    local server = connect()
    local ok, err = pcall(function() return server.noop() end)
    assert.is_false(ok)
    assert.truthy(err:find("callbacks_spec.lua", 1, true) and err:find("colon", 1, true), err)
  end)

  it("is raised for a transport without its methods", function()
    assert.has_error(function() smtplib.SMTP { host = "h", transport = {} } end)
    assert.has_error(function() smtplib.SMTP { host = "h", transport = function() return 1 end } end)
  end)

  it("is an error table for a recipient that is nobody", function()
    local server, transport = connect()
    server:mail(FROM)
    for _, nobody in ipairs { "", "<>" } do
      local code, err = server:rcpt(nobody)
      assert.is_nil(code)
      assert.is_true(err:is(smtplib.SMTPException))
    end
    assert.is_nil(table.concat(transport:commands(), "\n"):find("RCPT", 1, true))
  end)
end)

describe("tls = 'opportunistic'", function()
  it("goes on in clear where STARTTLS is refused, as where it is not offered", function()
    local server = connect({ starttls = true, replies = { STARTTLS = "454 4.7.0 not now" } }, { tls = "opportunistic" })
    assert.equal(250, (server:noop()))
  end)
end)
