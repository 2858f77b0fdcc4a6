-- The same programs run on LuaSocket's socket.smtp and on ours, and do the same:
-- what they return, what a server is told, what it receives. Then what is
-- stricter here.
local elsewhere = require "spec.compat.elsewhere"
local ours = require "smtplib.compat.socket_smtp"
local smtplib = require "smtplib"
local theirs = require "socket.smtp"
local ltn12 = require "ltn12"
local mime = require "mime"
local socket = require "socket"

-- A message as nested tables, without what differs from one sending to the next
-- and from one library to the other.
local function shape(m)
  local fields, parts = {}, nil
  for _, field in ipairs(m:items()) do
    local name, value = field[1]:lower(), field[2]:gsub("boundary=[^;]*", "boundary")
    if name == "date" then value = value:match("%S+$") end
    if name ~= "x-mailer" or not value:find("^%a+ %d") then fields[#fields + 1] = name .. ": " .. value end
  end
  table.sort(fields)
  if m:is_multipart() then
    parts = {}
    for i, part in ipairs(m:get_payload()) do parts[i] = shape(part) end
  end
  return { fields = fields, parts = parts, body = not parts and m:get_payload() or nil, preamble = m.preamble,
    epilogue = m.epilogue, defects = #m.defects }
end

-- What a program did with one of the libraries and a sink of its own.
local function observe(library, program, options)
  local sink = assert(smtplib.sink.start(options))
  local before = { SERVER = library.SERVER, PORT = library.PORT }
  library.SERVER, library.PORT = sink.host, sink.port
  local results = { program(library, sink) }
  library.SERVER, library.PORT = before.SERVER, before.PORT
  local seen = { results = { results[1], results[2] }, messages = {} }
  for i, message in ipairs(sink:messages()) do
    local to = {}
    for j, one in ipairs(message.to) do to[j] = one.addr end
    seen.messages[i] = { from = message.from, to = to, helo = message.helo, user = message.auth_user,
      shape = shape(smtplib.email.message_from_string(message.data)) }
  end
  sink:stop()
  return seen
end

local function compare(program, options)
  local expected, got = observe(theirs, program, options), observe(ours, program, options)
  assert.same(expected, got)
  return got
end

local function simple(changes)
  return function(library)
    local mail = { from = "<a@example.com>", rcpt = { "<b@example.org>", "<c@example.org>" },
      source = library.message { headers = { subject = "Hello" }, body = "Text" } }
    for name, value in pairs(changes or {}) do mail[name] = value end
    return library.send(mail)
  end
end

local function sends(message)
  return function(library)
    return library.send { from = "<a@example.com>", rcpt = "<b@example.org>", source = library.message(message()) }
  end
end

describe("compat.socket_smtp does as LuaSocket's socket.smtp", function()
  describe("messages:", function()
    local image = ("\0\1\2\255\r\n.\n"):rep(50)
    for name, message in pairs {
      ["a string"] = function() return { headers = { subject = "Hi", to = "B <b@example.org>", ["X-N"] = 5 }, body = "one\r\n.two\r\n..\r\n" } end,
      ["no header fields"] = function() return { body = "x" } end,
      ["a body that ends with a line end"] = function() return { headers = {}, body = "x\r\n\r\n" } end,
      ["an empty body"] = function() return { headers = { subject = "x" }, body = "" } end,
      ["a source"] = function() return { headers = { ["content-type"] = "text/html" }, body = ltn12.source.string(("<p>x</p>\r\n"):rep(3000)) } end,
      ["a field that is folded already"] = function() return { headers = { to = "a@example.org,\r\n\tb@example.org" }, body = "x" } end,
      ["fields that were there"] = function() return { headers = { Date = "Mon, 23 Nov 2026 20:08:22 +0100", ["X-Mailer"] = "mine", ["MIME-Version"] = "2.0" }, body = "x" } end,
      ["a zone"] = function() return { zone = "+0100", body = "x" } end,
      ["parts"] = function()
        return { headers = { subject = "With parts" }, body = {
          preamble = "Before.", epilogue = "After.",
          { body = mime.eol(0, "Lines\nend\nwith LF\n") },
          { headers = { ["content-type"] = 'image/png; name="i.png"', ["content-disposition"] = 'attachment; filename="i.png"',
              ["content-transfer-encoding"] = "BASE64" },
            body = ltn12.source.chain(ltn12.source.string(image), ltn12.filter.chain(mime.encode("base64"), mime.wrap())) },
        } }
      end,
      ["parts within parts"] = function()
        return { headers = { subject = "Nested" }, body = {
          { headers = { ["content-type"] = "multipart/alternative" }, body = {
            { body = "plain" }, { headers = { ["content-type"] = "text/html" }, body = "<p>html</p>" } } },
          { headers = { ["content-type"] = "multipart/parallel" }, body = {
            { body = { { body = "deep" } } }, { body = ltn12.source.string("deeper") } } },
        } }
      end,
    } do
      it(name, function()
        local seen = compare(sends(message))
        assert.same({ 1 }, seen.results)
        assert.equal(1, #seen.messages)
        assert.equal(0, seen.messages[1].shape.defects)
      end)
    end
  end)

  describe("calls:", function()
    for name, changes in pairs {
      ["several recipients"] = {},
      ["one recipient"] = { rcpt = "<b@example.org>" },
      ["the null path"] = { from = "<>" },
      ["another name for EHLO"] = { domain = "www.example.com" },
      ["dots in a source that is no message"] = { source = ltn12.source.string("Subject: x\r\n\r\n.\r\n..\r\n...x\r\n") },
      ["a step of the caller's"] = { step = function(source, sink)
        local chunk, err = source()
        local ok, failure = sink(chunk, err)
        return chunk and ok, err or failure
      end },
      ["a socket of the caller's"] = { create = function() return socket.tcp() end },
      ["a socket behind a table that hands on all calls"] = { create = function()
        local sock = socket.tcp()
        return setmetatable({}, { __index = function(_, method)
          return function(_, ...) return sock[method](sock, ...) end
        end })
      end },
    } do
      it(name, function()
        -- A source is spent when it has been sent.
        local function program(library)
          local mine = changes.source and { source = ltn12.source.string("Subject: x\r\n\r\n.\r\n..\r\n...x\r\n") } or changes
          return simple(mine)(library)
        end
        local seen = compare(program)
        assert.same({ 1 }, seen.results)
        assert.equal(1, #seen.messages)
      end)
    end

    it("a server and a port that are named", function()
      assert.same({ 1 }, compare(function(library, sink)
        library.SERVER, library.PORT = "127.0.0.2", 1
        return simple { server = sink.host, port = sink.port } (library)
      end).results)
    end)
  end)

  describe("failures:", function()
    for _, case in ipairs {
      { "a recipient that is refused", { replies = { ["RCPT c@example.org"] = "550-5.1.1 no such user\r\n550 5.1.1 here" } } },
      { "a sender that is refused", { replies = { MAIL = "553 5.1.8 no" } } },
      { "DATA refused", { replies = { DATA = "451 4.3.0 later" } } },
      { "a message that is refused", { replies = { ["."] = "554 5.7.1 spam" } } },
      { "EHLO refused", { replies = { EHLO = "502 no" } } },
      { "a greeting that says no", { replies = { greeting = "554 go away" } } },
      { "a server that goes away", { disconnect = { MAIL = true } } },
      { "a server that goes away with the message", { disconnect = { ["."] = true } } },
      { "nobody there", nil, { port = 1 } },
      { "no such host", nil, { server = "no-such-host.invalid" } },
      { "a wrong password", { auth = { me = "secret" }, mechanisms = { "PLAIN" }, replies = { AUTH = "535 5.7.8 no" } }, { user = "me", password = "wrong" } },
      { "a login that the server does not know", nil, { user = "me", password = "secret" } },
      { "a source that fails", nil, { source = function() return nil, "disk on fire" end } },
      { "a socket that cannot be made", nil, { create = function() return nil, "no sockets left" end } },
    } do
      it(case[1], function()
        local seen = compare(simple(case[3]), case[2])
        assert.is_nil(seen.results[1])
        assert.equal("string", type(seen.results[2]))
        assert.same({}, seen.messages)
      end)
    end

    it("a server that is silent", function()
      theirs.TIMEOUT, ours.TIMEOUT = 0.2, 0.2
      local seen = compare(simple(), { stall = { EHLO = true } })
      theirs.TIMEOUT, ours.TIMEOUT = 60, 60
      assert.same({ nil, "timeout" }, seen.results)
    end)
  end)

  describe("logins:", function()
    for _, mechanisms in ipairs { { "LOGIN" }, { "PLAIN" }, { "PLAIN", "LOGIN" } } do
      it(table.concat(mechanisms, " and "), function()
        local seen = compare(simple { user = "me", password = "secret" },
          { auth = { me = "secret" }, mechanisms = mechanisms, require_auth = true })
        assert.same({ 1 }, seen.results)
        assert.equal("me", seen.messages[1].user)
      end)
    end
  end)

  describe("single steps:", function()
    it("a dialogue by hand", function()
      local seen = compare(function(library, sink)
        local run = socket.protect(function()
          local log = {}
          local function note(...)
            for i = 1, select("#", ...) do log[#log + 1] = tostring((select(i, ...))) end
          end
          local c = library.open(sink.host, sink.port)
          local offered = c:greet("me.example.com")
          note(c:auth("me", "secret", offered))
          note(c:mail("<a@example.com>"))
          note(c:rcpt("<b@example.org>"))
          note(c:data(ltn12.source.chain(ltn12.source.string("Subject: x\r\n\r\n.\r\n.x\r\n"), mime.stuff())))
          c:send { from = "<a@example.com>", rcpt = { "<b@example.org>" }, source = ltn12.source.string("Subject: y\r\n\r\n.y") }
          note(c:quit())
          note(c:close())
          return table.concat(log, "|"), offered
        end)
        return run()
      end, { auth = { me = "secret" }, mechanisms = { "LOGIN" } })
      assert.equal(2, #seen.messages)
      assert.equal(".\r\n.x\r\n\r\n", seen.messages[1].shape.body)
      assert.truthy(seen.results[2]:find("250-PIPELINING", 1, true))
    end)

    it("failures are raised, for socket.protect to catch", function()
      local function program(library, sink)
        return socket.protect(function()
          local c = library.open(sink.host, sink.port)
          c:greet()
          c:mail("<a@example.com>")
          return c:rcpt("<nobody@example.org>")
        end)()
      end
      local seen = compare(program, { replies = { RCPT = "550 no" } })
      assert.same({ nil, "550 no" }, seen.results)
    end)

    it("failures are sentences where there is no LuaSocket", function()
      local loaded = package.loaded.socket
      package.loaded.socket = nil
      local ok, err = pcall(ours.open, "127.0.0.1", 1)
      package.loaded.socket = loaded
      assert.same({ false, "connection refused" }, { ok, err })
    end)
  end)

  it("names", function()
    for _, name in ipairs { "SERVER", "PORT", "TIMEOUT", "DOMAIN", "ZONE" } do
      assert.equal(theirs[name], ours[name])
    end
    for name in pairs(theirs) do
      if not name:find("^_") then assert.equal(type(theirs[name]), type(ours[name])) end
    end
  end)
end)

describe("compat.socket_smtp", function()
  local sink

  before_each(function() sink = assert(smtplib.sink.start()) end)
  after_each(function() sink:stop() end)

  local function send(changes)
    local mail = { server = sink.host, port = sink.port, from = "<a@example.com>", rcpt = "<b@example.org>",
      source = ours.message { headers = { subject = "x" }, body = "x" } }
    for name, value in pairs(changes or {}) do mail[name] = value end
    return ours.send(mail)
  end

  it("leaves a message's tables as they were", function()
    local message = { headers = { Subject = "x" }, body = { { headers = { ["content-type"] = "text/plain" }, body = "x" } } }
    assert.equal(1, send { source = ours.message(message) })
    assert.same({ headers = { Subject = "x" }, body = { { headers = { ["content-type"] = "text/plain" }, body = "x" } } }, message)
  end)

  it("has delivered when the server goes away at QUIT", function()
    sink:script { disconnect = { QUIT = true } }
    assert.equal(1, send())
    assert.equal(1, #sink:messages())
  end)

  it("tells the right time in the zone that is named", function()
    assert.equal(1, send { source = ours.message { zone = "+0530", body = "x" } })
    local date = smtplib.email.message_from_string(sink:messages()[1].data)["Date"]
    assert.equal("+0530", date:match("%S+$"))
    assert.near(os.time(), (smtplib.email.utils.parsedate(date)), 60)
  end)

  it("sends whole lines whatever their ends, and cannot be made to end a message early", function()
    assert.equal(1, send { source = ltn12.source.string("Subject: x\r\n\r\na\n.\nb\r.\rc\r\n.\r\nMAIL FROM:<x>\r\n") })
    assert.equal("Subject: x\r\n\r\na\r\n.\r\nb\r\n.\r\nc\r\n.\r\nMAIL FROM:<x>\r\n\r\n", sink:messages()[1].data)
    local c = ours.open(sink.host, sink.port)
    c:greet()
    c:mail("<a@example.com>")
    c:rcpt("<b@example.org>")
    c:data(ltn12.source.string("Subject: x\r\n\r\n.\r\nMAIL FROM:<x>\r\n"))
    c:close()
    assert.equal("Subject: x\r\n\r\n\r\nMAIL FROM:<x>\r\n\r\n", sink:messages()[2].data)
  end)

  it("unstuffs a source wherever it is cut", function()
    local text = "Subject: x\r\n\r\n..a\r\n...\r\n....b\r\n"
    local c = ours.open(sink.host, sink.port)
    c:greet()
    for size = 1, 5 do
      local at = 1
      local function source()
        local chunk = text:sub(at, at + size - 1)
        at = at + size
        return chunk ~= "" and chunk or nil
      end
      c:mail("<a@example.com>")
      c:rcpt("<b@example.org>")
      c:data(source)
    end
    c:quit()
    for size = 1, 5 do
      assert.equal("Subject: x\r\n\r\n.a\r\n..\r\n...b\r\n\r\n", sink:messages()[size].data)
    end
  end)

  it("uses a boundary that nobody can know before", function()
    local seen = {}
    for i = 1, 2 do
      assert.equal(1, send { source = ours.message { headers = { ["content-type"] = "multipart/mixed; boundary=x" }, body = { { body = "x" } } } })
      local mark = smtplib.email.message_from_string(sink:messages()[i].data):get_boundary()
      assert.truthy(mark:find("^=_%x+$") and #mark == 34)
      assert.is_nil(seen[mark])
      seen[mark] = true
    end
  end)

  describe("rule: line breaks add neither fields nor recipients", function()
    local function message(headers) return { source = ours.message { headers = headers, body = "x" } } end
    for name, changes in pairs {
      ["a field"] = message { subject = "x\r\nBcc: victim@example.com" },
      ["a field with LF"] = message { subject = "x\nBcc: victim@example.com" },
      ["a field with CR"] = message { subject = "x\rBcc: victim@example.com" },
      ["a field with NUL"] = message { subject = "x\0" },
      ["a field that would end the header"] = message { subject = "x\r\n \r\n\r\nbody" },
      ["the name of a field"] = message { ["x: y\r\nbcc"] = "victim@example.com" },
      ["a zone"] = { source = ours.message { zone = "x\r\nBcc: victim@example.com", body = "x" } },
      ["a field of a part"] = { source = ours.message { body = { { body = { { headers = { a = "b\r\nc: d" }, body = "x" } } } } } },
      ["a sender"] = { from = "<a@example.com>\r\nRCPT TO:<victim@example.com>" },
      ["a recipient"] = { rcpt = "<a@example.com>\r\nRCPT TO:<victim@example.com>" },
      ["a parameter"] = { rcpt = "<a@example.com> NOTIFY=SUCCESS" },
      ["a name for EHLO"] = { domain = "x\r\nMAIL FROM:<a@example.com>" },
    } do
      it(name, function()
        local ok, err, details = send(changes)
        assert.is_nil(ok)
        assert.equal("string", type(err))
        assert.is_true(smtplib.is_error(details))
        assert.same({}, sink:messages())
        for _, line in ipairs(sink:commands()) do assert.is_nil(line:find("^RCPT")) end
      end)
    end
  end)

  it("refuses parts within themselves", function()
    local message = { body = {} }
    message.body[1] = message
    local _, err = send { source = ours.message(message) }
    assert.equal("parts within parts, more than 100 deep", err)
  end)

  it("rule: TLS is verified", function()
    local tls = assert(smtplib.sink.start { tls = "starttls", auth = { me = "secret" }, require_tls = true })
    local here = { server = tls.host, port = tls.port, tls = "starttls", user = "me", password = "secret" }
    local ok, err = send(here)
    assert.is_nil(ok)
    assert.truthy(err:find("certificate", 1, true), err)
    here.tls_options = { cafile = tls.cafile, server_hostname = "localhost" }
    here.source = ours.message { body = "x" }
    assert.equal(1, send(here))
    assert.equal("me", tls:messages()[1].auth_user)
    tls:stop()
  end)

  it("uses STARTTLS where it is offered by a server elsewhere, and verifies", function()
    local tls = assert(smtplib.sink.start { tls = "starttls" })
    local there = { server = tls.host, port = tls.port }
    local ok, err = elsewhere.call(send, there)
    assert.is_nil(ok)
    assert.truthy(err:find("certificate", 1, true), err)
    there.tls_options = { cafile = tls.cafile, server_hostname = "localhost" }
    there.source = ours.message { body = "x" }
    assert.equal(1, (elsewhere.call(send, there)))
    assert.truthy(tls:messages()[1].tls)
    tls:stop()
  end)

  it("rule: a password does not go out in clear", function()
    sink:script { auth = { me = "secret" }, mechanisms = { "PLAIN", "LOGIN" } }
    local login = { user = "me", password = "secret" }
    local ok, err = elsewhere.call(send, login)
    assert.is_nil(ok)
    assert.truthy(err:find("in clear text", 1, true), err)
    for _, line in ipairs(sink:commands()) do assert.is_nil(line:find("^AUTH")) end
    login.allow_insecure_auth = true
    login.source = ours.message { body = "x" }
    assert.equal(1, (elsewhere.call(send, login)))
    assert.equal("me", sink:messages()[1].auth_user)
  end)

  describe("blames the caller for misuse:", function()
    for name, changes in pairs { from = { from = 5 }, rcpt = { rcpt = 5 }, source = { source = "text" } } do
      it(name, function()
        local ok, err = pcall(send, changes)
        assert.is_false(ok)
        assert.truthy(err:find("socket_smtp_spec", 1, true))
        assert.truthy(err:find("bad argument '" .. name .. "' to 'send'", 1, true))
      end)
    end
  end)
end)
