-- smtplib.email.header: text encoded and decoded by itself.
local header = require("smtplib.email").header
local has_iconv = require("smtplib.core").has_iconv()

describe("email.header", function()
  for _, case in ipairs {
    { "plain", "plain" },
    { "\195\169", "=?utf-8?b?w6k=?=" },
    { "resum\195\169", "=?utf-8?q?resum=C3=A9?=" },
  } do
    it("encodes and decodes " .. case[2], function()
      assert.equal(case[2], header.encode(case[1]))
      assert.equal(case[1], header.decode(case[2]))
    end)
  end

  for _, case in ipairs {
    { "white space between encoded-words goes", "=?utf-8?q?a?= \r\n =?utf-8?q?b?=", "ab" },
    { "white space beside others stays", "x =?utf-8?q?a?=  y", "x a  y" },
    { "a character split between two is joined", "=?utf-8?b?w6k=?= =?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\195\169\195\169" },
    { "Latin-1 is understood", "=?ISO-8859-1?Q?caf=E9?=", "caf\195\169" },
    { "other charsets, if there is iconv", "=?koi8-r?q?=C1?=", has_iconv and "\208\176" or "=?koi8-r?q?=C1?=" },
    { "Windows-1252, in any case", "=?WINDOWS-1252?b?gA==?=", "\226\130\172" },
    { "an unknown charset stays as it is", "=?x-nope?q?=C1?=\r\n =?x-nope?q?b?= c", "=?x-nope?q?=C1?= =?x-nope?q?b?= c" },
    { "white space beside a word that stays, stays", "=?x-nope?q?a?= =?utf-8?q?b?=", "=?x-nope?q?a?= b" },
    { "a change of charset between two words", "=?utf-8?q?=C3=A9?= =?iso-8859-1?q?=E9?=", "\195\169\195\169" },
    { "blanks that should have been underscores", "=?utf-8?q?a b?=", "a b" },
    { "a word that touches text", "a=?utf-8?q?b?=c", "abc" },
    { "bytes that are not in the charset", "=?utf-8?q?a=FFb?=", "a\239\191\189b" },
    { "UTF-8 that says US-ASCII", "=?us-ascii?q?=C3=A9?=", "\195\169" },
    { "no charset is text", "=??q?a?=", "=??q?a?=" },
    { "no encoding is text", "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
    { "base64 that is cut short is text", "=?utf-8?b?w6R4e?=", "=?utf-8?b?w6R4e?=" },
    { "base64 without its padding", "=?utf-8?b?w6Q?= =?utf-8?b?w6RhYg?=", "\195\164\195\164ab" },
    { "an empty word is nothing", "a =?utf-8?q??= b", "a  b" },
    { "lines in other charsets around raw bytes", "caf\233\r\n =?utf-8?q?x?=", "caf\195\169 x" },
    { "raw UTF-8 stays", "caf\195\169", "caf\195\169" },
    { "raw bytes are Latin-1", "caf\233", "caf\195\169" },
    { "folding goes", "a\r\n b\n\tc", "a b\tc" },
    { "half a word is text", "=?utf-8?q?abc", "=?utf-8?q?abc" },
    { "a language is passed over", "=?utf-8*de?q?a?=", "a" },
  } do
    it("decodes: " .. case[1], function() assert.equal(case[3], header.decode(case[2])) end)
  end

  it("folds what is long, and reads it back", function()
    local text = ("Gr\195\188\195\159e "):rep(30) .. "x"
    local value = header.encode(text)
    for line in value:gmatch("[^\n]+") do assert.is_true(#line <= 78) end
    assert.equal(text, header.decode(value))
  end)

  it("encodes by the rules of the field that is named", function()
    assert.equal("=?utf-8?b?w6k=?= <a@b.example>", header.encode("\195\169 <a@b.example>", "To"))
  end)

  it("refuses a line break", function()
    local value, err = header.encode("a\nb")
    assert.is_nil(value)
    assert.equal("SMTPException", err.name)
  end)

  it("joins pieces", function()
    assert.equal("a \195\169", header.make_header { "a ", { "\195\169", "utf-8" } })
  end)

  it("takes a field apart, and make_header puts it together", function()
    local value = "a =?utf-8?q?x?=\r\n =?UTF-8*en?b?w6k=?=  =?iso-8859-1?q?=E9?= b"
    local pieces = header.decode_header(value)
    assert.same({ { "a " }, { "x\195\169", "utf-8" }, { "\195\169", "iso-8859-1" }, { " b" } }, pieces)
    assert.equal(header.decode(value), header.make_header(pieces))
    assert.same({ { "plain" } }, header.decode_header("plain"))
    assert.same({}, header.decode_header(""))
  end)

  it("decodes by the rules of the field that is named", function()
    assert.equal('"a, b" <c@d.example>', header.decode("=?utf-8?q?a=2C_b?= <c@d.example>", "To"))
    assert.equal("a, b <c@d.example>", header.decode("=?utf-8?q?a=2C_b?= <c@d.example>"))
  end)

  it("blames the caller for wrong types", function()
    for name, bad in pairs { encode = {}, decode = 1, make_header = "x" } do
      local ok, err = pcall(function() header[name](bad) end)
      assert.is_false(ok)
      assert.matches("^spec/email/header_spec%.lua:", err)
    end
  end)
end)
