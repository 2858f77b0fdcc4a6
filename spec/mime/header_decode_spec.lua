-- Header fields as they are read (csrc/mime/word_decode.c, mailbox_decode.c,
-- param.c): what is decoded never changes what a field means.
local email = require "smtplib.email"
local core = require "smtplib.core"

local utils = email.utils

local function read(name, value)
  return email.message_from_string(name .. ": " .. value .. "\r\n\r\n")
end

local function addresses(text)
  local list = assert(utils.getaddresses(text))
  for i, mailbox in ipairs(list) do list[i] = mailbox.name .. "|" .. mailbox.addr end
  return table.concat(list, " ")
end

describe("mailboxes that are read", function()
  for _, case in ipairs {
    --  what                          on the wire                                    text
    { "a name",                       "=?utf-8?q?J=C3=BCrgen?= <j@x.example>",       "Jürgen <j@x.example>" },
    { "a name with a comma",          "=?utf-8?q?a=2C_b?= <j@x.example>",            '"a, b" <j@x.example>' },
    { "a name with quotes",           "=?utf-8?q?a=22=5C?= <j@x.example>",           '"a\\"\\\\" <j@x.example>' },
    { "a name that holds an address", "=?utf-8?q?=3Ce=40f=3E=2C?= <j@x.example>",    '"<e@f>," <j@x.example>' },
    { "words and encoded-words",      "Dr. =?utf-8?q?J?= X <j@x.example>",           '"Dr. J X" <j@x.example>' },
    { "two encoded-words, joined",    "=?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?= <j@x.example>", "é <j@x.example>" },
    { "an encoded-word in quotes",    '"=?utf-8?q?J=2C?=" <j@x.example>',            '"J," <j@x.example>' },
    { "a comment",                    "j@x.example (=?utf-8?q?J=29=28?=)",           "j@x.example (J\\)\\()" },
    { "a group's name",               "=?utf-8?q?G=3A?=: a@b.example, c@d.example;", '"G:": a@b.example, c@d.example;' },
    { "a comment before the address", "=?utf-8?q?J?= (x) <j@x.example>",             "J (x) <j@x.example>" },
    { "a list",                       "=?utf-8?q?a=2C?= <a@b.example>,c@d.example",  '"a," <a@b.example>,c@d.example' },
    { "another charset",              "=?iso-8859-1?q?=E9?= <j@x.example>",          "é <j@x.example>" },
    { "raw bytes",                    "caf\233 <j@x.example>",                       "café <j@x.example>" },
    { "folds",                        "a\r\n <j@x.example>,\r\n\tc@d.example",       "a <j@x.example>,\tc@d.example" },
    { "an empty word",                "=?utf-8?q??= <j@x.example>",                  '"" <j@x.example>' },
  } do
    it("decode " .. case[1], function()
      assert.equal(case[3], read("To", case[2])["To"])
    end)
  end

  for _, case in ipairs {
    { "an addr-spec",                  "=?utf-8?q?v=40evil.example=3E?=@x.example" },
    { "an addr-spec in brackets",      "A <=?utf-8?q?v=40evil.example=2C?=@x.example>" },
    { "a domain",                      "A <v@=?utf-8?q?evil=2Eexample?=>" },
    { "a local part alone",            "=?utf-8?q?v=40evil=2Eexample?=" },
    { "what brings a line break",      "=?utf-8?q?a=0D=0ABcc=3A_v=40evil?= <j@x.example>" },
    { "what brings a NUL",             "=?utf-8?b?AA==?= <j@x.example>" },
    { "what follows an unclosed <",    "A <b, =?utf-8?q?c?= <d@e>" },
    { "what follows an unclosed (",    "A (=?utf-8?q?c?= <d@e>" },
    { "what follows an unclosed quote", '"A =?utf-8?q?c?= <d@e>' },
    { "an unknown charset",            "=?x-nope?q?c?= <d@e.example>" },
  } do
    it("leave alone " .. case[1] .. " (splitting the email atom)", function()
      assert.equal(case[2], read("To", case[2])["To"])
    end)
  end

  it("are the same addresses decoded as undecoded", function()
    for _, value in ipairs {
      "=?utf-8?q?a=2C_x=40y?= <b@c.example>, =?utf-8?q?=22?= <d@e.example>",
      "=?utf-8?b?PGFAYj4sIA==?= <b@c.example>",
      '"=?utf-8?q?=22=2C?=" <b@c.example>, (=?utf-8?q?=29=2C_x=40y?=) d@e.example',
      "=?utf-8?q?=3B=2C?=: =?utf-8?q?=3B?= <b@c.example>;, d@e.example",
    } do
      local function specs(text) return (addresses(text):gsub("[^|]*|([^|]*)", "%1 ")) end
      local decoded = utils.getaddresses(read("To", value)["To"])
      local plain = utils.getaddresses(value)
      assert.equal(#plain, #decoded, specs(value))
      for i in ipairs(plain) do assert.equal(plain[i].addr, decoded[i].addr) end
    end
  end)

  it("can be assigned again, and say the same", function()
    for _, value in ipairs { "=?utf-8?q?a=2C_b?= <j@x.example>", "=?utf-8?q?a=0Ab?= <j@x.example>", "j@x.example (=?utf-8?q?=C3=A9=29?=)",
      "=?utf-8?q?G=3A?=: a@b.example;", "undisclosed-recipients:;" } do
      local text = read("To", value)["To"]
      local m = email.Message()
      m["To"] = text
      assert.equal(text, email.message_from_string(m:as_bytes())["To"])
    end
  end)

  it("are phrases in Keywords", function()
    assert.equal('"a, b", c', read("Keywords", "=?utf-8?q?a=2C_b?=, c")["Keywords"])
  end)
end)

describe("parameters that are read", function()
  local function filename(value, name)
    return read("Content-Disposition", "attachment; " .. value):get_param(name or "filename", nil, "Content-Disposition")
  end

  for _, case in ipairs {
    { "an encoded-word in quotes",         'filename="=?utf-8?q?=C3=9C.txt?="',                "Ü.txt" },
    { "encoded-words on two lines",        'filename="=?utf-8?q?=C3?=\r\n =?utf-8?q?=9C?="',   "Ü" },
    { "an encoded-word without quotes",    "filename==?utf-8?b?w5w=?=; x=y",                   "Ü" },
    { "one that brings a quote",           'filename="=?utf-8?q?a=22=3B_x=3Dy?="',             'a"; x=y' },
    { "one that brings a line break",      'filename="=?utf-8?q?a=0Ab?="',                     "=?utf-8?q?a=0Ab?=" },
    { "one beside other text",             'filename="a =?utf-8?q?b?="',                       "a =?utf-8?q?b?=" },
    { "RFC 2231 in another charset",       "filename*=iso-8859-1'fr'%E9.txt",                  "é.txt" },
    { "RFC 2231 without a charset",        "filename*=''%C3%A9.txt",                           "é.txt" },
    { "RFC 2231 in an unknown charset",    "filename*=x-nope''%E9.txt",                        "é.txt" },
    { "RFC 2231 that is not in its charset", "filename*=utf-8''a%FF",                          "a\239\191\189" },
    { "RFC 2231 with a lone percent sign", "filename*=utf-8''100%",                            "100%" },
    { "RFC 2231 with bad digits",          "filename*=utf-8''%zz%4",                           "%zz%4" },
    { "pieces in any order",               "filename*1=b; filename*2=c; filename*0=a",         "abc" },
    { "pieces up to a gap",                "filename*0=a; filename*1=b; filename*3=d",         "ab" },
    { "pieces from one on: none",          "filename*1=b; filename=x",                         "x" },
    { "mixed pieces",                      "filename*0*=utf-8''%C3%A9; filename*1=\"%C3\"; filename*2*=%C3%A9", "é%C3é" },
    { "a character cut by pieces",         "filename*0*=utf-8''%C3; filename*1*=%A9",          "é" },
    { "the extended one of two",           "filename=x; filename*=utf-8''y",                   "y" },
    { "pieces rather than the plain one",  "filename=\"=?utf-8?q?x?=\"; filename*0*=utf-8''y", "y" },
    { "the first of two",                  "filename=x; filename=y",                           "x" },
    { "a comment behind",                  "filename=x (not \"y\"); a=b",                      "x" },
    { "a comment behind quotes",           'filename="x" (y); a=b',                            "x" },
    { "parentheses in a word",             "filename=a(1).txt",                                "a(1).txt" },
    { "a semicolon in quotes",             'filename="a;b"',                                   "a;b" },
    { "an unclosed quote",                 'filename="a;b',                                    "a;b" },
    { "empty ones passed over",            ";; ;filename=x;;",                                 "x" },
  } do
    it("are " .. case[1], function() assert.equal(case[3], filename(case[2])) end)
  end

  it("are none without their first piece, and the name of Content-Type serves", function()
    local value = "attachment; filename*1=b; filename*2*=c; x=y"
    local m = read("Content-Disposition", value)
    assert.is_nil(m:get_filename())
    assert.equal("none", m:get_filename("none"))
    assert.same({ { "attachment", "" }, { "x", "y" } }, m:get_params(nil, "Content-Disposition"))
    m["Content-Type"] = "a/b; name=n"
    assert.equal("n", m:get_filename())
    assert.equal(value, m["Content-Disposition"])
  end)

  it("are each read from their own pieces, so that many take no longer than they must", function()
    local many = {}
    for i = 1, 500 do many[i] = ("a%d*1=c; a%d=x; a%d*0=b"):format(i, i, i) end
    local m, given, param = read("Content-Type", "a/b; " .. table.concat(many, "; ")), 0, core.message.param
    core.message.param = function(value, name)
      given = given + #value
      return param(value, name)
    end
    local all, one = m:get_params(), m:get_param("A250")
    core.message.param = param
    assert.same({ "a500", "bc" }, all[501])
    assert.equal("bc", one)
    assert.is_true(given <= 2 * #m["Content-Type"] + 4, given)
  end)

  it("are in other charsets", function()
    if not core.has_iconv() then return end
    assert.equal("а.txt", filename("filename*=koi8-r''%C1.txt"))
    assert.equal("テ", filename('filename="=?iso-2022-jp?b?GyRCJUYbKEI=?="'))
  end)

  it("bring no further parameter when they are decoded", function()
    local m = read("Content-Disposition", 'attachment; filename="=?utf-8?q?a=22=3B_size=3D=229?="')
    assert.is_nil(m:get_param("size", nil, "Content-Disposition"))
    assert.equal('attachment; filename="a\\"; size=\\"9"', m["Content-Disposition"])
  end)
end)

describe("raw 8-bit header fields", function()
  it("that are UTF-8 are text, without a defect", function()
    local m = read("Subject", "caf\195\169")
    assert.equal("café", m["Subject"])
    assert.equal(0, #m.defects)
  end)

  it("that are not are read as Latin-1, with a defect", function()
    local m = read("Subject", "caf\233 \147x\148")
    assert.equal("café “x”", m["Subject"])
    assert.is_true(#m.defects > 0)
  end)
end)
