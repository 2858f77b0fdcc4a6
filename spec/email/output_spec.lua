-- Output of a Message: strings, sources, files; line ends, encodings, lengths.
local email = require "smtplib.email"
local Message = email.Message

local function collect(source)
  local chunks = {}
  for chunk in source do chunks[#chunks + 1] = chunk end
  return table.concat(chunks), chunks
end

local function simple(payload)
  local m = Message()
  m["Subject"] = "s"
  m:set_payload(payload)
  return m
end

describe("as_string", function()
  it("uses LF, whatever the payload used", function()
    assert.equal("Subject: s\n\na\nb\nc\nd", simple("a\r\nb\rc\nd"):as_string())
  end)

  it("begins with the mbox line on request", function()
    local m = simple("x")
    m:set_unixfrom("From me Mon Nov 23 20:08:22 2026")
    assert.equal("From me Mon Nov 23 20:08:22 2026", m:get_unixfrom())
    assert.equal("Subject: s\n\nx", m:as_string())
    assert.equal("From me Mon Nov 23 20:08:22 2026\nSubject: s\n\nx", m:as_string(true))
    assert.equal(m:as_string(true), tostring(m))
  end)

  it("takes the options of source, too", function()
    local m = simple("\195\169\n")
    assert.matches("^Subject: s\r\n", m:as_string { eol = "\r\n" })
    assert.matches("\nContent%-Transfer%-Encoding: 8bit\n\n\195\169", m:as_string { cte = "8bit" })
    m:set_unixfrom("From me")
    assert.matches("^From me\r\nSubject: s\r\n", m:as_string(true, { eol = "\r\n" }))
    assert.has_error(function() m:as_string { clt = "8bit" } end, "unknown option 'clt'")
    assert.has_error(function() m:as_string(1) end,
      "bad argument 'unixfrom' to 'as_string' (boolean expected, got number)")
  end)

  it("gives the same twice", function()
    local m = assert(Message { text = "t", html = "h", attachments = { { content = "x" } } })
    assert.equal(m:as_string(), m:as_string())
  end)
end)

describe("source", function()
  it("gives CRLF in pieces, nil at the end", function()
    local source = simple("a\nb"):source()
    assert.equal("Subject: s\r\n\r\na\r\nb", source())
    assert.is_nil(source())
    assert.is_nil(source())
  end)

  it("takes eol, max_line, cte and utf8, and no other option", function()
    local m = simple("\195\169\n")
    assert.matches("^Subject: s\nMIME", (collect(m:source { eol = "\n" })))
    assert.matches("\r\nContent%-Transfer%-Encoding: 8bit\r\n\r\n\195\169", (collect(m:source { cte = "8bit" })))
    local _, err = pcall(function() m:source { clt = "8bit" } end)
    assert.matches("output_spec%.lua:%d+: unknown option 'clt'", err)
    for name, value in pairs { eol = "x", max_line = 10, cte = "9bit" } do
      assert.error_matches(function() m:source { [name] = value } end, "bad option '" .. name)
    end
  end)

  it("is not changed by what happens to the message meanwhile", function()
    local m = simple(("line\n"):rep(50000))
    local whole = collect(m:source())
    local source = m:source()
    local first = source()
    m:set_payload("other")
    m["Subject"] = "other"
    collectgarbage()
    assert.equal(whole, first .. collect(source))
  end)
end)

describe("write", function()
  it("hands the pieces to a function", function()
    local chunks = {}
    assert.is_true(simple("a\nb"):write(function(chunk) chunks[#chunks + 1] = chunk end))
    assert.equal("Subject: s\r\n\r\na\r\nb", table.concat(chunks))
  end)

  it("writes to a file", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w+b"))
    assert.is_true(simple("a\nb"):write(file, { eol = "\n" }))
    file:seek("set")
    assert.equal("Subject: s\n\na\nb", file:read("*a"))
    file:close()
    os.remove(name)
  end)

  it("refuses other targets", function()
    assert.error_matches(function() simple("x"):write("name") end, "bad argument 'target' to 'write'")
  end)
end)

describe("the transfer encoding", function()
  local function encoding_of(payload, opts, kind)
    local m = Message()
    if kind then m["Content-Type"] = kind end
    m:set_payload(payload)
    local text = assert(m:as_bytes(opts))
    return text:match("Content%-Transfer%-Encoding: (%S+)"), text:match("\n\n(.*)$")
  end

  for _, case in ipairs {
    { "ASCII",                          "abc\n",                     nil,                nil },
    { "few non-ASCII characters",       ("abcdef "):rep(9) .. "\195\169\n", nil,         "quoted-printable" },
    { "many non-ASCII characters",      ("\230\151\165"):rep(30),    nil,                "base64" },
    { "non-ASCII where 8bit may go",    "\195\169\n",                { cte = "8bit" },   "8bit" },
    { "a line of 998 characters",       ("x"):rep(998),              nil,                nil },
    { "a line of 999 characters",       ("x"):rep(999),              nil,                "quoted-printable" },
    { "such a line where 8bit may go",  ("\195\169"):rep(600),       { cte = "8bit" },   "base64" },
    { "NUL",                            "a\0b",                      { cte = "8bit" },   "quoted-printable" },
  } do
    it("of text with " .. case[1] .. " is " .. (case[4] or "none"), function()
      assert.equal(case[4], (encoding_of(case[2], case[3])))
    end)
  end

  it("of what is not text is base64, byte for byte", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = table.concat(all) .. "\r\n\n\r" .. table.concat(all)
    local encoding, body = encoding_of(bytes, { cte = "8bit" }, "application/x-data")
    assert.equal("base64", encoding)
    assert.equal(bytes, require("smtplib.base64").decode((body:gsub("\n", ""))))
  end)

  it("of an attachment is base64, also of text: its line ends stay", function()
    local m = Message()
    m:set_content("t")
    m:add_attachment("a\r\nb\nc", { filename = "x.txt" })
    local body = m:as_bytes():match("filename=\"x.txt\"\nContent%-Transfer%-Encoding: base64\n\n(%S+)")
    assert.equal("a\r\nb\nc", require("smtplib.base64").decode(body))
  end)

  it("8bit, set by hand, stays, unless 7bit is demanded", function()
    local m = Message()
    m["Content-Type"] = 'text/plain; charset="utf-8"'
    m["Content-Transfer-Encoding"] = "8bit"
    m:set_payload("\195\169")
    assert.matches("8bit\n\n\195\169$", m:as_bytes())
    assert.matches("quoted%-printable\n\n=C3=A9$", m:as_bytes { cte = "7bit" })
  end)

  it("of a container is 8bit when a part's is", function()
    local m = assert(Message { text = "\195\169", html = "x" })
    local _, count = m:as_bytes({ cte = "8bit" }):gsub("Content%-Transfer%-Encoding: 8bit", "")
    assert.equal(2, count)
    assert.is_nil(m:as_bytes():match("8bit"))
  end)
end)

describe("sending (what the SMTP classes transmit)", function()
  it("drops and adds fields on the copy alone, and tells length and kind", function()
    local m = assert(Message { from = "a@b.example", bcc = "c@d.example", text = "\195\169" })
    local before = m:items()
    local source, length, has_8bit, has_utf8 = m:sending { cte = "8bit", drop = { "Bcc", "Resent-Bcc" },
      add = { { "Date", "now" }, { "MIME-Version", "2.0" } } }
    local text = collect(source)
    assert.equal(#text, length)
    assert.is_true(has_8bit)
    assert.is_false(has_utf8)
    assert.is_nil(text:match("Bcc"))
    assert.matches("\r\nDate: now\r\n", text)
    assert.matches("MIME%-Version: 1.0", text)
    assert.same(before, m:items())
  end)

  it("says when a header needs SMTPUTF8, and refuses it otherwise", function()
    local m = Message()
    m["To"] = "\195\169@b.example"
    local source, err = m:sending { cte = "7bit" }
    assert.is_nil(source)
    assert.equal("SMTPException", err.name)
    local _, _, _, has_utf8 = m:sending { cte = "8bit", utf8 = true }
    assert.is_true(has_utf8)
  end)

  it("writes a non-ASCII domain as A-labels when the reader takes no UTF-8", function()
    local core = require "smtplib.core"
    if not core.domain_to_ascii("b\195\188cher.example") then pending("built without libidn2") return end
    local m = Message()
    m["To"] = "B <b@b\195\188cher.example>, c@b\195\188cher.example"
    assert.equal("To: B <b@xn--bcher-kva.example>, c@xn--bcher-kva.example\n\n", m:as_string())
  end)

  it("drops Bcc of the message itself, not of one within", function()
    local inner = assert(Message { bcc = "in@x.example", text = "x" })
    local m = assert(Message { bcc = "out@x.example", text = "y", attachments = { inner } })
    local text = collect((m:sending { drop = { "Bcc" } }))
    assert.is_nil(text:match("out@x"))
    assert.matches("in@x", text)
  end)

  it("knows the length whatever the parts are made of", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "wb"))
    file:write(("\0"):rep(100001))
    file:close()
    for _, opts in ipairs { { cte = "7bit" }, { cte = "8bit" } } do
      local m = assert(Message { subject = ("\195\169 "):rep(99), text = ("\195\169bc\r\n"):rep(9999), html = ("x"):rep(70000),
        attachments = { { path = name }, { content = ("y"):rep(99999) } } })
      m.preamble = "one\ntwo\rthree"
      local source, length = m:sending(opts)
      assert.equal(#collect(source), length)
    end
    os.remove(name)
  end)

  it("does not know it when a function is the source", function()
    local m = assert(Message { text = "t", attachments = { { content = function() return nil end } } })
    local source, length = m:sending {}
    assert.is_function(source)
    assert.is_nil(length)
  end)
end)

describe("content from outside", function()
  local name
  before_each(function() name = os.tmpname() end)
  after_each(function() os.remove(name) end)

  local function write(bytes)
    local file = assert(io.open(name, "wb"))
    file:write(bytes)
    file:close()
  end

  local function decoded(m)
    local text = assert(m:as_string())
    return require("smtplib.base64").decode((text:match("base64\n\n([%w+/=\n]*)"):gsub("\n", "")))
  end

  it("comes from a path, read when it is sent", function()
    local m = Message()
    m:set_content("t")
    m:add_attachment({ path = name })
    write("abc")
    assert.equal("abc", decoded(m))
    write("defgh")
    assert.equal("defgh", decoded(m))
    assert.equal("defgh", m:get_payload(2):get_content())
    assert.equal(name:match("[^/]*$"), m:get_payload(2):get_filename())
  end)

  it("comes from a function, piece by piece", function()
    local pieces = { "a", "", "bc", ("d"):rep(70000) }
    local i = 0
    local m = assert(Message { text = "t", attachments = { { content = function()
      i = i + 1
      return pieces[i]
    end, filename = "f.bin" } } })
    assert.equal(table.concat(pieces), decoded(m))
  end)

  it("comes from an open file, from where it stands", function()
    write("0123456789")
    local file = assert(io.open(name, "rb"))
    file:seek("set", 4)
    local m = assert(Message { text = "t", attachments = { { content = file } } })
    assert.equal("456789", decoded(m))
    file:close()
  end)

  it("that is missing fails before anything is written", function()
    os.remove(name)
    local m = assert(Message { text = "t", attachments = { { path = name } } })
    for _, result in ipairs { { m:as_string() }, { m:source() }, { m:sending {} } } do
      assert.is_nil(result[1])
      assert.equal("SMTPException", result[2].name)
      assert.equal("none", result[2].delivery)
      assert.matches(name, result[2].message, 1, true)
    end
  end)

  it("that is a directory fails before anything is written", function()
    local source, err = assert(Message { text = "t", attachments = { { path = "/tmp" } } }):source()
    assert.is_nil(source)
    assert.equal("SMTPException", err.name)
  end)

  it("that shrinks or grows while it is sent is an error, for its length was announced", function()
    write(("x"):rep(200000))
    for _, bytes in ipairs { "short", ("x"):rep(300000) } do
      local source = assert(Message { text = "t", attachments = { { path = name } } }):source()
      write(bytes)
      local chunk, err
      repeat chunk, err = source() until not chunk
      assert.equal("SMTPException", err.name)
      assert.matches("not as long as announced", err.message)
      assert.same({ nil, err }, { source() })
      write(("x"):rep(200000))
    end
  end)

  it("that gives up hands on its error", function()
    for _, case in ipairs {
      { function() return nil, "disk on fire" end, "disk on fire" },
      { function() error("oops", 0) end, "oops" },
      { function() return {} end, "a piece must be a string" },
    } do
      local m = assert(Message { text = "t", attachments = { { content = case[1] } } })
      local text, err = m:as_string()
      assert.is_nil(text)
      assert.equal("SMTPException", err.name)
      assert.matches(case[2], err.message, 1, true)
    end
  end)

  it("may yield", function()
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then pending("a guarded callback cannot yield in PUC 5.1") return end
    local n = 0
    local m = assert(Message { text = "t", attachments = { { content = function()
      n = n + 1
      if n > 3 then return nil end
      return coroutine.yield(n)
    end } } })
    local co = coroutine.wrap(function() return decoded(m) end)
    assert.equal(1, co())
    assert.equal(2, co("a"))
    assert.equal(3, co("b"))
    assert.equal("abc", co("c"))
  end)

  it("a function gives it once: a second time is an error, not an empty part", function()
    local pieces = { "one", "two" }
    local m = assert(Message { text = "t", attachments = {
      { content = function() return table.remove(pieces, 1) end, filename = "a.bin" },
    } })
    local function all()
      local source, err = m:sending { cte = "7bit" }
      if not source then return nil, err end
      local parts = {}
      for chunk in source do parts[#parts + 1] = chunk end
      return table.concat(parts)
    end
    assert.truthy(all():find("b25ldHdv", 1, true))
    local text, err = all()
    assert.is_nil(text)
    assert.truthy(tostring(err):find("once", 1, true), tostring(err))
  end)

  it("an open file gives it again, from where it stood", function()
    local file = assert(io.open(name, "wb"))
    file:write("skipped, kept")
    file:close()
    file = assert(io.open(name, "rb"))
    file:seek("set", 9)
    local m = assert(Message { text = "t", attachments = { { content = file, filename = "a.bin" } } })
    local first = m:as_bytes()
    assert.truthy(first:find("a2VwdA==", 1, true))
    assert.equal(first, m:as_bytes())
    file:close()
  end)

  it("files that were opened for it are closed when they have been read", function()
    local fds = io.popen("ls /proc/self/fd 2>/dev/null")
    local listed = fds and fds:read("*a") ~= ""
    if fds then fds:close() end
    if not listed then return end
    local file = assert(io.open(name, "wb"))
    file:write("content")
    file:close()
    local function count()
      local pid = io.open("/proc/self/stat"):read("*n")
      local pipe = io.popen("ls /proc/" .. ("%d"):format(pid) .. "/fd | wc -l")
      local n = pipe:read("*n")
      pipe:close()
      return n
    end
    local m = assert(Message { text = "t", attachments = { { path = name } } })
    m:as_bytes()
    collectgarbage()
    collectgarbage("stop")
    local before = count()
    for _ = 1, 20 do m:as_bytes() end
    local after = count()
    collectgarbage("restart")
    assert.is_true(after - before < 10, ("%d files stay open"):format(after - before))
  end)

  it("64 MiB of it take no more memory than a small one", function()
    local status = io.open("/proc/self/status")
    if not status then pending("no /proc") return end
    status:close()
    local function peak()
      for line in io.lines("/proc/self/status") do
        local kib = line:match("^VmRSS:%s*(%d+)")
        if kib then return tonumber(kib) end
      end
    end
    local file = assert(io.open(name, "wb"))
    local mib = ("0123456789abcdef"):rep(65536)
    -- Under valgrind and sanitizers memory is not what it seems.
    for _ = 1, os.getenv("SPEC_UNDER") and 4 or 64 do file:write(mib) end
    file:close()
    mib = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local m = assert(Message { text = "t", attachments = { { path = name } } })
    local source, length = m:sending { cte = "7bit" }
    local before, highest, total, n = peak(), 0, 0, 0
    for chunk in source do
      total, n = total + #chunk, n + 1
      -- What other specs left behind decides how much garbage Lua lets pile up.
      if n % 200 == 0 then
        collectgarbage()
        highest = math.max(highest, peak())
      end
    end
    assert.equal(length, total)
    if os.getenv("SPEC_UNDER") then return end -- freed memory is kept aside there
    assert.is_true(highest - before < 8 * 1024, ("grew by %d KiB"):format(highest - before))
  end)
end)

describe("text in nobody knows which charset", function()
  it("says so", function()
    local m = email.message_from_string("Subject: s\n\n\252\n")
    assert.matches("\nContent%-Type: text/plain; charset=\"unknown%-8bit\"\n", m:as_string { cte = "7bit" })
    assert.matches("charset=\"utf%-8\"", email.message_from_string("Subject: s\n\n\195\188\n"):as_string { cte = "7bit" })
  end)
end)

describe("a multipart whose type was changed", function()
  it("is cut by the boundary that its header names", function()
    for _, kind in ipairs { "text/html", "multipart/related" } do
      local m = Message()
      m:set_content "x\n"
      m:make_mixed "bnd"
      m:set_type(kind)
      local again = email.message_from_string(m:as_bytes())
      assert.equal(0, #again.defects)
      assert.equal("x\n", again:get_payload(1):get_payload())
    end
  end)
end)
