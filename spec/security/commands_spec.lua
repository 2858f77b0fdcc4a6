-- Command injection: nothing that a caller hands in becomes a second command,
-- or a parameter that he did not mean. What reached the wire is looked at.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local addresses = { "a@example.org", "b@example.org" }

-- Bytes that end a line somewhere, or whose narrowing would.
local poison = {
  "\r\nRSET", "\nRSET", "\rRSET", "\r\n", "\n", "\r", "\0", "\0\r\n", "\r\n.\r\n", "\11", "\12", "\27[2J", "\127", "\8",
  "\r\nDATA\r\nSubject: forged\r\n\r\n.\r\n",
}

-- Every way for a caller's text to reach a command line.
local ways = {
  ["helo"] = function(s, x) return s:helo("me" .. x) end,
  ["ehlo"] = function(s, x) return s:ehlo("me" .. x) end,
  ["mail"] = function(s, x) return s:mail("a" .. x .. "@example.org") end,
  ["mail, quoted local part"] = function(s, x) return s:mail('"a' .. x .. '"@example.org') end,
  ["mail, domain"] = function(s, x) return s:mail("a@example.org" .. x) end,
  ["mail, option string"] = function(s, x) return s:mail("a@example.org", { "BODY=8BITMIME" .. x }) end,
  ["mail, option value"] = function(s, x) return s:mail("a@example.org", { ENVID = "id" .. x }) end,
  ["mail, option name"] = function(s, x) return s:mail("a@example.org", { ["X" .. x] = "y" }) end,
  ["mail, AUTH"] = function(s, x) return s:mail("a@example.org", { AUTH = "b@example.org" .. x }) end,
  ["rcpt"] = function(s, x) return s:rcpt("b" .. x .. "@example.org") end,
  ["rcpt, quoted local part"] = function(s, x) return s:rcpt('"b' .. x .. '"@example.org') end,
  ["rcpt, option string"] = function(s, x) return s:rcpt("b@example.org", { "NOTIFY=NEVER" .. x }) end,
  ["rcpt, option value"] = function(s, x) return s:rcpt("b@example.org", { ORCPT = "rfc822;c@example.org" .. x }) end,
  ["sendmail, sender"] = function(s, x) return s:sendmail("a@example.org" .. x, addresses[2], "hi") end,
  ["sendmail, recipient"] = function(s, x) return s:sendmail(addresses[1], { addresses[2], "c@example.org" .. x }, "hi") end,
  ["sendmail, mail_options"] = function(s, x) return s:sendmail(addresses[1], addresses[2], "hi", { "X=1" .. x }) end,
  ["sendmail, rcpt_options"] = function(s, x) return s:sendmail(addresses[1], addresses[2], "hi", nil, { "X=1" .. x }) end,
  ["sendmail, recipient's option"] = function(s, x)
    return s:sendmail(addresses[1], { { addr = addresses[2], ORCPT = "rfc822;c@example.org" .. x } }, "hi")
  end,
  ["verify"] = function(s, x) return s:verify("someone" .. x) end,
  ["expn"] = function(s, x) return s:expn("list" .. x) end,
  ["help"] = function(s, x) return s:help("topic" .. x) end,
  ["docmd, verb"] = function(s, x) return s:docmd("NOOP" .. x) end,
  ["docmd, arguments"] = function(s, x) return s:docmd("NOOP", "x" .. x) end,
  ["putcmd"] = function(s, x) return s:putcmd("NOOP", "x" .. x) end,
  ["auth, mechanism"] = function(s, x) return s:auth("PLAIN" .. x, function() return "x" end) end,
}

describe("One chokepoint writes commands, and no control character passes it:", function()
  for name, way in pairs(ways) do
    it(name, function()
      for _, x in ipairs(poison) do
        local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
        local before = #peer.sent
        local result, err = way(server, x)
        assert.is_nil(result, ("%q passed"):format(x))
        assert.is_true(smtplib.is_error(err), ("%q: %s"):format(x, tostring(err)))
        for _, line in ipairs(wire.lines(peer.sent:sub(before + 1))) do
          -- Where one of several is bad, nothing of it was sent at all.
          error(("%q sent %q"):format(x, line))
        end
        assert.equal("none", err.delivery)
        assert.is_true(server:is_open())
        assert.equal(250, (server:noop()))
      end
    end)
  end

  it("local_hostname", function()
    for _, x in ipairs(poison) do
      local peer = wire.peer {}
      local ok, server, err = pcall(smtplib.SMTP, { host = "mx.example.org", local_hostname = "me" .. x, transport = peer })
      if ok and server then
        local code
        code, err = server:ehlo()
        assert.is_nil(code)
      end
      assert.is_true(not ok or smtplib.is_error(err))
      assert.equal("", peer.sent)
    end
  end)

  it("the login's user name", function()
    for _, x in ipairs(poison) do
      local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
      local before = #peer.sent
      local code, err = server:login("me" .. x, "secret")
      assert.is_nil(code)
      assert.is_true(smtplib.is_error(err))
      assert.equal("", peer.sent:sub(before + 1))
    end
  end)

  it("the host that is connected to", function()
    for _, x in ipairs(poison) do
      local peer = wire.peer {}
      local ok, server = pcall(smtplib.SMTP, { host = "mx.example.org" .. x, transport = peer })
      assert.is_true(not ok or server == nil, ("%q passed"):format(x))
      assert.same({}, peer.connects)
    end
  end)
end)

describe("Bytes are checked after encoding, never narrowed:", function()
  it("U+760D U+760A stay themselves or are refused", function()
    local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
    server:mail("\231\152\141\231\152\138@example.org", { "SMTPUTF8" })
    server:verify("\231\152\141\231\152\138")
    for _, line in ipairs(wire.lines(peer.sent)) do
      assert.is_truthy(line:match("^EHLO ") or line:match("^VRFY ") or line:match("^MAIL FROM:<[^<>]*@example%.org> ?[%w ]*$"), line)
    end
  end)

  it("what is not UTF-8 is refused", function()
    for _, x in ipairs { "\255", "\192\141", "\192\138", "\224\128\141", "\237\160\128" } do
      local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
      local before = #peer.sent
      for _, result in ipairs {
        { server:mail("a" .. x .. "@example.org") }, { server:verify("a" .. x) }, { server:helo("a" .. x) },
      } do
        assert.is_nil(result[1])
      end
      assert.equal("", peer.sent:sub(before + 1))
    end
  end)
end)

describe("Numbers must be numbers:", function()
  local values = { -1, 1.5, math.huge, -math.huge, 0 / 0, "1e3", "0x10", "10 BODY=8BITMIME", "10\r\nRSET", "", true, {} }
  for _, value in ipairs(values) do
    it("SIZE=" .. tostring(value), function()
      local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
      local ok, refused, err = pcall(server.sendmail, server, addresses[1], addresses[2], "hi", { SIZE = value })
      assert.is_true(not ok or (refused == nil and smtplib.is_error(err)) or value == 1.5)
      for _, line in ipairs(wire.lines(peer.sent)) do
        local size = line:match("^MAIL .*[sS][iI][zZ][eE]=(.*)$")
        assert.is_true(not size or size:find("^%d+$") ~= nil, line)
      end
    end)
  end
end)

describe("Lengths of RFC 5321 are kept, so that no server cuts a line in two:", function()
  local cases = {
    { "a local part of 65", ("a"):rep(65) .. "@example.org" },
    { "a label of 64", "a@" .. ("b"):rep(64) .. ".org" },
    { "a domain of 256", "a@" .. ("b123456789."):rep(24) .. "org" },
    { "a path of 257", ("a"):rep(64) .. "@" .. ("b1234567."):rep(21) .. "example.org" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local server, peer = wire.connect {}
      local before = #peer.sent
      assert.is_nil((server:mail(case[2])))
      assert.is_nil((server:rcpt(case[2])))
      assert.is_nil((server:sendmail(case[2], addresses[2], "hi")))
      assert.is_nil((server:sendmail(addresses[1], case[2], "hi")))
      assert.equal("", peer.sent:sub(before + 1))
    end)
  end

  it("a line that options make too long", function()
    local server, peer = wire.connect { extensions = { AUTH = "PLAIN LOGIN CRAM-MD5" } }
    local before = #peer.sent
    assert.is_nil((server:sendmail(addresses[1], addresses[2], "hi", { "X=" .. ("y"):rep(5000) })))
    assert.is_nil((server:docmd("NOOP", ("y"):rep(5000))))
    assert.equal("", peer.sent:sub(before + 1))
    assert.equal(250, (server:noop()))
  end)
end)

describe("An absent sender is an error, <> must be explicit:", function()
  it("nothing is sent for nil, false, a number or a table", function()
    local server, peer = wire.connect {}
    local before = #peer.sent
    for _, from in ipairs { false, 1, {} } do
      assert.is_false((pcall(server.sendmail, server, from, addresses[2], "hi")))
      assert.is_false((pcall(server.mail, server, from)))
    end
    assert.is_false((pcall(server.sendmail, server, nil, addresses[2], "hi")))
    assert.is_false((pcall(server.mail, server)))
    assert.equal("", peer.sent:sub(before + 1))
  end)

  it("the null reverse-path is sent for '' and '<>'", function()
    for _, from in ipairs { "", "<>" } do
      local server, peer = wire.connect {}
      assert.same({}, (server:sendmail(from, addresses[2], "hi")))
      assert.is_truthy(peer.sent:find("MAIL FROM:<>", 1, true))
    end
  end)
end)
