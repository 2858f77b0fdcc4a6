-- S/MIME messages, judged by openssl's cms: what we make it takes, what it makes
-- we take, and nobody takes what was changed.
local smtplib = require "smtplib"
local judge = require "spec.support.smime"

local email, smime = smtplib.email, smtplib.email.smime
local Message = email.Message
local pem = judge.read

local path = os.tmpname()
local file = assert(io.open(path, "wb"))
file:write(("From here\r\nto \0there \r\n"):rep(3000))
file:close()
teardown(function() os.remove(path) end)

local function wire(m) return assert(m:as_bytes { eol = "\r\n" }) end

local function identity(name) return { cert = pem(name .. ".pem"), key = pem(name .. ".key") } end

local function trust(more)
  local opts = { cadata = pem "ca.pem" }
  for name, value in pairs(more or {}) do opts[name] = value end
  return opts
end

local base = { from = "Alice <alice@example.com>", to = "bob@example.com", subject = "Grüße" }

local function compose(more)
  local opts = {}
  for name, value in pairs(base) do opts[name] = value end
  for name, value in pairs(more) do opts[name] = value end
  return assert(Message(opts))
end

local makers = {
  { "text", function() return compose { text = "Hello\n" } end },
  { "empty text", function() return compose { text = "" } end },
  { "text that mail systems like to change", function()
    return compose { text = "From me  \n.\n--\nGrüße \t\nFrom " .. ("x"):rep(100) .. "\n" }
  end },
  { "text and html with an image", function()
    return compose { text = "t", html = "<img src='cid:i'>", inline = { { content = "PNG\0", cid = "i", type = "image/png" } } }
  end },
  { "attachments from a string and a file", function()
    return compose { text = "t", attachments = { { path = path, type = "text/plain" }, { content = "\0\255" } } }
  end },
  { "a message within", function() return compose { text = "t", attachments = { compose { text = "inner ü" } } } end },
  { "a message that was read", function()
    return email.message_from_string("From: alice@example.com\nContent-Type: text/plain; charset=iso-8859-1\n" ..
      "Content-Transfer-Encoding: 8bit\n\nGr\252\223e \n")
  end },
  { "a classic payload", function()
    local m = Message()
    m["From"] = "alice@example.com"
    m:set_payload "From a string"
    return m
  end },
}

describe("sign_smime", function()
  for _, maker in ipairs(makers) do
    it("of " .. maker[1] .. " is what openssl proves, and we", function()
      for _, name in ipairs { "alice", "bob" } do
        local m = maker[2]()
        assert.equal(m, m:sign_smime(identity(name)))
        local raw = wire(m)
        assert.is_nil(raw:find("[\128-\255]"), "a signed message is 7-bit")
        local content = assert(judge.verify(raw))
        local inner, signers = smime.verify(raw, trust())
        assert(inner, signers)
        assert.equal(content, inner:as_bytes { eol = "\r\n" })
        assert.equal(name == "alice", signers[1].from_matches)
        assert.same({ name .. "@example.com" }, signers[1].emails)
        assert(smime.verify(m, trust()))
        assert(smime.verify((raw:gsub("\r\n", "\n")), trust()))
      end
    end)
  end

  it("keeps what the reader sees", function()
    local m = compose { text = "Grüße \n", html = "<p>ü</p>", attachments = { { path = path, filename = "ä.bin" } } }
    m:sign_smime(identity "alice")
    assert.equal("multipart/signed", m:get_content_type())
    assert.equal("Grüße", m["Subject"])
    local read = email.message_from_string(wire(m))
    assert.equal(0, #read.defects)
    assert.equal("Grüße \n", (read:get_body { "plain" }:get_content():gsub("\r\n", "\n")))
    local inner = assert(smime.verify(wire(m), trust()))
    local attached = inner:get_payload(2)
    assert.equal("ä.bin", attached:get_filename())
    assert.equal(("From here\r\nto \0there \r\n"):rep(3000), attached:get_payload(nil, true))
  end)

  it("is refused by openssl and by us when a byte was changed", function()
    local m = compose { text = "Hello\n" }
    m:sign_smime(identity "alice")
    local changed = wire(m):gsub("Hello", "Hallo")
    assert.is_nil((judge.verify(changed)))
    local content, err = smime.verify(changed, trust())
    assert.is_nil(content)
    assert.matches("does not match", err.message)
  end)

  it("takes the chain between", function()
    local m = compose { text = "Hello\n" }
    local opts = identity "carol"
    opts.chain = pem "inter.pem"
    assert(m:sign_smime(opts))
    assert(judge.verify(wire(m)))
    assert(smime.verify(m, trust()))
  end)

  it("reads certificate and key from files, and an encrypted key with its password", function()
    local m = compose { text = "Hello\n" }
    assert(m:sign_smime { certfile = judge.path "alice.pem", keyfile = judge.path "locked.key", key_password = "secret" })
    assert(judge.verify(wire(m)))
  end)

  it("leaves the message as it was when it fails", function()
    local cases = {
      { { cert = pem "alice.pem", key = pem "bob.key" }, "not its own" },
      { { cert = pem "alice.pem", key = pem "locked.key" }, "key_password is missing" },
      { { cert = pem "alice.pem", key = pem "locked.key", key_password = "no" }, "does not open" },
      { { cert = pem "alice.pem", keyfile = "/nonexistent" }, "/nonexistent" },
      { { cert = pem "expired.pem", key = pem "expired.key" }, "expired" },
      { { cert = "no PEM", key = pem "alice.key" }, "no certificate" },
      { { cert = pem "alice.pem", key = pem "alice.key", chain = "no PEM" }, "chain" },
    }
    for _, case in ipairs(cases) do
      local m = compose { text = "Hello\n" }
      local before = wire(m)
      local ok, err = m:sign_smime(case[1])
      assert.is_nil(ok)
      assert.matches(case[2], err.message, 1, true)
      assert.equal(before, wire(m))
    end
  end)

  it("does not sign what can be read once", function()
    local m = compose { text = "t", attachments = { { content = function() end, filename = "x" } } }
    local ok, err = m:sign_smime(identity "alice")
    assert.is_nil(ok)
    assert.matches("read once", err.message)
  end)

  it("raises for misuse, naming the argument", function()
    local m = compose { text = "t" }
    assert.has_error(function() m:sign_smime() end, "bad argument 'options' to 'sign_smime' (table expected, got no value)")
    assert.has_error(function() m:sign_smime {} end, "bad argument 'cert' to 'sign_smime' (string expected, got no value)")
    assert.has_error(function() m:sign_smime { cert = 1 } end, "bad argument 'cert' to 'sign_smime' (string expected, got number)")
    assert.has_error(function() m:sign_smime { crt = "" } end, "unknown option 'crt'")
    assert.has_error(function() m:encrypt_smime {} end,
      "bad argument 'certs' to 'encrypt_smime' (string or table expected, got no value)")
    assert.has_error(function() smime.verify(1) end,
      "bad argument 'message' to 'verify' (Message or string expected, got number)")
    assert.has_error(function() smime.verify(m, { time = "now" }) end,
      "bad argument 'time' to 'verify' (number expected, got string)")
    assert.has_error(function() smime.verify(m, { certs = {} }) end,
      "bad argument 'certs' to 'verify' (an array of strings without holes expected)")
    assert.has_error(function() smime.verify(m, { ca = "" }) end, "unknown option 'ca'")
    assert.has_error(function() smime.decrypt(nil, identity "bob") end,
      "bad argument 'message' to 'decrypt' (Message or string expected, got nil)")
    assert.has_error(function() smime.decrypt(m) end, "bad argument 'options' to 'decrypt' (table expected, got no value)")
    assert.has_error(function() m:sign_smime { cert = "", certfile = "" } end,
      "bad argument 'certfile' to 'sign_smime' (beside 'cert': one of them expected)")
    assert.has_error(function() smime.decrypt(m, {}) end, "bad argument 'cert' to 'decrypt' (string expected, got no value)")
  end)
end)

describe("smime.verify of what openssl signed", function()
  local entity = "Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
  local header = "From: ALICE <alice@EXAMPLE.com>\r\n"

  for _, case in ipairs {
    { "beside the text", "" }, { "around it", "-nodetach" }, { "in binary", "-nodetach -binary" },
    { "with SHA-512", "-md sha512" }, { "by key identifier", "-keyid" },
  } do
    it(case[1] .. " gives the content", function()
      for _, name in ipairs { "alice", "bob" } do
        local raw = header .. judge.sign(entity, name, case[2])
        local content, signers = smime.verify(raw, trust())
        assert(content, signers)
        assert.matches("Hello", content:get_content())
        assert.equal(name == "alice", signers[1].from_matches)
      end
    end)
  end

  for _, digest in ipairs { "sha1", "md5" } do
    it("is refused with " .. digest .. ", whoever signed", function()
      for _, more in ipairs { {}, { verify = false } } do
        local raw = judge.sign(entity, "alice", "-md " .. digest)
        assert(judge.verify(raw))
        local content, err = smime.verify(raw, trust(more))
        assert.is_nil(content)
        assert.matches("a digest that proves nothing (" .. digest:upper() .. ")", err.message, 1, true)
      end
    end)
  end

  it("needs the signer's certificate, in the message or in certs", function()
    local raw = judge.sign(entity, "alice", "-nocerts")
    local content, err = smime.verify(raw, trust())
    assert.is_nil(content)
    assert.matches("the signer's certificate is missing", err.message)
    assert.is_nil((smime.verify(raw, trust { certs = pem "bob.pem" })))
    assert(smime.verify(raw, trust { certs = { pem "bob.pem", pem "alice.pem" } }))
    content, err = smime.verify(judge.sign(entity, "mallory", "-nocerts"), trust { certs = pem "mallory.pem" })
    assert.is_nil(content, "what is in certs is known, not trusted")
    assert.matches("mallory", err.message)
  end)

  it("compares the certificate with the address that is given, or with From", function()
    local raw = judge.sign(entity, "alice")
    local cases = {
      -- header field,                     from,                     matches
      { "",                                nil,                      false },
      { "",                                "Alice <alice@EXAMPLE.com>", true },
      { "",                                "Alice@example.com",      false },
      { "From: alice@example.com\r\n",     nil,                      true },
      { "From: alice@example.com\r\n",     "bob@example.com",        false },
      { "From: alice@example.com\r\n",     "not an address",         false },
      { "From: \"alice@example.com\" <eve@example.org>\r\n", nil,    false },
      { "From: alice@example.com, eve@example.org\r\n", nil,         false },
      { "From: alice@example.com\r\nFrom: eve@example.org\r\n", nil, false },
      { "From: eve@example.org\r\nSender: alice@example.com\r\n", nil, false },
    }
    for _, case in ipairs(cases) do
      local _, signers = assert(smime.verify(case[1] .. raw, trust { from = case[2] }))
      assert.equal(case[3], signers[1].from_matches, case[1] .. tostring(case[2]))
    end
  end)

  it("refuses a signer whose RSA key has 1024 bits", function()
    local content, err = smime.verify(judge.sign(entity, "short"), trust())
    assert.is_nil(content)
    assert.matches("short.*key too weak", err.message)
  end)

  it("refuses certificates without a signature", function()
    local bundle = judge.openssl(("crl2pkcs7 -nocrl -certfile %s -outform DER"):format(judge.path "alice.pem"), "")
    local content, err = smime.verify("Content-Type: application/pkcs7-mime; smime-type=certs-only\n" ..
      "Content-Transfer-Encoding: base64\n\n" .. smtplib.base64.encodebytes(bundle), trust())
    assert.is_nil(content)
    assert.matches("nobody signed it", err.message)
  end)

  it("does not trust a stranger", function()
    local content, err = smime.verify(header .. judge.sign(entity, "mallory"), trust())
    assert.is_nil(content)
    assert.equal("SMTPException", err.name)
    assert.matches("mallory", err.message)
  end)

  it("does not trust a signer whose certificate has expired, unless nobody asks", function()
    local raw = judge.sign(entity, "expired")
    local content, err = smime.verify(raw, trust())
    assert.is_nil(content)
    assert.matches("expired.*certificate has expired", err.message)
    assert(smime.verify(raw, trust { verify = false }))
    raw = judge.sign(entity, "alice")
    assert(smime.verify(raw, trust { time = os.time() + 86400 }))
    content, err = smime.verify(raw, trust { time = 2200000000 })
    assert.is_nil(content)
    assert.matches("expired", err.message)
  end)

  it("needs authorities that can be read", function()
    local raw = judge.sign(entity, "alice")
    for name, value in pairs { cafile = "/nonexistent", cadata = "no PEM", certs = "no PEM" } do
      local opts = { [name] = value, cadata = name == "certs" and pem "ca.pem" or value }
      if name == "cafile" then opts.cadata = nil end
      local content, err = smime.verify(raw, opts)
      assert.is_nil(content)
      assert.matches("^" .. name, err.message)
    end
    local content, err = smime.verify(raw, {})
    assert.is_nil(content, "the system's authorities do not know ours")
    assert.matches("issuer certificate", err.message)
  end)

  it("gives what was signed, not what stands around it", function()
    local raw = judge.sign(entity, "alice")
    local evil = "From: alice@example.com\nContent-Type: multipart/mixed; boundary=evil\n\n--evil\n\nforged\n--evil\n" ..
      raw .. "\n--evil--\n"
    assert.is_nil((smime.verify(evil, trust())))
  end)

  for _, case in ipairs {
    { "no signature at all", "From: a@example.com\n\nx\n", "not signed" },
    { "multipart/signed without parts", "Content-Type: multipart/signed; boundary=b\n\nx\n", "two parts" },
    { "a PGP signature", "Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b\n" ..
      "Content-Type: application/pgp-signature\n\nx\n--b--\n", "not S/MIME" },
    { "a signature that is none", "Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b\n" ..
      "Content-Type: application/pkcs7-signature\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n", "" },
    { "nothing", "", "not signed" },
  } do
    it("refuses " .. case[1], function()
      local content, err = smime.verify(case[2], trust())
      assert.is_nil(content)
      assert.matches(case[3], err.message, 1, true)
    end)
  end
end)

describe("encrypt_smime", function()
  for _, maker in ipairs(makers) do
    it("of " .. maker[1] .. " opens by openssl, and by us, for each recipient", function()
      local m = maker[2]()
      assert.equal(m, m:encrypt_smime { certs = { pem "alice.pem", pem "bob.pem" } })
      local raw = wire(m)
      assert.equal("application/pkcs7-mime", m:get_content_type())
      for _, name in ipairs { "alice", "bob" } do
        local content = assert(judge.decrypt(raw, name))
        local inner, err = smime.decrypt(raw, identity(name))
        assert(inner, err)
        assert.equal(content, inner:as_bytes { eol = "\r\n" })
      end
      local none, err = smime.decrypt(raw, identity "plain")
      assert.is_nil(none)
      assert.matches("not encrypted for it", err.message)
    end)
  end

  it("hides the text and keeps the header", function()
    local m = compose { text = "a secret\n" }
    m:encrypt_smime { certfile = judge.path "bob.pem" }
    assert.is_nil(wire(m):find("secret", 1, true))
    assert.equal("Grüße", m["Subject"])
    assert.equal("a secret\n", (assert(smime.decrypt(m, identity "bob")):get_content():gsub("\r\n", "\n")))
  end)

  it("with a signature inside: first signed, then encrypted", function()
    local m = compose { text = "Grüße\n", attachments = { { path = path } } }
    assert(m:sign_smime(identity "alice"))
    assert(m:encrypt_smime { certs = pem "bob.pem" })
    local raw = wire(m)
    assert(judge.verify(assert(judge.decrypt(raw, "bob"))))
    local signed = assert(smime.decrypt(raw, identity "bob"))
    local inner, signers = smime.verify(signed, trust { from = email.message_from_string(raw)["From"] })
    assert(inner, signers)
    assert.is_true(signers[1].from_matches)
    assert.matches("^Gr", inner:get_body():get_content())
  end)

  it("leaves the message as it was when it fails", function()
    for _, opts in ipairs { { certs = "no PEM" }, { certs = pem "web.pem" }, { certs = pem "bob.pem", cipher = "rot13" },
                            { certfile = "/nonexistent" } } do
      local m = compose { text = "Hello\n" }
      local before = wire(m)
      local ok, err = m:encrypt_smime(opts)
      assert.is_nil(ok)
      assert.equal("SMTPException", err.name)
      assert.equal(before, wire(m))
    end
  end)
end)

describe("smime.decrypt of what openssl encrypted", function()
  for _, cipher in ipairs { "-aes128", "-aes256", "-des3", "-aes-256-gcm" } do
    it("with " .. cipher, function()
      for _, name in ipairs { "alice", "bob" } do
        local raw = judge.encrypt("Content-Type: text/plain\r\n\r\nHello\r\n", name, cipher)
        local content, err = smime.decrypt(raw, identity(name))
        assert(content, err)
        assert.matches("Hello", content:get_content())
      end
    end)
  end

  it("says what is wrong with the key", function()
    local raw = judge.encrypt("Content-Type: text/plain\r\n\r\nHello\r\n", "alice")
    local cases = {
      { { cert = pem "alice.pem", key = pem "locked.key" }, "key_password is missing" },
      { { cert = pem "alice.pem", key = pem "locked.key", key_password = "no" }, "does not open it" },
      { { cert = pem "alice.pem", key = pem "bob.key" }, "not its own" },
      { { cert = pem "alice.pem" }, "no private key in it" },
      { { cert = "no PEM", key = pem "alice.key" }, "no certificate in it" },
      { { certfile = "/nonexistent", key = pem "alice.key" }, "/nonexistent" },
      { identity "bob", "not encrypted for it" },
    }
    for _, case in ipairs(cases) do
      local content, err = smime.decrypt(raw, case[1])
      assert.is_nil(content)
      assert.equal("SMTPException", err.name)
      assert.matches(case[2], err.message, 1, true)
    end
    assert(smime.decrypt(raw, { cert = pem "alice.pem" .. pem "alice.key" }))
    assert(smime.decrypt(raw, { certfile = judge.path "alice.pem", keyfile = judge.path "locked.key", key_password = "secret" }))
  end)

  it("gives nothing when a byte was changed under GCM", function()
    local m = compose { text = "Hello\n" }
    if not m:encrypt_smime { certs = pem "bob.pem", cipher = "aes-256-gcm" } then return end
    local raw = wire(m)
    assert.matches("smime-type=authEnveloped-data", raw, 1, true)
    assert(judge.decrypt(raw, "bob"))
    local der = m:get_payload(nil, true)
    local changed = der:sub(1, -30) .. string.char((der:byte(-29) + 1) % 256) .. der:sub(-28)
    local content, err = smime.decrypt("Content-Type: application/pkcs7-mime\n" ..
      "Content-Transfer-Encoding: base64\n\n" .. smtplib.base64.encodebytes(changed), identity "bob")
    assert.is_nil(content)
    assert.matches("^decrypting", err.message)
  end)

  it("refuses what is not encrypted", function()
    for _, raw in ipairs { "", "Subject: x\n\nx\n", "Content-Type: application/pkcs7-mime\n\nx\n" } do
      local content, err = smime.decrypt(raw, identity "bob")
      assert.is_nil(content)
      assert.equal("SMTPException", err.name)
    end
  end)
end)

describe("a signed message that is sent", function()
  for _, has_8bit in ipairs { true, false } do
    it(("arrives as it was signed, %s 8BITMIME"):format(has_8bit and "with" or "without"), function()
      local sink = assert(smtplib.sink.start { extensions = { ["8BITMIME"] = has_8bit } })
      local server = assert(smtplib.SMTP(sink.host, sink.port))
      local m = compose { text = "Grüße \n", attachments = { { path = path } } }
      m:sign_smime(identity "alice")
      assert.same({}, assert(server:send_message(m)))
      -- As a relay would: what arrived is read and sent on.
      local first = sink:messages()[1].data
      local content_type = wire(m):match("\r\n(Content%-Type:.-)\r\n%S")
      assert.truthy(first:find(content_type, 1, true))
      assert.equal(wire(m):match("\r\n\r\n(.*)$"), first:match("\r\n\r\n(.*)$"))
      assert.same({}, assert(server:send_message(email.message_from_string(first))))
      server:quit()
      for _, arrived in ipairs(sink:messages()) do
        assert(judge.verify(arrived.data))
        assert(smime.verify(arrived.data, trust()))
      end
      assert.equal(first, sink:messages()[2].data)
      sink:stop()
    end)
  end
end)
