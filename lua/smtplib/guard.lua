-- Calls into user code (sources, authobjects, tokens, traces, on_result): the one
-- place of the library with a pcall. Whatever a callback raises must not leave a
-- connection in the midst of a message. In PUC Lua 5.1 a guarded callback cannot
-- yield.
local guard = {}

---Call a user's function.
---@return boolean ok
---@return any ... its results, or what it raised
function guard.call(callback, ...)
  return pcall(callback, ...)
end

local function leave(session, before, ...)
  session.calling = before
  return ...
end

---Call a user's function on behalf of a session: until it returns, the methods
---of the object that the session belongs to are refused.
---@param session table
---@return boolean ok
---@return any ...
function guard.within(session, callback, ...)
  local before = session.calling
  session.calling = true
  return leave(session, before, pcall(callback, ...))
end

return guard
