-- Addresses: what an envelope takes and refuses, what a header's list means,
-- and the security rules on both by their names.
local core = require "smtplib.core"
local probe = require "spec.base.probe"

-- assert.are.equal, at a cost only when it fails: for the loops.
local function same(expected, value, what)
  if expected ~= value then assert.are.equal(expected, value, what) end
end

local A64 = ("a"):rep(64)
local label = ("d"):rep(63)

describe("parse_path", function()
  local cases = {
    -- given, addr-spec, kind
    { "", "", "ascii" },
    { "<>", "", "ascii" },
    { "a@b", "a@b", "ascii" },
    { "<a@b>", "a@b", "ascii" },
    { "  <a@b>  ", "a@b", "ascii" },
    { "Foo Bar <a@b>", "a@b", "ascii" },
    { "Foo<a@b>", "a@b", "ascii" },
    { '"Foo, Bar" <a@b>', "a@b", "ascii" },
    { 'Foo "B" Bar <a@b>', "a@b", "ascii" },
    { "J. Q. Public <a@b>", "a@b", "ascii" },
    { "Grüße <a@b>", "a@b", "ascii" },
    { "=?utf-8?q?x?= <a@b>", "a@b", "ascii" },
    { "a@b (c)", "a@b", "ascii" },
    { "(c) a@b", "a@b", "ascii" },
    { "(c (d) \\) e) a@b (f)(g)", "a@b", "ascii" },
    { "a.b.c@d.e", "a.b.c@d.e", "ascii" },
    { "!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~@b", "ascii" },
    { "postmaster", "postmaster", "ascii" },
    { "<postmaster>", "postmaster", "ascii" },
    { "Foo <foo>", "foo", "ascii" },
    { '"a"@b', "a@b", "ascii" },
    { '"a.b"@c', "a.b@c", "ascii" },
    { '"a b"@c', '"a b"@c', "ascii" },
    { '"a..b"@c', '"a..b"@c', "ascii" },
    { '".a"@c', '".a"@c', "ascii" },
    { '""@c', '""@c', "ascii" },
    { '"\\a\\b"@c', "ab@c", "ascii" },
    { '"a\\"b\\\\"@c', '"a\\"b\\\\"@c', "ascii" },
    { '"<a@b>"@c', '"<a@b>"@c', "ascii" },
    { "a@[192.0.2.1]", "a@[192.0.2.1]", "ascii" },
    { "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", "ascii" },
    { "a@[ipv6:::]", "a@[ipv6:::]", "ascii" },
    { "a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:::ffff:192.0.2.1]", "ascii" },
    { "a@[IPv6:1:2:3:4:5:6:7:8]", "a@[IPv6:1:2:3:4:5:6:7:8]", "ascii" },
    { "a@x-y.z9", "a@x-y.z9", "ascii" },
    { "a@under_score.example", "a@under_score.example", "ascii" },
    { "é@b", "é@b", "utf8" },
    { '"é ü"@b', '"é ü"@b', "utf8" },
    { "é@bücher.example", "é@bücher.example", "utf8" },
    { "a@bücher.example", "a@bücher.example", "idna" },
    { A64 .. "@b", A64 .. "@b", "ascii" },
    { '"' .. ("a"):rep(61) .. ' "@b', '"' .. ("a"):rep(61) .. ' "@b', "ascii" },
    { "a@" .. label .. ".x", "a@" .. label .. ".x", "ascii" },
    { "a@" .. (label .. "."):rep(3) .. ("d"):rep(60), "a@" .. (label .. "."):rep(3) .. ("d"):rep(60), "ascii" },
  }
  for _, case in ipairs(cases) do
    it(("takes '%s'"):format(case[1]:sub(1, 60)), function()
      local spec, kind = core.parse_path(case[1])
      assert.are.equal(case[2], spec)
      assert.are.equal(case[3], kind)
    end)
  end

  local refused = {
    -- given, what the sentence says
    { "  <a@b", "no > after the address" },
    { "Foo <foo", "no > after the address" },
    { "a@b>", "something follows the address" },
    { "<a@b>>", "something follows the address" },
    { "a@b, c@d", "more than one address" },
    { "a@b,", "more than one address" },
    { ",a@b", "no address where one is due" },
    { "x <a@b> <c@d>", "something follows the address" },
    { "a@b <c@d>", "something follows the address" },
    { "a b@c", "several words without < and >" },
    { "a b", "several words without < and >" },
    { "group: a@b;", "a group" },
    { "group:;", "a group" },
    { "a@b;", "something follows the address" },
    { "<", "no address after the <" },
    { "< >", "no address after the <" },
    { "Name <>", "no address after the <" },
    { " ", "no address" },
    { "(c)", "no address" },
    { "@b", "no address where one is due" },
    { "a@", "no domain after the @" },
    { "a@b@c", "something follows the address" },
    { ".a@b", "misplaced dot" },
    { "a.@b", "misplaced dot" },
    { "a..b@c", "misplaced dot" },
    { "a@.b", "bad domain" },
    { "a@b.", "bad domain" },
    { "a@b..c", "bad domain" },
    { "a@-b", "bad domain" },
    { "a@b-.c", "bad domain" },
    { "a@b!c", "bad domain" },
    { "a@x" .. label .. ".x", "bad domain" },
    { 'a@"b"', "no domain after the @" },
    { '"a"', "quoted string without a domain" },
    { '"a"b@c', "several words without < and >" },
    { 'a"b"@c', "several words without < and >" },
    { '"a@b', "quoted string without its end" },
    { '"a\\', "bad escape" },
    { '"a\\é"@b', "bad escape" },
    { "a(b@c", "comment without its )" },
    { "a(b\\)@c", "comment without its )" },
    { "a)b@c", "stray special character" },
    { "a\\b@c", "stray special character" },
    { "a]b@c", "stray special character" },
    { "a@[1.2.3]", "bad address literal" },
    { "a@[1.2.3.256]", "bad address literal" },
    { "a@[1.2.3.4.5]", "bad address literal" },
    { "a@[1.2.3.4", "bad address literal" },
    { "a@[1.2.3.4]x", "something follows the address" },
    { "a@[ 1.2.3.4]", "bad address literal" },
    { "a@[::1]", "bad address literal" },
    { "a@[IPv6:1:2:3:4:5:6:7]", "bad address literal" },
    { "a@[IPv6:1:2:3:4:5:6:7:8:9]", "bad address literal" },
    { "a@[IPv6:1::2::3]", "bad address literal" },
    { "a@[IPv6:1:2:3:4:5:6:7::8]", "bad address literal" },
    { "a@[IPv6:12345::]", "bad address literal" },
    { "a@[IPv6::1]", "bad address literal" },
    { "a@[IPv6:1:]", "bad address literal" },
    { "a@[tag:x]", "bad address literal" },
    { "a@[]", "bad address literal" },
    { "\255@b", "not UTF-8" },
    { "a@\237\160\128.b", "not UTF-8" },
    { "Name \192\138 <a@b>", "not UTF-8" },
    { "a\194\133b@c", "control character" },
    { "a@b\194\133c", "bad domain" },
  }
  for _, case in ipairs(refused) do
    it(("refuses '%s': %s"):format(case[1]:sub(1, 60), case[2]), function()
      local spec, name, sentence = core.parse_path(case[1])
      assert.is_nil(spec)
      assert.are.equal("address", name)
      assert.truthy(sentence:find("(" .. case[2] .. ")", 1, true), sentence)
    end)
  end

  it("names the address in its sentence, safe to print", function()
    local _, _, sentence = core.parse_path("a\r\n\0\127\255ü@b")
    assert.are.equal("not a valid address: 'a\\x0D\\x0A\\x00\\x7F\\xFFü@b' (control character)", sentence)
    _, _, sentence = core.parse_path(("ü"):rep(100) .. "@@")
    assert.are.equal("not a valid address: '" .. ("ü"):rep(40) .. "...' (local part longer than 64 octets)", sentence)
  end)

  it("is the same for what it wrote itself", function()
    for _, case in ipairs(cases) do
      assert.are.equal(case[2], (core.parse_path(case[2])))
      assert.are.equal(case[2], (core.parse_path("<" .. case[2] .. ">")))
      assert.are.equal("<" .. case[2] .. ">", (core.quote_path(case[1])))
    end
  end)

  it("reads any row of special characters the same with and without brackets, or not at all", function()
    local alphabet = { "a", "b", ".", "@", '"', "\\", "(", ")", "<", ">", ",", ";", ":", "[", "]", " ", "é" }
    local state = 1
    local function draw(n)
      state = (state * 16807) % 2147483647
      return state % n + 1
    end
    local taken = 0
    for _ = 1, 20000 do
      local text = {}
      for i = 1, draw(9) do text[i] = alphabet[draw(#alphabet)] end
      local s = table.concat(text)
      local spec = core.parse_path(s)
      if spec and spec ~= "" then
        taken = taken + 1
        same(spec, (core.parse_path("<" .. spec .. ">")), s)
        same(spec, (core.parse_path("x <" .. spec .. "> (y)")), s)
        local list = core.parse_mailboxes(s)
        same(spec, list and #list == 1 and list[1].addr, s)
      end
    end
    assert.is_true(taken > 500)
  end)
end)

describe("parse_mailboxes", function()
  local function flat(list)
    local out = {}
    for _, m in ipairs(list) do
      out[#out + 1] = ("%s|%s%s"):format(m.name, m.addr, m.group and "|" .. m.group or "")
    end
    return table.concat(out, " / ")
  end

  local cases = {
    { "", "" },
    { "a@b", "|a@b" },
    { "a@b, c@d", "|a@b / |c@d" },
    { "A <a@b>,B<c@d>", "A|a@b / B|c@d" },
    { '"A, B" <a@b>', "A, B|a@b" },
    { '"q\\"\\\\x" <a@b>', 'q"\\x|a@b' },
    { '"A"  B (c) D <a@b>', "A B D|a@b" },
    { "J. Q. Public <a@b>", "J. Q. Public|a@b" },
    { "é ü <a@b>", "é ü|a@b" },
    { '"tab\there" <a@b>', "tab\there|a@b" },
    { "=?utf-8?q?A=2C?= <a@b>", "=?utf-8?q?A=2C?=|a@b" },
    { "a@b (Name)", "Name|a@b" },
    { "a@b (N (x) \\) y)", "N (x) ) y|a@b" },
    { "(one) a@b (two), (three) c@d", "one two|a@b / three|c@d" },
    { "A (x) <a@b>", "A|a@b" },
    { "John\t<a @ b>", "John|a@b" },
    { "g:;", "" },
    { "g: a@b;", "|a@b|g" },
    { "g: a@b, C <c@d>; , x@y", "|a@b|g / C|c@d|g / |x@y" },
    { '"g h" i: a@b;, j: c@d;', "|a@b|g h i / |c@d|j" },
    { "root, admin", "|root / |admin" },
    { 'a@b, "x y"@c', '|a@b / |"x y"@c' },
  }
  for _, case in ipairs(cases) do
    it(("reads '%s'"):format(case[1]), function()
      local list, _, sentence = core.parse_mailboxes(case[1])
      assert.is_table(list, sentence)
      assert.are.equal(case[2], flat(list))
    end)
  end

  local refused = {
    { "a@b,", "no address where one is due" },
    { ",", "no address where one is due" },
    { "a@b,,c@d", "no address where one is due" },
    { "a@b c@d", "something follows the address" },
    { "g: a@b", "group without its ;" },
    { "g: h: a@b;;", "group inside of a group" },
    { "g: a@b,;", "no address where one is due" },
    { ": a@b;", "group without a name" },
    { "g:; a@b", "something follows the address" },
    { "g:;;", "something follows the address" },
    { "a@b;", "something follows the address" },
    { "<@r1,@r2:a@b>", "source route" },
    { "a@b\r\n, c@d", "control character" },
    { "a . b@c", "several words without < and >" },
    { '"a\tb"@c', "control character" },
    { "Doe, John <j@x>", "an address without a domain among others" },
  }
  for _, case in ipairs(refused) do
    it(("refuses '%s': %s"):format(case[1], case[2]), function()
      local list, name, sentence = core.parse_mailboxes(case[1])
      assert.is_nil(list)
      assert.are.equal("address", name)
      assert.truthy(sentence:find("(" .. case[2] .. ")", 1, true), sentence)
    end)
  end
end)

describe("a display name", function()
  local cases = {
    { "Foo", "Foo" },
    { "Foo Bar", "Foo Bar" },
    { "Grüße", "Grüße" },
    { "O'Brien", "O'Brien" },
    { "Foo, Bar", '"Foo, Bar"' },
    { "J. Q.", '"J. Q."' },
    { 'a"b\\c', '"a\\"b\\\\c"' },
    { " a", '" a"' },
    { "a  b", '"a  b"' },
    { "", '""' },
    { "a@b", '"a@b"' },
  }
  for _, case in ipairs(cases) do
    it(("is written %s"):format(case[2]), function()
      assert.are.equal(case[2], core.phrase(case[1]))
      assert.are.equal(case[1], core.parse_mailboxes(case[2] .. " <a@b>")[1].name)
    end)
  end

  it("with a line break in it is refused", function()
    local phrase, name = core.phrase("a\r\nBcc: x")
    assert.is_nil(phrase)
    assert.are.equal("header", name)
  end)
end)

describe("Security rule:", function()
  local function refuses(s)
    local spec, name = core.parse_path(s)
    if spec then error(("%q became %q"):format(s, spec), 2) end
    same("address", name)
  end

  it("every byte 0x00-0x1F and 0x7F is rejected in an address, wherever it stands", function()
    local forms = { "%sa@b", "a%s@b", "a@%sb", "a@b%s", "<a@b%s>", "<a@b>%s", "N%s <a@b>", '"%s"@b', '"a\\%s"@b', "a@b (%s)", '"N%s" <a@b>', "a@[1.2.3.4%s]" }
    for _, form in ipairs(forms) do
      for c = 0, 127 do
        if c < 32 or c == 127 then refuses((form:gsub("%%s", function() return string.char(c) end))) end
      end
    end
  end)

  it("quoted-string content is limited to qtextSMTP", function()
    for c = 0, 255 do
      local s = '"x ' .. string.char(c) .. '"@b'
      local spec = core.parse_path(s)
      local good = c >= 32 and c <= 126 and c ~= 34 and c ~= 92
      assert.are.equal(good and s or nil, spec, "byte " .. c)
    end
  end)

  it("code points are never narrowed: U+760D and U+760A stay three bytes", function()
    assert.are.equal("a瘍瘊b@c", (core.parse_path("a瘍瘊b@c")))
  end)

  it("the local part is quoted anew, so a > cannot end the path", function()
    assert.are.equal('<"b> NOTIFY=NEVER"@y>', (core.quote_path('"b> NOTIFY=NEVER"@y')))
    refuses("b@y> NOTIFY=NEVER")
    refuses("<b@y> NOTIFY=NEVER>")
  end)

  it("a > or space outside of quotes is an error", function()
    for _, s in ipairs({ "a>b@c", "a@b>c", "a @b", "a@ b", "< a@b>", "<a@b >", "a b@c", "a@b SIZE=1", "a@b c" }) do refuses(s) end
  end)

  it("the lengths of RFC 5321 hold: local part 64, domain 255, path 256", function()
    assert.are.equal(A64 .. "@b", (core.parse_path(A64 .. "@b")))
    refuses(A64 .. "a@b")
    refuses('"' .. ("a "):rep(32) .. '"@b')
    refuses(A64 .. "é@b")
    local domain = (label .. "."):rep(2) .. ("d"):rep(61)
    assert.are.equal(254, #core.parse_path(A64 .. "@" .. domain))
    refuses(A64 .. "@" .. domain .. "d")
    refuses("a@" .. (label .. "."):rep(4) .. "d")
    refuses("a@" .. ("d."):rep(1000) .. "d")
  end)

  it("a quoted string is an atom: an address inside of it is not one", function()
    assert.are.equal('"a@evil x"@good', (core.parse_path('"a@evil x"@good')))
    assert.are.equal("b@y", (core.parse_path('"<a@x>" <b@y>')))
    assert.are.equal("b@y", core.parse_mailboxes('"a@x, c@z" <b@y>')[1].addr)
    assert.are.equal(1, #core.parse_mailboxes('"a@x, c@z" <b@y>'))
  end)

  it("unparsable is an error, not a guess", function()
    refuses("alice@a)bob@b")
    refuses("<alice@a>bob@b")
    refuses("alice@a<bob@b>")
    assert.is_nil((core.parse_mailboxes("alice@a)bob@b")))
    assert.is_nil((core.parse_mailboxes("alice@example.org, )bob@example.org")))
  end)

  it("comments never join or split tokens", function()
    refuses("user@good(x)evil")
    refuses("us(x)er@good")
    refuses("user(x)@good")
    refuses("user@(x)good")
    refuses("user@good(x).evil")
    assert.are.equal("A B", core.parse_mailboxes("A(, c@d,)B <a@b>")[1].name)
    assert.are.equal(1, #core.parse_mailboxes("A(, c@d,)B <a@b>"))
    assert.are.equal("b@y", core.parse_mailboxes("(a@x) b@y")[1].addr)
    assert.is_nil((core.parse_mailboxes("user@good(x)evil")))
  end)

  it("obsolete forms are rejected in envelopes", function()
    for _, s in ipairs({ "<@relay:a@b>", "@relay:a@b", 'a."b"@c', '"a"."b"@c', "a . b@c", "a@b . c", "a@[1.2.3.4 ]" }) do refuses(s) end
  end)

  it("encoded-words in addr-specs are never decoded", function()
    local s = "=?utf-8?q?admin=40evil=2Eexample?=@good.example"
    assert.are.equal(s, (core.parse_path(s)))
    assert.are.equal(s, core.parse_mailboxes(s)[1].addr)
  end)

  it("a group is no envelope address, and does not nest", function()
    refuses("g: a@b;")
    assert.is_nil((core.parse_mailboxes("a: b: c: d@e;;;")))
  end)

  it("parsers take linear time: twice the input, about twice the instructions", function()
    if not probe.has("valgrind") then return pending("valgrind is not installed") end
    local hostile = {
      -- parser, before, what is repeated, after
      { "path", "", "(", "" },
      { "path", "", "(x)", " a@b" },
      { "list", "a", "()", "@b" },
      { "path", '"', "\\\\", '"@b' },
      { "list", "", '"a"', " <a@b>" },
      { "list", "", "a ", "<a@b>" },
      { "list", "", "a@b,", "a@b" },
      { "list", "", "g:;,", "a@b" },
      { "list", "", "a:", "" },
      { "list", "", "<", "" },
      { "path", "", "a.", "a@b" },
      { "path", "", "é", "@b" },
      { "date", "Mon, 1 Jan 2020", "(", "" },
      { "date", "Mon, 1 Jan 2020 ", "()", "" },
    }
    local function ratio(cases)
      local lines, counts = {}, {}
      for i, case in ipairs(cases) do lines[i] = table.concat(case, "\t") .. "\n" end
      for i, times in ipairs({ 0, 2000, 4000 }) do
        counts[i] = probe.instructions(table.concat(lines), "repeat " .. times)
      end
      return (counts[3] - counts[1]) / (counts[2] - counts[1])
    end
    local all = ratio(hostile)
    assert.is_true(all > 1.5)
    if all < 2.3 then return probe.remove() end
    -- Not linear: which one?
    for _, case in ipairs(hostile) do
      assert.is_true(ratio({ case }) < 2.3, ("%q takes %.1f times as long"):format(case[3], ratio({ case })))
    end
    probe.remove()
  end)
end)

describe("lack of memory", function()
  it("at any allocation makes every parser fail cleanly", function()
    assert.are.equal("ok\n", probe.ask("", "memory"))
    probe.remove()
  end)
end)
