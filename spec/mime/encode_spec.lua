-- Quoted-printable: RFC 2045's rules, a decoder in plain Lua as the judge, and
-- every cut of a stream.
local quopri = require "smtplib.quopri"

-- assert.are.equal, at a cost only when it fails: for the loops.
local function same(expected, value, what)
  if expected ~= value then assert.are.equal(expected, value, what) end
end

local x76 = ("x"):rep(76)

describe("quopri.encode", function()
  local cases = {
    -- given, as text, as binary data, as header
    { "", "", "", "" },
    { "a", "a", "a", "a" },
    { "a=b", "a=3Db", "a=3Db", "a=3Db" },
    { "é", "=C3=A9", "=C3=A9", "=C3=A9" },
    { "a_b c", "a_b c", "a_b c", "a=5Fb_c" },
    { "a b \n", "a b=20\n", "a b =0A", "a_b_\n" },
    { "a\t\r\n", "a=09\r\n", "a\t=0D=0A", "a=09\r\n" },
    { " \n \n", "=20\n=20\n", " =0A =0A", "_\n_\n" },
    { "a ", "a=20", "a=20", "a_" },
    { "a\t", "a=09", "a=09", "a=09" },
    { ".\n", "=2E\n", ".=0A", "=2E\n" },
    { ".", "=2E", "=2E", "=2E" },
    { ".a\n..\n", ".a\n..\n", ".a=0A..=0A", ".a\n..\n" },
    { "a\rb", "a=0Db", "a=0Db", "a=0Db" },
    { "a\r\r\nb", "a=0D\r\nb", "a=0D=0D=0Ab", "a=0D\r\nb" },
    { "a \r", "a =0D", "a =0D", "a_=0D" },
    { "a \rb", "a =0Db", "a =0Db", "a_=0Db" },
    { "\0\11\12\27\127", "=00=0B=0C=1B=7F", "=00=0B=0C=1B=7F", "=00=0B=0C=1B=7F" },
    { "a\r\nb\n", "a\r\nb\n", "a=0D=0Ab=0A", "a\r\nb\n" },
    { x76, x76, x76, x76 },
    { x76 .. "\n", x76 .. "\n", ("x"):rep(75) .. "=\nx=0A", x76 .. "\n" },
    { x76 .. "y", ("x"):rep(75) .. "=\nxy", ("x"):rep(75) .. "=\nxy", ("x"):rep(75) .. "=\nxy" },
    { x76 .. "y\r\n", ("x"):rep(75) .. "=\r\nxy\r\n", ("x"):rep(75) .. "=\nxy=0D=0A", ("x"):rep(75) .. "=\r\nxy\r\n" },
    { ("x"):rep(75) .. "=", ("x"):rep(75) .. "=\n=3D", ("x"):rep(75) .. "=\n=3D", ("x"):rep(75) .. "=\n=3D" },
    { ("x"):rep(73) .. "=", ("x"):rep(73) .. "=3D", ("x"):rep(73) .. "=3D", ("x"):rep(73) .. "=3D" },
    { ("x"):rep(75) .. " \n", ("x"):rep(75) .. "=\n=20\n", ("x"):rep(75) .. "=\n =0A", ("x"):rep(75) .. "_\n" },
  }
  for _, case in ipairs(cases) do
    it(("encodes %q"):format(case[1]), function()
      assert.are.equal(case[2], quopri.encode(case[1]))
      assert.are.equal(case[3], quopri.encode(case[1], { text = false }))
      assert.are.equal(case[4], quopri.encode(case[1], { header = true }))
      assert.are.equal(case[1], quopri.decode(case[2], { strict = true }))
      assert.are.equal(case[1], quopri.decode(case[3], { strict = true }))
      assert.are.equal(case[1], quopri.decode(case[4], { strict = true, header = true }))
    end)
  end

  it("makes all line breaks what eol says", function()
    local text = "a\nb\r\n" .. x76 .. "y\n"
    assert.are.equal("a\r\nb\r\n" .. ("x"):rep(75) .. "=\r\nxy\r\n", quopri.encode(text, { eol = "\r\n" }))
    assert.are.equal("a\nb\n" .. ("x"):rep(75) .. "=\nxy\n", quopri.encode(text, { eol = "\n" }))
  end)
end)

describe("quopri.decode", function()
  local cases = {
    -- given, leniently, whether strictly too, what
    { "a=3Db", "a=b", true, "an escape" },
    { "=c3=A9", "é", true, "small digits" },
    { "a=\nb", "ab", true, "a soft break" },
    { "a=\r\nb", "ab", true, "a soft break of CRLF" },
    { "a= \t\r\nb", "ab", true, "a soft break behind which white space was added" },
    { "a=", "a", true, "a soft break at the end" },
    { "a= ", "a", true, "a soft break and white space at the end" },
    { "a \t\nb", "a\nb", true, "white space before a line end" },
    { "a  \r\n", "a\r\n", true, "white space before CRLF" },
    { "a  b", "a  b", true, "white space amid a line" },
    { "a ", "a ", true, "white space at the end without a line end" },
    { "a_b", "a_b", true, "an underscore" },
    { "a=xb", "a=xb", false, "an equals sign before what is no digit" },
    { "a=4", "a=4", false, "an escape that is cut off" },
    { "a=4xb", "a=4xb", false, "an escape with one digit" },
    { "a==41", "a=A", false, "an equals sign before an escape" },
    { "a= b", "a= b", false, "an equals sign amid a line" },
    { "a= =41", "a= A", false, "an equals sign and space before an escape" },
    { "caf\195\169", "caf\195\169", false, "bytes that should have been encoded" },
    { "a\0b", "a\0b", false, "a NUL" },
  }
  for _, case in ipairs(cases) do
    it("takes " .. case[4], function() assert.are.equal(case[2], quopri.decode(case[1])) end)
    it((case[3] and "takes, also strictly, " or "refuses, when strict, ") .. case[4], function()
      local bytes, err = quopri.decode(case[1], { strict = true })
      assert.are.equal(case[3] and case[2] or nil, bytes)
      if not case[3] then assert.are.equal("SMTPException", err.name) end
    end)
  end

  it("turns an underscore into a space in a header", function()
    assert.are.equal("a b_", quopri.decode("a_b=5F", { header = true }))
  end)

  it("holds back no more white space than a line can have", function()
    local spaces = (" \t"):rep(1000)
    assert.are.equal("a" .. spaces .. "b", quopri.decode("a" .. spaces .. "b"))
    assert.is_true(#quopri.decode("a" .. spaces .. "\n") < #spaces)
  end)
end)

-- A fixed row of random numbers from 1 to n.
local function dice(seed)
  return function(n)
    seed = seed * 16807 % 2147483647
    return seed % n + 1
  end
end

local function draw(roll, length, alphabet)
  local out = {}
  for i = 1, length do
    local k = roll(#alphabet)
    out[i] = alphabet:sub(k, k)
  end
  return table.concat(out)
end

-- The judge: decodes well-formed quoted-printable with patterns.
local function reference(text, header)
  text = text:gsub("=\r?\n", "")
  if header then text = text:gsub("_", " ") end
  return (text:gsub("=(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

describe("quoted-printable of any bytes", function()
  local alphabets = { "ab c.\t=\r\n\n_\233", "xxxxxxxxxxxxxxxxxxxx\195\169 .\n", "\0\1\127\128\255", "x \n" }

  for i, alphabet in ipairs(alphabets) do
    for _, options in ipairs({ {}, { text = false }, { header = true }, { eol = "\r\n" }, { eol = "\n" } }) do
      it(("keeps its rules and comes back: alphabet %d, text %s, header %s, eol %q"):format(i, tostring(options.text), tostring(options.header), tostring(options.eol)), function()
        local roll = dice(i * 1000 + 7)
        for _ = 1, 300 do
          local bytes = draw(roll, roll(250) - 1, alphabet)
          local text = quopri.encode(bytes, options)
          for line in (text .. "\n"):gmatch("([^\n]*)\n") do
            line = line:gsub("\r$", "")
            local good = #line <= 76 and line ~= "." and not line:find("[ \t]$") and not line:find("[^\t -~]")
            if not good then error(("bad line %q"):format(line)) end
          end
          local expected = bytes
          if options.eol then expected = bytes:gsub("\r\n", "\n"):gsub("\n", options.eol) end
          same(expected, reference(text, options.header))
          same(expected, quopri.decode(text, { strict = true, header = options.header }))
        end
      end)
    end
  end
end)

describe("quopri streams", function()
  local function in_pieces(codec, text, cuts)
    local out, at = {}, 1
    for _, cut in ipairs(cuts) do
      out[#out + 1] = codec:update(text:sub(at, cut))
      at = cut + 1
    end
    out[#out + 1] = codec:update(text:sub(at))
    out[#out + 1] = codec:final()
    return table.concat(out)
  end

  local texts = {
    "a \r\n.\r\n \r\n=\r\n\r\r\n",
    ("x"):rep(74) .. "é é \n." .. ("y"):rep(76) .. "\n.",
    ". \n.\n\n. ",
  }

  it("encode in pieces as in one, wherever cut", function()
    for _, options in ipairs({ { eol = "\n" }, { eol = "\r\n" }, { text = false }, { header = true, eol = "\n" } }) do
      for _, text in ipairs(texts) do
        local whole = quopri.encode(text, options)
        for i = 0, #text do
          for j = i, #text, 4 do same(whole, in_pieces(quopri.encoder(options), text, { i, j })) end
        end
      end
    end
  end)

  it("decode in pieces as in one, wherever cut", function()
    local roll = dice(11)
    for _ = 1, 300 do
      local text = draw(roll, roll(30), "=AB4 \t\r\n_x")
      local whole = quopri.decode(text)
      for i = 0, #text do same(whole, in_pieces(quopri.decoder(), text, { i, i + 1 })) end
    end
  end)

  it("refuse at the piece that is malformed, when strict", function()
    local decoder = quopri.decoder({ strict = true })
    same("a", decoder:update("a="))
    local bytes, err = decoder:update("x")
    assert.is_nil(bytes)
    same("SMTPException", err.name)
    assert.is_nil((decoder:final()))
    same("a=", decoder:update("a=3D") .. decoder:final())
  end)

  it("say what they are", function()
    same("smtplib.quopri.encoder", tostring(quopri.encoder()))
    same("smtplib.quopri.decoder", tostring(quopri.decoder()))
  end)
end)

describe("misuse of quopri", function()
  local cases = {
    { "bad argument 's' to 'encode' (string expected, got nil)", quopri.encode },
    { "unknown option 'txt'", quopri.encode, "a", { txt = true } },
    { "bad option 'eol' to 'encode' (\"\\n\" or \"\\r\\n\" expected)", quopri.encode, "a", { eol = "\r" } },
    { "bad option 'header' to 'decode' (boolean expected, got number)", quopri.decode, "a", { header = 1 } },
    { "bad argument 'options' to 'encoder' (table expected, got string)", quopri.encoder, "a" },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[1], function()
      local ok, message = pcall(function()
        local value = case[2](case[3], case[4])
        return value
      end)
      assert.is_false(ok)
      assert.are.equal(case[1], (message:gsub("^.-:%d+: ", "")))
      assert.truthy(message:find("encode_spec.lua", 1, true), message)
    end)
  end
end)
