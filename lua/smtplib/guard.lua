-- Calls into user code (sources, tokens, traces): the one place of the library
-- with a pcall. Whatever a callback raises must not leave a connection in the
-- midst of a message. In PUC Lua 5.1 a guarded callback cannot yield.
local guard = {}

---Call a user's function.
---@return boolean ok
---@return any ... its results, or what it raised
function guard.call(callback, ...)
  return pcall(callback, ...)
end

return guard
