-- Keyed hashes: published vectors, and what the Lua object promises.
local core = require "smtplib.core"
local hmac = require "smtplib.hmac"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local long_key = ("\170"):rep(131)

-- RFC 2202 and RFC 4231.
local vectors = {
  -- digest, key, message, hexdigest
  { "md5", ("\11"):rep(16), "Hi There", "9294727a3638bb1c13f48ef8158bfc9d" },
  { "md5", "Jefe", "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738" },
  { "md5", ("\170"):rep(80), "Test Using Larger Than Block-Size Key - Hash Key First", "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd" },
  { "sha1", "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
  { "sha1", ("\170"):rep(80), "Test Using Larger Than Block-Size Key - Hash Key First", "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
  { "sha256", ("\11"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
  { "sha256", "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
  { "sha256", long_key, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
  { "sha512", "Jefe", "what do ya want for nothing?", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
  { "sha512", long_key, "Test Using Larger Than Block-Size Key - Hash Key First", "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
}

describe("smtplib.hmac", function()
  for i, v in ipairs(vectors) do
    local digestmod, key, msg, expected = v[1], v[2], v[3], v[4]

    it(("computes published vector %d (%s) whole and bytewise"):format(i, digestmod), function()
      assert.are.equal(expected, hmac.new(key, msg, digestmod):hexdigest())
      assert.are.equal(expected, hex(hmac.digest(key, msg, digestmod)))
      local object = hmac.new(key, nil, digestmod)
      for byte in msg:gmatch(".") do object:update(byte) end
      assert.are.equal(expected, object:hexdigest())
    end)
  end

  it("returns the object from update", function()
    local object = hmac.new("k", nil, "sha256")
    assert.are.equal(object, object:update("a"))
  end)

  it("goes on after digest, and digest may be repeated", function()
    local object = hmac.new("key", "one", "sha256")
    local first = object:digest()
    assert.are.equal(first, object:digest())
    assert.are.equal(hmac.digest("key", "one", "sha256"), first)
    object:update(" two")
    assert.are.equal(hmac.digest("key", "one two", "sha256"), object:digest())
  end)

  it("copies into an independent object", function()
    local object = hmac.new("key", "one", "sha1")
    local copy = object:copy()
    copy:update(" two")
    assert.are.equal(hmac.digest("key", "one", "sha1"), object:digest())
    assert.are.equal(hmac.digest("key", "one two", "sha1"), copy:digest())
  end)

  it("takes an empty key, an empty message, and every byte value", function()
    assert.are.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", hmac.new("", "", "sha256"):hexdigest())
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all)
    assert.are.equal(hmac.new(all, all, "sha256"):hexdigest(), hmac.new(all, nil, "sha256"):update(all:sub(1, 100)):update(all:sub(101)):hexdigest())
  end)

  it("takes named options", function()
    assert.are.equal(vectors[2][4], hmac.new{ key = "Jefe", msg = vectors[2][3], digestmod = "md5" }:hexdigest())
  end)

  it("has a name and a size", function()
    local object = hmac.new("k", "m", "SHA-256")
    assert.are.equal("hmac-sha256", object.name)
    assert.are.equal(32, object.digest_size)
    assert.are.equal(32, #object:digest())
  end)

  it("prints without its key", function()
    local text = tostring(hmac.new("topsecret", "m", "md5"))
    assert.truthy(text:find("md5", 1, true))
    assert.falsy(text:find("topsecret", 1, true))
  end)

  it("compares digests", function()
    assert.is_true(hmac.compare_digest("abc", "abc"))
    assert.is_true(hmac.compare_digest("", ""))
    assert.is_false(hmac.compare_digest("abc", "abd"))
    assert.is_false(hmac.compare_digest("abc", "ab"))
    assert.is_false(hmac.compare_digest("a\0b", "a\0c"))
  end)

  -- what, call, text of the error
  local misuse = {
    { "an unknown digest", function() hmac.new("k", "m", "sha3") end, "unknown digest 'sha3'" },
    { "a missing digest", function() hmac.new("k", "m") end, "'digestmod'" },
    { "a key that is a number", function() hmac.new(1, "m", "md5") end, "'key'" },
    { "a message that is a table", function() hmac.new("k", {}, "md5") end, "'msg'" },
    { "an unknown option", function() hmac.new{ key = "k", digest = "md5" } end, "unknown option 'digest'" },
    { "update with nil", function() hmac.new("k", nil, "md5"):update(nil) end, "'msg'" },
    { "update on a number", function() hmac.new("k", nil, "md5").update(3, "x") end, "bad self" },
    { "a comparison with nil", function() hmac.compare_digest("a", nil) end, "'b'" },
    { "an unknown digest in the one-shot", function() hmac.digest("k", "m", "md6") end, "unknown digest 'md6'" },
  }
  for _, row in ipairs(misuse) do
    it("raises for " .. row[1] .. " and blames the caller", function()
      local ok, err = pcall(row[2])
      assert.is_false(ok)
      assert.truthy(err:find(row[3], 1, true), err)
      assert.truthy(err:find("hmac_spec.lua", 1, true), err)
    end)
  end
end)

describe("core digests", function()
  it("computes plain digests", function()
    assert.are.equal("900150983cd24fb0d6963f7d28e17f72", hex(core.digest("md5", "abc")))
    assert.are.equal("a9993e364706816aba3e25717850c26c9cd0d89d", hex(core.digest("sha1", "abc")))
    assert.are.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex(core.digest("sha256", "")))
  end)

  it("derives keys with PBKDF2 (RFC 6070, RFC 7677 and RFC 5802 examples)", function()
    assert.are.equal("0c60c80f961f0e71f3a9b524af6012062fe037a6", hex(core.pbkdf2("sha1", "password", "salt", 1)))
    assert.are.equal("4b007901b765489abead49d926f721d065a429c1", hex(core.pbkdf2("sha1", "password", "salt", 4096)))
    assert.are.equal("c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a", hex(core.pbkdf2("sha256", "password", "salt", 4096)))
    assert.has_error(function() core.pbkdf2("sha1", "p", "s", 0) end)
    assert.has_error(function() core.pbkdf2("sha1", "p", "s", -1) end)
  end)

  it("knows sizes and unknown names", function()
    assert.are.equal(16, core.digest_size("md5"))
    assert.are.equal(64, core.digest_size("SHA512"))
    assert.is_nil(core.digest_size("sha"))
    assert.is_nil(core.digest_size("sha2566"))
    assert.has_error(function() core.digest("rot13", "") end, "unknown digest 'rot13'")
  end)

  it("gives random bytes of the length asked for", function()
    assert.are.equal(0, #core.random(0))
    assert.are.equal(1024, #core.random(1024))
    assert.are_not.equal(core.random(16), core.random(16))
    assert.has_error(function() core.random(1025) end)
    assert.has_error(function() core.random(-1) end)
  end)
end)
