-- The core's CMS: pieces, certificates and keys that are refused, tampering, and
-- what is left of memory when it runs out.
local core = require "smtplib.core"
local judge = require "spec.support.smime"

local smime = core.smime
local pem = judge.read

local function signer(name, password)
  return smime.signer(pem((name or "alice") .. ".pem"), pem((name or "alice") .. ".key"), password)
end

local function signature(content, name)
  local s = assert(signer(name))
  assert(s:update(content))
  return assert(s:final())
end

local function verify(der, content, extra)
  local trust = { verify = true, cadata = pem "ca.pem" }
  for key, value in pairs(extra or {}) do trust[key] = value end
  return smime.verify(der, content, trust)
end

local function envelope(content, names, cipher)
  local e = assert(smime.encryptor(cipher or "aes-256-cbc"))
  for _, name in ipairs(names) do assert(e:add(pem(name .. ".pem"))) end
  local first = assert(e:update(content))
  return first .. assert(e:final())
end

local function decrypt(der, name)
  return smime.decrypt(der, pem(name .. ".pem"), pem(name .. ".key"))
end

-- The sentence of a failure.
local function why(ok, name, sentence)
  assert.is_nil(ok)
  assert.equal("smime", name)
  return sentence
end

describe("a detached signature", function()
  local content = ("Subject: x\r\n\r\nline  \r\n.\r\nFrom \0\255"):rep(50)

  for _, name in ipairs { "alice", "bob", "plain" } do
    it("of " .. name .. " proves the content", function()
      local carried, signers = verify(signature(content, name), content)
      assert.equal("", carried)
      assert.equal(1, #signers)
      assert.matches("CN=" .. name, signers[1].subject, 1, true)
      assert.matches("Grüße", signers[1].subject, 1, true)
    end)
  end

  it("is the same signature whatever the pieces", function()
    for _, size in ipairs { 1, 7, 1000 } do
      local s = assert(signer())
      for at = 1, #content, size do assert(s:update(content:sub(at, at + size - 1))) end
      assert(verify(assert(s:final()), content))
    end
  end)

  it("of nothing is a signature, too", function()
    local s = assert(signer())
    assert(verify(assert(s:final()), ""))
  end)

  it("is made once", function()
    local s = assert(signer())
    assert(s:final())
    assert.equal("state", select(2, s:final()))
    assert.equal("state", select(2, s:update "x"))
  end)

  it("says when, with which digest, and for which addresses", function()
    local _, signers = assert(verify(signature(content), content))
    local one = signers[1]
    assert.is_true(math.abs(one.signing_time - os.time()) < 60)
    assert.equal("SHA256", one.digest)
    assert.same({ "alice@example.com" }, one.emails)
    assert.equal(1577836800, one.not_before)
    assert.equal(64, #one.fingerprint)
  end)

  it("does not match one changed byte", function()
    local der = signature(content)
    for _, at in ipairs { 1, 100, #content } do
      local changed = content:sub(1, at - 1) .. "#" .. content:sub(at + 1)
      assert.matches("does not match", why(verify(der, changed)))
    end
    assert.matches("does not match", why(verify(der, content .. "x")))
    assert.matches("does not match", why(verify(der, "")))
  end)

  it("is refused with any byte of the signature itself changed", function()
    local der = signature("hello")
    for at = #der - 40, #der do
      local changed = der:sub(1, at - 1) .. string.char((der:byte(at) + 1) % 256) .. der:sub(at + 1)
      assert.is_nil((verify(changed, "hello")))
    end
  end)

  it("cut short is a failure", function()
    local der = signature("hello")
    for at = 0, #der - 1, 97 do assert.is_nil((verify(der:sub(1, at), "hello"))) end
  end)

  it("without its content proves nothing", function()
    assert.matches("does not match", why(verify(signature("hello"), nil)))
  end)
end)

describe("a signer's certificate", function()
  it("is trusted through its chain, and not without", function()
    local s = assert(signer "carol")
    assert(s:add(pem "inter.pem"))
    assert(s:update "x")
    local der = assert(s:final())
    assert(verify(der, "x"))
    local alone = signature("x", "carol")
    assert.matches("issuer certificate", why(verify(alone, "x")))
    assert(verify(alone, "x", { certs = pem "inter.pem" }))
  end)

  it("may come with its chain in one text, and may come twice", function()
    local s = assert(smime.signer(pem "carol.pem" .. pem "inter.pem", pem "carol.key"))
    assert(s:add(pem "inter.pem"))
    assert(s:update "x")
    assert(verify(assert(s:final()), "x"))
  end)

  it("of another authority is refused, unless nobody asks", function()
    local der = signature("x", "mallory")
    assert.matches("^the signer's certificate %(CN=mallory.*issuer certificate", why(verify(der, "x")))
    assert(verify(der, "x", { cadata = pem "otherca.pem" }))
    assert(verify(der, "x", { verify = false }))
    assert.is_nil((verify(der, "y", { verify = false })))
  end)

  it("that SHA-1 certified is refused, unless nobody asks", function()
    local der = signature("x", "old")
    assert.matches("CN=old.*digest algorithm too weak", why(verify(der, "x")))
    assert(verify(der, "x", { verify = false }))
  end)

  it("is judged by the time that is given", function()
    local der = signature("x")
    assert.matches("not yet valid", why(verify(der, "x", { time = 1500000000 })))
    assert.matches("expired", why(verify(der, "x", { time = 2200000000 })))
  end)
end)

describe("what is no good for signing is refused by name:", function()
  local cases = {
    -- certificate, key,             the sentence
    { "expired",   "expired.key",    "expired.*it has expired" },
    { "notyet",    "notyet.key",     "notyet.*it is not valid yet" },
    { "web",       "web.key",        "web.*emailProtection" },
    { "onlycrypt", "onlycrypt.key",  "onlycrypt.*digitalSignature" },
    { "edward",    "edward.key",     "edward.*RSA or EC expected" },
    { "short",     "short.key",      "short.*RSA of 2048 bits or more" },
    { "alice",     "bob.key",        "alice.*the key is not its own" },
    { "alice",     "plain.key",      "alice.*the key is not its own" },
    { "alice",     "alice.pem",      "key: no private key in it" },
    { "alice",     "locked.key",     "key: it is encrypted, and key_password is missing" },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " with " .. case[2], function()
      assert.matches(case[3], why(smime.signer(pem(case[1] .. ".pem"), pem(case[2]))))
    end)
  end

  it("a wrong password, which is not the right one", function()
    assert.matches("key_password does not open it", why(smime.signer(pem "alice.pem", pem "locked.key", "wrong")))
    assert.matches("key_password does not open it", why(smime.signer(pem "alice.pem", pem "locked.key", ("x"):rep(9999))))
    assert(smime.signer(pem "alice.pem", pem "locked.key", "secret"))
  end)

  it("text that is no certificate", function()
    for _, text in ipairs { "", "hello", pem "alice.key", "\0" } do
      assert.matches("cert: no certificate in it", why(smime.signer(text, pem "alice.key")))
      assert.matches("chain: no certificate in it", why(assert(signer()):add(text)))
    end
    local broken = pem("alice.pem"):gsub("MII", "MIX", 1)
    assert.matches("^cert: ", why(smime.signer(broken, pem "alice.key")))
  end)

  it("a chain of which one certificate is broken", function()
    local broken = pem("inter.pem"):gsub("MII", "MIX", 1)
    assert.matches("^chain: ", why(assert(signer()):add(pem "ca.pem" .. broken)))
  end)
end)

describe("an envelope", function()
  local content = ("From \0\255 .\r\n"):rep(5000)

  for _, cipher in ipairs { "aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm" } do
    it("with " .. cipher .. " opens for each of its recipients", function()
      local possible, _, sentence = smime.encryptor(cipher)
      if not possible then
        assert.matches("gcm", sentence)
        return
      end
      local der = envelope(content, { "alice", "bob" }, cipher)
      assert.equal(content, decrypt(der, "alice"))
      assert.equal(content, decrypt(der, "bob"))
    end)
  end

  it("comes out in pieces while the content goes in", function()
    local e = assert(smime.encryptor "aes-256-cbc")
    assert(e:add(pem "alice.pem"))
    local piece, pieces, longest = ("x"):rep(65536), {}, 0
    for _ = 1, 40 do
      pieces[#pieces + 1] = assert(e:update(piece))
      longest = math.max(longest, #pieces[#pieces])
    end
    pieces[#pieces + 1] = assert(e:final())
    assert.is_true(longest < 150000, longest)
    assert.equal(piece:rep(40), decrypt(table.concat(pieces), "alice"))
  end)

  it("of nothing opens to nothing", function()
    assert.equal("", decrypt(envelope("", { "bob" }), "bob"))
  end)

  it("does not open for others", function()
    local der = envelope(content, { "bob" })
    assert.matches("alice.*the message is not encrypted for it", why(decrypt(der, "alice")))
    assert.matches("key is not its own", why(smime.decrypt(der, pem "bob.pem", pem "alice.key")))
  end)

  it("needs a recipient", function()
    local e = assert(smime.encryptor "aes-256-cbc")
    assert.equal("state", select(2, e:update "x"))
    assert.equal("state", select(2, e:final()))
  end)

  it("is made once", function()
    local e = assert(smime.encryptor "aes-256-cbc")
    assert(e:add(pem "bob.pem"))
    assert(e:final())
    assert.equal("state", select(2, e:final()))
    assert.equal("state", select(2, e:update "x"))
  end)

  it("whose tag does not match gives nothing", function()
    if not smime.encryptor "aes-256-gcm" then return end
    local der = envelope(content, { "alice" }, "aes-256-gcm")
    for _, at in ipairs { #der - 4, #der - 20, #der - 3000 } do
      local changed = der:sub(1, at - 1) .. string.char((der:byte(at) + 1) % 256) .. der:sub(at + 1)
      assert.is_nil((decrypt(changed, "alice")))
    end
  end)

  it("cut short is a failure", function()
    local der = envelope(content, { "alice" })
    for at = 0, #der - 1, 9973 do assert.is_nil((decrypt(der:sub(1, at), "alice"))) end
  end)

  it("and a signature are told apart", function()
    assert.matches("not encrypted", why(decrypt(signature "x", "alice")))
    assert.matches("not signed", why(verify(envelope("x", { "alice" }), "x")))
  end)
end)

describe("whom mail cannot be encrypted to is refused by name:", function()
  local cases = {
    { "expired", "it has expired" },
    { "notyet", "it is not valid yet" },
    { "web", "emailProtection" },
    { "onlysign", "keyEncipherment" },
    { "edward", "RSA or EC expected" },
    { "short", "RSA of 2048 bits or more" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local e = assert(smime.encryptor "aes-256-cbc")
      assert.matches(case[1] .. ".*" .. case[2], why(e:add(pem(case[1] .. ".pem"))))
    end)
  end

  it("one among others", function()
    local e = assert(smime.encryptor "aes-256-cbc")
    assert.matches("web", why(e:add(pem "alice.pem" .. pem "web.pem")))
  end)

  it("and a cipher that is none", function()
    for _, cipher in ipairs { "", "des", "AES-256-CBC", "aes-256-ctr" } do
      assert.matches("cipher: this OpenSSL encrypts no mail with", why(smime.encryptor(cipher)))
    end
  end)
end)

describe("when memory runs out", function()
  local content = ("x"):rep(1000)
  local works = {
    signing = function()
      local s, name = signer()
      if not s then return nil, name end
      local ok
      ok, name = s:update(content)
      if not ok then return nil, name end
      return s:final()
    end,
    encrypting = function()
      local e, name = smime.encryptor "aes-256-cbc"
      if not e then return nil, name end
      for _, step in ipairs { "add", "update" } do
        local ok
        ok, name = e[step](e, step == "add" and pem "bob.pem" or content)
        if not ok then return nil, name end
      end
      return e:final()
    end,
  }
  local der, sealed = signature(content), envelope(content, { "bob" })
  function works.verifying() return verify(der, content) end
  function works.decrypting() return decrypt(sealed, "bob") end

  for name, work in pairs(works) do
    it(name .. " fails cleanly at every allocation", function()
      for n = 1, 200 do
        core.allocation_fail_at(n)
        local ok, result, fault = pcall(work)
        local made = core.allocation_fail_at(0)
        assert.is_true(ok, tostring(result))
        if made < n then
          assert.is_truthy(result)
          return
        end
        assert.is_nil(result)
        assert.equal("nomem", fault)
      end
      error("it never ends")
    end)
  end
end)
