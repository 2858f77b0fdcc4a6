-- From one connection to the next: quit, close, connect again, the end of a
-- block, the collector (API section 3.1).
local client = require "spec.support.client"
local smtplib = require "smtplib"

local function used(options, more)
  local server, peer = client.connect(options, more)
  assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
  return server, peer
end

describe("quit", function()
  it("says QUIT, hands the reply back and forgets", function()
    local server, peer = used()
    local code, message, enhanced = server:quit()
    assert.same({ 221, "bye", "2.0.0" }, { code, message, enhanced })
    assert.equal("QUIT", client.last(peer:commands()))
    assert.is_true(peer.closed)
    assert.is_nil(server.sock)
    assert.same({}, server.esmtp_features)
    assert.is_nil(server.ehlo_resp)
    assert.is_nil(server.helo_resp)
    assert.is_false(server.does_esmtp)
    assert.is_false(server:is_open())
    assert.is_false(server:has_extn("size"))
    assert.equal("smtplib.SMTP (not connected)", tostring(server))
  end)

  it("hands any reply back, and closes all the same", function()
    for _, reply in ipairs { "421 bye", "500 what", "250 ok" } do
      local server = used { replies = { QUIT = reply } }
      assert.equal(tonumber(reply:sub(1, 3)), (server:quit()))
      assert.is_false(server:is_open())
    end
  end)

  it("says the protocol's word within a transaction, too", function()
    local server, peer = client.connect()
    server:ehlo()
    server:mail("a@b.example")
    assert.equal(221, (server:quit()))
    assert.equal(0, #peer.messages)
  end)
end)

describe("close", function()
  it("closes without a word, and returns true every time", function()
    local server, peer = used()
    local before = #peer:commands()
    assert.is_true(server:close())
    assert.is_true(server:close())
    assert.equal(before, #peer:commands())
    assert.is_true(peer.closed)
    assert.same({}, server.esmtp_features)
    assert.is_nil(server.sock)
  end)
end)

describe("connect again", function()
  it("works after quit, close and a failure", function()
    for _, finish in ipairs {
      function(server) server:quit() end, function(server) server:close() end,
      function(server)
        server.options.transport.options.disconnect = { NOOP = true }
        assert.is_nil((server:noop()))
        server.options.transport.options.disconnect = nil
      end,
      function() end,
    } do
      local server, peer = used()
      finish(server)
      assert.equal(220, (server:connect("localhost")))
      assert.same({}, server.esmtp_features)
      assert.is_true(server:is_open())
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "y"))
      assert.equal(2, client.count(peer, "EHLO"))
      assert.equal(2, #peer.messages)
      assert.equal(2, #peer.connects)
    end
  end)

  it("works after a connection that was refused", function()
    local peer = require("spec.support.peer").new { refuse = "ECONNREFUSED" }
    local server = smtplib.SMTP { transport = peer }
    local code, err = server:connect("localhost")
    assert.is_nil(code)
    assert.equal("ECONNREFUSED", err.code)
    peer.options.refuse = nil
    assert.equal(220, (server:connect("localhost")))
    assert.equal(250, (server:noop()))
  end)

  it("may be towards another host, with another source address", function()
    local server, peer = used()
    server:quit()
    local source = { "127.0.0.1", 0 }
    assert.equal(220, (server:connect("other.example", 2525, source)))
    assert.same({ "other.example", 2525 }, peer.connects[2])
    assert.equal(source, server.source_address)
    assert.equal("smtplib.SMTP (other.example:2525)", tostring(server))
  end)

  it("knows no login of before", function()
    local server, peer = client.connect({ auth = { me = "secret" }, require_auth = true })
    assert.equal(235, (server:login("me", "secret")))
    server:quit()
    server:connect("localhost")
    local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal(530, err.smtp_code)
    assert.equal(1, client.count(peer, "AUTH"))
  end)

  it("starts from scratch on the same transport, whatever was left unread", function()
    local server, peer = client.connect { replies = { NOOP = "250 one\r\n250 two\r\n" } }
    server:noop()
    peer.options.replies = nil
    server:connect("localhost")
    assert.equal(250, (server:ehlo()))
    assert.is_true(server:has_extn("size"))
  end)
end)

describe("a transport", function()
  it("may be made by a function, one for each connection", function()
    local made = {}
    local server = assert(smtplib.SMTP { host = "localhost", transport = function()
      made[#made + 1] = require("spec.support.peer").new()
      return made[#made]
    end })
    server:quit()
    server:connect()
    assert.equal(2, #made)
    assert.equal(server.sock, made[2])
  end)

  it("needs no more than connect, send, receive, settimeout, close", function()
    local peer = require("spec.support.peer").new()
    local bare = {}
    for _, name in ipairs { "connect", "send", "receive", "settimeout", "close" } do
      bare[name] = function(_, ...) return peer[name](peer, ...) end
    end
    local server = assert(smtplib.SMTP { host = "localhost", transport = bare })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.equal(221, (server:quit()))
  end)

  it("that gives any bytes at all does no harm", function()
    for _, bytes in ipairs { "\0\0\0", "220", "\255\254", "220 x\r\n220 y\r\n", "\r\n\r\n" } do
      local given
      local bare = {
        connect = function() return true end, send = function() return true end, settimeout = function() end,
        close = function() return true end,
        receive = function()
          if given then return nil, "closed" end
          given = true
          return bytes
        end,
      }
      local server, err = smtplib.SMTP { host = "localhost", transport = bare }
      if server then
        local code
        code, err = server:noop()
        assert.is_nil(code)
      end
      assert.is_true(smtplib.is_error(err))
    end
  end)
end)

describe("the end of a block", function()
  local load_text = rawget(_G, "loadstring") or load

  it("sends QUIT, or cuts the connection when left by an error", function()
    local block = load_text([[
      local make, fail = ...
      local server <close> = make()
      if fail then error(fail) end
    ]])
    if not block then return end -- not in this Lua
    local server, peer = used()
    block(function() return server end)
    assert.equal("QUIT", client.last(peer:commands()))
    assert.is_false(server:is_open())
    server, peer = used()
    assert.is_false((pcall(block, function() return server end, "oops")))
    assert.equal(0, client.count(peer, "QUIT"))
    assert.is_true(peer.closed)
    assert.is_false(server:is_open())
    block(function() return server end)
  end)

  it("has __close, __gc and __tostring", function()
    for _, class in ipairs { "SMTP", "SMTP_SSL", "LMTP" } do
      local meta = getmetatable(smtplib[class]())
      assert.equal("function", type(meta.__close))
      assert.equal("function", type(meta.__gc))
      assert.equal("function", type(meta.__tostring))
      assert.equal("smtplib." .. class, meta.__name)
    end
  end)

  it("by __close is told of by its metamethod in every Lua", function()
    local server, peer = used()
    getmetatable(server).__close(server, nil)
    assert.equal("QUIT", client.last(peer:commands()))
    server, peer = used()
    getmetatable(server).__close(server, "an error")
    assert.equal(0, client.count(peer, "QUIT"))
    assert.is_true(peer.closed)
  end)
end)

describe("the collector", function()
  it("closes a connection that nobody knows any more", function()
    local sink = assert(smtplib.sink.start())
    finally(function() sink:stop() end)
    local function leave()
      local server = assert(smtplib.SMTP(sink.host, sink.port))
      server:noop()
    end
    leave()
    collectgarbage()
    collectgarbage()
    local open
    for _ = 1, 50 do
      open = sink:stats().open
      if open == 0 then break end
    end
    assert.equal(0, open)
  end)
end)
