-- The chokepoint of command lines, and ESMTP parameters.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"

local function refused(e, ok, why)
  assert.is_nil(ok)
  local rests, wire = drive.settle(e)
  assert.same({ "idle", "" }, { rests, wire })
  return why
end

describe("A command line", function()
  it("has no control character in any of its parts", function()
    local e = drive.ready()
    for byte = 0, 255 do
      if byte < 32 or byte == 127 then
        local c = string.char(byte)
        for _, text in ipairs { c, c .. "x", "x" .. c, "x" .. c .. "x" } do
          assert.equal("argument", refused(e, e:command(text)))
          assert.equal("argument", refused(e, e:command("NOOP", text)))
          assert.equal("argument", refused(e, e:command("EHLO", text)))
          assert.equal("argument", refused(e, e:command("X", text, true)))
          assert.equal("argument", refused(e, e:begin("FROM:<" .. text .. "@x>")))
          assert.equal("argument", refused(e, e:auth_by_hand(text)))
          assert(e:begin("FROM:<a@x>"))
          assert.equal("argument", refused(e, e:recipient("TO:<b@x> " .. text)))
        end
      end
    end
    assert.is_true(e:command("NOOP"))
  end)

  it("is UTF-8", function()
    local e = drive.ready()
    local cases = { "\128", "\192\128", "\224\128\128", "\237\160\128", "\244\144\128\128", "\195", "\255", "a\226\130" }
    for _, text in ipairs(cases) do
      assert.equal("utf8", refused(e, e:command("VRFY", text)))
      assert.equal("utf8", refused(e, e:command(text)))
      assert.equal("utf8", refused(e, e:begin("FROM:<" .. text .. "@x>")))
    end
    assert.is_true(e:command("VRFY", "j\195\188rgen"))
    local _, wire = drive.settle(e)
    assert.equal("VRFY j\195\188rgen\r\n", wire)
  end)

  it("has no byte that is narrowed to CR or LF", function()
    local e = drive.ready()
    assert.is_true(e:command("VRFY", "\231\152\141\231\152\138")) -- U+760D U+760A
    local _, wire = drive.settle(e)
    assert.equal("VRFY \231\152\141\231\152\138\r\n", wire)
  end)

  it("is of limited length, line end included", function()
    local e = drive.ready()
    assert.equal("too_long", refused(e, e:command("NOOP", ("x"):rep(2560 - 6))))
    assert.equal("too_long", refused(e, e:begin(("x"):rep(2560 - 6))))
    assert.is_true(e:command("NOOP", ("x"):rep(2560 - 7)))
    local _, wire = drive.settle(e)
    assert.equal(2560, #wire)
    drive.answer(e, "250 ok\r\n")
    assert.equal("too_long", refused(e, e:command("AUTH", ("x"):rep(12288 - 6))))
    assert.is_true(e:command("AUTH", ("x"):rep(12288 - 7)))
  end)

  it("without arguments has no blank at its end", function()
    local e = drive.ready()
    e:command("NOOP", "")
    local _, wire = drive.settle(e)
    assert.equal("NOOP\r\n", wire)
  end)
end)

describe("An ESMTP parameter", function()
  local good = {
    -- keyword      value                    text                              extension
    { "SIZE", "0", " SIZE=0", "SIZE" },
    { "SIZE", "18446744073709551615", " SIZE=18446744073709551615", "SIZE" },
    { "size", "12", " size=12", "SIZE" },
    { "BODY", "8BITMIME", " BODY=8BITMIME", "8BITMIME" },
    { "BODY", "7bit", " BODY=7bit", "8BITMIME" },
    { "BODY", "BINARYMIME", " BODY=BINARYMIME", "8BITMIME" },
    { "SMTPUTF8", nil, " SMTPUTF8", "SMTPUTF8" },
    { "REQUIRETLS", nil, " REQUIRETLS", "REQUIRETLS" },
    { "RET", "HDRS", " RET=HDRS", "DSN" },
    { "RET", "full", " RET=full", "DSN" },
    { "ENVID", "abc-1", " ENVID=abc-1", "DSN" },
    { "ENVID", "a b+c=d", " ENVID=a+20b+2Bc+3Dd", "DSN" },
    { "ENVID", "\195\164", " ENVID=+C3+A4", "DSN" },
    { "NOTIFY", "NEVER", " NOTIFY=NEVER", "DSN" },
    { "NOTIFY", "SUCCESS", " NOTIFY=SUCCESS", "DSN" },
    { "NOTIFY", "success,Failure,DELAY", " NOTIFY=success,Failure,DELAY", "DSN" },
    { "ORCPT", "rfc822;a@example.org", " ORCPT=rfc822;a@example.org", "DSN" },
    { "ORCPT", "rfc822;a+b@example.org", " ORCPT=rfc822;a+2Bb@example.org", "DSN" },
    { "ORCPT", "rfc822;\"a b\"@example.org", " ORCPT=rfc822;\"a+20b\"@example.org", "DSN" },
    { "AUTH", "<>", " AUTH=<>", "AUTH" },
    { "AUTH", "e=mc2@example.org", " AUTH=e+3Dmc2@example.org", "AUTH" },
    { "BY", "120;R", " BY=120;R", "DELIVERBY" },
    { "HOLDFOR", "60", " HOLDFOR=60", "FUTURERELEASE" },
    { "MT-PRIORITY", "-3", " MT-PRIORITY=-3", "MT-PRIORITY" },
    { "MT-PRIORITY", "9", " MT-PRIORITY=9", "MT-PRIORITY" },
    { "X-OWN", "anything;at/all", " X-OWN=anything;at/all", nil },
    { "X-OWN", nil, " X-OWN", nil },
    { "XFOO9", "\195\164", " XFOO9=\195\164", nil },
  }

  for _, case in ipairs(good) do
    it(("%s %s becomes%s"):format(case[1], tostring(case[2]), case[3]), function()
      local text, extension = core.parameter(case[1], case[2])
      assert.same({ case[3], case[4] }, { text, extension })
    end)
  end

  local bad = {
    -- keyword      values
    { "SIZE", { false, "", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "nan", "inf", ("1"):rep(21), "1\r\n" } },
    { "BODY", { false, "", "8BIT", "8BITMIME ", "BINARY" } },
    { "SMTPUTF8", { "", "1", "yes" } },
    { "REQUIRETLS", { "1" } },
    { "RET", { false, "", "HEAD", "FULL,HDRS" } },
    { "ENVID", { false, "", "a\r\nb", "a\0b", "\127", "\255" } },
    { "NOTIFY", { false, "", "NEVER,SUCCESS", "SUCCESS,NEVER", ",", "SUCCESS,", ",DELAY", "SUCCESS, DELAY", "ALWAYS" } },
    { "ORCPT", { false, "", "a@example.org", ";a@x", "rfc822;", "rfc 822;a@x", "rfc822;a\r\n@x", "(x);a@x" } },
    { "AUTH", { false, "", "a\nb" } },
    { "BY", { false, "", "a b", "a=b" } },
    { "HOLDFOR", { false, "", "soon", "-1" } },
    { "MT-PRIORITY", { false, "", "-", "high", "--1" } },
    { "X-OWN", { "", "a b", "a=b", "a\r\nDATA", "a\0", "\127", "\255", "a\tb" } },
    { "", { false, "x" } },
    { "-X", { false, "x" } },
    { "X Y", { false, "x" } },
    { "X=Y", { false, "x" } },
    { "X\r\nDATA", { false, "x" } },
    { "X\0", { false, "x" } },
    { "X_Y", { false, "x" } },
    { "\195\164", { false, "x" } },
    { "X>", { false } },
  }

  for _, case in ipairs(bad) do
    for _, value in ipairs(case[2]) do
      it(("%q %s does not fit"):format(case[1], value and ("%q"):format(value) or "without value"), function()
        local text, name = core.parameter(case[1], value or nil)
        assert.same({ nil, "parameter" }, { text, name })
      end)
    end
  end

  it("in xtext has only visible ASCII, whatever the bytes", function()
    for byte = 32, 255 do
      if byte ~= 127 then
        local text = core.parameter("ENVID", byte < 128 and string.char(byte) or "\195" .. string.char(128 + byte % 64))
        assert.is_truthy(text:match("^ ENVID=[!-~]+$"))
        assert.is_nil(text:sub(8):gsub("%+%x%x", ""):find("[+=]"))
      end
    end
  end)
end)
