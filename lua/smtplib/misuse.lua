-- Misuse by the programmer: ordinary Lua errors that name the argument and
-- blame the line that called the library.
local misuse = {}

-- Level 1 is the function that raises, 2 the public function, 3 its caller.
local CALLER = 3

---@param argument string
---@param func string      the public function's name
---@param expected string  "string expected, got nil"
---@param extra integer?   stack levels between the public function and this call
function misuse.argument(argument, func, expected, extra)
  error(("bad argument '%s' to '%s' (%s)"):format(argument, func, expected), CALLER + (extra or 0))
end

---@param message string
---@param extra integer?
function misuse.raise(message, extra)
  error(message, CALLER + (extra or 0))
end

---Raise unless `value` has the type (or one of "a|b").
function misuse.check(value, types, argument, func, extra)
  local actual = type(value)
  if actual == types or types:find(actual, 1, true) then return value end
  local expected = types:gsub("|", " or ")
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(argument, func, expected,
    value == nil and "no value" or actual), CALLER + (extra or 0))
end

return misuse
