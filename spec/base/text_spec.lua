-- Character classes against the grammars they come from, and UTF-8 against
-- the table of RFC 3629.
local core = require "smtplib.core"
local probe = require "spec.base.probe"

local function bytes_of(pattern)
  local set = {}
  for c = 0, 255 do
    if string.char(c):find(pattern) then set[c] = true end
  end
  return set
end

local function set_of(text)
  local set = {}
  for c in text:gmatch(".") do set[c:byte()] = true end
  return set
end

local function between(first, last, without)
  local set = {}
  for c = first, last do
    set[c] = not without:find(string.char(c), 1, true) or nil
  end
  return set
end

local function join(a, b)
  for c in pairs(b) do a[c] = true end
  return a
end

local letters_digits = bytes_of("^[A-Za-z0-9]")

-- In the order of the bits.
local classes = {
  { "ALPHA", bytes_of("^[A-Za-z]") },
  { "DIGIT", bytes_of("^[0-9]") },
  { "HEX", bytes_of("^[0-9A-Fa-f]") },
  { "ATEXT", join(set_of("!#$%&'*+-/=?^_`{|}~"), letters_digits) },
  { "QTEXT", between(32, 126, '"\\') },
  { "DTEXT", between(33, 126, "[\\]") },
  { "CTEXT", between(33, 126, "(\\)") },
  { "WSP", set_of(" \t") },
  { "TOKEN", between(33, 126, '()<>@,;:\\"/[]?=') },
  { "FTEXT", between(33, 126, ":") },
  { "CONTROL", join(between(0, 31, ""), { [127] = true }) },
}

describe("character classes", function()
  local found = {}

  setup(function()
    for c, bits in probe.ask("", "classes"):gmatch("(%d+) (%d+)\n") do found[tonumber(c)] = tonumber(bits) end
  end)
  teardown(probe.remove)

  for i, class in ipairs(classes) do
    it("has exactly the bytes of " .. class[1], function()
      for c = 0, 255 do
        local has = math.floor(found[c] / 2 ^ (i - 1)) % 2 == 1
        assert.are.equal(class[2][c] or false, has, ("byte %d"):format(c))
      end
    end)
  end

  it("finds control characters and 8-bit bytes at every place of a text", function()
    assert.are.equal("ok\n", probe.ask("", "scan"))
  end)
end)

describe("is_utf8", function()
  local cases = {
    -- bytes, well-formed, what
    { "", true, "nothing" },
    { "abc\0\127", true, "ASCII" },
    { "\194\128", true, "U+0080, the first of two bytes" },
    { "\223\191", true, "U+07FF" },
    { "\224\160\128", true, "U+0800, the first of three" },
    { "\237\159\191", true, "U+D7FF, the last before the surrogates" },
    { "\238\128\128", true, "U+E000" },
    { "\240\144\128\128", true, "U+10000, the first of four" },
    { "\244\143\191\191", true, "U+10FFFF, the last" },
    { "\192\138", false, "an overlong line feed" },
    { "\193\191", false, "overlong in two" },
    { "\224\159\191", false, "overlong in three" },
    { "\240\143\191\191", false, "overlong in four" },
    { "\237\160\128", false, "a surrogate" },
    { "\244\144\128\128", false, "above U+10FFFF" },
    { "\245\128\128\128", false, "a first byte that cannot be" },
    { "\128", false, "a continuation alone" },
    { "\195", false, "cut after one" },
    { "\226\130", false, "cut after two" },
    { "\240\159\146", false, "cut after three" },
    { "\195\40", false, "no continuation" },
    { "\226\130\40", false, "no third byte" },
  }

  for _, case in ipairs(cases) do
    it((case[2] and "takes " or "refuses ") .. case[3], function()
      assert.are.equal(case[2], core.is_utf8(case[1]))
      -- Wherever it stands among plain text that is skipped in wide steps.
      for _, before in ipairs({ 1, 31, 32, 33, 64 }) do
        assert.are.equal(case[2], core.is_utf8(("x"):rep(before) .. case[1]))
        assert.are.equal(case[2], core.is_utf8(("x"):rep(before) .. case[1] .. ("y"):rep(40)))
      end
    end)
  end
end)
