-- Misrouting by parsers that disagree: the mailboxes of a field are the same to
-- every function that looks at them, and to the server.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local email = smtplib.email
local utils = email.utils

-- The addresses of a To field, by each way that reads one; nil when refused.
local readers = {
  { "getaddresses", function(text)
    local list = utils.getaddresses { text }
    if not list then return nil end
    local found = {}
    for i, pair in ipairs(list) do found[i] = pair[2] end
    return found
  end },
  { "a field assigned, written and read", function(text)
    local m = email.Message()
    if not pcall(function() m["To"] = text end) then return nil end
    local list, found = utils.getaddresses { email.message_from_string(assert(m:as_string()))["To"] }, {}
    for i, pair in ipairs(list or {}) do found[i] = pair[2] end
    return list and found
  end },
  { "send_message", function(text)
    local m = email.message_from_string("From: a@example.org\nTo: " .. text .. "\n\nx\n")
    local server, peer = wire.connect {}
    local before = #peer.sent
    local refused, err = server:send_message(m)
    if not refused then
      assert.equal("none", err.delivery)
      assert.equal("", peer.sent:sub(before + 1))
      return nil
    end
    local found = {}
    for path in peer.sent:gmatch("\nRCPT TO:<(%C-)>\r") do found[#found + 1] = path end
    return found
  end },
}

local function all_agree(text, expected)
  for _, reader in ipairs(readers) do
    assert.same({ expected }, { reader[2](text) }, reader[1] .. " of " .. text)
  end
end

describe("One tokenizer: quoted strings are atoms, whatever they look like (CVE-2025-13033):", function()
  for _, case in ipairs {
    { '"a@evil.example x"@good.example', { '"a@evil.example x"@good.example' } },
    { '"<a@evil.example>" <b@good.example>', { "b@good.example" } },
    { '"a@evil.example, b@evil.example" <c@good.example>', { "c@good.example" } },
    { '"a\\" <b@evil.example>" <c@good.example>', { "c@good.example" } },
    { '"a;b:c" <d@good.example>, e@good.example', { "d@good.example", "e@good.example" } },
    { '"@"@good.example', { '"@"@good.example' } },
  } do
    it(case[1], function() all_agree(case[1], case[2]) end)
  end
end)

describe("Unparsable is an error, not a guess (CVE-2023-27043):", function()
  for _, text in ipairs {
    "alice@a)bob@b", "alice@a.example)bob@b.example", "alice@a.example (bob@b.example", "<alice@a.example> bob@b.example",
    "alice@a.example bob@b.example", "alice@a.example<bob@b.example>", "a@b.example,,c@d.example", "a@b.example,",
    "Doe, John <j@example.org>", "<a@b.example><c@d.example>", "a@b.example;c@d.example", "a@b@c.example", '"a@b.example',
    "<@relay.example:a@b.example", "a@[1.2.3.4", "g: a@b.example", "a: b: c@d.example;;", "user@good.example(x)evil",
  } do
    it(text, function() all_agree(text, nil) end)
  end

  it("as many results as there are mailboxes, or none", function()
    math.randomseed(20)
    local pieces = { "a@b.example", "N <c@d.example>", '"x, y" <e@f.example>', "g: h@i.example;", "(c, d@e)", ",", ";", "<", ">", '"', "@", " " }
    for _ = 1, 300 do
      local chosen = {}
      for i = 1, math.random(1, 7) do chosen[i] = pieces[math.random(#pieces)] end
      local text = table.concat(chosen)
      local list = readers[1][2](text)
      if list then
        local bare = text:gsub('"[^"]*"', "q"):gsub("%b()", ""):gsub("[^@]", "")
        assert.equal(#bare, #list, text)
      end
    end
  end)
end)

describe("Comments never join or split tokens (CVE-2024-24784):", function()
  for _, case in ipairs {
    { "A(, x@evil.example,)B <a@good.example>", { "a@good.example" } },
    { "(x@evil.example) a@good.example", { "a@good.example" } },
    { "a@good.example (x@evil.example, (y@evil.example))", { "a@good.example" } },
    { "a@good.example (\\), x@evil.example, \\()", { "a@good.example" } },
    { "us(x)er@good.example", nil }, { "user@good(x)evil.example", nil }, { "user@good.example(x).evil.example", nil },
    { "user@(x)good.example x", nil },
  } do
    it(case[1], function() all_agree(case[1], case[2]) end)
  end
end)

describe("Encoded-words are decoded in phrases and comments only, and separators are never inside of one (CVE-2025-1795):",
  function()
    for _, case in ipairs {
      { "=?utf-8?q?a=40evil.example=2C?= <b@good.example>", { "b@good.example" } },
      { "=?utf-8?q?=3Ca=40evil.example=3E=2C?= b@good.example", nil },
      { "=?utf-8?q?x=22_=3Ca=40evil.example=3E=2C=22?= <b@good.example>", { "b@good.example" } },
      { "b@good.example (=?utf-8?q?=29=2C_a=40evil.example_=28?=)", { "b@good.example" } },
      { '"=?utf-8?q?=22=2C_a=40evil.example?=" <b@good.example>', { "b@good.example" } },
    } do
      it(case[1], function() all_agree(case[1], case[2]) end)
    end

    it("an addr-spec that looks like one stays what it is", function()
      local text = "=?utf-8?q?admin=40evil.example?=@good.example"
      for _, reader in ipairs(readers) do
        local found = reader[2](text)
        assert.is_true(found == nil or #found == 1 and found[1] == text, reader[1])
      end
    end)

    it("long lists of names that need encoding keep their commas and addresses bare", function()
      local to = {}
      for i = 1, 40 do to[i] = { name = ("N\195\164me, %d; <x%d@evil.example>"):format(i, i), addr = "a" .. i .. "@good.example" } end
      local raw = ("\n" .. assert(email.Message { to = to, text = "x" }:as_string())):match("\nTo: (.-\n)[^ ]")
      local bare, words = raw:gsub("=%?utf%-8%?[bq]%?[^?%s]*%?=", "")
      assert.is_true(words >= 40)
      assert.equal(39, select(2, bare:gsub(",", "")))
      assert.equal(40, select(2, bare:gsub("<a%d+@good%.example>", "")))
      assert.is_nil(bare:find("evil", 1, true))
    end)
  end)

describe("A domain is mapped by UTS #46, non-transitional, or refused, and the A-label can be seen:", function()
  local core = require "smtplib.core"
  if not core.domain_to_ascii("b\195\188cher.example") then return pending("built without libidn2") end

  local function written(domain)
    local m = email.Message()
    m["To"] = "a@" .. domain
    return (m:as_string():match("\nTo: ([^\n]*)") or m:as_string():match("^To: ([^\n]*)"))
  end

  for _, case in ipairs {
    { "fa\195\159.example", "a@xn--fa-hia.example" }, { "B\195\156CHER.example", "a@xn--bcher-kva.example" },
    { "\239\189\133xample.org", "a@example.org" },
  } do
    it(case[1] .. " is the same in a field and in the envelope", function()
      assert.equal(case[2], written(case[1]))
      assert.same({ case[2] }, { readers[3][2]("a@" .. case[1])[1] })
    end)
  end

  for _, domain in ipairs { "so\194\173ft.example", "go\226\128\139od.example", "a\226\132\128.example", "\195\188\226\137\160.example" } do
    it(("%q is refused"):format(domain), function() assert.is_nil(readers[3][2]("a@" .. domain)) end)
  end
end)

describe("A non-ASCII local part needs a reader of UTF-8, or is an error:", function()
  it("an encoded-word never stands for it", function()
    local m = email.Message()
    m["To"] = "\195\164@example.org"
    local text, why = m:as_string { utf8 = false }
    assert.is_true(text == nil or not text:find("=?", 1, true))
    if text == nil then assert.matches("To", why.message) end
    assert.matches("\nTo: \195\164@example.org\n", "\n" .. m:as_string { utf8 = true })
    assert.same({ "\195\164@example.org" }, readers[3][2]("\195\164@example.org"))
    local server, peer = wire.connect { extensions = { SMTPUTF8 = false } }
    local refused, err = server:sendmail("a@example.org", "\195\164@example.org", "x")
    assert.is_nil(refused)
    assert.is_true(smtplib.is_error(err, smtplib.SMTPNotSupportedError))
    assert.is_nil(peer.sent:find("MAIL", 1, true))
  end)
end)
