-- What the methods of Message raise, in the name of the line that called them.
-- A level counts from the method: 2 is its caller.

local check = {}

function check.fail(name, argument, expected, got, level)
  local kind = io.type(got) == "closed file" and "closed file" or type(got)
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(argument, name, expected, kind), level + 1)
end

function check.string(name, argument, value, level)
  if type(value) ~= "string" then check.fail(name, argument, "string", value, (level or 2) + 1) end
end

-- Raise what the core refused, in the name of the caller.
function check.insist(level, ok, _, sentence)
  if ok == nil then error(sentence, level + 1) end
  return ok
end

return check
