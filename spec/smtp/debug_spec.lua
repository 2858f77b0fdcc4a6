-- Debug output and traces (API section 3.1): their form, and that no secret
-- gets into them.
local client = require "spec.support.client"
local certs = require "spec.support.certs"
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"

-- Where debug output goes: collects it.
local function recorder()
  local text = {}
  return {
    write = function(self, ...)
      for _, piece in ipairs { ... } do text[#text + 1] = piece end
      return self
    end,
    text = function() return table.concat(text) end,
    lines = function()
      local lines = {}
      for line in table.concat(text):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
      return lines
    end,
  }
end

describe("debug output", function()
  local old, out

  before_each(function()
    old, out = smtplib.stderr, recorder()
    smtplib.stderr = out
  end)
  after_each(function() smtplib.stderr = old end)

  it("goes to smtplib.stderr, which is io.stderr at first", function()
    assert.equal(io.stderr, old)
    client.connect(nil, { debuglevel = 1 }):quit()
    assert.truthy(#out.lines() > 2)
  end)

  it("is silent at level 0", function()
    local server = client.connect(nil, { debuglevel = 0 })
    server:sendmail("a@b.example", "c@d.example", "x")
    server:quit()
    assert.equal("", out.text())
  end)

  it("writes connect:, send: and reply: at level 1", function()
    local server = client.connect({ replies = { NOOP = { "250-one", "250 two" } } }, { debuglevel = 1 })
    server:noop()
    server:sendmail("a@b.example", "c@d.example", "it's\na body")
    local lines = out.lines()
    local seen = {}
    for _, line in ipairs(lines) do
      local label = line:match("^(%a+): ")
      assert.truthy(label == "connect" or label == "send" or label == "reply", line)
      seen[label] = true
      assert.is_nil(line:find("[%c]"), line)
    end
    assert.same({ connect = true, send = true, reply = true }, seen)
    local text = out.text()
    assert.equal("connect: ", lines[1]:sub(1, 9))
    assert.truthy(lines[1]:find("localhost", 1, true) and lines[1]:find("25", 1, true))
    assert.truthy(text:find("reply: '220 sink.example ESMTP ready\\r\\n'\n", 1, true))
    assert.truthy(text:find("send: 'NOOP\\r\\n'\n", 1, true))
    assert.truthy(text:find("reply: '250-one\\r\\n250 two\\r\\n'", 1, true))
    assert.truthy(text:find("send: 'MAIL FROM:<a@b.example> size=", 1, true))
    assert.truthy(text:find("354", 1, true))
    assert.truthy(text:find("a body", 1, true))
  end)

  it("puts the time of day before them at level 2", function()
    local server = client.connect(nil, { debuglevel = 2 })
    server:noop()
    for _, line in ipairs(out.lines()) do
      assert.truthy(line:find("^%d%d:%d%d:%d%d%.%d%d%d%d%d%d [crs]%a+: "), line)
    end
    assert.truthy(#out.lines() >= 4)
  end)

  it("can be turned on and off at any time", function()
    local server = client.connect()
    server:noop()
    assert.equal("", out.text())
    server:set_debuglevel(1)
    assert.equal(1, server.debuglevel)
    server:noop()
    local before = #out.lines()
    assert.truthy(before >= 2)
    server:set_debuglevel(0)
    server:noop()
    assert.equal(before, #out.lines())
    server:set_debuglevel(true)
    server:noop()
    assert.truthy(#out.lines() > before)
    server:set_debuglevel(false)
    assert.equal(0, server.debuglevel)
  end)

  it("may be asked for before connecting", function()
    local server = smtplib.SMTP { transport = require("spec.support.peer").new() }
    server:set_debuglevel(1)
    server:connect("localhost")
    assert.equal("connect: ", out.text():sub(1, 9))
  end)

  it("tells of a connection that was not made", function()
    client.try({ refuse = "ECONNREFUSED" }, { debuglevel = 1 })
    assert.equal("connect: ", out.text():sub(1, 9))
  end)

  it("shows the dialogue within TLS", function()
    local server = client.connect({ context = pair.server_context("server") },
      { debuglevel = 1, tls = "starttls", tls_options = { cafile = certs.path("ca.pem") } })
    server:noop()
    assert.truthy(out.text():find("send: 'NOOP\\r\\n'", 1, true))
  end)
end)

-- Whatever the mechanism: every form of the secret.
describe("secrets", function()
  local user, password = "tim", "correct horse battery"
  local b64 = function(s) return smtplib.encode_base64(s, 76, "") end
  local forms = {
    password, b64(password), b64("\0" .. user .. "\0" .. password),
    (b64("\0" .. user .. "\0" .. password):sub(1, -8)), "dGltdGFt",
  }
  local mechanisms = { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" }

  local function check(text, what)
    for _, form in ipairs(forms) do
      assert.is_nil(text:find(form, 1, true), what .. " shows " .. form)
    end
    -- No base64 of any length behind AUTH or in an answer to it.
    assert.truthy(text:find("AUTH ", 1, true), what)
    for long in text:gmatch("[%w+/]+=*") do
      assert.truthy(#long < 24 or long:find("^SCRAM") or long:find("ENHANCEDSTATUSCODES"), what .. " shows " .. long)
    end
  end

  for _, mechanism in ipairs(mechanisms) do
    for _, initial in ipairs { true, false } do
      it(("of %s are masked, initial response %s"):format(mechanism, tostring(initial)), function()
        local old, out, trace = smtplib.stderr, recorder(), {}
        smtplib.stderr = out
        finally(function() smtplib.stderr = old end)
        for level = 1, 2 do
          for _, known in ipairs { password, "another" } do
            local server = client.connect({ auth = { [user] = known }, mechanisms = { mechanism } },
              { debuglevel = level, trace = function(_, bytes) trace[#trace + 1] = bytes end })
            server:login(user, password, { initial_response_ok = initial })
          end
        end
        check(out.text(), "debug output")
        check(table.concat(trace), "trace")
      end)
    end
  end

  it("of auth with an object of the caller's are masked", function()
    local trace = {}
    local server = client.connect({ auth = { [user] = password }, mechanisms = { "PLAIN", "LOGIN" } },
      { trace = function(_, bytes) trace[#trace + 1] = bytes end })
    server:ehlo()
    server.user, server.password = user, password
    assert.equal(235, (server:auth("LOGIN", function(challenge) return server:auth_login(challenge) end,
      { initial_response_ok = false })))
    check(table.concat(trace), "trace")
  end)

  it("of a login by hand are masked", function()
    local trace = {}
    local server = client.connect({ auth = { [user] = password }, mechanisms = { "PLAIN", "LOGIN" } },
      { trace = function(_, bytes) trace[#trace + 1] = bytes end })
    server:ehlo()
    assert.equal(334, (server:docmd("AUTH", "LOGIN")))
    assert.equal(334, (server:docmd(b64(user))))
    assert.equal(235, (server:docmd(b64(password))))
    check(table.concat(trace), "trace")
    trace = {}
    server = client.connect({ auth = { [user] = password }, mechanisms = { "PLAIN" } },
      { trace = function(_, bytes) trace[#trace + 1] = bytes end })
    server:ehlo()
    assert.equal(235, (server:docmd("AUTH", "PLAIN " .. b64("\0" .. user .. "\0" .. password))))
    check(table.concat(trace), "trace")
    trace = {}
    server = client.connect({ auth = { [user] = password }, mechanisms = { "PLAIN" } },
      { trace = function(_, bytes) trace[#trace + 1] = bytes end })
    server:ehlo()
    server:send("auth plain " .. b64("\0" .. user .. "\0" .. password) .. "\r\n")
    assert.equal(235, (server:getreply()))
    for _, form in ipairs(forms) do assert.is_nil(table.concat(trace):find(form, 1, true)) end
  end)

  it("are not told by errors and tostring", function()
    local server = client.connect({ auth = { [user] = "another" }, mechanisms = mechanisms })
    local code, err = server:login(user, password)
    assert.is_nil(code)
    for _, form in ipairs(forms) do
      assert.is_nil(tostring(err):find(form, 1, true))
      assert.is_nil(tostring(server):find(form, 1, true))
    end
  end)
end)

describe("a trace function", function()
  it("gets direction and bytes, in order", function()
    local trace = {}
    local server = client.connect(nil, { trace = function(...) trace[#trace + 1] = { select("#", ...), ... } end })
    server:noop()
    assert.same({
      { 2, "receive", "220 sink.example ESMTP ready\r\n" }, { 2, "send", "NOOP\r\n" }, { 2, "receive", "250 ok\r\n" },
    }, trace)
  end)

  it("sees all of a transaction", function()
    local sent, received = {}, {}
    local server = client.connect(nil, { trace = function(direction, bytes)
      local list = direction == "send" and sent or received
      list[#list + 1] = bytes
    end })
    server:sendmail("a@b.example", "c@d.example", ".x\ny")
    local text = table.concat(sent)
    assert.truthy(text:find("RCPT TO:<c@d.example>\r\nDATA\r\n..x\r\ny\r\n.\r\n", 1, true), text)
    text = table.concat(received)
    assert.truthy(text:find("354 ", 1, true) and text:find("250 2.0.0 taken as 1\r\n", 1, true), text)
  end)

  it("may raise without doing harm", function()
    local server, peer = client.connect(nil, { trace = function() error("oops") end })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.equal(1, #peer.messages)
  end)

  it("works beside debug output", function()
    local old, out, trace = smtplib.stderr, recorder(), 0
    smtplib.stderr = out
    finally(function() smtplib.stderr = old end)
    local server = client.connect(nil, { debuglevel = 1, trace = function() trace = trace + 1 end })
    server:noop()
    assert.equal(3, trace)
    assert.equal(4, #out.lines())
    server:set_debuglevel(0)
    server:noop()
    assert.equal(5, trace)
  end)
end)
