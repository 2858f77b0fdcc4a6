-- Header and MIME injection: each rule that keeps a value inside its field.
local email = require "smtplib.email"
local Message = email.Message

local breaks = { CR = "\r", LF = "\n", CRLF = "\r\n", NUL = "\0", ["a folded line"] = "\r\n " }

-- Every way by which a value reaches a header.
local ways = {
  { "an assignment", function(m, v) m["Subject"] = v end },
  { "add_header", function(m, v) m:add_header("Subject", v) end },
  { "an address header", function(m, v) m["To"] = v end },
  { "an array of addresses", function(m, v) m["To"] = { v } end },
  { "a name of an address", function(m, v) m["To"] = { name = v, addr = "a@b.example" } end },
  { "an addr", function(m, v) m["To"] = { name = "x", addr = v } end },
  { "a quoted local part", function(m, v) m["To"] = '"a' .. v .. 'b"@c.example' end },
  { "a comment", function(m, v) m["To"] = "a@b.example (" .. v .. ")" end },
  { "a message id", function(m, v) m["Message-ID"] = v end },
  { "a parameter", function(m, v) m:add_header("Content-Disposition", "attachment", { filename = v }) end },
  { "set_param", function(m, v) m:set_param("name", v) end },
  { "set_boundary", function(m, v) m["Content-Type"] = "multipart/mixed" m:set_boundary(v) end },
  { "set_charset", function(m, v) m:set_charset(v) end },
  { "set_type", function(m, v) m:set_type("text/" .. v) end },
  { "set_unixfrom", function(m, v) m:set_unixfrom(v) end },
  { "a content id", function(m, v) m:add_attachment("x", { cid = v }) end },
  { "an attachment's name", function(m, v) m:add_attachment("x", { filename = v }) end },
  { "an attachment's type", function(m, v) m:add_attachment("x", { type = "a/b; x=" .. v }) end },
  { "a disposition", function(m, v) m:add_attachment("x", { disposition = v }) end },
  { "an attachment's header", function(m, v) m:add_attachment("x", { headers = { X = v } }) end },
}

describe("a value cannot leave its header field (CVE-2024-6923):", function()
  for _, way in ipairs(ways) do
    for name, bytes in pairs(breaks) do
      it(("%s with %s is refused"):format(way[1], name), function()
        local m = Message()
        local ok, err = pcall(way[2], m, "a" .. bytes .. "Bcc: victim@example.com")
        assert.is_false(ok)
        assert.equal("string", type(err))
        assert.matches("^spec/mime/injection_spec%.lua:", err)
      end)
    end
  end

  it("the error names the header", function()
    assert.error_matches(function() Message()["Subject"] = "a\nb" end, "header 'Subject': CR, LF or NUL in the value")
    assert.error_matches(function() Message():add_header("X-Y", "a\0b") end, "header 'X%-Y'")
  end)

  for _, option in ipairs { "from", "sender", "reply_to", "to", "cc", "bcc", "subject", "date", "message_id" } do
    it(("option %s of Message{} is refused with nil and an error"):format(option), function()
      local m, err = Message { [option] = "a\r\nBcc: victim@example.com" }
      assert.is_nil(m)
      assert.equal("SMTPException", err.name)
      assert.equal("none", err.delivery)
      assert.matches("header '", err.message)
    end)
  end

  it("headers and attachments of Message{} as well", function()
    for _, opts in ipairs {
      { headers = { ["X-A"] = "a\nb" } },
      { headers = { ["X\nA"] = "a" } },
      { attachments = { { content = "x", filename = "a\nb" } } },
      { attachments = { { content = "x", type = "text/plain\nX: y" } } },
      { attachments = { { content = "x", cid = "a\nb" } } },
      { attachments = { { content = "x", headers = { A = "b\nc" } } } },
      { text = "x", html = "y", inline = { { content = "x", cid = "a\rb" } } },
    } do
      local m, err = Message(opts)
      assert.is_nil(m)
      assert.equal("SMTPException", err.name)
    end
  end)
end)

describe("decoded text is checked again when it is assigned (CPython #121650):", function()
  it("a newline that came out of an encoded-word goes nowhere", function()
    local m = Message()
    local text = require("smtplib.core").message.decode_text("=?utf-8?q?=0ABcc:_x?=")
    assert.equal("\nBcc: x", text)
    assert.has_error(function() m["Subject"] = text end)
  end)
end)

describe("names of header fields", function()
  for _, name in ipairs { "", "A B", "A:", "A\n", "A\r\nBcc", "\195\169", "A\0", "A\127", ("x"):rep(201) } do
    it(("%q is refused"):format(name), function()
      assert.error_matches(function() Message():add_header(name, "x") end, "not a valid field name")
      if name ~= "" then assert.has_error(function() Message()[name] = "x" end) end
    end)
  end
end)

describe("names of parameters must be tokens (CVE-2026-45070):", function()
  for _, name in ipairs { "a b", "a;b", 'a"b', "a\r\nb", "a\0", "\195\169", "a/b", "" } do
    it(("%q is refused"):format(name), function()
      assert.has_error(function()
        Message():add_header("Content-Disposition", "attachment", { [name] = "x" })
      end)
    end)
  end
end)

describe("text that is not UTF-8", function()
  it("is refused in a value", function()
    assert.error_matches(function() Message()["Subject"] = "\255" end, "header 'Subject': the value is not valid UTF%-8")
    assert.has_error(function() Message()["Subject"] = "\192\138" end) -- an overlong line feed
  end)
end)

describe("text around the parts", function()
  local function multipart()
    local m = Message()
    m:set_content "x"
    m:make_mixed "bnd"
    return m
  end

  it("cannot be a part: it is refused with the boundary in it", function()
    local m = multipart()
    m.preamble = "a\n--bnd\nX: y\n\ninjected"
    local raw, err = m:as_bytes()
    assert.is_nil(raw)
    assert.matches("the boundary occurs in a part", err.message, 1, true)
    local outer, inner = Message(), multipart()
    outer:attach(inner)
    outer:set_boundary "out"
    inner.epilogue = "--out\n\ninjected"
    raw, err = outer:as_bytes()
    assert.is_nil(raw)
    assert.matches("the boundary occurs in a part", err.message, 1, true)
    inner.epilogue = "--other\n"
    assert(outer:as_bytes())
  end)
end)

describe("boundaries", function()
  local function boundary_of(text) return text:match('boundary="([^"]+)"') end

  it("are random, of 128 bits at least, and cannot occur in encoded bodies", function()
    local seen = {}
    for _ = 1, 50 do
      local m = assert(Message { text = "x", html = "y" })
      local boundary = boundary_of(m:as_string())
      assert.matches("^=_%x+$", boundary)
      assert.is_true(#boundary >= 2 + 32)
      assert.is_nil(seen[boundary])
      seen[boundary] = true
    end
  end)

  it("stay the same from one output to the next", function()
    local m = assert(Message { text = "x", html = "y" })
    assert.equal(m:as_string(), m:as_string())
  end)

  it("chosen by the caller must not occur in a part", function()
    local m, part = Message(), Message()
    part:set_payload("a\n--frontier\nb")
    m:attach(part)
    m:set_boundary("frontier")
    local text, err = m:as_string()
    assert.is_nil(text)
    assert.matches("the boundary occurs in a part", err.message)
    m:set_boundary("other")
    assert.is_string(m:as_string())
  end)

  it("chosen by the caller must differ from those around them", function()
    local outer, inner = Message(), Message()
    inner:attach(Message())
    outer:attach(inner)
    outer:set_boundary("same")
    inner:set_boundary("same2")
    local text, err = outer:as_string()
    assert.is_nil(text)
    assert.matches("boundary", err.message)
  end)

  for _, boundary in ipairs { "", ("x"):rep(71), "a ", 'a"b', "a\nb", "a;b" } do
    it(("%q is refused"):format(boundary), function()
      local m = Message()
      m["Content-Type"] = "multipart/mixed"
      assert.has_error(function() m:set_boundary(boundary) end)
    end)
  end
end)
