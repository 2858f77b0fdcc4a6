-- format=flowed: broken lines that a reader joins to what they were.
local flowed = require "smtplib.email.flowed"
local Message = require("smtplib.email").Message

local long = ("word "):rep(40) .. "end"

describe("flowed.encode", function()
  for _, case in ipairs {
    { "short lines",                 "a\nb\n",              "a\nb\n" },
    { "no line end at the end",      "a",                   "a" },
    { "blanks at the end of a line", "a  \nb",              "a\nb" },
    { "a blank at its start",        " a",                  "  a" },
    { "From at its start",           "From me",             " From me" },
    { "a signature",                 "a\n-- \nme",          "a\n-- \nme" },
    { "quoted lines",                "> a\n> > b\n>c\n>",   "> a\n>> b\n> c\n>" },
    { "quoted code",                 ">   x",               ">   x" },
    { "CRLF",                        "a\r\nb\r\n",          "a\nb\n" },
    { "nothing",                     "",                    "" },
  } do
    it("of " .. case[1], function()
      assert.equal(case[3], flowed.encode(case[2]))
    end)
  end

  it("breaks long lines behind a blank, in 72 to 76 columns", function()
    for line in flowed.encode(long):gmatch("[^\n]+") do
      assert.is_true(#line <= 76, line)
      if not line:match("end$") then
        assert.is_true(#line > 66, line)
        assert.matches(" $", line)
      end
    end
  end)

  it("keeps a quote in each of its pieces", function()
    for line in flowed.encode(">> " .. long):gmatch("[^\n]+") do assert.matches("^>> %S", line) end
  end)

  it("makes no quote, From or signature of a piece", function()
    for _, word in ipairs { ">x", "From", "--" } do
      local text = ("a "):rep(36) .. (word .. " "):rep(80) .. "end"
      for line in flowed.encode(text):gmatch("[^\n]+") do
        assert.is_nil(line:match("^>") or line:match("^From ") or line:match("^%-%- $"), line)
      end
      assert.equal(text, flowed.decode(flowed.encode(text)))
    end
    local text = "-- " .. ("x"):rep(80)
    assert.equal(text, flowed.encode(text))
  end)

  it("takes time in proportion to the text", function()
    local before = os.clock()
    flowed.encode(("word "):rep(400000))
    assert.is_true(os.clock() - before < 10)
  end)
end)

describe("flowed.decode", function()
  it("gives back what was encoded, but for blanks at line ends", function()
    local seed = os.time()
    math.randomseed(seed)
    local words = { "a", "word", " ", "  ", ">", "From", "--", "\195\169\195\169", ("x"):rep(90), "longer-word", "\n", "\n", "> " }
    for _ = 1, 200 do
      local pieces = {}
      for i = 1, math.random(0, 120) do pieces[i] = words[math.random(#words)] .. (math.random(2) == 1 and " " or "") end
      -- Marks with blanks between them are the same marks side by side.
      local text = ("\n" .. table.concat(pieces)):gsub(" +\n", "\n"):gsub(" +$", "")
      text = text:gsub("\n[> ]*>[> ]*", "\n> "):gsub(" +\n", "\n"):gsub(" +$", ""):gsub("\n>([\n])", "\n>%1"):sub(2)
      text = text:gsub("\n>\n", "\n"):gsub("^>\n", "")
      assert.equal(text, flowed.decode(flowed.encode(text)), "seed " .. seed)
    end
  end)

  it("joins with delsp, not over another depth of quotes, not into a signature", function()
    assert.equal("ab\n", flowed.decode("a \nb\n", true))
    assert.equal("> a \nb\n", flowed.decode("> a \nb\n"))
    assert.equal("a \n-- \nme", flowed.decode("a \n-- \nme"))
  end)
end)

describe("a flowed text", function()
  it("has its codec among those of email", function() assert.equal(flowed, require("smtplib.email").flowed) end)

  it("is labelled and broken, on request", function()
    local m = Message()
    m:set_content(long, { flowed = true })
    assert.equal('text/plain; charset="utf-8"; format="flowed"; delsp="no"', m["Content-Type"])
    assert.equal(long .. "\n", flowed.decode(m:get_content()))
  end)

  it("is plain text", function()
    assert.error_matches(function() Message():set_content("x", { subtype = "html", flowed = true }) end, "option 'flowed'")
  end)
end)
