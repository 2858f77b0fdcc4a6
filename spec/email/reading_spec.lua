-- Reading messages: the tree, what is wrong with it, and that what nobody changed
-- goes out as it came.
local email = require "smtplib.email"
local read = email.message_from_string

local function collect(source)
  local chunks = {}
  for chunk in source do chunks[#chunks + 1] = chunk end
  return table.concat(chunks)
end

local function defects(m)
  local names = {}
  for i, defect in ipairs(m.defects) do names[i] = defect.name end
  return table.concat(names, " ")
end

-- "multipart/mixed(text/plain text/html)"
local function shape(m)
  if not m:is_multipart() then return m:get_content_type() end
  local parts = {}
  for i, part in ipairs(m:get_payload()) do parts[i] = shape(part) end
  return m:get_content_type() .. "(" .. table.concat(parts, " ") .. ")"
end

local mixed = table.concat({
  "From: a@example.org", "Content-Type: multipart/mixed; boundary=outer", "", "for old readers",
  "--outer", "", "text", "--outer", "Content-Type: multipart/alternative; boundary=inner", "",
  "--inner", "", "plain", "--inner", "Content-Type: text/html", "", "<p>", "--inner--", "",
  "--outer--", "the end", "",
}, "\n")

describe("a message that is read", function()
  it("gives its fields as text", function()
    local m = read "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nTo: a@example.org,\n b@example.org\n\nbody\n"
    assert.equal("Gr\195\188\195\159e", m["subject"])
    assert.equal("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", m:raw("Subject"))
    assert.equal("a@example.org, b@example.org", m.To)
    assert.equal("body\n", m:get_payload())
    assert.same({ "Subject", "To" }, m:keys())
  end)

  it("gives its parts, preamble and epilogue", function()
    local m = read(mixed)
    assert.equal("multipart/mixed(text/plain multipart/alternative(text/plain text/html))", shape(m))
    assert.equal("for old readers", m.preamble)
    assert.equal("the end\n", m.epilogue)
    assert.equal("text", m:get_payload(1):get_payload())
    assert.equal("<p>", m:get_payload(2):get_payload(2):get_payload())
    assert.equal("", defects(m))
  end)

  it("may be cut anywhere when it is fed", function()
    for size = 1, 40 do
      local parser = email.Parser()
      for at = 1, #mixed, size do assert.equal(parser, parser:feed(mixed:sub(at, at + size - 1))) end
      local m = assert(parser:close())
      assert.equal(shape(read(mixed)), shape(m))
      assert.equal(mixed, m:as_bytes())
    end
  end)

  it("leaves a parser that reads another one", function()
    local parser = email.Parser()
    parser:feed("Subject: one\n\n")
    assert.equal("one", parser:close().Subject)
    assert.equal("Subject: two", (parser:feed("Subject: two"):close():as_bytes()))
    assert.equal("", (parser:close():as_bytes()))
  end)

  it("comes from a file, from where it stands", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w+b"))
    file:write("skipped\n", mixed)
    file:seek("set", 8)
    assert.equal(mixed, email.message_from_file(file):as_bytes())
    file:close()
    os.remove(name)
    assert.error_matches(function() email.message_from_file(file) end, "open file expected, got closed file")
    local m, err = email.message_from_file { read = function() return nil, "no disk" end }
    assert.is_nil(m)
    assert.matches("no disk", err.message)
  end)

  it("is a message whatever it is", function()
    for _, bytes in ipairs { "", "\n", "\r", "\0", ":", " ", "--", "\255\254", "a:b", ("\r"):rep(100) } do
      local m = assert(read(bytes))
      assert.equal(bytes, m:as_bytes { eol = "keep" })
      assert.is_string(m:get_payload())
    end
  end)

  it("refuses only what is no message at all", function()
    local _, err = pcall(function() read(nil) end)
    assert.matches("reading_spec%.lua:%d+: bad argument 's' to 'message_from_string'", err)
    assert.error_matches(function() read("", { max_dpth = 1 }) end, "unknown option 'max_dpth'")
    assert.error_matches(function() read("", { max_depth = 0 }) end, "bad option 'max_depth'")
    _, err = pcall(function() email.Parser():feed(1) end)
    assert.matches("reading_spec%.lua:%d+: bad argument 'bytes' to 'feed'", err)
    assert.error_matches(function() email.message_from_file("name") end, "bad argument 'file'")
  end)
end)

describe("nested messages", function()
  local inner = "Subject: inner\n\nwithin\n"
  it("stand in a message/rfc822", function()
    local m = read("Content-Type: message/rfc822\n\n" .. inner)
    assert.is_true(m:is_multipart())
    assert.equal("inner", m:get_payload(1).Subject)
    assert.equal("within\n", m:get_payload(1):get_payload())
  end)

  it("are what a digest has without saying so", function()
    local m = read("Content-Type: multipart/digest; boundary=d\n\n--d\n\n" .. inner .. "\n--d--\n")
    local part = m:get_payload(1)
    assert.equal("message/rfc822", part:get_content_type())
    assert.equal("inner", part:get_payload(1).Subject)
  end)

  it("stay bytes where they are encoded", function()
    local m = read("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoK\n")
    assert.is_false(m:is_multipart())
    assert.equal("x", read(m:get_payload(nil, true)).Subject)
  end)

  it("are blocks of fields in a delivery status", function()
    local text = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nAction: failed\nStatus: 5.1.1\n\n"
    local m = read(text)
    assert.equal("dns; a", m:get_payload(1)["Reporting-MTA"])
    assert.equal("5.1.1", m:get_payload(2).Status)
    assert.equal(2, #m:get_payload())
    m:get_payload(2).Status = "5.0.0"
    assert.equal((text:gsub("5%.1%.1", "5.0.0")), m:as_string())
  end)
end)

describe("what is wrong with a message", function()
  local multi = "Content-Type: multipart/mixed; boundary=b\n\n"
  local cases = {
    { "FirstHeaderLineIsContinuationDefect", " a\nSubject: s\n\nx" },
    { "MisplacedEnvelopeHeaderDefect", "Subject: s\nFrom me\nTo: a@b\n\nx" },
    { "InvalidHeaderDefect", ": nameless\nSubject: s\n\nx" },
    { "MissingHeaderBodySeparatorDefect", "Subject: s\nno field\n\nx" },
    { "UndecodableBytesDefect", "Subject: \252\n\nx" },
    { "NoBoundaryInMultipartDefect", "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n" },
    { "StartBoundaryNotFoundDefect", multi .. "x\n" },
    { "StartBoundaryNotFoundDefect", multi .. "x\n--b--\n" },
    { "CloseBoundaryNotFoundDefect", multi .. "--b\n\nx\n" },
    { "CloseBoundaryNotFoundDefect", multi .. "--b" },
    { "MultipartInvariantViolationDefect", multi .. "--b\n--b--\n" },
    { "InvalidMultipartContentTransferEncodingDefect", "Content-Transfer-Encoding: base64\n" .. multi .. "--b\n\n--b--\n" },
  }
  for _, case in ipairs(cases) do
    it("is noted: " .. case[1], function()
      local m = read(case[2])
      assert.equal(case[1], defects(m))
      assert.equal(case[2], m:as_bytes())
      assert.equal(case[1] .. ": " .. m.defects[1].message, tostring(m.defects[1]))
    end)
  end

  it("is noted in the part where it is", function()
    local m = read(multi .. "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b--\n")
    assert.equal("", defects(m))
    assert.equal("CloseBoundaryNotFoundDefect", defects(m:get_payload(1)))
    assert.equal("x", m:get_payload(1):get_payload(1):get_payload())
  end)

  local encoded = {
    { "base64", "YWJj\n", "abc", "" },
    { "BASE64 (as they say)", "YW\r\nI=", "ab", "" },
    { "base64", "Y W I=", "ab", "InvalidBase64CharactersDefect" },
    { "base64", "YWJ", "ab", "InvalidBase64PaddingDefect" },
    { "base64", "YWJjY", "abc", "InvalidBase64PaddingDefect" },
    { "base64", "", "", "" },
    { "quoted-printable", "a=3Db=\n", "a=b", "" },
    { "quoted-printable", "a=ZZ", "a=ZZ", "InvalidQuotedPrintableDefect" },
    { "x-uuencode", "begin 644 a\n", "begin 644 a\n", "" },
    { "8bit", "\252", "\252", "" },
  }
  for _, case in ipairs(encoded) do
    it(("is noted when %q is decoded as %s"):format(case[2], case[1]), function()
      local m = read("Content-Transfer-Encoding: " .. case[1] .. "\n\n" .. case[2])
      assert.equal("", defects(m))
      assert.equal(case[3], m:get_payload(nil, true))
      assert.equal(case[4], defects(m))
    end)
  end

  it("is nothing in a message that was composed", function()
    assert.same({}, email.Message { text = "t" }.defects)
  end)
end)

describe("a limit", function()
  local function nested(n)
    local lines = {}
    for i = 1, n do lines[#lines + 1] = ("Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n"):format(i, i) end
    return table.concat(lines) .. "\nx\n"
  end

  local function depth(m)
    local n = 0
    while m:is_multipart() and m:get_payload(1) do m, n = m:get_payload(1), n + 1 end
    return n, m
  end

  it("ends how deep parts are nested", function()
    local text = nested(300)
    local m = read(text)
    local n, last = depth(m)
    assert.equal(98, n)
    assert.equal("DepthLimitDefect", defects(last))
    assert.equal(text, m:as_bytes())
    n, last = depth(read(text, { max_depth = 3 }))
    assert.equal(3, n)
    assert.equal("DepthLimitDefect", defects(last))
  end)

  it("ends how many parts are told apart", function()
    local text = "Content-Type: multipart/mixed; boundary=b\n\n" .. ("--b\n\nx\n"):rep(60000) .. "--b--\n"
    local m = read(text)
    assert.equal(50000, #m:get_payload())
    assert.equal("CountLimitDefect", defects(m))
    assert.equal(text, m:as_bytes())
    assert.equal(2, #read(text, { max_parts = 2 }):get_payload())
  end)

  it("ends how many fields are told apart", function()
    local text = ("A: b\n"):rep(20) .. "\nx"
    local m = read(text, { max_fields = 7 })
    assert.equal(7, #m)
    assert.equal("x", m:get_payload())
    assert.equal("CountLimitDefect", defects(m))
    assert.equal(text, m:as_bytes())
  end)
end)

describe("a message that was read and not changed", function()
  local lf = "From: a@b\nSubject : odd\n\t fold\nno field\n\nx\n"
  it("is written as it was: LF, CRLF and mixed line ends", function()
    local crlf = mixed:gsub("\n", "\r\n")
    assert.equal(mixed, read(mixed):as_string())
    assert.equal(crlf, collect(read(crlf):source()))
    assert.equal(lf, read(lf):as_bytes())
    assert.equal(mixed, read(crlf):as_bytes())
    for _, text in ipairs { "A: b\r\n\nx\r\ny\n", "A: b\rC: d\n\nx", "A: b\n\nx\ry\n" } do
      assert.equal(text, read(text):as_bytes())
      assert.equal(text, collect(read(text):source()))
      assert.equal((text:gsub("\r\n?", "\n")), read(text):as_bytes { eol = "\n" })
    end
  end)

  it("keeps its line ends when it is asked to", function()
    local crlf = mixed:gsub("\n", "\r\n")
    for _, text in ipairs { mixed, lf, crlf, "A: b\r\n\nx" } do
      assert.equal(text, read(text):as_bytes { eol = "keep" })
    end
    local m = read(crlf)
    m.Subject = "new"
    assert.matches("^From: a@example%.org\r\nContent[^\n]+=outer\r\nSubject: new\r\n\r\nfor", m:as_bytes { eol = "keep" })
  end)

  it("begins with its mbox line on request", function()
    local text = "From me Mon Nov 23 20:08:22 2026\nSubject: s\n\nx\n"
    local m = read(text)
    assert.equal("From me Mon Nov 23 20:08:22 2026", m:get_unixfrom())
    assert.equal(text, m:as_string(true))
    assert.equal("Subject: s\n\nx\n", m:as_string())
    assert.is_nil(read("From here on\ntext goes on\n"):get_unixfrom())
  end)

  it("still says so after it was looked at", function()
    local m = read(mixed)
    for part in m:walk() do
      local _ = part:get_content()
      _ = part:items()
      _ = part:as_bytes()
    end
    assert.equal(mixed, m:as_bytes())
  end)
end)

describe("a message that was read and changed", function()
  it("keeps every other field, and the body, as they were", function()
    local m = read "Received: (odd\n  folding)\nSubject : old\nX:  y  \n\n--not\nbody\n"
    m.Subject = "new"
    assert.equal("Received: (odd\n  folding)\nSubject: new\nX:  y  \n\n--not\nbody\n", m:as_string())
  end)

  it("keeps the parts that were not changed", function()
    local m = read(mixed)
    m:get_payload(2):get_payload(2):set_payload("<b>\n")
    assert.equal((mixed:gsub("<p>\n", "<b>\n\n")), m:as_string())
  end)

  it("gets another part", function()
    local m = read "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"
    local part = email.Message()
    part:set_payload("y")
    m:attach(part)
    assert.equal("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\ny\n--b--\n", m:as_string())
  end)

  it("is cut anew by another boundary", function()
    local m = read "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"
    m:set_boundary("c")
    assert.matches("\n\n%-%-c\n\nx\n%-%-c%-%-\n$", m:as_string())
  end)
end)

describe("a reader of 7 bits", function()
  local function narrow(text)
    return collect(read(text):source { cte = "7bit", eol = "\n" })
  end

  it("gets 8-bit text encoded, everything else as it was", function()
    local text = "Subject: s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\195\188\n"
    assert.equal("Subject: s\nContent-Type: text/plain; charset=utf-8\n" ..
      "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n", narrow(text))
    local ascii = "A:  odd\nContent-Transfer-Encoding: 8BIT\n\nascii\n"
    assert.equal(ascii, narrow(ascii))
  end)

  it("gets a signed message as it is, 8-bit or not", function()
    local body = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\195\188\n"
    for _, text in ipairs {
      "DKIM-Signature: v=1\n" .. body,
      "Content-Type: multipart/signed; boundary=b\n\n--b\n" .. body .. "\n--b--\n",
      "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/signed; boundary=b\n\n--b\n"
        .. body .. "\n--b--\n--a--\n",
    } do
      assert.equal(text, narrow(text))
    end
  end)
end)
