-- The helpers of email.utils, and their refusals as error tables.
local utils = require "smtplib.email.utils"

local function refuses(func, ...)
  local value, err = func(...)
  assert.is_nil(value)
  assert.are.equal("SMTPException", err.name)
  return err.message
end

describe("quote and unquote", function()
  local cases = {
    { 'a"b\\c', 'a\\"b\\\\c' },
    { "", "" },
    { "plain", "plain" },
  }
  for _, case in ipairs(cases) do
    it(("turn '%s' into '%s' and back"):format(case[1], case[2]), function()
      assert.are.equal(case[2], utils.quote(case[1]))
      assert.are.equal(case[1], utils.unquote('"' .. case[2] .. '"'))
    end)
  end

  it("take off brackets, and nothing else", function()
    assert.are.equal("a@b", utils.unquote("<a@b>"))
    assert.are.equal("a", utils.unquote("a"))
    assert.are.equal('"', utils.unquote('"'))
    assert.are.equal('"a', utils.unquote('"a'))
  end)
end)

describe("parseaddr", function()
  local cases = {
    { "a@b", "", "a@b" },
    { "Foo Bar <a@b>", "Foo Bar", "a@b" },
    { '"Foo, Bar" <a@b>', "Foo, Bar", "a@b" },
    { "a@b (Foo)", "Foo", "a@b" },
    { "root", "", "root" },
    { '"a b"@c', "", '"a b"@c' },
    { "Grüße <é@b>", "Grüße", "é@b" },
  }
  for _, case in ipairs(cases) do
    it(("reads '%s'"):format(case[1]), function()
      assert.are.same({ case[2], case[3] }, { utils.parseaddr(case[1]) })
    end)
  end

  for _, s in ipairs({ "", "a@b, c@d", "a b@c", "<a@b", "a@b\r\nBcc: x@y", "g: a@b, c@d;" }) do
    it(("refuses %q"):format(s), function()
      local message = refuses(utils.parseaddr, s)
      assert.falsy(message:find("%c"))
    end)
  end
end)

describe("getaddresses", function()
  it("collects the mailboxes of several fields, groups flattened", function()
    local list = utils.getaddresses({ "A <a@b>, c@d", "g: E <e@f>;", "" })
    assert.are.same({ { name = "A", addr = "a@b" }, { name = "", addr = "c@d" }, { name = "E", addr = "e@f" } }, list)
    assert.are.equal("A", list[1][1])
    assert.are.equal("a@b", list[1][2])
    assert.is_nil(list[1][3])
  end)

  it("takes a string for one field", function() assert.are.equal(2, #utils.getaddresses("a@b, c@d")) end)

  it("refuses all when one field is malformed", function() refuses(utils.getaddresses, { "a@b", "c@d," }) end)
end)

describe("formataddr", function()
  local cases = {
    { "Foo Bar", "a@b", "Foo Bar <a@b>" },
    { "Foo, Bar", "a@b", '"Foo, Bar" <a@b>' },
    { 'a"b', "a@b", '"a\\"b" <a@b>' },
    { "", "a@b", "a@b" },
    { "Grüße", "a@b", "Grüße <a@b>" },
    { "Grüße, alle", "a@b", '"Grüße, alle" <a@b>' },
    { "=?utf-8?q?x?=", "a@b", "=?utf-8?q?x?= <a@b>" },
    { "Foo", '"a b"@c', 'Foo <"a b"@c>' },
  }
  for _, case in ipairs(cases) do
    it("makes " .. case[3], function()
      assert.are.equal(case[3], utils.formataddr({ case[1], case[2] }))
      assert.are.equal(case[3], utils.formataddr({ name = case[1], addr = case[2] }))
      assert.are.equal(case[3], utils.formataddr(case[1], case[2]))
    end)
  end

  it("can be assigned to a header field, and reads back the same", function()
    local email = require "smtplib.email"
    for _, name in ipairs { "Foo", "Foo, Bar", 'a"b\\', "Grüße", "Grüße, (alle)", "=?utf-8?q?x?=", " a ", "a@b", ("ü"):rep(80), "<x@y>" } do
      local m = email.Message()
      m["To"] = utils.formataddr { name, "a@b.example" }
      local read = email.message_from_string(m:as_bytes())
      assert.same({ name, "a@b.example" }, { utils.parseaddr(read["To"]) })
    end
  end)

  it("makes encoded-words where a charset is named", function()
    for _, case in ipairs {
      { "Grüße", "utf-8", "=?utf-8?b?R3LDvMOfZQ==?= <a@b>" },
      { "Grüße", "iso-8859-1", "=?iso-8859-1?b?R3L832U=?= <a@b>" },
      { "=?utf-8?q?x?=", "utf-8", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b>" },
      { "Foo, Bar", "utf-8", '"Foo, Bar" <a@b>' },
    } do
      assert.equal(case[3], utils.formataddr({ case[1], "a@b" }, case[2]))
      assert.equal(case[3], utils.formataddr(case[1], "a@b", case[2]))
    end
    refuses(utils.formataddr, { "Grüße", "a@b" }, "us-ascii")
    refuses(utils.formataddr, { "Grüße", "a@b" }, "nope")
  end)

  it("makes encoded-words of at most 75 characters, cut between characters", function()
    local base64 = require "smtplib.base64"
    local core = require "smtplib.core"
    for _, charset in ipairs { "utf-8", core.has_iconv() and "iso-2022-jp" or "utf-8" } do
      for _, letter in ipairs { "例", "x例", charset == "utf-8" and "😀" or "例" } do
        local name = letter:rep(50)
        local text = utils.formataddr({ name, "a@b" }, charset)
        local joined = {}
        for word in text:gmatch("=%?[%w-]+%?b%?[^ ]+") do
          assert.is_true(#word <= 75)
          joined[#joined + 1] = core.to_utf8(base64.decode(word:match("b%?(.-)%?=")), charset)
          assert.is_nil(joined[#joined]:find("\239\191\189"))
        end
        assert.are.equal(name, table.concat(joined))
      end
    end
  end)

  it("refuses a bad address, a line break, what is not UTF-8", function()
    refuses(utils.formataddr, { "Foo", "a b@c" })
    refuses(utils.formataddr, { "Foo", "a@b\r\nBcc: x@y" })
    refuses(utils.formataddr, { "Foo\r\nBcc: x@y", "a@b" })
    refuses(utils.formataddr, { "Grüße\n", "a@b" })
    refuses(utils.formataddr, { "\255", "a@b" })
  end)

  it("blames the caller when there is no address", function()
    assert.has_error(function() return (utils.formataddr({ "Foo" })) end)
    assert.has_error(function() return (utils.formataddr({ 5, "a@b" })) end)
  end)
end)

describe("formatdate and parsedate", function()
  it("write UTC, GMT or local time", function()
    assert.are.equal("Mon, 23 Nov 2026 20:08:22 -0000", utils.formatdate(1795464502))
    assert.are.equal("Mon, 23 Nov 2026 20:08:22 GMT", utils.formatdate(1795464502, false, true))
    local date = utils.formatdate(1795464502, true)
    assert.truthy(date:find(os.date("%H:%M:%S", 1795464502), 1, true), date)
    assert.are.equal(1795464502, (utils.parsedate(date)))
  end)

  it("write the present by default", function()
    local before = os.time()
    local seconds = utils.parsedate(utils.formatdate())
    assert.is_true(seconds >= before and seconds <= os.time())
  end)

  it("tell the zone's offset in seconds, when the date does", function()
    assert.are.same({ 1795460902, 3600 }, { utils.parsedate("Mon, 23 Nov 2026 20:08:22 +0100") })
    assert.are.same({ 1795464502 }, { utils.parsedate("Mon, 23 Nov 2026 20:08:22 -0000") })
  end)

  it("refuse what is no date, and what no date can tell", function()
    refuses(utils.parsedate, "tomorrow")
    for _, time in ipairs({ 1e13, -1e13, 1 / 0, -1 / 0, 0 / 0 }) do refuses(utils.formatdate, time) end
  end)
end)

describe("dates as tables", function()
  it("tell a date in its own zone", function()
    local date = utils.parsedate_tz("Mon, 23 Nov 2026 20:08:22 +0100")
    assert.are.same({ 2026, 11, 23, 20, 8, 22, 3600 },
      { date.year, date.month, date.day, date.hour, date.min, date.sec, date.offset })
    assert.is_nil(utils.parsedate_to_datetime("Mon, 23 Nov 2026 20:08:22 -0000").offset)
    refuses(utils.parsedate_tz, "tomorrow")
  end)

  it("become seconds and dates again", function()
    for _, text in ipairs { "Mon, 23 Nov 2026 20:08:22 +0100", "Thu, 29 Feb 2024 23:59:59 -0330", "Sat, 01 Jan 2000 00:00:00 -0000" } do
      local date = utils.parsedate_tz(text)
      assert.are.equal(text, utils.format_datetime(date))
      assert.are.equal((utils.parsedate(text)), utils.mktime_tz(date))
    end
    assert.are.equal("Mon, 23 Nov 2026 19:08:22 GMT", utils.format_datetime(utils.parsedate_tz("Mon, 23 Nov 2026 20:08:22 +0100"), true))
    assert.are.equal(1795464502, utils.mktime_tz(utils.localtime(1795464502)))
    refuses(utils.mktime_tz, { year = 2026, month = 2, day = 30 })
    refuses(utils.format_datetime, {})
  end)
end)

describe("make_msgid", function()
  it("is never the same twice, with 128 random bits", function()
    local seen = {}
    for _ = 1, 200 do
      local id = utils.make_msgid()
      assert.truthy(id:find("^<%d+%.%x+@[^<>@ ]+>$"), id)
      assert.are.equal(32, #id:match("%.(%x+)@"))
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("takes a domain and an idstring", function()
    assert.truthy(utils.make_msgid("tag", "example.org"):find("%.tag@example%.org>$"))
    assert.truthy(utils.make_msgid(nil, "[192.0.2.1]"):find("@[192.0.2.1]>", 1, true))
  end)

  it("refuses what would break the header", function()
    for _, idstring in ipairs({ "a b", "a>b", "a\r\nb", "a..b", ".", "a@b", "ü" }) do refuses(utils.make_msgid, idstring, "x") end
    for _, domain in ipairs({ "a b", "a>b", "a\r\nBcc: x", "", "a..b", "[x]", "a@b", "ü b" }) do refuses(utils.make_msgid, nil, domain) end
  end)
end)
