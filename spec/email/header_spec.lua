-- smtplib.email.header: text encoded and decoded by itself.
local header = require("smtplib.email").header

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
    { "another charset stays as it is", "=?koi8-r?q?=C1?=", "=?koi8-r?q?=C1?=" },
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

  it("blames the caller for wrong types", function()
    for name, bad in pairs { encode = {}, decode = 1, make_header = "x" } do
      local ok, err = pcall(function() header[name](bad) end)
      assert.is_false(ok)
      assert.matches("^spec/email/header_spec%.lua:", err)
    end
  end)
end)
