-- Regular expressions under Python's names, over the C library's.
local re = require "smtplib.re"

describe("OLDSTYLE_AUTH's expression", function()
  local pattern = re.compile("auth=(.*)", re.I)

  it("finds the mechanisms, whatever the case", function()
    assert.are.equal("PLAIN LOGIN", (pattern:match("auth=PLAIN LOGIN"):groups()))
    assert.are.equal("PLAIN", (pattern:match("AUTH=PLAIN"):groups()))
    assert.is_nil(pattern:match("250-AUTH=PLAIN"))
    assert.is_nil(pattern:match("auth PLAIN"))
  end)
end)

describe("re", function()
  it("matches at the beginning only, and searches anywhere", function()
    assert.is_nil(re.match("b+", "abb"))
    assert.are.equal("bb", re.search("b+", "abb"):group())
    assert.are.equal("a", re.match("a", "abb"):group())
    assert.is_nil(re.search("c", "abb"))
  end)

  it("gives groups, nil for one that took no part", function()
    local match = re.match("(a)|(b)(c)?", "b")
    assert.are.equal(3, select("#", match:groups()))
    local a, b, c = match:groups()
    assert.are.same({ nil, "b", nil }, { a, b, c })
    assert.are.equal("b", match:group(0))
    assert.are.equal("b", match:group(2))
    assert.is_nil(match:group(1))
    assert.is_nil(match:start(1))
    assert.is_nil(match:end_(1))
    assert.is_nil((match:span(1)))
  end)

  it("gives no value for no groups", function()
    assert.are.equal(0, select("#", re.match("a", "a"):groups()))
  end)

  it("gives positions that string.sub takes", function()
    local s = "key = value"
    local match = re.search("([a-z]+) *= *([a-z]+)", s)
    for n = 0, 2 do assert.are.equal(match:group(n), s:sub(match:span(n))) end
    assert.are.equal(7, match:start(2))
    assert.are.equal(11, match:end_(2))
    local first, last = re.match("x*", "a"):span()
    assert.are.same({ 1, 0 }, { first, last })
  end)

  it("ignores case when told so", function()
    assert.is_nil(re.match("abc", "ABC"))
    assert.are.equal("ABC", re.match("abc", "ABC", re.I):group())
    assert.are.equal("ABC", re.match("abc", "ABC", re.IGNORECASE):group())
  end)

  it("takes a NUL in the subject for a byte like others", function()
    assert.are.equal(3, re.search("b", "a\0b"):start())
    assert.is_nil(re.search("^b", "a\0b"))
    assert.are.equal("b", re.search("b$", "a\0b"):group())
  end)

  it("takes a compiled pattern where a string is due", function()
    local pattern = re.compile("b")
    assert.are.equal("b", re.search(pattern, "abc"):group())
    assert.are.equal("axc", re.sub(pattern, "x", "abc"))
  end)

  it("says what its objects are", function()
    assert.are.equal("re.compile('a+')", tostring(re.compile("a+")))
    assert.are.equal("match 'aa' at 2", tostring(re.search("a+", "baa")))
  end)

  local subs = {
    -- pattern, replacement, subject, result
    { "a", "b", "banana", "bbnbnb" },
    { "x", "y", "abc", "abc" },
    { "(a)(b)", "\\2\\1", "abab", "baba" },
    { "b", "[\\0]", "abc", "a[b]c" },
    { "b", "\\\\", "abc", "a\\c" },
    { "b", "\\\\1", "abc", "a\\1c" },
    { "(x)?b", "<\\1>", "abc", "a<>c" },
    { "x*", "-", "abxd", "-a-b--d-" },
    { "^a", "-", "aaa", "-aa" },
    { "", "-", "ab", "-a-b-" },
    { "", "-", "", "-" },
    { "a$", "-", "aa", "a-" },
  }
  for _, case in ipairs(subs) do
    it(("replaces '%s' by '%s' in '%s'"):format(case[1], case[2], case[3]), function()
      assert.are.equal(case[4], re.sub(case[1], case[2], case[3]))
      assert.are.equal(1, select("#", re.sub(case[1], case[2], case[3])))
    end)
  end

  it("replaces by what a function makes of the match", function()
    assert.are.equal("bAnAnA", re.sub("a", function(match) return match:group():upper() end, "banana"))
  end)

  it("keeps the text when replacing by itself, for any subject", function()
    for _, pattern in ipairs({ "a*", "b|", "(a|b)+", "." }) do
      for n = 0, 63 do
        local s = {}
        for bit = 0, 5 do s[#s + 1] = math.floor(n / 2 ^ bit) % 2 == 0 and "a" or "b" end
        s = table.concat(s)
        assert.are.equal(s, re.sub(pattern, "\\0", s))
      end
    end
  end)
end)

describe("misuse of re", function()
  local match = re.match("(a)", "a")
  local pattern = re.compile("(a)")
  local cases = {
    { "bad pattern '(' (", re.compile, "(" },
    { "bad pattern 'a{2,1}' (", re.compile, "a{2,1}" },
    { "bad argument 'pattern' to 'compile' (string expected, got nil)", re.compile },
    { "bad argument 'flags' to 'compile' (re.I expected)", re.compile, "a", 3 },
    { "bad argument 's' to 'search' (string expected, got nil)", re.search, "a" },
    { "bad argument 's' to 'match' (string expected, got number)", pattern.match, pattern, 5 },
    { "bad argument 'n' to 'group' (no such group)", match.group, match, 2 },
    { "bad argument 'n' to 'span' (no such group)", match.span, match, "x" },
    { "bad argument 'repl' to 'sub' (no group 2 in '(a)')", pattern.sub, pattern, "\\2", "a" },
    { "bad argument 'repl' to 'sub' (string or function expected, got nil)", pattern.sub, pattern, nil, "a" },
    { "bad argument 'repl' to 'sub' (its function must return a string, not nil)", pattern.sub, pattern, function() end, "a" },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[1], function()
      local ok, message = pcall(function()
        local value = case[2](case[3], case[4], case[5])
        return value
      end)
      assert.is_false(ok)
      message = message:gsub("^.-:%d+: ", "")
      assert.are.equal(case[1], message:sub(1, #case[1]))
    end)
  end

  it("refuses a pattern with a NUL, and one with too many groups", function()
    assert.is_false((pcall(re.compile, "a\0b")))
    assert.is_false((pcall(re.compile, ("(a)"):rep(100))))
    assert.are.equal(99, select("#", re.match(("(a)"):rep(99), ("a"):rep(99)):groups()))
  end)
end)
