-- Regular expressions under the names of Python's re module: the POSIX extended
-- ones of the C library, over bytes. Positions count from 1 and include the
-- last byte, as string.find's do. A pattern that does not compile raises.
local core = require "smtplib.core"

local re = {}

---Flag: ignore case.
re.I = 2
re.IGNORECASE = re.I

-- The caller of the public function that checks.
local BLAME = 3

local function check_string(value, name, func)
  if type(value) ~= "string" then
    error(("bad argument '%s' to '%s' (string expected, got %s)"):format(name, func, type(value)), BLAME)
  end
end

---@class smtplib.re.Match
---@field string string  the subject
---@field re smtplib.re.Pattern
local Match = {}
Match.__index = Match
Match.__name = "smtplib.re.Match"

-- First and last position of a group.
local function bounds(self, n, func)
  n = n or 0
  if type(n) ~= "number" or self.spans[2 * n + 1] == nil then
    error(("bad argument 'n' to '%s' (no such group)"):format(func), BLAME)
  end
  return self.spans[2 * n + 1], self.spans[2 * n + 2]
end

-- The text of a group; nil when it took no part.
local function text(self, n)
  local first, last = self.spans[2 * n + 1], self.spans[2 * n + 2]
  if first then return self.string:sub(first, last) end
end

---The text of group `n` (default 0, the whole match); nil when it took no part.
---@param n? integer
---@return string?
function Match:group(n)
  bounds(self, n, "group")
  return text(self, n or 0)
end

local function texts_from(self, n, count)
  if n > count then return end
  return text(self, n), texts_from(self, n + 1, count)
end

---The text of each parenthesised group, as many values as there are groups.
---@return string? ...
function Match:groups()
  return texts_from(self, 1, #self.spans / 2 - 1)
end

---Position of the first byte of group `n`; nil when it took no part.
---@param n? integer
---@return integer?
function Match:start(n)
  return (bounds(self, n, "start")) or nil
end

---Position of the last byte of group `n`; nil when it took no part.
---@param n? integer
---@return integer?
function Match:end_(n)
  local _, last = bounds(self, n, "end_")
  return last or nil
end

---Both positions, as for string.sub.
---@param n? integer
---@return integer? first
---@return integer? last
function Match:span(n)
  local first, last = bounds(self, n, "span")
  if first then return first, last end
  return nil
end

function Match:__tostring()
  return ("match '%s' at %d"):format(text(self, 0), self.spans[1])
end

---@class smtplib.re.Pattern
---@field pattern string its source
---@field flags integer
---@field groups integer how many
local Pattern = {}
Pattern.__index = Pattern
Pattern.__name = "smtplib.re.Pattern"

local function find(self, s, from)
  local spans = self.core:find(s, from)
  if spans then return setmetatable({ string = s, re = self, spans = spans }, Match) end
end

---The match at the beginning of `s`, or nil.
---@param s string
---@return smtplib.re.Match?
function Pattern:match(s)
  check_string(s, "s", "match")
  -- A match at the beginning, if there is one, is the leftmost.
  local match = find(self, s, 1)
  return match and match.spans[1] == 1 and match or nil
end

---The first match anywhere in `s`, or nil.
---@param s string
---@return smtplib.re.Match?
function Pattern:search(s)
  check_string(s, "s", "search")
  return find(self, s, 1)
end

-- \0 to \9 and \\ in a replacement; another backslash stands for itself.
local function expand(template, match)
  return (template:gsub("\\([%d\\])", function(c)
    return c == "\\" and c or text(match, tonumber(c)) or ""
  end))
end

-- The replacement as a function of the match.
local function to_function(self, repl)
  if type(repl) == "function" then return repl end
  if type(repl) ~= "string" then
    error(("bad argument 'repl' to 'sub' (string or function expected, got %s)"):format(type(repl)), BLAME)
  end
  for digit in repl:gsub("\\\\", ""):gmatch("\\(%d)") do
    if tonumber(digit) > self.groups then
      error(("bad argument 'repl' to 'sub' (no group %s in '%s')"):format(digit, self.pattern), BLAME)
    end
  end
  return function(match) return expand(repl, match) end
end

local function replacement(repl, match)
  local new = repl(match)
  if type(new) ~= "string" then
    error(("bad argument 'repl' to 'sub' (its function must return a string, not %s)"):format(type(new)), BLAME)
  end
  return new
end

---`s` with every match replaced by `repl`: a string, in which \1 is the first
---group, or a function of the match object that returns a string.
---@param repl string|fun(match: smtplib.re.Match): string
---@param s string
---@return string
function Pattern:sub(repl, s)
  repl = to_function(self, repl)
  check_string(s, "s", "sub")
  local out, at = {}, 1
  while at <= #s + 1 do
    local match = find(self, s, at)
    if not match then break end
    local first, last = match.spans[1], match.spans[2]
    out[#out + 1] = s:sub(at, first - 1)
    out[#out + 1] = replacement(repl, match)
    at = last + 1
    if first > last then
      -- An empty match: the next byte stays, or it would match for ever.
      out[#out + 1] = s:sub(first, first)
      at = first + 1
    end
  end
  out[#out + 1] = s:sub(at)
  return table.concat(out)
end

function Pattern:__tostring()
  return ("re.compile('%s')"):format(self.pattern)
end

local function compile(pattern, flags, func)
  if getmetatable(pattern) == Pattern then return pattern end
  if type(pattern) ~= "string" then
    error(("bad argument 'pattern' to '%s' (string expected, got %s)"):format(func, type(pattern)), BLAME)
  end
  if flags ~= nil and flags ~= 0 and flags ~= re.I then
    error(("bad argument 'flags' to '%s' (re.I expected)"):format(func), BLAME)
  end
  if pattern:find("\0", 1, true) then error(("bad pattern '%s' (NUL in it)"):format(pattern), BLAME) end
  local object, fault = core.pattern(pattern, flags == re.I)
  if not object then error(("bad pattern '%s' (%s)"):format(pattern, fault), BLAME) end
  return setmetatable({ core = object, pattern = pattern, flags = flags or 0, groups = object:groups() }, Pattern)
end

---@param pattern string a POSIX extended regular expression
---@param flags? integer re.I
---@return smtplib.re.Pattern
function re.compile(pattern, flags)
  return compile(pattern, flags, "compile")
end

---As `re.compile(pattern, flags):match(s)`.
---@param pattern string|smtplib.re.Pattern
---@param s string
---@param flags? integer
---@return smtplib.re.Match?
function re.match(pattern, s, flags)
  check_string(s, "s", "match")
  return compile(pattern, flags, "match"):match(s)
end

---As `re.compile(pattern, flags):search(s)`.
---@param pattern string|smtplib.re.Pattern
---@param s string
---@param flags? integer
---@return smtplib.re.Match?
function re.search(pattern, s, flags)
  check_string(s, "s", "search")
  return compile(pattern, flags, "search"):search(s)
end

---As `re.compile(pattern, flags):sub(repl, s)`.
---@param pattern string|smtplib.re.Pattern
---@param repl string|fun(match: smtplib.re.Match): string
---@param s string
---@param flags? integer
---@return string
function re.sub(pattern, repl, s, flags)
  check_string(s, "s", "sub")
  return compile(pattern, flags, "sub"):sub(repl, s)
end

return re
