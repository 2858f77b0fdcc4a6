-- Dates: written in each form, read back over the whole range, and the
-- obsolete forms that mail still carries.
local core = require "smtplib.core"

local DAY = 86400

describe("format_date", function()
  local cases = {
    -- seconds, offset, zone, date
    { 0, 0, "unknown", "Thu, 01 Jan 1970 00:00:00 -0000" },
    { 0, 0, "gmt", "Thu, 01 Jan 1970 00:00:00 GMT" },
    { 0, 0, "offset", "Thu, 01 Jan 1970 00:00:00 +0000" },
    { 0, 60, "offset", "Thu, 01 Jan 1970 01:00:00 +0100" },
    { 0, -90, "offset", "Wed, 31 Dec 1969 22:30:00 -0130" },
    { 0, 345, "offset", "Thu, 01 Jan 1970 05:45:00 +0545" },
    { 0, 60, "unknown", "Thu, 01 Jan 1970 00:00:00 -0000" },
    { 1795464502, 0, "unknown", "Mon, 23 Nov 2026 20:08:22 -0000" },
    { 1795464502.999, 0, "unknown", "Mon, 23 Nov 2026 20:08:22 -0000" },
    { -0.5, 0, "unknown", "Wed, 31 Dec 1969 23:59:59 -0000" },
    { -1, 0, "gmt", "Wed, 31 Dec 1969 23:59:59 GMT" },
    { 951782399, 0, "gmt", "Mon, 28 Feb 2000 23:59:59 GMT" },
    { 951782400, 0, "gmt", "Tue, 29 Feb 2000 00:00:00 GMT" },
    { 4107542400, 0, "gmt", "Mon, 01 Mar 2100 00:00:00 GMT" },
    { 2 ^ 31, 0, "gmt", "Tue, 19 Jan 2038 03:14:08 GMT" },
    { 253402300799, 0, "gmt", "Fri, 31 Dec 9999 23:59:59 GMT" },
    { -62135596800, 0, "gmt", "Mon, 01 Jan 0001 00:00:00 GMT" },
  }
  for _, case in ipairs(cases) do
    it("writes " .. case[4], function() assert.are.equal(case[4], core.format_date(case[1], case[2], case[3])) end)
  end

  it("refuses years that are not 1 to 9999", function()
    for _, seconds in ipairs({ 253402300800, -62135596801, 1e14, -1e14 }) do
      local date, name = core.format_date(seconds, 0, "gmt")
      assert.is_nil(date)
      assert.are.equal("header", name)
    end
    assert.is_nil((core.format_date(253402300799, 1, "offset")))
  end)

  it("writes the ctime form of an mbox line", function()
    assert.are.equal("Mon Nov 23 20:08:22 2026", core.format_ctime(1795464502))
    assert.are.equal("Thu Jan  1 01:00:00 1970", core.format_ctime(0, 60))
  end)

  it("agrees with the host's calendar on days all over the range", function()
    for days = 0, 24000, 17 do
      local seconds = days * DAY + days * 7919 % DAY
      local date = core.format_date(seconds, 0, "gmt")
      local t = os.date("!*t", seconds)
      local pattern = ("^%%a%%a%%a, %02d %%a%%a%%a %04d %02d:%02d:%02d GMT$"):format(t.day, t.year, t.hour, t.min, t.sec)
      assert.truthy(date:find(pattern), date)
    end
  end)
end)

describe("parse_date of what mail carries", function()
  for _, case in ipairs {
    { "Mon, 23 Nov 2026 20:08:22 Z",             1795464502, nil },
    { "23 Nov 2026 20:08 GMT",                   1795464480, 0 },
    { "Mon, 23 Nov 2026 20:08:22 A",             1795464502, nil },
    { "Mon, 23 Nov 26 15:08:22 EST",             1795464502, -300 },
    { "Mon, 23 Nov 126 15:08:22 EST",            1795464502, -300 },
    { "Mon, 23 Nov 2026 21:08:22 +0100 (CET)",   1795464502, 60 },
    { "Mon, 23 Nov 2026 21:08:22 +01:00",        1795464502, 60 },
    { "Mon, 23 Nov 2026 21:08:22 GMT+0100",      1795464502, 60 },
    { "Mon,\r\n 23 Nov 2026\r\n\t20:08:22 +0000",  1795464502, 0 },
    { "(a (b) c) Mon (d), 23 Nov 2026 20:08:22", 1795464502, nil },
    { "Mon Nov 23 20:08:22 2026",                1795464502, nil },
    { "Mon Nov 23 20:08:22 UTC 2026",            1795464502, 0 },
    { "Mon Nov 23 15:08:22 EST 2026",            1795464502, -300 },
    { "Mon Nov 23 21:08:22 2026 +0100",          1795464502, 60 },
    { "Monday, 23-Nov-26 20:08:22 GMT",          1795464502, 0 },
  } do
    it("reads " .. case[1]:gsub("%c+", " "), function()
      assert.are.same({ case[2], case[3] }, { core.parse_date(case[1]) })
    end)
  end

  for _, text in ipairs { "Mon, 23 Nov 2026 20:08:22 +01", "Mon, 23 Nov 2026 20:08:22 +1:00", "Mon, 23 Nov 2026 20:08:22 +0160",
    "Mon, 23 Nov 2026 20:08:22 GMT GMT", "Mon Nov 23 20:08:22 EST 2026 EST", "Mon, 23 Nov 2026 20:08:22 +0100+0100" } do
    it("refuses " .. text, function() assert.is_nil((core.parse_date(text))) end)
  end
end)

describe("parse_date", function()
  it("reads back what was written, over the whole range", function()
    for seconds = -62135596800, 253402300799, 1234567891 do
      for _, offset in ipairs({ 0, 60, -330, 1439, -1439 }) do
        local date = core.format_date(seconds, offset, "offset")
        if date then assert.are.same({ seconds, offset }, { core.parse_date(date) }, date) end
      end
    end
  end)

  local cases = {
    -- date, seconds, offset in minutes (false: unknown)
    { "Mon, 23 Nov 2026 20:08:22 +0100", 1795460902, 60 },
    { "23 Nov 2026 20:08:22 +0000", 1795464502, 0 },
    { "23 Nov 2026 20:08 +0000", 1795464480, 0 },
    { "Mon, 23 Nov 2026 20:08:22 -0000", 1795464502, false },
    { "Mon, 23 Nov 2026 20:08:22", 1795464502, false },
    { "mon, 23 nov 2026 20:08:22 gmt", 1795464502, 0 },
    { "Mon,23 Nov 2026 20:08:22 UT", 1795464502, 0 },
    { "23 Nov 26 20:08:22 GMT", 1795464502, 0 },
    { "23 Nov 49 20:08:22 GMT", 2521310902, 0 },
    { "23 Nov 97 20:08:22 GMT", 880315702, 0 },
    { "23 Nov 126 20:08:22 GMT", 1795464502, 0 },
    { "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360 },
    { "Thu,\r\n 13\r\n  Feb\r\n    1969\r\n 23:32\r\n -0330 (Newfoundland (Time\\)))", -27723480, -210 },
    { "21 Nov 1997 10:01:10 EST", 880124470, -300 },
    { "21 Nov 1997 10:01:10 PDT", 880131670, -420 },
    { "21 Nov 1997 10:01:10 Z", 880106470, false },
    { "21 Nov 1997 10:01:10 CEST", 880106470, false },
    { "Mon Nov 23 20:08:22 2026", 1795464502, false },
    { "Thu Jan  1 00:00:00 1970", 0, false },
    { "Monday, 23-Nov-26 20:08:22 GMT", 1795464502, 0 },
    { "31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
    { "29 Feb 2000 00:00:00 +0000", 951782400, 0 },
  }
  for _, case in ipairs(cases) do
    it(("reads %q"):format(case[1]), function()
      local seconds, offset = core.parse_date(case[1])
      assert.are.equal(case[2], seconds)
      assert.are.equal(case[3] or nil, offset)
    end)
  end

  local refused = {
    "", "Mon", "tomorrow", "23 Nov", "23 Nov 2026", "Nov 2026 20:08:22", "2026-11-23T20:08:22Z",
    "0 Nov 2026 20:08:22 +0000", "31 Nov 2026 20:08:22 +0000", "29 Feb 2100 20:08:22 +0000", "29 Feb 2026 20:08:22 +0000",
    "23 Nov 2026 24:00:00 +0000", "23 Nov 2026 20:60:00 +0000", "23 Nov 2026 20:08:61 +0000",
    "23 Nov 2026 20:08:22 +000", "23 Nov 2026 20:08:22 +00000", "23 Nov 2026 20:08:22 +2400", "23 Nov 2026 20:08:22 +0060",
    "23 Nov 2026 20:08:22 +0000 x", "23 Nov 2026 20:08:22 +0000 (", "23 Nov 2026 20:08:22 +0000\0",
    "123 Nov 2026 20:08:22 +0000", "23 Nov 12026 20:08:22 +0000", "23 Nov 6 20:08:22 +0000", "23 No 2026 20:08:22 +0000",
    "23 Nov 0000 20:08:22 +0000", "-23 Nov 2026 20:08:22 +0000",
  }
  for _, date in ipairs(refused) do
    it(("refuses %q"):format(date), function()
      local seconds, name = core.parse_date(date)
      assert.is_nil(seconds)
      assert.are.equal("header", name)
    end)
  end
end)
