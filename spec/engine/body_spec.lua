-- The message on its way out: against a plain reference, cut everywhere.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"

-- What leaves for a message given in these pieces, its final dot included.
local function sent(pieces)
  local e = drive.ready { "PIPELINING" }
  drive.transaction(e, "a@x", { "b@x" })
  drive.settle(e)
  drive.answer(e, "250 ok\r\n250 ok\r\n354 go\r\n")
  local wire = ""
  for _, piece in ipairs(pieces) do
    e:content(piece, false)
    wire = wire .. select(2, drive.settle(e))
  end
  e:content("", true)
  return wire .. select(2, drive.settle(e))
end

-- RFC 5321 section 4.5.2, line by line.
local function reference(message)
  local text = message:gsub("\r\n", "\n"):gsub("\r", "\n")
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  local out = text:gsub("[^\n]*\n", function(line)
    return (line:sub(1, 1) == "." and "." or "") .. line:sub(1, -2) .. "\r\n"
  end)
  return out .. ".\r\n"
end

local nasty = {
  "", "a", ".", "..", "\r", "\n", "\r\n", "\r\r", "\n\n", "\n\r", "\r\n\r\n", "\r\r\n", "\r\n\r", "\r\n\n",
  ".\r\n", ".\n", ".\r", "\n.\n", "\r.\r", "\r\n.\r\n", "\r\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r",
  "a\n.\nb", "a\r.\rb", "a\r\n.\r\nb", "a\r\n\r\n.\r\nb", "a\r\n..\r\nb", "a\n.b", "a.\nb", "a\r.b", "a.b.c\r\n.d",
  ".\r\n.\r\n.\r\n", "x\r\n.\r\nMAIL FROM:<evil@example.org>\r\n", "\0\r\0\n\0.", "\0.\r\n\0", "\255.\r\n\254",
  "caf\195\169\n.\195\169", "line\r\n.", "line\n.", "line\r.", ("."):rep(40), ("\n."):rep(20), ("\r"):rep(20),
  ("x"):rep(15) .. "\r\n." .. ("y"):rep(15) .. "\r", ("x"):rep(16) .. "\n." .. ("y"):rep(16) .. "\n",
  ("x"):rep(31) .. "\r\n.\r\n" .. ("x"):rep(14) .. "\r." .. ("x"):rep(20),
}

describe("A message", function()
  for _, message in ipairs(nasty) do
    it(("%q leaves as RFC 5321 wants it, wherever it is cut"):format(message), function()
      local expected = reference(message)
      assert.equal(expected, sent { message })
      for i = 1, #message - 1 do
        assert.equal(expected, sent { message:sub(1, i), message:sub(i + 1) })
      end
      for i = 1, #message - 2, 3 do
        for j = i + 1, #message - 1, 2 do
          assert.equal(expected, sent { message:sub(1, i), message:sub(i + 1, j), message:sub(j + 1) })
        end
      end
      local bytes = {}
      for i = 1, #message do bytes[i] = message:sub(i, i) end
      assert.equal(expected, sent(bytes))
    end)
  end

  it("is measured as what leaves of it, doubled dots and the last one aside", function()
    for _, message in ipairs(nasty) do
      local _, dots = ("\n" .. message:gsub("\r", "\n")):gsub("\n%.", "")
      assert.equal(#reference(message) - 3 - dots, (core.measure(message)), ("%q"):format(message))
    end
  end)

  it("at every place of a wide step is right", function()
    for at = 0, 40 do
      for _, odd in ipairs { "\r", "\n", "\r\n", "\r\n.", "\n.", "\r.", ".", "\r\n.\r\n" } do
        local message = ("x"):rep(at) .. odd .. ("y"):rep(40 - at)
        assert.equal(reference(message), sent { message })
      end
    end
  end)

  it("of all bytes arrives with all of them", function()
    local all = {}
    for byte = 0, 255 do all[#all + 1] = "x" .. string.char(byte) end
    local message = table.concat(all)
    assert.equal(reference(message), sent { message })
    assert.is_true(select(2, core.measure(message)))
    assert.is_false(select(2, core.measure("\127")))
    assert.is_true(select(2, core.measure(("x"):rep(100) .. "\128" .. ("x"):rep(100))))
  end)

  it("larger than the high-water mark is the same", function()
    local message = ("some text, a line of it\n.dot\r"):rep(10000)
    assert.equal(reference(message), sent { message })
    assert.equal(reference(message), sent { message:sub(1, 65536), message:sub(65537, 65537), message:sub(65538) })
  end)

  it("without bytes is a lone dot", function()
    assert.equal(".\r\n", sent {})
    assert.equal(".\r\n", sent { "", "", "" })
  end)
end)

describe("A leading mbox line", function()
  local left_out = {
    "From a@x Mon Nov 23 20:08:22 2026\nSubject: x\n\nhi\n",
    "From nobody\r\nX-Y: z\r\n\r\n",
    "From \nA:\n",
  }
  for _, message in ipairs(left_out) do
    it(("in %q is left out, wherever it is cut, and not counted"):format(message), function()
      local rest = message:match("\n(.*)$")
      for i = 0, #message do
        assert.equal(reference(rest), sent { message:sub(1, i), message:sub(i + 1) })
      end
      assert.equal(core.measure(rest), (core.measure(message)))
    end)
  end

  local kept = {
    "From", "From ", "From a@x", "From a@x\n", "From a@x\nno field\n", "From a@x\n\nSubject: x\n", "From a@x\n: x\n",
    "From: a@x\nSubject: x\n", "from a@x\nSubject: x\n", " From a@x\nSubject: x\n", "From a@x\n Subject: x\n",
    "From a@x\nSub ject: x\n", "From a@x\nSubject", ">From a@x\nSubject: x\n", "\nFrom a@x\nSubject: x\n",
    "From " .. ("x"):rep(5000) .. "\nSubject: x\n", "From a@x\n" .. ("y"):rep(5000) .. ": x\n", "From a@x\rSubject: x\r",
  }
  for _, message in ipairs(kept) do
    it(("is none in %q"):format(message:sub(1, 60)), function()
      assert.equal(reference(message), sent { message })
      assert.equal(reference(message), sent { message:sub(1, 3), message:sub(4) })
      local _, dots = ("\n" .. message:gsub("\r", "\n")):gsub("\n%.", "")
      assert.equal(#reference(message) - 3 - dots, (core.measure(message)))
    end)
  end
end)

describe("quotedata", function()
  it("does the same without an end of its own", function()
    for _, message in ipairs(nasty) do
      local quoted = core.quotedata(message)
      local whole = reference(message):sub(1, -4)
      assert.is_true(quoted == whole or quoted .. "\r\n" == whole, ("%q"):format(message))
    end
  end)
end)
