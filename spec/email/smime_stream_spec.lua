-- S/MIME in quantity: signatures around their content, large files in pieces,
-- envelopes in temporary files; and the README's example, as it stands.
local smtplib = require "smtplib"
local judge = require "spec.support.smime"

local email, smime = smtplib.email, smtplib.email.smime
local pem = judge.read

local large = os.tmpname()
local out = assert(io.open(large, "wb"))
for i = 1, 32 do out:write((string.char(64 + i)):rep(1048576)) end
out:close()
teardown(function() os.remove(large) end)

local trust = { cadata = pem "ca.pem" }

local function identity(name, more)
  local opts = { cert = pem(name .. ".pem"), key = pem(name .. ".key") }
  for key, value in pairs(more or {}) do opts[key] = value end
  return opts
end

local function compose(text, attachments)
  return assert(email.Message {
    from = "Alice <alice@example.com>", to = "bob@example.com", subject = "Grüße", text = text, attachments = attachments,
  })
end

local function wire(m) return assert(m:as_bytes { eol = "\r\n" }) end

-- A function that gives so many pieces of 64 KiB, once.
local function pieces(count, fault)
  local left = count
  return function()
    left = left - 1
    if left >= 0 then return ("x"):rep(65536) end
    if fault then return nil, fault end
  end
end

describe("sign_smime with opaque = true", function()
  for _, name in ipairs { "alice", "bob" } do
    it("of " .. name .. " is what openssl proves, and we", function()
      local m = compose("Grüße \nFrom here\n", { { content = "\0\255", filename = "x.bin" } })
      assert.equal(m, m:sign_smime(identity(name, { opaque = true })))
      local raw = wire(m)
      assert.matches("Content-Type: application/pkcs7-mime; smime-type=signed-data", raw, 1, true)
      local content = assert(judge.verify(raw))
      local inner, signers = assert(smime.verify(raw, trust))
      assert.equal(content, inner:as_bytes { eol = "\r\n" })
      assert.matches("^Grüße", inner:get_body():get_content())
      assert.equal(name == "alice", signers[1].from_matches)
    end)
  end

  it("does not match when a byte was changed", function()
    local m = compose("Hello\n")
    assert(m:sign_smime(identity("alice", { opaque = true })))
    local body = m:get_payload(nil, true)
    local changed = body:gsub("Hello", "Hallo", 1)
    assert.are_not.equal(body, changed)
    local raw = "Content-Type: application/pkcs7-mime; smime-type=signed-data\n" ..
      "Content-Transfer-Encoding: base64\n\n" .. smtplib.base64.encodebytes(changed)
    assert.is_nil((judge.verify(raw)))
    local content, err = smime.verify(raw, trust)
    assert.is_nil(content)
    assert.matches("does not match", err.message)
  end)

  it("may be encrypted, and encrypted may be signed", function()
    local m = compose("Hello\n")
    assert(m:sign_smime(identity("alice", { opaque = true })))
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    assert(m:sign_smime(identity "alice"))
    local sealed = assert(smime.verify(m, trust))
    local signed = assert(smime.decrypt(sealed, identity "bob"))
    assert.matches("Hello", assert(smime.verify(signed, trust)):get_content())
    assert(judge.verify(assert(judge.decrypt(assert(judge.verify(wire(m))), "bob"))))
  end)

  it("takes what can be read once", function()
    local m = compose("t", { { content = pieces(3), filename = "x" } })
    assert(m:sign_smime(identity("alice", { opaque = true })))
    local inner = assert(smime.verify(m, trust))
    assert.equal(3 * 65536, #inner:get_payload(2):get_payload(nil, true))
  end)

  it("is a boolean", function()
    assert.has_error(function() compose("t"):sign_smime(identity("alice", { opaque = 1 })) end,
      "bad argument 'opaque' to 'sign_smime' (boolean expected, got number)")
  end)
end)

describe("an envelope", function()
  it("never uses SHA-1, nor a lesser cipher than AES-256, unless it is told to", function()
    for _, name in ipairs { "alice", "bob" } do
      local m = compose("Hello\n")
      assert(m:encrypt_smime { certs = pem(name .. ".pem") })
      local shown = assert(judge.openssl("cms -cmsout -print -noout", wire(m))):lower()
      assert.matches("aes%-256%-cbc", shown)
      assert.is_nil(shown:find("sha1", 1, true))
      assert.is_nil(shown:find("aes128", 1, true))
      if name == "bob" then assert.matches("stddh%-sha256kdf.*aes256%-wrap", shown) end
    end
  end)

  for _, size in ipairs { 15, 16, 17, 64 } do
    it(("of %d KiB pieces opens, in memory or in a file"):format(size * 64), function()
      local m = compose("t", { { content = pieces(size), filename = "x" } })
      assert(m:encrypt_smime { certs = { pem "alice.pem", pem "bob.pem" } })
      local raw = wire(m)
      assert.equal(raw, wire(m))
      local inner = assert(smime.decrypt(raw, identity "bob"))
      assert.equal(size * 65536, #inner:get_payload(2):get_payload(nil, true))
      assert(judge.decrypt(raw, "alice"))
    end)
  end

  it("in a file is sent to two servers at a time", function()
    local m = compose("t", { { content = pieces(40), filename = "x" } })
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    local one, other = m:source(), m:source()
    local first, second = {}, {}
    repeat
      local a, b = one(), other()
      first[#first + 1], second[#second + 1] = a, b
    until not a and not b
    assert.equal(table.concat(first), table.concat(second))
    assert(smime.decrypt(table.concat(first), identity "bob"))
  end)

  it("says what the source says, and does not send half of it", function()
    local m = compose("t")
    m:set_content(pieces(20, "the disk is gone"), { type = "application/octet-stream" })
    local ok, err = m:encrypt_smime { certs = pem "bob.pem" }
    assert.is_nil(ok)
    assert.matches("the disk is gone", err.message)
    local bytes, why = m:as_bytes()
    assert.is_nil(bytes)
    assert.matches("read once", why.message)
  end)
end)

describe("memory stays flat while a large file is", function()
  local before, most

  -- What is held, without the garbage that a collector has not found yet.
  local function measure()
    collectgarbage()
    most = math.max(most, collectgarbage "count")
  end

  local function measured(source)
    local count = 0
    return function()
      count = count + 1
      if count % 64 == 0 then measure() end
      return source()
    end
  end

  before_each(function()
    collectgarbage()
    before, most = collectgarbage "count", 0
  end)

  local function check(m)
    local read = measured(m:source())
    repeat until not read()
    measure()
    assert.is_true(most - before < 4 * 1024, most - before)
  end

  it("signed", function()
    local m = compose("t", { { path = large } })
    assert(m:sign_smime(identity "alice"))
    check(m)
  end)

  it("encrypted", function()
    local m = compose("t", { { content = measured(pieces(512)), filename = "x" } })
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    check(m)
  end)
end)

describe("a temporary file", function()
  local tmpfile = io.tmpfile
  after_each(function() rawset(io, "tmpfile", tmpfile) end)

  local function large_one()
    return compose("t", { { content = pieces(40), filename = "x" } })
  end

  it("never holds what can be read", function()
    local files = {}
    rawset(io, "tmpfile", function()
      files[#files + 1] = tmpfile()
      return files[#files]
    end)
    local m = large_one()
    assert(m:sign_smime(identity("alice", { opaque = true })))
    assert.equal(0, #files)
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    assert.equal(1, #files)
    files[1]:seek("set", 0)
    assert.is_nil(files[1]:read("*a"):find(("eHh4"):rep(10), 1, true))
  end)

  it("is done without where there is no place for one", function()
    rawset(io, "tmpfile", function() return nil, "no space" end)
    local m = large_one()
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    assert(smime.decrypt(m, identity "bob"))
  end)
end)

describe("the README's example", function()
  it("runs as it stands", function()
    local readme = assert(io.open "README.md")
    local code = assert(readme:read("*a"):match("### S/MIME\n\n```lua\n(.-)\n```"))
    readme:close()
    for from, to in pairs { ["me.pem"] = "alice.pem", ["me.key"] = "alice.key", ["authorities.pem"] = "ca.pem" } do
      local count
      code, count = code:gsub(('"%s"'):format(from:gsub("%.", "%%.")), ('"%s"'):format(judge.path(to)))
      assert.is_true(count > 0, from)
    end
    local sink = assert(smtplib.sink.start())
    local first, second = code:match("^(.-)\n\n(.*)$")
    local printed
    local globals = {
      assert = assert, smtplib = smtplib, message = compose("Hello\n"), alice_pem = pem "alice.pem", bob_pem = pem "bob.pem",
      server = assert(smtplib.SMTP(sink.host, sink.port)), print = function(text) printed = text end,
    }
    local function run(text)
      local load_text, set_env = rawget(_G, "loadstring") or load, rawget(_G, "setfenv")
      local chunk = assert(load_text("local _ENV = ...\n" .. text))
      if set_env then set_env(chunk, globals) end
      chunk(globals)
    end
    run(first)
    globals.received = email.message_from_string(sink:messages()[1].data)
    run(second)
    globals.server:quit()
    sink:stop()
    assert.equal("Hello\r\n", printed)
  end)
end)
