-- EHLO keywords: which tokens of the reply count, and what is known of them.
local drive = require "spec.engine.drive"

local function features(lines, verb)
  local e = drive.ready(nil, verb == "LHLO")
  assert(e:command(verb or "EHLO", "me"))
  drive.settle(e)
  local bytes = ""
  for i, line in ipairs(lines) do bytes = bytes .. "250" .. (i < #lines and "-" or " ") .. line .. "\r\n" end
  drive.answer(e, bytes)
  return e:features(), e
end

describe("A keyword of EHLO", function()
  local cases = {
    -- line                      keyword        parameters, nil: none is known
    { "SIZE 1000", "size", "1000" },
    { "SIZE", "size", "" },
    { "size 1000", "size", "1000" },
    { "SiZe\t1000", "size", "1000" },
    { "SIZE   1000  ", "size", "1000" },
    { "SIZE=1000", "size", "1000" },
    { "8BITMIME", "8bitmime", "" },
    { "X-PRIVATE a b  c", "x-private", "a b  c" },
    { "AUTH PLAIN LOGIN", "auth", "PLAIN LOGIN" },
    { "AUTH=PLAIN LOGIN", "auth", "PLAIN LOGIN" },
    { "AUTH = PLAIN", "auth", "PLAIN" },
    { "LIMITS RCPTMAX=20", "limits", "RCPTMAX=20" },
    { "-SIZE 1000", "size", nil },
    { "SIZE: 1000", "size", nil },
    { "SIZE,1000", "size", nil },
    { "SIZE/1000", "size", nil },
    { "SIZE_1", "size", nil },
    { "SIZE\0 1000", "size", nil },
    { "SIZE 10\0 00", "size", nil },
    { "S\195\143ZE 1000", "size", nil },
    { "offers SIZE 1000", "size", nil },
    { "=SIZE", "size", nil },
    { "", "", nil },
    { "   ", "", nil },
  }

  for _, case in ipairs(cases) do
    it(("in %q is %s"):format(case[1], case[3] and ("%s %q"):format(case[2], case[3]) or "not understood"), function()
      assert.equal(case[3], features { "mx", case[1], "HELP" }[case[2]])
    end)
  end

  it("counts in the last line as well, and never in the first", function()
    assert.same({ starttls = "" }, features { "SIZE 10", "STARTTLS" })
    assert.same({}, features { "PIPELINING" })
    assert.same({}, features { "mx.example.org SIZE PIPELINING STARTTLS" })
  end)

  it("that comes twice counts once, but AUTH adds up", function()
    local known = features { "mx", "AUTH PLAIN", "AUTH=LOGIN", "SIZE 1", "SIZE 2" }
    assert.equal("PLAIN LOGIN", known.auth)
    assert.equal("2", known.size)
  end)

  it("is known for LHLO too, and forgotten with HELO, a refused EHLO, and the next one", function()
    assert.equal("10", features({ "mx", "SIZE 10" }, "LHLO").size)
    local known, e = features { "mx", "SIZE 10" }
    assert.equal("10", known.size)
    e:command("EHLO", "me")
    drive.settle(e)
    drive.answer(e, "250-mx\r\n250 PIPELINING\r\n")
    assert.same({ pipelining = "" }, e:features())
    e:command("EHLO", "me")
    drive.settle(e)
    drive.answer(e, "502 no\r\n")
    assert.same({}, e:features())
    e:command("EHLO", "me")
    drive.settle(e)
    drive.answer(e, "250-mx\r\n250 PIPELINING\r\n")
    e:command("HELO", "me")
    drive.settle(e)
    drive.answer(e, "250 mx\r\n")
    assert.same({}, e:features())
  end)

  it("PIPELINING is used only where it was offered as a keyword", function()
    local function flight(lines)
      local _, e = features(lines)
      drive.transaction(e, "a@x", { "b@x" })
      local _, wire = drive.settle(e)
      return wire
    end
    local together = "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
    assert.equal(together, flight { "mx", "PIPELINING" })
    assert.equal(together, flight { "mx", "pipelining" })
    for _, line in ipairs { "XPIPELINING", "PIPELINING-NOT", "no PIPELINING", "PIPELINING\0", "HELP PIPELINING" } do
      assert.equal("MAIL FROM:<a@x>\r\n", flight { "mx", line })
    end
    assert.equal("MAIL FROM:<a@x>\r\n", flight { "PIPELINING" })
  end)

  it("may be one of a thousand", function()
    local lines = { "mx" }
    for i = 1, 998 do lines[#lines + 1] = ("X-%d %s"):format(i, ("p"):rep(2000)) end
    lines[#lines + 1] = "SIZE 7"
    local known = features(lines)
    assert.equal("7", known.size)
    assert.equal(2000, #known["x-998"])
  end)
end)
