-- Attachments from all that can be a source, sent: their size is told beforehand
-- when it is known, nothing is held in memory, and what changes or fails in
-- between ends the message, never with the final dot.
local client = require "spec.support.client"
local smtplib = client.smtplib
local Message = smtplib.email.Message

local function greeted(options)
  local server, peer = client.connect(options)
  server:ehlo()
  return server, peer
end

local function message(entry)
  return assert(Message { from = "a@b.example", to = "c@d.example", subject = "s", text = "text\n",
    date = 0, message_id = "<1@b.example>", attachments = { entry } })
end

local function decoded(data)
  return smtplib.email.message_from_string(data):get_payload(2):get_payload(nil, true)
end

local bytes = {}
for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
bytes = table.concat(bytes):rep(40) .. "\r\n.\r\n"

local name
before_each(function() name = os.tmpname() end)
after_each(function() os.remove(name) end)

local function write(content)
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
end

local function function_of(content)
  local at = 1
  return function()
    if at > #content then return nil end
    at = at + 997
    return content:sub(at - 997, at - 1)
  end
end

-- What gives `bytes`, and whether their number is known before they are read.
local sources = {
  { "a string", function() return { content = bytes } end, true },
  { "a path", function()
    write(bytes)
    return { path = name }
  end, true },
  { "an open file", function()
    write("skipped" .. bytes)
    local file = assert(io.open(name, "rb"))
    file:seek("set", 7)
    return { content = file }
  end, true },
  { "a pipe", function()
    write(bytes)
    return { content = assert(io.popen("cat " .. name)) }
  end, false },
  { "a function", function() return { content = function_of(bytes) } end, false },
  { "a function with a length", function() return { content = function_of(bytes), length = #bytes } end, true },
}

describe("an attachment", function()
  for _, row in ipairs(sources) do
    local what, make, is_known = row[1], row[2], row[3]
    it(("from %s arrives byte for byte, %s"):format(what, is_known and "its size told before" or "without a size"), function()
      for _, extensions in ipairs { {}, { CHUNKING = true }, { ["8BITMIME"] = false } } do
        local server, peer = greeted { extensions = extensions }
        assert.same({}, server:send_message(message(make())))
        local got = peer.messages[1]
        assert.equal(bytes, decoded(got.data))
        assert.equal(is_known and tostring(#got.data) or nil, got.from_params.SIZE)
      end
    end)

    if is_known then
      it(("from %s that is too large for the server is refused before MAIL"):format(what), function()
        local server, peer = greeted { extensions = { SIZE = 5000 } }
        local refused, err = server:send_message(message(make()))
        assert.is_nil(refused)
        assert.equal("SMTPSenderRefused", err.name)
        assert.equal(552, err.smtp_code)
        assert.equal(0, client.count(peer, "MAIL"))
      end)
    end
  end
end)

-- A message whose attachment is changed when the envelope has been accepted.
local function send_and(change, entry, extensions)
  local server, peer = greeted { extensions = extensions }
  local changed = false
  local m = message(entry)
  m:attach(assert(Message { text = "last" }))
  -- A part before it, read from a function, so that the change is made in mid-message.
  local first = Message()
  first:set_content(function()
    if changed then return nil end
    changed = true
    change()
    return ("x"):rep(100000)
  end, { type = "application/x-first", length = 100000 })
  local parts = m:get_payload()
  m:set_payload { parts[1], first, parts[2], parts[3] }
  local refused, err = server:send_message(m)
  return refused, err, peer, server
end

describe("a file that changes while its message is being sent", function()
  local content = ("0123456789abcdef"):rep(20000)

  for _, row in ipairs {
    { "shrinks", function() write("short") end },
    { "shrinks to nothing", function() write("") end },
    { "grows", function() write(content .. "more") end },
  } do
    for _, extensions in ipairs { {}, { CHUNKING = true } } do
      it(("(it %s%s) ends it with an error, without the final dot"):format(row[1], extensions.CHUNKING and ", BDAT" or ""), function()
        write(content)
        local refused, err, peer, server = send_and(row[2], { path = name }, extensions)
        assert.is_nil(refused)
        assert.equal("SMTPException", err.name)
        assert.equal("none", err.delivery)
        assert.matches("not as long as announced", err.message)
        assert.equal(0, #peer.messages)
        assert.is_false(server:is_open())
      end)
    end
  end

  it("(it vanishes) is sent as it was, for it had been opened", function()
    write(content)
    local refused, err, peer = send_and(function() os.remove(name) end, { path = name })
    assert.is_nil(err)
    assert.same({}, refused)
    local m = smtplib.email.message_from_string(peer.messages[1].data)
    assert.equal(content, m:get_payload(3):get_payload(nil, true))
  end)

  it("(it vanished before) is an error before MAIL, and the connection stays of use", function()
    write(content)
    local m = message { path = name }
    os.remove(name)
    local server, peer = greeted()
    local refused, err = server:send_message(m)
    assert.is_nil(refused)
    assert.equal("none", err.delivery)
    assert.matches(name, err.message, 1, true)
    assert.equal(0, client.count(peer, "MAIL"))
    write(content)
    assert.same({}, server:send_message(m))
    assert.equal(content, decoded(peer.messages[1].data))
  end)

  it("(between two messages) is measured anew for each", function()
    local m = message { path = name }
    local server, peer = greeted()
    for i, now in ipairs { "abc", content, "" } do
      write(now)
      assert.same({}, server:send_message(m))
      assert.equal(now, decoded(peer.messages[i].data))
      assert.equal(tostring(#peer.messages[i].data), peer.messages[i].from_params.SIZE)
    end
  end)
end)

describe("a function source", function()
  local function fails(after, failure)
    local n = 0
    return function()
      n = n + 1
      if n <= after then return ("x"):rep(20000) end
      return failure()
    end
  end

  for _, row in ipairs {
    { "raises a string", function() error("oops", 0) end, "oops" },
    { "raises a table", function() error({ code = 1 }, 0) end, "source" },
    { "returns nil and a reason", function() return nil, "disk on fire" end, "disk on fire" },
    { "returns a table", function() return {} end, "a piece must be a string, not table" },
    { "returns a number", function() return 17 end, "a piece must be a string, not number" },
    { "returns false", function() return false end, "a piece must be a string, not boolean" },
  } do
    for _, after in ipairs { 0, 1, 20 } do
      it(("that %s after %d pieces ends the message without the final dot"):format(row[1], after), function()
        local server, peer = greeted()
        local refused, err = server:send_message(message { content = fails(after, row[2]) })
        assert.is_nil(refused)
        assert.is_true(smtplib.is_error(err))
        assert.equal("none", err.delivery)
        assert.matches(row[3], err.message, 1, true)
        assert.equal(0, #peer.messages)
        assert.is_false(server:is_open())
      end)
    end
  end

  it("that hands on an error table is answered with that table", function()
    local mine = smtplib.SMTPException("mine")
    local server = greeted()
    local refused, err = server:send_message(message { content = fails(1, function() return nil, mine end) })
    assert.is_nil(refused)
    assert.equal(mine, err)
  end)

  for _, length in ipairs { 0, 9999, 10001 } do
    it(("that gives 10000 bytes and was said to give %d is an error"):format(length), function()
      local server, peer = greeted()
      local refused, err = server:send_message(message { content = function_of(("x"):rep(10000)), length = length })
      assert.is_nil(refused)
      assert.equal("none", err.delivery)
      assert.matches("not as long as announced", err.message)
      assert.equal(0, #peer.messages)
    end)
  end
end)

describe("a message that is sent", function()
  it("is never one string", function()
    write("")
    local file = assert(io.open(name, "wb"))
    for _ = 1, 64 do file:write(("x"):rep(65536)) end
    file:close()
    local longest = 0
    local server, peer = greeted()
    local send = peer.send
    function peer:send(chunk)
      longest = math.max(longest, #chunk)
      return send(self, chunk)
    end
    assert.same({}, server:send_message(message { path = name }))
    assert.equal(64 * 65536, #decoded(peer.messages[1].data))
    assert.is_true(longest > 0 and longest < 256 * 1024, "a piece of " .. longest)
  end)

  local function status(what)
    for line in io.lines("/proc/self/status") do
      local kib = line:match("^" .. what .. ":%s*(%d+)")
      if kib then return tonumber(kib) end
    end
  end

  -- Forget the highest size that the process had.
  local function reset_peak()
    local file = io.open("/proc/self/clear_refs", "w")
    if not file then return false end
    file:write("5")
    return file:close()
  end

  it("raises the process by less than 8 MiB, however large an attachment is (ATTACHMENT_MIB)", function()
    -- Under valgrind and sanitizers memory is not what it seems.
    local size = os.getenv("SPEC_UNDER") and 4 or tonumber(os.getenv("ATTACHMENT_MIB")) or 64
    -- The sink keeps little of it and refuses in the end, unless it is told the size.
    local sink = assert(smtplib.sink.start { extensions = { SIZE = 1000 } })
    local server = assert(smtplib.SMTP { host = sink.host, port = sink.port, timeout = 600 })
    server:ehlo()
    server.esmtp_features.size = nil
    local file = assert(io.open(name, "wb")) -- without blocks, all zeros
    file:seek("set", size * 2^20 - 1)
    file:write("\0")
    file:close()
    local m = message { path = name }
    collectgarbage()
    collectgarbage()
    local can_tell = not os.getenv("SPEC_UNDER") and reset_peak()
    local before = can_tell and status("VmRSS")
    local refused, err = server:send_message(m)
    local grown = can_tell and status("VmHWM") - before
    sink:stop()
    assert.is_nil(refused)
    assert.equal(552, err.smtp_code)
    assert.equal("SMTPDataError", err.name)
    if not can_tell then return end
    if os.getenv("ATTACHMENT_MIB") then print(("%d MiB: the process grew by %d KiB"):format(size, grown)) end
    assert.is_true(grown < 8 * 1024, ("grew by %d KiB"):format(grown))
  end)
end)
