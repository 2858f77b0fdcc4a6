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

-- PUC Lua 5.1 has no name for the main thread.
local function running()
  return coroutine.running() or "main"
end

---True while a callback of the session is being called by the coroutine that asks,
---or by one that waits for it; false when that coroutine was left behind.
---@param session table
---@return boolean
function guard.is_inside(session)
  local owner = session.calling
  if not owner then return false end
  if owner == "main" then return true end
  local status = coroutine.status(owner)
  return status == "running" or status == "normal"
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
  session.calling = running()
  return leave(session, before, pcall(callback, ...))
end

return guard
