-- What may be sent as a message, and what becomes of its bytes (API section 3.1).
local client = require "spec.support.client"
local smtplib = require "smtplib"

local FROM, TO = "a@b.example", "c@d.example"

local function greeted(peer_options, options)
  local server, peer = client.connect(peer_options, options)
  server:ehlo()
  return server, peer
end

-- A source of these chunks.
local function chunks(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

local function file_of(text)
  local file = assert(io.tmpfile())
  file:write(text)
  file:seek("set")
  return file
end

-- What arrives of a message.
local function delivered(message, options)
  local server, peer = greeted(options)
  assert.same({}, server:sendmail(FROM, TO, message))
  assert.equal(250, (server:noop()))
  return peer.messages[1].data, peer.messages[1]
end

describe("a message's bytes", function()
  local rows = {
    { "plain", "a\r\nb\r\n", "a\r\nb\r\n" }, { "lone LF", "a\nb\n", "a\r\nb\r\n" }, { "lone CR", "a\rb\r", "a\r\nb\r\n" },
    { "no final line end", "a\nb", "a\r\nb\r\n" }, { "nothing", "", "" }, { "a line end", "\n", "\r\n" },
    { "CR CR LF", "a\r\r\nb", "a\r\n\r\nb\r\n" }, { "LF CR", "a\n\rb", "a\r\n\r\nb\r\n" }, { "a dot", ".", ".\r\n" },
    { "dots", ".\n..\n...\na.b\n.", ".\r\n..\r\n...\r\na.b\r\n.\r\n" }, { "an end of data", "a\r\n.\r\nb", "a\r\n.\r\nb\r\n" },
    { "an end of data by LF", "a\n.\nMAIL FROM:<x@y>\n", "a\r\n.\r\nMAIL FROM:<x@y>\r\n" },
    { "an end of data by CR", "a\r.\rb", "a\r\n.\r\nb\r\n" }, { "mixed ends of data", "a\n.\r\nb\r\n.\nc\r.\r\nd", "a\r\n.\r\nb\r\n.\r\nc\r\n.\r\nd\r\n" },
    { "every byte", (function()
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      return table.concat(all)
    end)(), nil },
    { "a final CR", "a\r", "a\r\n" }, { "a long line", ("x"):rep(100000), ("x"):rep(100000) .. "\r\n" },
    { "many lines", (".x\n"):rep(50000), (".x\r\n"):rep(50000) },
  }
  rows[15][3] = rows[15][2]:gsub("[\r\n]", "\r\n") .. "\r\n"
  for _, row in ipairs(rows) do
    it("of " .. row[1] .. " arrive with CRLF, dots and a final line end, whatever the form", function()
      local expected, text = row[3], row[2]
      local string_data, message = delivered(text)
      assert.equal(expected, string_data)
      assert.equal(0, message.findings.bare_cr + message.findings.bare_lf)
      local file = file_of(text)
      assert.equal(expected, (delivered(file)))
      file:close()
      assert.equal(expected, (delivered(chunks { text })))
      if #text < 1000 then
        local bytes = {}
        for i = 1, #text do bytes[i] = text:sub(i, i) end
        assert.equal(expected, (delivered(chunks(bytes))))
      end
    end)
  end

  it("are stuffed on the wire", function()
    local _, message = delivered(".a\n..b\nc", { keep_wire = true })
    assert.equal("..a\r\n...b\r\nc\r\n.\r\n", message.wire)
    _, message = delivered(chunks { "\n", ".", "x\r", "\n", "." }, { keep_wire = true })
    assert.equal("\r\n..x\r\n..\r\n.\r\n", message.wire)
  end)

  it("lose a leading mbox line, when a header line follows", function()
    local rows_of_mbox = {
      { "From nobody Mon Nov 23 20:08:22 2026\nSubject: x\n\nbody", "Subject: x\r\n\r\nbody\r\n" },
      { "From nobody Mon Nov 23 20:08:22 2026\r\nX-Odd-1: y\r\n\r\n", "X-Odd-1: y\r\n\r\n" },
      { "From here on\nthere is text", "From here on\r\nthere is text\r\n" },
      { "From: a@b.example\n\nx", "From: a@b.example\r\n\r\nx\r\n" }, { "From here on", "From here on\r\n" },
      { "Subject: x\n\nFrom me\nTo: you", "Subject: x\r\n\r\nFrom me\r\nTo: you\r\n" },
      { "From x\n\nSubject: y", "From x\r\n\r\nSubject: y\r\n" },
    }
    for _, row in ipairs(rows_of_mbox) do
      assert.equal(row[2], (delivered(row[1])))
      assert.equal(row[2], (delivered(chunks { row[1] })))
      local bytes = {}
      for i = 1, #row[1] do bytes[i] = row[1]:sub(i, i) end
      assert.equal(row[2], (delivered(chunks(bytes))))
    end
  end)

  it("of tostring(message) go out without its mbox line", function()
    local message = smtplib.email.Message()
    message["Subject"] = "Test"
    message:set_payload("This is the body of the message")
    local data = delivered(tostring(message))
    assert.equal("Subject: Test\r\n", data:match("^[^\n]*\n"))
  end)
end)

describe("a source", function()
  it("may give empty chunks and numbers", function()
    assert.equal("a1b\r\n", (delivered(chunks { "", "a", "", 1, "b", "" })))
  end)

  it("may be an LTN12 source", function()
    local list = { "one\r\n", "two" }
    local function source()
      if #list == 0 then return nil end
      return table.remove(list, 1)
    end
    assert.equal("one\r\ntwo\r\n", (delivered(source)))
  end)

  it("may be anything with a method read", function()
    local list = { "a", "b" }
    assert.equal("ab\r\n", (delivered { read = function() return table.remove(list, 1) end }))
  end)

  it("is read from where the file stands, and is not closed", function()
    local file = file_of("skipped\nread\n")
    file:read("*l")
    assert.equal("read\r\n", (delivered(file)))
    assert.equal("file", io.type(file))
    file:close()
  end)

  it("that is a closed file is misuse", function()
    local file = file_of("x")
    file:close()
    local server, peer = greeted()
    assert.truthy(client.misuse(function() server:sendmail(FROM, TO, file) end):find("closed", 1, true))
    assert.equal(1, #peer:commands())
  end)

  it("is not asked when the envelope is refused", function()
    for _, replies in ipairs { { MAIL = "550 no" }, { RCPT = "550 no" }, { DATA = "550 no" } } do
      local asked = 0
      local server = greeted { replies = replies }
      server:sendmail(FROM, TO, function()
        asked = asked + 1
        return nil
      end)
      assert.equal(0, asked)
    end
  end)

  local own = smtplib.SMTPException("mine")
  local failing = {
    { "returns nil and a string", function() return nil, "disk on fire" end, "disk on fire" },
    { "returns nil and an error table", function() return nil, own end, "mine" },
    { "raises a string", function() error("disk on fire", 0) end, "disk on fire" },
    { "raises an error table", function() error(own, 0) end, "mine" },
    { "raises another table", function() error({}) end, "" },
    { "returns a table as a chunk", function() return {} end, "table" },
    { "returns true as a chunk", function() return true end, "boolean" },
  }
  for _, row in ipairs(failing) do
    for _, before in ipairs { 0, 3 } do
      it(("that %s after %d chunks cuts the connection without the final dot"):format(row[1], before), function()
        local server, peer = greeted()
        local n = 0
        local done, refused, err = pcall(server.sendmail, server, FROM, TO, function()
          n = n + 1
          if n <= before then return "line " .. n .. "\r\n" end
          return row[2]()
        end)
        -- What it raised may be handed on, or returned.
        if not done then
          assert.truthy(row[1]:find("^raises"))
          err = refused
        else
          assert.is_nil(refused)
          assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
          assert.equal("none", err.delivery)
        end
        assert.truthy(tostring(err):find(row[3], 1, true), tostring(err))
        assert.equal(0, #peer.messages)
        assert.is_true(peer.closed)
        assert.is_false(server:is_open())
        assert.is_nil(server.sock)
      end)
    end
  end

  it("that fails hands on the error table it gave", function()
    local server = greeted()
    local refused, err = server:sendmail(FROM, TO, function() return nil, own end)
    assert.is_nil(refused)
    assert.equal(own, err)
    -- Whatever it said of another message.
    local foreign = smtplib.SMTPException("of another sending")
    foreign.delivery = "unknown"
    server = greeted()
    refused, err = server:sendmail(FROM, TO, function() return nil, foreign end)
    assert.is_nil(refused)
    assert.same({ "none", "DATA" }, { err.delivery, err.command })
  end)

  it("that is a failing file is an error", function()
    local server, peer = greeted()
    local directory = io.open(".", "rb")
    if not directory then return end
    local refused, err = server:sendmail(FROM, TO, directory)
    directory:close()
    assert.is_nil(refused)
    assert.equal("SMTPException", err.name)
    assert.equal("none", err.delivery)
    assert.equal(0, #peer.messages)
  end)

  it("that closes the connection under the message is an error", function()
    local server, peer = greeted()
    local n = 0
    local refused, err = server:sendmail(FROM, TO, function()
      n = n + 1
      if n == 2 then server:close() end
      return n < 4 and "x\r\n" or nil
    end)
    assert.is_nil(refused)
    assert.is_true(smtplib.is_error(err))
    assert.equal("none", err.delivery)
    assert.equal(0, #peer.messages)
    assert.is_false(server:is_open())
  end)

  it("that sends on the same connection is refused, not mixed into the message", function()
    local server, peer = greeted()
    local inner
    local n = 0
    server:sendmail(FROM, TO, function()
      n = n + 1
      if n == 1 then
        inner = { server:noop() }
        return "x\r\n"
      end
    end)
    assert.is_nil(inner[1])
    assert.is_true(smtplib.is_error(inner[2]))
    for _, message in ipairs(peer.messages) do assert.is_nil(message.data:find("NOOP")) end
  end)

  it("may yield", function()
    -- PUC 5.1 cannot yield across the pcall that guards a source.
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return end
    local server, peer = greeted()
    local list = { "one\n", "two\n", "three\n" }
    local refused
    local thread = coroutine.create(function()
      refused = server:sendmail(FROM, TO, function()
        coroutine.yield("wait")
        return table.remove(list, 1)
      end)
    end)
    local yields = 0
    while coroutine.status(thread) ~= "dead" do
      local _, what = assert(coroutine.resume(thread))
      if what == "wait" then yields = yields + 1 end
    end
    assert.equal(4, yields)
    assert.same({}, refused)
    assert.equal("one\r\ntwo\r\nthree\r\n", peer.messages[1].data)
  end)
end)

describe("a transport", function()
  it("may yield in all it does", function()
    local server, peer = greeted()
    local names = { "send", "receive" }
    for _, name in ipairs(names) do
      local method = peer[name]
      peer[name] = function(...)
        coroutine.yield("wait")
        return method(...)
      end
    end
    local refused, code
    local thread = coroutine.create(function()
      refused = server:sendmail(FROM, TO, ("x"):rep(200000))
      code = server:quit()
    end)
    while coroutine.status(thread) ~= "dead" do assert(coroutine.resume(thread)) end
    assert.same({}, refused)
    assert.equal(221, code)
    assert.equal(200002, #peer.messages[1].data)
  end)
end)

describe("a large message", function()
  local function resident()
    local file = io.open("/proc/self/status")
    if not file then return 0 end
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("VmRSS:%s*(%d+)"))
  end

  -- Under valgrind and sanitizers memory is not what it seems.
  local size = os.getenv("SPEC_UNDER") and 4 or 128 -- MiB

  it("raises the process by less than 8 MiB, however large it is", function()
    -- The sink keeps little of it and refuses in the end.
    local sink = assert(smtplib.sink.start { extensions = { SIZE = 1000 } })
    local server = assert(smtplib.SMTP(sink.host, sink.port))
    server:ehlo()
    local chunk = ("." .. ("x"):rep(62) .. "\n"):rep(1024)
    local most = 0
    local function send(mebibytes)
      local left = mebibytes * 16
      server:mail(FROM)
      server:rcpt(TO)
      return server:data(function()
        left = left - 1
        if left % 64 == 0 then most = math.max(most, resident()) end
        return left >= 0 and chunk or nil
      end)
    end
    send(4)
    collectgarbage()
    local before = resident()
    local code = send(size)
    sink:stop()
    assert.equal(552, code)
    if os.getenv("SPEC_UNDER") then return end -- freed memory is kept aside there
    assert.is_true(most - before < 8 * 1024, ("grew by %d KiB"):format(most - before))
  end)
end)
