-- Text in other charsets (csrc/intl/charset.c), as core.to_utf8 and
-- core.from_utf8 show it.
local core = require "smtplib.core"

describe("to_utf8", function()
  local cases = {
    --  what                                     charset            bytes              text            replaced
    { "US-ASCII",                                "us-ascii",        "abc",             "abc",          false },
    { "UTF-8",                                   "UTF-8",           "\195\169",        "é",            false },
    { "a name without its hyphen",               "utf8",            "\195\169",        "é",            false },
    { "ISO-8859-1",                              "ISO-8859-1",      "caf\233",         "café",         false },
    { "ISO-8859-1 with quotes of Windows-1252",  "iso-8859-1",      "\147a\148",       "“a”",          false },
    { "Latin-1 by another name",                 "latin1",          "\233",            "é",            false },
    { "Windows-1252",                            "windows-1252",    "\128",            "€",            false },
    { "a name in quotes",                        '"cp1252"',        "\128",            "€",            false },
    { "UTF-8 that says US-ASCII",                "us-ascii",        "\195\169",        "é",            true },
    { "another charset that says US-ASCII",      "ascii",           "\233",            "é",            true },
    { "unknown-8bit",                            "unknown-8bit",    "\233",            "é",            true },
    { "a byte that is not UTF-8",                "utf-8",           "a\255b",          "a\239\191\189b", true },
    { "a character cut off, as one mistake",     "utf-8",           "\226\130z",       "\239\191\189z", true },
    { "a character cut off at the end",          "utf-8",           "z\240\159\152",   "z\239\191\189", true },
    { "an overlong form, byte by byte",          "utf-8",           "\192\138",        "\239\191\189\239\191\189", true },
    { "a surrogate, byte by byte",               "utf-8",           "\237\160\128",    ("\239\191\189"):rep(3), true },
    { "nothing",                                 "utf-8",           "",                "",             false },
  }
  for _, case in ipairs(cases) do
    it("reads " .. case[1], function()
      assert.are.same({ case[4], case[5] }, { core.to_utf8(case[3], case[2]) })
    end)
  end

  local foreign = {
    { "KOI8-R",                                  "koi8-r",          "\240\210\201",    "При",          false },
    { "an underscore for a hyphen",              "KOI8_R",          "\240",            "П",            false },
    { "ISO-2022-JP",                             "iso-2022-jp",     "\27$B%F\27(B!",   "テ!",          false },
    { "Shift_JIS with NEC's additions",          "Shift_JIS",       "\131\101\135\064", "テ①",         false },
    { "GB 2312 with characters of GBK",          "gb2312",          "\214\208\233\070", "中镕",         false },
    { "KS C 5601",                               "ks_c_5601-1987",  "\176\161",        "가",           false },
    { "ISO-8859-8 in logical order",             "iso-8859-8-i",    "\224",            "א",            false },
    { "UTF-16 with its mark",                    "utf-16",          "\254\255\0a",     "a",            false },
    { "a byte that has no meaning",              "koi8-r\0x",       "x",               nil },
    { "half a character at the end",             "gb2312",          "\214\208\129",    "中\239\191\189", true },
    { "a malformed one within",                  "euc-jp",          "a\255b",          "a\239\191\189b", true },
  }
  for _, case in ipairs(foreign) do
    if core.has_iconv() then
      it("reads " .. case[1], function()
        if not case[4] then return assert.is_nil((core.to_utf8(case[3], case[2]))) end
        assert.are.same({ case[4], case[5] }, { core.to_utf8(case[3], case[2]) })
      end)
    end
  end

  for _, name in ipairs { "nope", "", "utf-16//IGNORE", "char", "WCHAR_T", "../x", ("x"):rep(500), "a b" } do
    it(("refuses the charset %q"):format(name:sub(1, 20)), function()
      local text, why, sentence = core.to_utf8("x", name)
      assert.is_nil(text)
      assert.are.equal("charset", why)
      assert.matches("unknown charset", sentence)
    end)
  end

  it("always gives UTF-8, whatever the bytes", function()
    local seed = os.time()
    math.randomseed(seed)
    for _, name in ipairs { "utf-8", "us-ascii", "iso-8859-1", "windows-1252", "koi8-r", "gb2312", "iso-2022-jp", "utf-16", "utf-7", "big5" } do
      for _ = 1, 50 do
        local bytes = {}
        for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
        local text = core.to_utf8(table.concat(bytes), name)
        assert.is_true(text == nil or core.is_utf8(text), ("%s, seed %d"):format(name, seed))
      end
    end
  end)
end)

describe("from_utf8", function()
  local cases = {
    { "us-ascii",     "abc",   "abc" },
    { "utf-8",        "é€",    "é€" },
    { "iso-8859-1",   "é",     "\233" },
    { "windows-1252", "é€’",   "\233\128\146" },
    { "koi8-r",       "При",   "\240\210\201" },
    { "iso-2022-jp",  "テ",    "\27$B%F\27(B" },
    { "shift_jis",    "テ",    "\131\101" },
  }
  for _, case in ipairs(cases) do
    if core.has_iconv() or case[1] ~= "koi8-r" and not case[1]:find("jis") and not case[1]:find("jp") then
      it("writes " .. case[1], function()
        assert.are.equal(case[3], core.from_utf8(case[2], case[1]))
        assert.are.equal(case[2], (core.to_utf8(case[3], case[1])))
      end)
    end
  end

  for _, case in ipairs {
    { "us-ascii", "é", "encoding" }, { "iso-8859-1", "€", "encoding" }, { "iso-8859-1", "\194\128", "encoding" },
    { "windows-1252", "中", "encoding" }, { "windows-1252", "😀", "encoding" }, { "koi8-r", "中", core.has_iconv() and "encoding" or "charset" },
    { "utf-8", "\255", "utf8" }, { "nope", "a", "charset" }, { "gb2312", "镕", core.has_iconv() and "encoding" or "charset" },
  } do
    it(("refuses %q in %s"):format(case[2], case[1]), function()
      local bytes, why, sentence = core.from_utf8(case[2], case[1])
      assert.is_nil(bytes)
      assert.are.equal(case[3], why)
      assert.is_string(sentence)
    end)
  end
end)

describe("a build without iconv", function()
  it("compiles and links charset.c without it", function()
    local so = os.tmpname()
    local command = ("%s -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Icsrc -shared -fPIC " ..
      "-o %s csrc/intl/charset.c csrc/base/text.c csrc/base/buf.c && ! nm %s | grep -q 'iconv_open'")
    local ok = os.execute(command:format(os.getenv("CC") or "cc", so, so))
    os.remove(so)
    assert.is_true(ok == true or ok == 0)
  end)
end)
