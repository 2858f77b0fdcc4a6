-- The parts of DKIM in the core: canonical forms at every cut, tag lists, keys,
-- the field that is written.
local core = require "smtplib.core"
local judge = require "spec.email.dkim_judge"

local dkim = core.dkim

-- The hash of a body that comes in the given pieces.
local function body_hash(canon, pieces)
  local reader = dkim.reader()
  assert.equal("", reader:header("A: b\r\n\r\n"))
  assert.is_true(reader:want(canon))
  for _, piece in ipairs(pieces) do assert(reader:body(piece)) end
  assert(reader:finish())
  return reader:hash(canon)
end

local bodies = {
  -- what                             body                      simple                     relaxed
  { "nothing",                        "",                       "\r\n",                    "" },
  { "one line end",                   "\r\n",                   "\r\n",                    "" },
  { "empty lines alone",              "\r\n\r\n\r\n",           "\r\n",                    "" },
  { "lines of white space alone",     " \r\n\t\r\n",            " \r\n\t\r\n",             "" },
  { "no line end at the end",         "a",                      "a\r\n",                   "a\r\n" },
  { "one line",                       "a\r\n",                  "a\r\n",                   "a\r\n" },
  { "empty lines at the end",         "a\r\n\r\n\r\n",          "a\r\n",                   "a\r\n" },
  { "empty lines within",             "a\r\n\r\n\r\nb\r\n",     "a\r\n\r\n\r\nb\r\n",      "a\r\n\r\n\r\nb\r\n" },
  { "empty lines before",             "\r\n\r\na\r\n",          "\r\n\r\na\r\n",           "\r\n\r\na\r\n" },
  { "white space at a line's end",    "a \t\r\nb  ",            "a \t\r\nb  \r\n",         "a\r\nb\r\n" },
  { "white space within",             "a \t b\tc\r\n",          "a \t b\tc\r\n",           "a b c\r\n" },
  { "white space at a line's start",  " \t a\r\n\tb\r\n",       " \t a\r\n\tb\r\n",        " a\r\n b\r\n" },
  { "a last line of white space",     "a\r\n \t \r\n",          "a\r\n \t \r\n",           "a\r\n" },
  { "a lone CR",                      "a\rb\r\r\n",             "a\rb\r\r\n",              "a\rb\r\r\n" },
  { "a CR at the end",                "a\r",                    "a\r\r\n",                 "a\r\r\n" },
  { "a CR after white space",         "a \r\rb \r",             "a \r\rb \r\r\n",          "a \r\rb \r\r\n" },
  { "lone LFs, as in a file",         "a \n\n b\n\n",           "a \r\n\r\n b\r\n",        "a\r\n\r\n b\r\n" },
  { "8-bit bytes and NUL",            "\0\255 \128\r\n",        "\0\255 \128\r\n",         "\0\255 \128\r\n" },
  { "the example of section 3.4.5",   " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n",    " C\r\nD E\r\n" },
}

describe("the canonical form of a body (RFC 6376 section 3.4)", function()
  for _, case in ipairs(bodies) do
    for i, canon in ipairs { "simple", "relaxed" } do
      it(("%s, %s: the same at every cut"):format(case[1], canon), function()
        local body, expected = case[2], case[2 + i]
        local hash = core.digest("sha256", expected)
        local bytes = {}
        for n = 1, #body do bytes[n] = body:sub(n, n) end
        local got, length = body_hash(canon, bytes)
        assert.equal(hash, got)
        assert.equal(#expected, length)
        for cut = 0, #body do assert.equal(hash, (body_hash(canon, { body:sub(1, cut), body:sub(cut + 1) }))) end
      end)
    end
  end

  it("is computed in long runs as in short ones, and empty lines take no memory", function()
    local long = ("x"):rep(5000) .. ("\r\n"):rep(70000) .. ("y "):rep(3000) .. "z"
    assert.equal(core.digest("sha256", long .. "\r\n"), (body_hash("simple", { long })))
    assert.equal(core.digest("sha256", long .. "\r\n"), (body_hash("relaxed", { long })))
  end)

  it("has the published hashes of no body (sections 3.4.3 and 3.4.4)", function()
    assert.equal("frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=", core.base64_encode((body_hash("simple", {}))))
    assert.equal("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", core.base64_encode((body_hash("relaxed", {}))))
  end)
end)

-- A reader of that header, given in two pieces.
local function read_header(header, cut)
  local reader = dkim.reader()
  local rest = reader:header(header:sub(1, cut))
  if not rest then rest = reader:header(header:sub(cut + 1)) end
  return reader, rest
end

local OWN = "DKIM-Signature: v=1; b="

-- What is signed, without the signature's own field.
local function signed(header, names, canon)
  local reader = read_header(header, #header)
  local input = assert(reader:input(names, canon, OWN))
  local own = canon == "simple" and OWN or "dkim-signature:v=1; b="
  assert.equal(own, input:sub(-#own))
  return input:sub(1, -#own - 1)
end

describe("the canonical form of a header field (RFC 6376 section 3.4)", function()
  local fields = {
    -- what                        field                          relaxed
    { "the name's case",           "SUBJect: AbC",                "subject:AbC" },
    { "white space at the colon",  "A \t: \t x",                  "a:x" },
    { "none at the colon",         "A:x",                         "a:x" },
    { "white space within",        "A: x \t y",                   "a:x y" },
    { "white space at the end",    "A: x \t ",                    "a:x" },
    { "folds",                     "A: x\r\n y\r\n\t z",          "a:x y z" },
    { "a fold at once",            "A:\r\n x",                    "a:x" },
    { "a fold at the end",         "A: x\r\n ",                   "a:x" },
    { "no value",                  "A:",                          "a:" },
    { "only white space",          "A: \t ",                      "a:" },
    { "a colon in the value",      "A: x : y",                    "a:x : y" },
    { "8-bit bytes",               "A: \195\188",                 "a:\195\188" },
  }

  for _, case in ipairs(fields) do
    it(("%s: relaxed, or as it is"):format(case[1]), function()
      local header = case[2] .. "\r\n\r\n"
      assert.equal(case[3] .. "\r\n", signed(header, "a:subject", "relaxed"))
      assert.equal(case[2] .. "\r\n", signed(header, "a:subject", "simple"))
      assert.equal(case[2] .. "\r\n", signed(header:gsub("\r\n", "\n"), "a:subject", "simple"))
    end)
  end

  it("the example of section 3.4.5", function()
    local header = "A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n"
    assert.equal("a:X\r\nb:Y Z\r\n", signed(header, "A:B", "relaxed"))
    assert.equal("A: X\r\nB : Y\t\r\n\tZ  \r\n", signed(header, "A:B", "simple"))
  end)
end)

describe("the fields that a signature signs (RFC 6376 section 5.4.2)", function()
  local header = "X: 1\r\nY: 2\r\nx: 3\r\nDKIM-Signature: v=1; b=old\r\n\r\n"

  for _, case in ipairs {
    -- names          signed
    { "x",            "x:3\r\n" },
    { "x:x",          "x:3\r\nx:1\r\n" },
    { "x:x:x",        "x:3\r\nx:1\r\n" },
    { "y:x:y",        "y:2\r\nx:3\r\n" },
    { "none",         "" },
    { " X :\r\n\tY ", "x:3\r\ny:2\r\n" },
    { "dkim-signature", "dkim-signature:v=1; b=old\r\n" },
  } do
    it(("h=%s"):format((case[1]:gsub("%c", "?"))), function()
      assert.equal(case[2], signed(header, case[1], "relaxed"))
    end)
  end

  it("never the signature itself", function()
    local reader = read_header(header, 3)
    assert.equal("dkim-signature:v=1; b=", reader:input("dkim-signature", "relaxed", OWN, 4))
  end)

  it("are bounded in number", function()
    local reader = read_header(header, 3)
    local input, name = reader:input(("x:"):rep(600), "relaxed", OWN)
    assert.is_nil(input)
    assert.equal("too_long", name)
  end)
end)

describe("b= is taken out of the signature", function()
  for _, case in ipairs {
    -- field                                        what is signed (relaxed)
    { "DKIM-Signature: b=abc; v=1",                 "dkim-signature:b=; v=1" },
    { "DKIM-Signature: v=1; b=abc",                 "dkim-signature:v=1; b=" },
    { "DKIM-Signature: v=1; b= a\r\n b \r\n c ; d=x", "dkim-signature:v=1; b=; d=x" },
    { "DKIM-Signature: v=1; bh=abc; b=abc; bb=b=",  "dkim-signature:v=1; bh=abc; b=; bb=b=" },
    { "DKIM-Signature: v=1; b =abc;",               "dkim-signature:v=1; b =;" },
  } do
    it(case[1]:gsub("%c", "?"), function()
      local reader = read_header("A: b\r\n\r\n", 3)
      assert.equal(case[2], reader:input("none", "relaxed", case[1]))
    end)
  end

  it("and only where it is a tag", function()
    local reader = read_header("A: b\r\n\r\n", 3)
    for _, own in ipairs { "DKIM-Signature: v=1", "DKIM-Signature: v=1; B=x", "no field", "X: b=1; b=2" } do
      assert.is_nil((reader:input("none", "relaxed", own)))
    end
  end)
end)

describe("a header in pieces", function()
  it("ends at the same byte at every cut", function()
    local header, body = "From: a\r\n b\r\nTo: c\r\n\r\n", "body\r\n\r\n"
    for cut = 0, #header - 1 do
      local reader, rest = read_header(header .. body, cut)
      assert.equal(body, rest)
      assert.equal(2, reader:count())
      assert.same({ "From", "From: a\r\n b" }, { reader:field(1) })
      assert.is_false(reader:is_malformed())
    end
  end)

  it("may begin with an mbox line, and else has fields only", function()
    for header, malformed in pairs {
      ["From x Mon Nov 23 20:08:22 2026\nA: b\n\n"] = false, ["A: b\nFrom x\n\n"] = true, ["A b\n\n"] = true,
      [" A: b\n\n"] = true, [": b\n\n"] = true, ["A B: c\n\n"] = true, ["A : c\n\n"] = false, ["\n"] = false,
    } do
      assert.equal(malformed, read_header(header, #header):is_malformed(), header)
    end
  end)

  it("is bounded", function()
    local reader, name = dkim.reader(), nil
    for _ = 1, 20 do
      local _, why = reader:header("A: " .. ("x"):rep(60000) .. "\r\n")
      name = name or why
    end
    assert.equal("too_long", name)
    assert.equal("too_long", (select(2, dkim.reader():header(("A:\r\n"):rep(10001)))))
  end)
end)

describe("a tag list (RFC 6376 section 3.2)", function()
  for list, expected in pairs {
    ["a=b"] = { a = "b" },
    ["a=b;"] = { a = "b" },
    [" a\t=\r\n b ; c_1 = d e\r\n\tf ; "] = { a = "b", c_1 = "d e\tf" },
    ["a=;b="] = { a = "", b = "" },
    ["a==x=;A=y"] = { a = "=x=", A = "y" },
    ["a=\195\188"] = { a = "\195\188" },
  } do
    it(("%q is one"):format(list), function() assert.same(expected, (dkim.tags(list))) end)
  end

  for _, list in ipairs {
    "", " ", ";", "a", "a;b=c", "=b", "a=b;;c=d", ";a=b", "a=b;c", "1a=b", "a-b=c", "a=b; a=c", "a=b\r\nc=d", "a=b\0",
    "a=b\r\n", "a=\127", "a=\255", "a=b\rc", "a b=c", "_a=b",
  } do
    it(("%q is none"):format(list), function() assert.is_nil((dkim.tags(list))) end)
  end

  it("tells which tag is the first", function()
    assert.equal("v", (select(2, dkim.tags("v=1; a=b"))))
  end)

  it("is bounded", function()
    local list = {}
    for i = 1, 65 do list[i] = "t" .. i .. "=x" end
    assert.is_nil((dkim.tags(table.concat(list, ";"))))
  end)
end)

describe("a key", function()
  for name, kind in pairs { rsa = "rsa", rsa8 = "rsa", ed25519 = "ed25519" } do
    it(name .. " is read, signs, and is known by its record", function()
      local key = assert(dkim.key(judge.key(name)))
      assert.equal(kind, key:kind())
      local signature = assert(key:sign("input"))
      local public = assert(dkim.public_key(kind, key:record()))
      assert.is_true(public:verifies("input", signature))
      assert.is_false(public:verifies("inpud", signature))
      assert.is_false(public:verifies("input", signature:sub(2)))
      assert.is_false(public:verifies("input", ""))
      assert.is_nil((public:sign("input")))
    end)
  end

  for _, name in ipairs { "secret", "secret1" } do
    it(name .. " wants its password, and never asks at the terminal", function()
      assert.equal("rsa", assert(dkim.key(judge.key(name), "secret")):kind())
      assert.equal("the key is encrypted, and no password was given", (select(3, dkim.key(judge.key(name)))))
      assert.equal("the key's password is wrong, or the key is damaged", (select(3, dkim.key(judge.key(name), "wrong"))))
      assert.is_nil((dkim.key(judge.key(name), ("x"):rep(5000))))
    end)
  end

  it("of RFC 8463 is read from its 32 bytes", function()
    local key = assert(dkim.key("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n"))
    assert.equal("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", core.base64_encode(key:record()))
  end)

  for name, text in pairs {
    ["of 512 bits"] = judge.key("small"), ["of a third kind"] = judge.key("ec"), ["of a few bytes"] = "AAAA",
    ["that is none"] = "no key", ["that is empty"] = "", ["cut off"] = judge.rsa:sub(1, 500),
  } do
    it(name .. " is refused (RFC 8301)", function()
      local key, why, sentence = dkim.key(text)
      assert.is_nil(key)
      assert.equal("argument", why)
      assert.is_truthy(#sentence > 10)
    end)
  end

  it("that is public is refused when something follows it, or when it is of another kind", function()
    local rsa, ed = dkim.key(judge.rsa):record(), dkim.key(judge.ed25519):record()
    for _, case in ipairs { { "rsa", rsa .. "x" }, { "rsa", ed }, { "ed25519", rsa }, { "ed25519", ed .. "x" }, { "rsa", "" },
      { "rsa", dkim.key(judge.rsa):record():sub(1, -2) } } do
      assert.is_nil((dkim.public_key(case[1], case[2])))
    end
  end)

  it("of RSA may be published as a bare RSAPublicKey", function()
    local key = dkim.key(judge.rsa)
    local bare = key:record():sub(25) -- behind the algorithm and the bit string's head
    assert.is_true(assert(dkim.public_key("rsa", bare)):verifies("x", key:sign("x")))
  end)
end)

describe("the field that is written", function()
  local hash = ("\1"):rep(32)

  local function write(domain, selector, identity, names)
    return dkim.write("rsa", "relaxed", "simple", domain or "example.com", selector or "s", identity, 1, 2, hash,
      names or "From:To")
  end

  it("has lines of at most 78 characters and reads back", function()
    local names = ("List-Unsubscribe-Post:"):rep(30) .. "From"
    local field = write("example.com", "selector", "me@sub.example.com", names) .. dkim.signature(("\255"):rep(256))
    for line in (field .. "\r\n"):gmatch("(.-)\r\n") do assert.is_true(#line <= 78, line) end
    local tags = assert(dkim.tags(field:match(":(.*)")))
    assert.equal("1", tags.v)
    assert.equal("me@sub.example.com", tags.i)
    assert.equal(names, (tags.h:gsub("%s", "")))
    assert.equal(core.base64_encode(("\255"):rep(256)), (tags.b:gsub("%s", "")))
    assert.equal(core.base64_encode(hash), tags.bh)
    assert.is_nil(tags.l)
  end)

  it("quotes the identity", function()
    assert.matches('i="a=20b=3B=3D"@example%.com;', (write(nil, nil, '"a b;="@example.com')))
  end)

  for _, case in ipairs {
    { "the domain", { "example.com; s=x" } }, { "the domain", { "a\r\nb" } }, { "the domain", { "" } },
    { "the domain", { "a b" } }, { "the domain", { "\195\188.example" } }, { "the domain", { "example.com." } },
    { "the selector", { nil, "a;b=c" } }, { "the selector", { nil, "a\n" } }, { "the selector", { nil, "" } },
    { "the selector", { nil, (("x"):rep(60) .. "."):rep(3) .. ("y"):rep(60) } },
    { "the identity", { nil, nil, "me@other.example" } }, { "the identity", { nil, nil, "me@notexample.com" } },
    { "the identity", { nil, nil, "example.com" } }, { "the identity", { nil, nil, "a\r\nb@example.com" } },
    { "the identity", { nil, nil, "a\255@example.com" } },
    { "a header", { nil, nil, nil, "From:To;" } }, { "a header", { nil, nil, nil, "From::To" } },
    { "a header", { nil, nil, nil, "" } }, { "a header", { nil, nil, nil, "From:a b" } },
    { "a header", { nil, nil, nil, "From\r\n" } },
  } do
    it(("cannot be left by %s (nodemailer's DKIM tags)"):format(case[1]), function()
      local field, name, sentence = write(case[2][1], case[2][2], case[2][3], case[2][4])
      assert.is_nil(field)
      assert.equal("header", name)
      assert.matches(case[1], sentence)
    end)
  end
end)
