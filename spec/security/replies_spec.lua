-- Reply parsing and desynchronisation, through the public API.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

describe("A time-out poisons the connection:", function()
  local stages = { "MAIL", "RCPT", "DATA", "NOOP" }
  for _, stage in ipairs(stages) do
    it("a late reply to " .. stage .. " is nobody's answer", function()
      local server, peer = wire.connect({ stall = { [stage] = true } }, { timeout = 5 })
      local result, err
      if stage == "NOOP" then
        result, err = server:noop()
      else
        result, err = server:sendmail("a@example.org", "b@example.org", "hi")
      end
      assert.is_nil(result)
      assert.is_true(err.temporary)
      assert.equal("none", err.delivery)
      assert.is_false(server:is_open())
      assert.is_true(peer.closed)
      local before = #peer.sent
      assert.is_nil((server:noop()))
      assert.equal(before, #peer.sent)
    end)
  end
end)

describe("The reply queue matches the command queue one to one:", function()
  local replies = {
    { "one more behind the greeting", { greeting = { raw = "220 hi\r\n250 more\r\n" } } },
    { "one more behind EHLO", { EHLO = { raw = "250-mx\r\n250 PIPELINING\r\n250 more\r\n" } } },
    { "one more behind MAIL", { MAIL = { raw = "250 ok\r\n250 more\r\n" } } },
    { "one more behind RCPT", { RCPT = { raw = "250 ok\r\n250 more\r\n" } } },
    { "one more behind 354", { DATA = { raw = "354 go\r\n250 taken\r\n" } } },
    { "a 354 too early", { RCPT = { raw = "250 ok\r\n354 go\r\n" } } },
    { "codes that disagree", { RCPT = { raw = "250-ok\r\n550 no\r\n" } } },
    { "codes that disagree the other way", { RCPT = { raw = "550-no\r\n250 ok\r\n" } } },
  }
  for _, case in ipairs(replies) do
    for _, pipelining in ipairs { true, false } do
      it(case[1] .. (pipelining and ", pipelined" or ", one by one"), function()
        local peer = wire.peer { replies = case[2], extensions = { PIPELINING = pipelining } }
        local server, err = smtplib.SMTP { host = "mx.example.org", local_hostname = "me.example.org", transport = peer }
        local refused
        if server then refused, err = server:sendmail("a@example.org", "b@example.org", "hi") end
        assert.is_nil(refused, "believed")
        assert.is_true(smtplib.is_error(err))
        assert.is_true(err.delivery == "unknown" or #peer.messages == 0)
      end)
    end
  end
end)

describe("A capability is the first token of a continuation line:", function()
  it("never text of the greeting, of the first line or behind a keyword", function()
    local server = wire.connect {
      replies = {
        greeting = "220 SMTPUTF8 STARTTLS AUTH PLAIN",
        EHLO = { "250-SMTPUTF8 STARTTLS", "250-X offers SIZE 10", "250-HELP AUTH PLAIN", "250 X-8BITMIME" },
      },
    }
    for _, name in ipairs { "smtputf8", "starttls", "size", "auth", "8bitmime" } do
      assert.is_false(server:has_extn(name), name)
    end
  end)

  it("whitespace, NUL and nonsense are no capability, and no crash", function()
    local server = wire.connect { replies = { EHLO = { raw = "250-mx\r\n250-\r\n250-   \r\n250-\0\r\n250-=\r\n250-\255\r\n250 SIZE 5\r\n" } } }
    assert.same({ size = "5" }, server.esmtp_features)
  end)
end)

describe("Replies are bounded:", function()
  local floods = {
    { "a line without end", { endless = ("x"):rep(1000) } },
    { "a reply without end", { endless = "250-more\r\n" } },
    { "a code, and then nothing but text", { raw = "250 " .. ("x"):rep(100000) .. "\r\n" } },
  }
  for _, stage in ipairs { "greeting", "EHLO", "MAIL", "NOOP" } do
    for _, flood in ipairs(floods) do
      it(flood[1] .. " at " .. stage, function()
        local peer = wire.peer { replies = { [stage] = flood[2] } }
        local server, err = smtplib.SMTP { host = "mx.example.org", local_hostname = "me.example.org", transport = peer }
        local result = server
        if server and stage == "NOOP" then result, err = server:noop() end
        if server and stage == "EHLO" then result, err = server:ehlo() end
        if server and stage == "MAIL" then result, err = server:sendmail("a@example.org", "b@example.org", "hi") end
        assert.is_nil(result)
        assert.is_true(smtplib.is_error(err))
        assert.is_true(peer.closed)
        assert.is_true(#err.message < 1000)
      end)
    end
  end
end)

describe("LMTP has one reply per accepted recipient:", function()
  it("and none of them is left for the next command", function()
    local peer = wire.peer { lmtp = true }
    local server = assert(smtplib.LMTP { host = "mx.example.org", local_hostname = "me.example.org", transport = peer })
    for _ = 1, 3 do
      assert.same({}, (server:sendmail("a@example.org", { "b@example.org", "c@example.org", "d@example.org" }, "hi")))
    end
    assert.equal(250, (server:noop()))
  end)
end)
