-- Base64: published vectors, an encoder in plain Lua as the judge, every cut of
-- a stream, and what the strict and the lenient decoder refuse.
local base64 = require "smtplib.base64"
local probe = require "spec.base.probe"

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- assert.are.equal, at a cost only when it fails: for the loops.
local function same(expected, value, what)
  if expected ~= value then assert.are.equal(expected, value, what) end
end

-- The judge: slow and plain.
local function reference(s)
  local out = {}
  for i = 1, #s, 3 do
    local a, b, c = s:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for shift = 1, 4 do
      local v = math.floor(n / 64 ^ (4 - shift)) % 64
      out[#out + 1] = alphabet:sub(v + 1, v + 1)
    end
    if not c then out[#out] = "=" end
    if not b then out[#out - 1] = "=" end
  end
  return table.concat(out)
end

local function in_lines(text, width, eol)
  local out = {}
  for i = 1, #text, width do out[#out + 1] = text:sub(i, i + width - 1) .. eol end
  return table.concat(out)
end

-- Every byte value, in an order that repeats late.
local function noise(length)
  local bytes, state = {}, 7
  for i = 1, length do
    state = (state * 1103515245 % 2147483648 + 12345) % 2147483648
    bytes[i] = string.char(math.floor(state / 65536) % 256)
  end
  return table.concat(bytes)
end

describe("base64.encode", function()
  -- RFC 4648, section 10.
  local vectors = {
    { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    { "\0\0\0", "AAAA" }, { "\255\255\255", "////" }, { "\251\239\190", "++++" },
  }
  for _, v in ipairs(vectors) do
    it(("makes '%s' and back"):format(v[2]), function()
      assert.are.equal(v[2], base64.encode(v[1]))
      assert.are.equal(v[1], base64.decode(v[2], { strict = true }))
      assert.are.equal(v[1], base64.decode(v[2]))
    end)
  end

  it("agrees with plain Lua at every length up to 300", function()
    local bytes = noise(300)
    for length = 0, 300 do
      local s = bytes:sub(1, length)
      local text = reference(s)
      same(text, base64.encode(s))
      same(s, base64.decode(text, { strict = true }))
    end
  end)

  it("keeps every byte value", function()
    local all = {}
    for c = 0, 255 do all[#all + 1] = string.char(c) end
    local s = table.concat(all)
    assert.are.equal(s, base64.decode(base64.encode(s)))
  end)
end)

describe("base64.encodebytes", function()
  local bytes = noise(1000)

  it("makes lines of 76 that end with a line feed, the last one too", function()
    assert.are.equal("YQ==\n", base64.encodebytes("a"))
    assert.are.equal(in_lines(reference(bytes), 76, "\n"), base64.encodebytes(bytes))
  end)

  it("makes no line of nothing", function()
    assert.are.equal("", base64.encodebytes(""))
    assert.are.equal("", base64.encodebytes("", 4, "\r\n"))
  end)

  it("makes one line without an end when eol is empty", function()
    assert.are.equal(reference(bytes), base64.encodebytes(bytes, 76, ""))
  end)

  local widths = { { 4, 4 }, { 5, 4 }, { 8, 8 }, { 16, 16 }, { 19, 16 }, { 64, 64 }, { 75, 72 }, { 76, 76 }, { 77, 76 }, { 998, 996 } }
  for _, w in ipairs(widths) do
    it(("fills lines of at most %d with %d"):format(w[1], w[2]), function()
      for _, length in ipairs({ 1, 2, 3, 12, 47, 48, 56, 57, 58, 114, 115, 500, 1000 }) do
        local s = bytes:sub(1, length)
        for _, eol in ipairs({ "\n", "\r\n", "\r\n ", "" }) do
          same(in_lines(reference(s), w[2], eol), base64.encodebytes(s, w[1], eol))
        end
      end
    end)
  end

  it("comes out the same without vector instructions", function()
    for _, width in ipairs({ 4, 36, 64, 76 }) do
      local plain = probe.ask(bytes, "encode " .. width, "-DSMTP_NO_VECTOR")
      assert.are.equal(in_lines(reference(bytes), width, "\r\n"), plain)
      assert.are.equal(plain, probe.ask(bytes, "encode " .. width))
    end
    probe.remove()
  end)
end)

describe("a base64 decoder", function()
  local cases = {
    -- text, strict result, lenient result; nil: refused
    { "Zm9v", "foo", "foo", "whole groups" },
    { "Zg==", "f", "f", "two pads" },
    { "Zm8=", "fo", "fo", "one pad" },
    { "Zm9v\r\n", nil, "foo", "a line end" },
    { " Z m 9 v ", nil, "foo", "spaces" },
    { "Zm9v!\0\255", nil, "foo", "bytes outside the alphabet" },
    { "Zm-v_", nil, nil, "the URL alphabet" },
    { "Z", nil, nil, "one character" },
    { "Zg", nil, nil, "no padding" },
    { "Zg=", nil, nil, "half of the padding" },
    { "Zg=\r\n=", nil, "f", "padding cut by a line end" },
    { "Zg===", nil, "f", "too much padding" },
    { "Zm9v=", nil, "foo", "padding after a whole group" },
    { "=", nil, "", "padding alone" },
    { "====", nil, "", "nothing but padding" },
    { "Z===", nil, nil, "padding after one character" },
    { "Zg=a", nil, "f\6\184", "padding amid a group", true },
    { "Zg==Zg==", nil, "f", "text after the padding" },
    { "Zh==", nil, "f", "tail bits that are not zero, after one byte" },
    { "Zm9=", nil, "fo", "tail bits that are not zero, after two bytes" },
  }

  for _, case in ipairs(cases) do
    local text, strict, lenient = case[1], case[2], case[3]

    it((strict and "takes " or "refuses, when strict, ") .. case[4], function()
      local bytes, err = base64.decode(text, { strict = true })
      assert.are.equal(strict, bytes)
      if not strict then assert.are.equal("SMTPException", err.name) end
    end)

    if not case[5] then
      it((lenient and "leniently takes " or "even leniently refuses ") .. case[4], function()
        local bytes, err = base64.decode(text)
        assert.are.equal(lenient, bytes)
        if not lenient then assert.are.equal("SMTPException", err.name) end
        assert.are.equal(lenient, (base64.decodebytes(text)))
      end)
    end
  end
end)

describe("base64 streams", function()
  -- All ways to cut into three, joined.
  local function each_cut(text, make, check)
    for i = 0, #text do
      for j = i, #text, 3 do
        local codec = make()
        local out, err = {}, nil
        for _, piece in ipairs({ text:sub(1, i), text:sub(i + 1, j), text:sub(j + 1) }) do
          local bytes
          bytes, err = codec:update(piece)
          if not bytes then break end
          out[#out + 1] = bytes
        end
        if not err then
          out[#out + 1], err = codec:final()
        end
        check(not err and table.concat(out) or nil)
      end
    end
  end

  local bytes = noise(60)

  it("encode in pieces as in one, wherever cut", function()
    each_cut(bytes, base64.encoder, function(text) same(base64.encode(bytes), text) end)
    for _, width in ipairs({ 4, 8, 20, 76 }) do
      each_cut(bytes, function() return base64.encoder(width, "\r\n") end, function(text)
        same(base64.encodebytes(bytes, width, "\r\n"), text)
      end)
    end
  end)

  it("decode in pieces as in one, wherever cut", function()
    for _, text in ipairs({ base64.encodebytes(bytes, 20, "\r\n"), "Zg==", "Zm8=", "Zg", "Zm9v!", "Zg=a", "Zg==Zg==", "Zh==" }) do
      for _, strict in ipairs({ false, true }) do
        local whole = base64.decode(text, { strict = strict })
        each_cut(text, function() return base64.decoder({ strict = strict }) end, function(piecewise)
          same(whole, piecewise)
        end)
      end
    end
  end)

  it("can be used anew after final", function()
    local encoder, decoder = base64.encoder(), base64.decoder({ strict = true })
    for _ = 1, 2 do
      assert.are.equal("Zm9vYg==", encoder:update("foob") .. encoder:final())
      assert.are.equal("foob", decoder:update("Zm9vYg==") .. decoder:final())
    end
    assert.is_nil(decoder:update("!"))
    assert.is_nil((decoder:final()))
    assert.are.equal("foo", decoder:update("Zm9v") .. decoder:final())
  end)

  it("say what they are", function()
    assert.are.equal("smtplib.base64.encoder", tostring(base64.encoder()))
    assert.are.equal("smtplib.base64.decoder", tostring(base64.decoder()))
  end)
end)

describe("misuse of base64", function()
  local cases = {
    { "bad argument 's' to 'encode' (string expected, got nil)", base64.encode },
    { "bad argument 's' to 'decode' (string expected, got number)", base64.decode, 5 },
    { "unknown option 'strickt'", base64.decode, "Zg==", { strickt = true } },
    { "bad option 'strict' to 'decode' (boolean expected, got string)", base64.decode, "Zg==", { strict = "no" } },
    { "bad argument 'options' to 'decode' (table expected, got boolean)", base64.decode, "Zg==", true },
    { "bad argument 'maxlinelen' to 'encodebytes' (a whole number of at least 4 expected)", base64.encodebytes, "a", 3 },
    { "bad argument 'maxlinelen' to 'encodebytes' (a whole number of at least 4 expected)", base64.encodebytes, "a", 76.5 },
    { "bad argument 'maxlinelen' to 'encodebytes' (a whole number of at least 4 expected)", base64.encodebytes, "a", 0 / 0 },
    { "bad argument 'eol' to 'encodebytes' (string expected, got number)", base64.encodebytes, "a", 76, 1 },
    { "bad argument 'eol' to 'encoder' (longer than 16 bytes)", base64.encoder, 76, ("\n"):rep(17) },
    { "bad argument 'chunk' to 'update' (string expected, got nil)", base64.encoder().update, base64.encoder() },
    { "bad argument 'self' to 'update' (stream expected; was ':' meant?)", base64.encoder().update, "a" },
    { "bad argument 'self' to 'final' (stream expected; was ':' meant?)", base64.encoder().final },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[1], function()
      local ok, message = pcall(function()
        local value = case[2](case[3], case[4], case[5])
        return value
      end)
      assert.is_false(ok)
      assert.are.equal(case[1], (message:gsub("^.-:%d+: ", "")))
      assert.truthy(message:find("base64_spec.lua", 1, true), message)
    end)
  end
end)
