-- Misuse by the programmer: ordinary Lua errors that name the argument and
-- blame the line that called the library, however deep inside it was found.
local misuse = {}

-- The sources of the library: "@…/smtplib.lua" and all in "@…/smtplib/".
local home = debug.getinfo(1, "S").source:match("^(.*)[/\\]misuse%.lua$")

local function is_inside(info)
  if info.what == "C" or info.what == "tail" then return true end
  local source = info.source
  return home ~= nil and source:sub(1, #home) == home and source:find("^[/\\.]", #home + 1) ~= nil
end

-- The level, as seen by the function that asks, of the first caller outside.
local function caller()
  local level = 3
  while true do
    local info = debug.getinfo(level, "S")
    if not info then return 0 end
    if not is_inside(info) then return level - 1 end
    level = level + 1
  end
end

---@param message string
function misuse.raise(message)
  error(message, caller())
end

---@param argument string
---@param func string      the public function's name
---@param expected string  "string expected, got nil"
function misuse.argument(argument, func, expected)
  error(("bad argument '%s' to '%s' (%s)"):format(argument, func, expected), caller())
end

---True for an array without holes: what is missing would not be sent, and nobody
---would be told. `named`: other keys may stand beside it.
---@param list table
---@param named boolean?
---@return boolean
function misuse.is_array(list, named)
  local count = 0
  for key in pairs(list) do
    if type(key) == "number" then
      count = count + 1
    elseif not named then
      return false
    end
  end
  return count == #list
end

---Raise unless `value` has the type (or one of "a|b").
function misuse.check(value, types, argument, func)
  local actual = type(value)
  if actual == types then return value end
  for wanted in types:gmatch("[^|]+") do
    if actual == wanted then return value end
  end
  local expected = types:gsub("|", " or ")
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(argument, func, expected,
    value == nil and "no value" or actual), caller())
end

return misuse
