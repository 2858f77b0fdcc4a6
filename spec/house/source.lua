-- What layers.lua and shape.lua share: the files of a folder, and a source
-- text whose comments and strings are blanked out, so that braces and words
-- found in it are code. Lines stay where they were.
local source = {}

---@param folder string
---@param pattern string shell pattern of the file names
---@return string[] paths, sorted
function source.files(folder, pattern)
  local paths = {}
  local pipe = assert(io.popen(("find %s -name '%s' -type f 2>/dev/null | LC_ALL=C sort")
    :format(folder, pattern)))
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end

---@param path string
---@return string text
function source.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

---@param text string
---@return fun():string iterator over the lines
function source.lines(text)
  return (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n")
end

-- The end of the quoted text that starts at `from`, and not beyond its line.
local function end_of_quote(text, from)
  local quote = text:sub(from, from)
  local at = from + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == quote or c == "\n" then
      return at
    end
    at = at + 1
  end
  return #text
end

local function blank(piece)
  return (piece:gsub("[^\n]", " "))
end

-- `comment_end(text, at)` says where a comment or long string that starts at
-- `at` ends, or nil when none starts there.
local function blanked(text, starts, comment_end)
  local out, at = {}, 1
  while true do
    local found = text:find(starts, at)
    if not found then
      out[#out + 1] = text:sub(at)
      return table.concat(out)
    end
    out[#out + 1] = text:sub(at, found - 1)
    local last = comment_end(text, found)
    if not last and text:sub(found, found):find("[\"']") then
      last = end_of_quote(text, found)
    end
    last = last or found
    local piece = text:sub(found, last)
    out[#out + 1] = last > found and blank(piece) or piece
    at = last + 1
  end
end

---@param text string C source
---@return string
function source.code_of_c(text)
  return blanked(text, "[\"'/]", function(s, at)
    if s:sub(at, at + 1) == "//" then
      return (s:find("\n", at, true) or #s + 1) - 1
    elseif s:sub(at, at + 1) == "/*" then
      return select(2, s:find("*/", at + 2, true)) or #s
    end
  end)
end

local function end_of_long_bracket(s, at)
  local level = s:match("^%[(=*)%[", at)
  return level and (select(2, s:find("]" .. level .. "]", at, true)) or #s)
end

---@param text string Lua source
---@return string
function source.code_of_lua(text)
  return blanked(text, "[\"'%-%[]", function(s, at)
    if s:sub(at, at + 1) == "--" then
      return end_of_long_bracket(s, at + 2) or (s:find("\n", at, true) or #s + 1) - 1
    end
    return end_of_long_bracket(s, at)
  end)
end

return source
