-- A server that fails: silent, gone, closing, talking nonsense, at every stage
-- (API sections 3.1, 3.2). Time-outs here take no time: the peer's clock is
-- simulated, and a wait that never ends would show as an endless spec.
local certs = require "spec.support.certs"
local client = require "spec.support.client"
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"

local server_context

local function copy(given, more)
  local all = {}
  for name, value in pairs(given or {}) do all[name] = value end
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

-- What each stage does with a connection to a server whose options are given:
-- result, err, server.

local function greet(options)
  local server = smtplib.SMTP { transport = require("spec.support.peer").new(options), timeout = 0.2 }
  local code, err = server:connect("localhost")
  return code, err, server
end

local function calling(method, ...)
  local arguments = { ... }
  return function(options)
    local server = client.connect(options, { timeout = 0.2 })
    if method ~= "ehlo" and method ~= "helo" then server:ehlo() end
    local result, err = server[method](server, arguments[1], arguments[2], arguments[3])
    return result, err, server
  end
end

local function sending(extensions)
  return function(options)
    options.extensions = copy(options.extensions, extensions)
    local server = client.connect(options, { timeout = 0.2 })
    local result, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
    return result, err, server
  end
end

local function starting_tls(options)
  server_context = server_context or pair.server_context("server")
  options.context = server_context
  local server = client.connect(options, { timeout = 0.2, tls_options = { cafile = certs.path("ca.pem") } })
  local result, err = server:starttls()
  return result, err, server
end

local function logging_in(mechanism)
  return function(options)
    options.auth, options.mechanisms = { me = "secret" }, { mechanism }
    local server = client.connect(options, { timeout = 0.2 })
    local result, err = server:login("me", "secret")
    return result, err, server
  end
end

local function lmtp(options)
  options.lmtp = true
  local server = client.connect(options, { timeout = 0.2 })
  local result, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
  return result, err, server
end

local together, apart = { CHUNKING = false }, { CHUNKING = false, PIPELINING = false }

-- title, the verb in the peer's script, what to do, `command` of the error,
-- class of the error for a reply of 421 (nil: it is handed back)
local stages = {
  { "the greeting", "greeting", greet, "greeting" },
  { "HELO", "HELO", calling("helo"), "HELO" },
  { "EHLO", "EHLO", calling("ehlo"), "EHLO" },
  { "EHLO within sendmail", "EHLO", sending(together), "EHLO", "SMTPHeloError" },
  { "NOOP", "NOOP", calling("noop"), "NOOP" },
  { "RSET", "RSET", calling("rset"), "RSET" },
  { "VRFY", "VRFY", calling("vrfy", "x"), "VRFY" },
  { "HELP", "HELP", calling("help"), "HELP" },
  { "docmd", "XTRA", calling("docmd", "XTRA"), "XTRA" },
  { "mail", "MAIL", calling("mail", "a@b.example"), "MAIL" },
  { "rcpt", "RCPT", calling("rcpt", "a@b.example"), "RCPT" },
  { "QUIT", "QUIT", calling("quit"), "QUIT" },
  { "STARTTLS", "STARTTLS", starting_tls, "STARTTLS", "SMTPResponseException" },
  { "AUTH", "AUTH", logging_in("PLAIN"), "AUTH", "SMTPAuthenticationError" },
  { "the second step of AUTH", "AUTH+", logging_in("CRAM-MD5"), "AUTH", "SMTPAuthenticationError" },
  { "MAIL", "MAIL", sending(apart), "MAIL", "SMTPSenderRefused" },
  { "MAIL in a pipeline", "MAIL", sending(together), "MAIL", "SMTPSenderRefused" },
  { "RCPT", "RCPT", sending(apart), "RCPT", "SMTPRecipientsRefused" },
  { "RCPT in a pipeline", "RCPT", sending(together), "RCPT", "SMTPRecipientsRefused" },
  { "the second RCPT", "RCPT e@f.example", sending(apart), "RCPT", "SMTPRecipientsRefused" },
  { "the second RCPT in a pipeline", "RCPT e@f.example", sending(together), "RCPT", "SMTPRecipientsRefused" },
  { "DATA", "DATA", sending(apart), "DATA", "SMTPDataError" },
  { "DATA in a pipeline", "DATA", sending(together), "DATA", "SMTPDataError" },
  { "the final dot", ".", sending(apart), "DATA", "SMTPDataError", "unknown" },
  { "the final dot in a pipeline", ".", sending(together), "DATA", "SMTPDataError", "unknown" },
  { "the final dot of LMTP", ".", lmtp, "DATA", "SMTPRecipientsRefused", "unknown" },
  { "the second reply of LMTP", ". e@f.example", lmtp, "DATA", "", "unknown" },
}

-- The error is of that class, says where and what became of the message, and
-- the object is closed, not half way.
local function check(err, server, name, stage, temporary)
  assert.equal(name, err and err.name, tostring(err))
  assert.equal(stage[4], err.command)
  assert.equal(temporary, err.temporary)
  assert.equal(stage[6] or "none", err.delivery)
  assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
  assert.is_false(server:is_open())
  assert.is_nil(server.sock)
  local code, second = server:noop()
  assert.is_nil(code)
  assert.equal("SMTPServerDisconnected", second.name)
end

describe("a server that falls silent at", function()
  for _, stage in ipairs(stages) do
    it(stage[1] .. " is given up", function()
      local result, err, server = stage[3] { stall = { [stage[2]] = true } }
      assert.is_nil(result)
      check(err, server, "SMTPSocketError", stage, true)
      assert.equal("timeout", err.code)
    end)
  end

  it("the TLS handshake is given up", function()
    local result, err, server = starting_tls { stall = { TLS = true } }
    assert.is_nil(result)
    check(err, server, "SMTPSocketError", { nil, nil, nil, "STARTTLS" }, true)
    assert.equal("timeout", err.code)
  end)

  for _, stage in ipairs(stages) do
    -- In a pipeline, the next reply would go on where this one stops.
    if not stage[1]:find("pipeline", 1, true) and stage[3] ~= lmtp then
      it(stage[1] .. " after half a reply is given up", function()
        local result, err, server = stage[3] { replies = { [stage[2]] = { raw = "250-two li" } } }
        assert.is_nil(result)
        -- The sink closes behind its answer to QUIT, whatever that was.
        check(err, server, stage[2] == "QUIT" and "SMTPServerDisconnected" or "SMTPSocketError", stage, true)
      end)
    end
  end
end)

describe("a server that goes away at", function()
  for _, stage in ipairs(stages) do
    it(stage[1] .. " has disconnected", function()
      local result, err, server = stage[3] { disconnect = { [stage[2]] = true } }
      assert.is_nil(result)
      check(err, server, "SMTPServerDisconnected", stage, true)
    end)

    it(stage[1] .. " in the midst of its reply has disconnected", function()
      for _, bytes in ipairs { 1, 3, 4, 7 } do
        local result, err, server = stage[3] { disconnect = { [stage[2]] = bytes } }
        assert.is_nil(result)
        check(err, server, "SMTPServerDisconnected", stage, true)
      end
    end)
  end

  it("the connection's beginning has disconnected", function()
    local result, err, server = greet { disconnect = { connect = true } }
    assert.is_nil(result)
    check(err, server, "SMTPServerDisconnected", stages[1], true)
  end)

  it("the middle of a body has disconnected, and took nothing", function()
    for _, extensions in ipairs { together, apart } do
      local options = { disconnect = { DATA_MIDDLE = 100000 }, extensions = extensions }
      local server, peer = client.connect(options, { timeout = 0.2 })
      local result, err = server:sendmail("a@b.example", "c@d.example", ("x"):rep(1000000))
      assert.is_nil(result)
      check(err, server, "SMTPServerDisconnected", { nil, nil, nil, "DATA" }, true)
      assert.equal(0, #peer.messages)
    end
  end)

  it("QUIT does not spoil what was accepted", function()
    local server, peer = client.connect { disconnect = { QUIT = true } }
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    server:quit()
    assert.equal(1, #peer.messages)
    assert.is_false(server:is_open())
  end)
end)

describe("421 at", function()
  for _, stage in ipairs(stages) do
    it(stage[1] .. " closes the connection", function()
      local code, err, server = stage[3] { replies = { [stage[2]] = "421 4.3.2 shutting down" } }
      assert.is_false(server:is_open())
      assert.is_nil(server.sock)
      if not stage[5] then
        assert.equal(421, code)
        return
      elseif stage[5] == "" then
        assert.same({ ["e@f.example"] = { 421, "shutting down", "4.3.2" } }, code)
        return
      end
      assert.is_nil(code)
      assert.equal(stage[5], err.name)
      assert.equal(stage[4], err.command)
      assert.is_true(err.temporary)
      assert.equal("none", err.delivery)
      if stage[5] ~= "SMTPRecipientsRefused" then
        assert.same({ 421, "shutting down" }, { err.smtp_code, err.smtp_error })
      end
    end)
  end

  it("a RCPT lists only recipients that were really refused", function()
    for _, extensions in ipairs { together, apart } do
      local result, err, server = sending(extensions) {
        replies = { ["RCPT c@d.example"] = "550 no", ["RCPT e@f.example"] = "421 bye" },
      }
      assert.is_nil(result)
      assert.equal("SMTPRecipientsRefused", err.name)
      assert.same({ 550, "no" }, err.recipients["c@d.example"])
      assert.is_false(server:is_open())
    end
  end)

  it("no stage is followed by RSET or QUIT", function()
    for _, verb in ipairs { "MAIL", "RCPT", "DATA", "." } do
      for _, extensions in ipairs { together, apart } do
        local server, peer = client.connect { replies = { [verb] = "421 bye" }, extensions = extensions }
        server:sendmail("a@b.example", "c@d.example", "x")
        assert.equal(0, client.count(peer, "RSET"))
        assert.equal(0, client.count(peer, "QUIT"))
      end
    end
  end)
end)

describe("a reply that is none at", function()
  local rows = {
    { "garbage", "hello there\r\n" }, { "two digits", "25 ok\r\n" }, { "four digits", "2500 ok\r\n" },
    { "a letter", "2x0 ok\r\n" }, { "an empty line", "\r\n" }, { "a code below", "150 ok\r\n" },
    { "a code beyond", "650 ok\r\n" }, { "codes that disagree", "250-one\r\n550 two\r\n" },
    { "too long a line", "250 " .. ("x"):rep(5000) .. "\r\n" }, { "a line without an end", "250 " .. ("x"):rep(5000) },
    { "too many lines", ("250-x\r\n"):rep(1001) .. "250 x\r\n" },
  }
  for _, stage in ipairs(stages) do
    for _, row in ipairs(rows) do
      it(("%s, by %s, closes"):format(stage[1], row[1]), function()
        local result, err, server = stage[3] { replies = { [stage[2]] = { raw = row[2] } } }
        assert.is_nil(result)
        check(err, server, "SMTPResponseException", stage, false)
      end)
    end

    it(stage[1] .. ", without an end, closes", function()
      for _, endless in ipairs { "250-more\r\n", "x" } do
        local result, err, server = stage[3] { replies = { [stage[2]] = { endless = endless } } }
        assert.is_nil(result)
        check(err, server, "SMTPResponseException", stage, false)
      end
    end)
  end

  it("its limits, which can be set", function()
    local replies = { EHLO = { "250-a", "250-b", "250 " .. ("c"):rep(40) } }
    for _, limits in ipairs { { reply_lines = 2 }, { reply_line = 20 } } do
      local server = client.connect({ replies = replies, name = "x" }, { limits = limits })
      local code, err = server:ehlo()
      assert.is_nil(code)
      assert.equal("SMTPResponseException", err.name)
      assert.is_false(server:is_open())
    end
    local server = client.connect({ replies = replies }, { limits = { reply_lines = 3, reply_line = 60 } })
    assert.equal(250, (server:ehlo()))
  end)

  it("the dot, after a success elsewhere, is not believed", function()
    local result, err = sending(together) { replies = { ["."] = { raw = "250-2.0.0 taken\r\n251 no\r\n" } } }
    assert.is_nil(result)
    assert.equal("unknown", err.delivery)
  end)
end)

describe("an unsolicited reply", function()
  it("before a command is not taken for its answer", function()
    for _, verb in ipairs { "NOOP", "RSET", "EHLO" } do
      local server, peer = client.connect { replies = { [verb] = "250 fine\r\n250 unasked\r\n" } }
      local _, first = server[verb:lower()](server)
      local code, err = server:mail("a@b.example")
      assert.is_nil(code, tostring(first))
      assert.is_true(smtplib.is_error(err, smtplib.SMTPServerDisconnected), tostring(err))
      assert.equal("none", err.delivery)
      assert.is_false(server:is_open())
      assert.equal(0, client.count(peer, "MAIL"))
    end
  end)

  it("behind the greeting is not taken for an answer", function()
    local server, peer = client.connect { replies = { greeting = "220 hello\r\n250 unasked\r\n" } }
    local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal("none", err.delivery)
    assert.equal(0, #peer.messages)
  end)

  it("within a transaction does not move its answers", function()
    for _, extensions in ipairs { together, apart } do
      for _, verb in ipairs { "MAIL", "RCPT", "DATA" } do
        local code = verb == "DATA" and "354" or "250"
        local server, peer = client.connect {
          replies = { [verb] = code .. " fine\r\n250 unasked\r\n" }, extensions = extensions,
        }
        local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
        if refused then
          assert.equal(1, #peer.messages)
        else
          assert.is_true(smtplib.is_error(err))
        end
        -- Whatever became of this message, the next command's answer is its own.
        local noop, text = server:noop()
        assert.truthy(noop == nil or text == "ok", tostring(text))
      end
    end
  end)

  it("in time-out's wake is never read: the connection is closed", function()
    local server = client.connect({ delays = { NOOP = 5 } }, { timeout = 0.2 })
    server:ehlo()
    local code, err = server:noop()
    assert.is_nil(code)
    assert.equal("timeout", err.code)
    assert.is_false(server:is_open())
  end)
end)

describe("a time-out", function()
  it("covers each wait, not their sum", function()
    local server, peer = client.connect({ delays = { EHLO = 0.15, MAIL = 0.15, RCPT = 0.15, DATA = 0.15, ["."] = 0.15 },
      extensions = apart }, { timeout = 0.2 })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.truthy(peer.clock > 0.7)
  end)

  it("may be longer for one command", function()
    local options = { delays = { ["."] = 5 } }
    local server = client.connect(options, { timeout = 0.2, command_timeouts = { data_final = 10 } })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.equal(250, (server:noop()))
    server = client.connect({ delays = { NOOP = 5, ["."] = 5 } }, { timeout = 0.2, command_timeouts = { noop = 10 } })
    assert.equal(250, (server:noop()))
    local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal("timeout", err.code)
    assert.equal("unknown", err.delivery)
  end)

  it("may be shorter for one command", function()
    local server = client.connect({ delays = { NOOP = 5 } }, { timeout = 10, command_timeouts = { NOOP = 1 } })
    local code, err = server:noop()
    assert.is_nil(code)
    assert.equal("timeout", err.code)
  end)

  it("may be set apart for reading", function()
    local server = client.connect({ delays = { NOOP = 5 } }, { timeout = { connect = 1, send = 1, read = 10 } })
    assert.equal(250, (server:noop()))
    server = client.connect({ delays = { NOOP = 5 } }, { timeout = { read = 1 } })
    local code, err = server:noop()
    assert.is_nil(code)
    assert.equal("timeout", err.code)
  end)

  it("of infinity waits for ever", function()
    local server = client.connect({ delays = { NOOP = 1e9 } }, { timeout = math.huge })
    assert.equal(250, (server:noop()))
  end)
end)

describe("a transport that fails", function()
  it("to send or to receive closes the object", function()
    for _, with in ipairs { "closed", "timeout", "ECONNRESET", "a word of its own" } do
      for what, n in pairs { send = 2, receive = 3 } do
        local server, peer = client.connect({ fail = { [what] = n, with = with } })
        server:ehlo()
        local code, err = server:noop()
        assert.is_nil(code)
        assert.is_true(smtplib.is_error(err), tostring(err))
        assert.equal(with == "closed" or with == "ECONNRESET", err:is(smtplib.SMTPServerDisconnected))
        assert.is_true(err.temporary)
        assert.is_false(server:is_open())
        assert.is_true(peer.closed)
      end
    end
  end)

  it("gives the same dialogue however its bytes are cut", function()
    for cut = 1, 7 do
      local server, peer = client.connect { cut = cut, replies = { ["RCPT e@f.example"] = "550 5.1.1 no" } }
      assert.same({ ["e@f.example"] = { 550, "no", "5.1.1" } },
        server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x"))
      assert.equal("x\r\n", peer.messages[1].data)
      assert.equal(221, (server:quit()))
    end
  end)
end)

describe("real sockets", function()
  local sink
  before_each(function() sink = assert(smtplib.sink.start()) end)
  after_each(function() sink:stop() end)

  it("time out at the greeting and in a transaction", function()
    sink:script { stall = { greeting = true } }
    local server, err = smtplib.SMTP { host = sink.host, port = sink.port, timeout = 0.1 }
    assert.is_nil(server)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("timeout", err.code)
    assert.equal("greeting", err.command)
    sink:script { stall = { ["."] = true } }
    server = assert(smtplib.SMTP { host = sink.host, port = sink.port, timeout = 0.1 })
    local refused
    refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.same({ "timeout", "unknown", true, "DATA" }, { err.code, err.delivery, err.temporary, err.command })
    assert.is_false(server:is_open())
  end)

  it("notice before a command that the server has gone or spoken unasked", function()
    sink:script { disconnect = { NOOP = "after" } }
    local server = assert(smtplib.SMTP(sink.host, sink.port))
    assert.equal(250, (server:noop()))
    local code, err = server:noop()
    assert.is_nil(code)
    assert.equal("SMTPServerDisconnected", err.name)
    sink:script { disconnect = false, replies = { NOOP = "250 fine\r\n421 4.4.2 idle for too long\r\n" } }
    server = assert(smtplib.SMTP(sink.host, sink.port))
    assert.equal(250, (server:noop()))
    local refused
    refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal("none", err.delivery)
    assert.is_true(err.temporary)
    assert.equal(0, #sink:messages())
  end)

  it("lose the server at the final reply: delivery is unknown", function()
    sink:script { disconnect = { ["."] = "lost" } }
    local server = assert(smtplib.SMTP(sink.host, sink.port))
    local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal("SMTPServerDisconnected", err.name)
    assert.equal("unknown", err.delivery)
    assert.equal(1, #sink:messages())
  end)
end)
