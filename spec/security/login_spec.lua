-- Authentication and secrets.
local base64 = require "smtplib.base64"
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local password = "correct horse battery"
local hidden = { password, base64.encode(password), base64.encode("\0me\0" .. password) }

local function assert_hidden(text)
  for _, secret in ipairs(hidden) do assert.is_nil(text:find(secret, 1, true), secret) end
end

describe("No secret in clear without consent:", function()
  for _, mechanism in ipairs { "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "plain", "PLAIN LOGIN XOAUTH2" } do
    it(mechanism .. " is refused on a connection that is neither TLS nor loopback", function()
      local server, peer = wire.connect { loopback = false, extensions = { AUTH = mechanism } }
      local before = #peer.sent
      local code, err = server:login("me", password)
      assert.is_nil(code)
      assert.is_true(err:is(smtplib.SMTPNotSupportedError) or err:is(smtplib.SMTPException))
      for name in mechanism:gmatch("%S+") do
        assert.is_nil((server:auth(name, function() return "\0me\0" .. password end)))
      end
      assert.equal("", peer.sent:sub(before + 1))
      assert.is_true(server:is_open())
    end)
  end
end)

describe("Negotiation cannot be talked down:", function()
  -- What a server that does not know the password can answer to SCRAM.
  local lies = {
    { "accepts at once", "235 welcome" },
    { "says that we are logged in", "503 5.5.1 already authenticated" },
    { "sends a nonce of its own", "334 " .. base64.encode("r=evil,s=c2FsdA==,i=4096") },
    { "asks for one iteration", function(_, argument)
      local first = base64.decode(argument:match("(%S+)$"))
      return "334 " .. base64.encode("r=" .. first:match("r=(.*)$") .. "x,s=c2FsdA==,i=1")
    end },
    { "asks for a billion iterations", function(_, argument)
      local first = base64.decode(argument:match("(%S+)$"))
      return "334 " .. base64.encode("r=" .. first:match("r=(.*)$") .. "x,s=c2FsdA==,i=999999999")
    end },
  }
  for _, case in ipairs(lies) do
    it("a server that " .. case[1] .. " gets no weaker mechanism, and the login fails", function()
      local server, peer = wire.connect { extensions = { AUTH = "SCRAM-SHA-256 PLAIN LOGIN" }, replies = { AUTH = case[2] } }
      local code, err = server:login("me", password)
      assert.is_nil(code)
      assert.is_true(smtplib.is_error(err))
      assert.is_false(server:is_open())
      assert_hidden(peer.sent)
      assert.is_nil(peer.sent:find("AUTH PLAIN", 1, true))
      assert.is_nil(peer.sent:find("AUTH LOGIN", 1, true))
    end)
  end
end)

describe("Every trace is masked, always:", function()
  local function traced(mechanisms, login)
    local records = {}
    local server, peer = wire.connect({ auth = { me = password }, mechanisms = mechanisms },
      { trace = function(_, bytes) records[#records + 1] = bytes end })
    login(server)
    server:quit()
    return table.concat(records), peer
  end

  for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256" } do
    it(mechanism .. " shows neither response nor challenge", function()
      local trace, peer = traced({ mechanism }, function(server) assert(server:login("me", password)) end)
      assert_hidden(trace)
      assert.is_truthy(trace:find("AUTH " .. mechanism, 1, true))
      for line in peer.sent:gmatch("[^\r\n]+") do
        if #line >= 16 and not line:find(" ", 1, true) then assert.is_nil(trace:find(line, 1, true), line) end
      end
      for line in trace:gmatch("334[^\r\n]*") do assert.equal("334 ****", line) end
    end)
  end

  it("a login by hand, by whatever call, shows nothing either", function()
    local trace = traced({ "PLAIN", "LOGIN" }, function(server)
      server:docmd("AUTH", "PLAIN " .. base64.encode("\0me\0" .. password))
      server:rset()
      server:docmd("AUTH PLAIN " .. base64.encode("\0me\0" .. password))
      server:putcmd("auth", "plain " .. base64.encode("\0me\0" .. password))
      server:getreply()
      server:send("AUTH PLAIN " .. base64.encode("\0me\0" .. password) .. "\r\n")
      server:getreply()
    end)
    assert_hidden(trace)
    trace = traced({ "LOGIN" }, function(server)
      server:docmd("AUTH", "LOGIN")
      server:docmd(base64.encode("me"))
      server:docmd(base64.encode(password))
    end)
    assert_hidden(trace)
  end)

  it("an error does not tell the password", function()
    local server = wire.connect { auth = { me = "another" }, mechanisms = { "PLAIN", "LOGIN", "CRAM-MD5" } }
    local code, err = server:login("me", password)
    assert.is_nil(code)
    assert_hidden(tostring(err) .. err.message)
    assert_hidden(tostring(server))
  end)
end)

describe("Challenges are capped:", function()
  it("a server that asks for ever is left", function()
    local server, peer = wire.connect { extensions = { AUTH = "LOGIN" }, replies = { AUTH = { endless = "334 \r\n" } } }
    local asked = 0
    local code, err = server:auth("LOGIN", function()
      asked = asked + 1
      return "again"
    end)
    assert.is_nil(code)
    assert.is_true(smtplib.is_error(err))
    assert.is_true(asked <= 11, asked)
    assert.is_true(#peer.sent < 1000)
  end)
end)
