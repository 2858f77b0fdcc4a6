-- Header fields as they are written: folding, encoded-words, addresses,
-- parameters (csrc/mime/header.c, fold.c, word.c, mailbox.c, param.c).
local core = require "smtplib.core"
local Message = require("smtplib.email").Message

-- The lines of the only field of a message.
local function written(name, value, opts)
  local m = Message()
  m[name] = value
  return (assert(m:as_bytes(opts)):gsub("\n\n$", ""))
end

local long = ("word "):rep(30) .. "end"

describe("text in a header", function()
  for _, case in ipairs {
    --  what                                     value                       on the wire
    { "plain ASCII as it is",                    "Hello, world",             "Hello, world" },
    { "an empty value",                          "",                         "" },
    { "white space inside",                      "a  b\tc",                  "a  b\tc" },
    { "no white space around",                   "  a b  ",                  "a b" },
    { "a non-ASCII word alone",                  "caf\195\169 au lait",      "=?utf-8?b?Y2Fmw6k=?= au lait" },
    { "neighbours as one text",                  "\195\169t\195\169 \195\160 moi", "=?utf-8?b?w6l0w6kgw6A=?= moi" },
    { "B where it is shorter",                   "\230\151\165\230\156\172", "=?utf-8?b?5pel5pys?=" },
    { "Q where it is shorter",                   "resum\195\169",            "=?utf-8?q?resum=C3=A9?=" },
    { "what looks encoded, encoded",             "=?utf-8?q?x?=",            "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?=" },
    { "what looks encoded within a word",        "a=?b",                     "=?utf-8?q?a=3D=3Fb?=" },
    { "control characters, encoded",             "a\7b",                     "=?utf-8?b?YQdi?=" },
    { "DEL, encoded",                            "a\127b",                   "=?utf-8?b?YX9i?=" },
  } do
    it("writes " .. case[1], function()
      assert.equal("Subject: " .. case[3], written("Subject", case[2]))
    end)
  end

  it("is folded at 78 columns, at white space that was there", function()
    local text = written("Subject", long)
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
    assert.equal("Subject: " .. long, (text:gsub("\n", "")))
  end)

  it("is folded where max_line says", function()
    for line in written("Subject", long, { max_line = 50 }):gmatch("[^\n]+") do
      assert.is_true(#line <= 50, line)
    end
  end)

  it("never makes a line of more than 998 characters", function()
    local text = written("Subject", ("x"):rep(5000) .. (" "):rep(3000) .. ("y"):rep(900))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 998, #line) end
  end)

  it("never splits a character", function()
    for _, char in ipairs { "\195\169", "\230\151\165", "\240\159\152\128" } do
      local text = written("Subject", char:rep(60) .. "abcdefgh" .. char:rep(60))
      for charset, encoding, word in text:gmatch("=%?([^?]+)%?(.)%?([^?]*)%?=") do
        local bytes = encoding == "b" and require("smtplib.base64").decode(word) or
          word:gsub("=(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
        assert.equal("utf-8", charset)
        local rest = bytes:gsub(char, ""):gsub("[a-h]", "")
        assert.equal("", rest)
      end
    end
  end)

  it("keeps encoded-words at 75 characters", function()
    for word in written("Subject", ("\195\169"):rep(300)):gmatch("%S+") do
      assert.is_true(#word <= 75, word)
    end
  end)

  it("goes out as UTF-8 when the reader takes it", function()
    assert.equal("Subject: \195\169t\195\169", written("Subject", "\195\169t\195\169", { utf8 = true }))
  end)
end)

describe("addresses in a header", function()
  for _, case in ipairs {
    { "a bare address",            "a@b.example",                       "a@b.example" },
    { "a name",                    "A B <a@b.example>",                 "A B <a@b.example>" },
    { "a quoted name",             '"B, A" <a@b.example>',              '"B, A" <a@b.example>' },
    { "a non-ASCII name",          "Ren\195\169 <r@b.example>",         "=?utf-8?b?UmVuw6k=?= <r@b.example>" },
    { "a non-ASCII quoted name",   '"\195\169, x" <r@b.example>',       "=?utf-8?b?w6ksIHg=?= <r@b.example>" },
    { "a comment",                 "a@b.example (the boss)",            "a@b.example (the boss)" },
    { "a non-ASCII comment",       "a@b.example (\195\169)",            "a@b.example (=?utf-8?b?w6k=?=)" },
    { "a list",                    "a@b.example,c@d.example",           "a@b.example, c@d.example" },
    { "a group",                   "us: a@b.example, c@d.example;",     "us: a@b.example, c@d.example;" },
    { "an empty group",            "undisclosed-recipients:;",          "undisclosed-recipients:;" },
    { "a quoted local part",       '"a b"@c.example',                   '"a b"@c.example' },
    { "an address literal",        "a@[IPv6:::1], b@c.example",         "a@[IPv6:::1], b@c.example" },
    { "an array",                  { "a@b.example", "C <c@d.example>" }, "a@b.example, C <c@d.example>" },
    { "a name and an address",     { name = "B, A", addr = "a@b.example" }, '"B, A" <a@b.example>' },
    { "names and addresses",       { { name = "\195\169", addr = "a@b.example" }, { addr = "c@d.example" } },
      "=?utf-8?b?w6k=?= <a@b.example>, c@d.example" },
  } do
    it("write " .. case[1], function()
      assert.equal("To: " .. case[3], written("To", case[2]))
    end)
  end

  it("write a non-ASCII domain in A-labels, unless the reader takes UTF-8", function()
    if not core.domain_to_ascii("b\195\188cher.example") then return end
    local value = "A <a@b\195\188cher.example>, (x) b@b\195\188cher.example"
    assert.equal("To: A <a@xn--bcher-kva.example>, (x) b@xn--bcher-kva.example", written("To", value))
    assert.equal("To: " .. value, written("To", value, { utf8 = true }))
  end)

  it("put white space behind an encoded-word in a phrase (RFC 2047 section 5)", function()
    assert.equal("To: =?utf-8?b?SsO8?= : a@b.example;", written("To", "J\195\188: a@b.example;"))
    assert.equal("To: =?utf-8?b?SsO8?= <a@b.example>", written("To", "J\195\188<a@b.example>"))
    assert.equal("Keywords: =?utf-8?b?SsO8?= , a", written("Keywords", "J\195\188, a"))
  end)

  it("count the separators behind an address to its line", function()
    for width = 1, 60 do
      local text = written("To", "g: a <a@b.example>, " .. ("x"):rep(width) .. " <a@b.example>;, c@d.example")
      for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
    end
  end)

  it("encode a comment without its escapes", function()
    assert.equal("To: a@b.example (=?utf-8?b?w6kgKQ==?=)", written("To", "a@b.example (\195\169 \\))"))
  end)

  it("are folded between them, a name of many words within, 998 never exceeded", function()
    local list = { ("word "):rep(40) .. "<a@b.example>", '"' .. ("quoted, "):rep(9) .. '" <c@d.example>',
      ("\195\169"):rep(200) .. " <e@f.example>", "g: " .. ("h@i.example, "):rep(20) .. "j@k.example;", ("x"):rep(400) .. " <l@m.example>" }
    local text = written("To", table.concat(list, ", "))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
  end)

  it("never put a separator into an encoded-word (CVE-2025-1795)", function()
    local list = {}
    for i = 1, 20 do list[i] = ("\195\169%d <a%d@example.com>"):format(i, i) end
    local text = written("To", table.concat(list, ", "))
    local _, commas = text:gsub(",", "")
    assert.equal(19, commas)
    assert.is_nil(text:match("=2C"))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
  end)

  it("never put an encoded-word into an addr-spec", function()
    for _, address in ipairs { "\195\169@example.com", "A <\195\169@example.com>" } do
      local m = Message()
      m["To"] = address
      local text, err = m:as_bytes()
      assert.is_nil(text)
      assert.equal("SMTPException", err.name)
      assert.matches("header 'To': a non%-ASCII address needs a server with SMTPUTF8", err.message)
      assert.matches(address, m:as_bytes { utf8 = true }, 1, true)
    end
  end)

  for _, value in ipairs { '"a <b@c.example>', "a (b <c@d.example>", "a <b@c.example", "a> b@c.example", "a) b@c.example" } do
    it(("refuse %s"):format(value), function()
      assert.error_matches(function() Message()["To"] = value end, "header 'To'")
    end)
  end
end)


describe("a name that has to be encoded", function()
  for _, value in ipairs {
    "J\195\188rgen j@example.org", "j@example.org J\195\188rgen", "=?x?= @example.org", "a@ \195\188b",
  } do
    it(("is refused beside an address without brackets: %s"):format(value), function()
      local m, err = Message { to = value }
      if m then m, err = m:as_string() end
      assert.is_nil(m)
      assert.matches("^header 'To': a name beside an address without '<'", err.message)
    end)
  end

  it("is taken where a comma is between them", function()
    assert.equal("To: j@example.org, =?utf-8?q?J=C3=BCrgen?= <a@b>", written("To", "j@example.org, J\195\188rgen <a@b>"))
  end)
end)

describe("message ids and dates", function()
  it("are folded between them and never encoded", function()
    local ids = {}
    for i = 1, 10 do ids[i] = ("<%030d@mail.example.com>"):format(i) end
    local text = written("References", ids)
    assert.equal("References: " .. table.concat(ids, " "), (text:gsub("\n", "")))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
  end)

  it("that touch are folded, too", function()
    local id = ("<%040d@mail.example.com>"):format(1)
    local text = written("References", id:rep(30))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
    assert.equal("References: " .. id:rep(30), (text:gsub("[\n ]", ""):gsub("^References:", "References: ")))
  end)

  it("refuse what is not ASCII", function()
    local m = Message()
    m["Message-ID"] = "<\195\169@example.com>"
    local text, err = m:as_bytes()
    assert.is_nil(text)
    assert.matches("Message%-ID", err.message)
  end)
end)

describe("parameters", function()
  local function disposition(filename)
    local m = Message()
    m:add_header("Content-Disposition", "attachment", { filename = filename })
    return assert(m:as_bytes()):match("^Content%-Disposition: (.-)\n\n$")
  end

  for _, case in ipairs {
    { "a plain name",        "report.pdf",      'attachment; filename="report.pdf"' },
    { "spaces",              "my report.pdf",   'attachment; filename="my report.pdf"' },
    { "a quotation mark",    'a"b',             'attachment; filename="a\\"b"' },
    { "a backslash",         "a\\b",            'attachment; filename="a\\\\b"' },
    { "non-ASCII",           "\195\156.pdf",    "attachment; filename*=utf-8''%C3%9C.pdf" },
    { "a tab",               "a\tb",            "attachment; filename*=utf-8''a%09b" },
    { "DEL",                 "a\127b",          "attachment; filename*=utf-8''a%7Fb" },
    { "a look-alike",        "=?utf-8?q?x?=",   "attachment; filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D" },
  } do
    it("write " .. case[1], function()
      assert.equal(case[3], disposition(case[2]))
    end)
  end

  it("count the semicolon behind them to their line", function()
    for width = 1, 80 do
      for _, text in ipairs { "x", "\195\188", " " } do
        local value = ('a/b; n="%s%s"; m=x; n2="%s%s"'):format(text, ("y"):rep(width), ("y"):rep(width), text)
        for line in written("Content-Type", value):gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
      end
    end
  end)

  it("are cut between whole characters where they are long, and given once", function()
    local name = ("\195\169\230\151\165"):rep(40) .. ".pdf"
    local text = disposition(name)
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
    assert.is_nil(text:match("filename="))
    for piece in text:gmatch("filename%*%d+%*=([^;\n]*)") do
      local bytes = piece:gsub("^utf%-8''", ""):gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
      assert.equal("", (bytes:gsub("\195\169", ""):gsub("\230\151\165", ""):gsub("%.pdf", "")))
    end
  end)

  it("are read back as they were given", function()
    for _, name in ipairs { "a", "a b", 'q"\\', "\195\169", ("\195\169"):rep(200), ("x"):rep(300), "=?x?=", "a;b=c" } do
      local m = Message()
      m:add_header("Content-Disposition", "attachment", { filename = name })
      assert.equal(name, m:get_filename())
    end
  end)

  for _, case in ipairs {
    { "filename*=utf-8''%C3%A9.txt",                          "\195\169.txt" },
    { "filename*=iso-8859-1'fr'%E9.txt",                      "\195\169.txt" },
    { "filename*0*=utf-8''%C3%A9; filename*1=.t; filename*2*=%78t", "\195\169.txt" },
    { 'filename*0="a b"; filename*1="c"',                     "a bc" },
    { 'filename="x.txt"; filename*=utf-8\'\'%C3%A9.txt',      "\195\169.txt" },
    { "FILENAME=x.txt",                                       "x.txt" },
  } do
    it("are understood as " .. case[1], function()
      local m = Message()
      m["Content-Disposition"] = "attachment; " .. case[1]
      assert.equal(case[2], m:get_filename())
    end)
  end

  it("have a twin in encoded-words on request only, for old readers", function()
    local email = require "smtplib.email"
    local name = "\195\156b\195\169r " .. ("\230\151\165"):rep(40) .. ".pdf"
    local m = Message()
    m:add_header("Content-Disposition", "attachment", { filename = name, size = "3" })
    assert.is_nil(m:as_bytes():find("filename=", 1, true))
    local text = m:as_bytes { rfc2047_names = true }
    assert.matches('filename="=%?utf%-8%?b%?[^"]+%?=";\n? filename%*0%*=utf%-8', text)
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 78, line) end
    assert.equal(name, email.message_from_string(text):get_filename())
    local only = text:gsub("filename%*%d%*=[^;\n]*;?", "")
    assert.equal(name, email.message_from_string(only):get_filename())
    assert.matches('size="3"', text)
  end)

  it("with a '*' in their name are printable ASCII, or refused", function()
    for _, value in ipairs { "a/b; n*=\195\164", "a/b; n*0*=x; n*1=\"\195\164\"", "a/b; n*0=\1" } do
      assert.has_error(function() Message()["Content-Type"] = value end,
        "header 'Content-Type': the value of a parameter with '*' is not printable ASCII")
    end
    assert.equal("Content-Type: a/b; n*=utf-8''%C3%A4", written("Content-Type", "a/b; n*=utf-8''%C3%A4"))
  end)

  it("keep the spelling that they were given", function()
    assert.equal("Content-Type: text/plain; charset=utf-8; format=flowed",
      written("Content-Type", "text/plain; charset=utf-8; format=flowed"))
  end)
end)
