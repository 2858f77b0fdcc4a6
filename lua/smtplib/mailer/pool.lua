-- Idle connections of a Mailer by their key. In nginx they are the worker's: another
-- request, with a Mailer of its own, finds them again.
local core = require "smtplib.core"

---@class smtplib.mailer.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "smtplib.mailer.pool"

local pool = {}

local shared
local serial = 0

---The pool for a Mailer that is made now.
function pool.new()
  if not rawget(_G, "ngx") then return setmetatable({ idle = {} }, Pool) end
  shared = shared or setmetatable({ idle = {} }, Pool)
  return shared
end

---A name for a new connection by which the host finds it again, and no other.
function pool.name()
  serial = serial + 1
  local ngx = rawget(_G, "ngx")
  return ("smtplib:%d:%d"):format(ngx and ngx.worker.pid() or 0, serial)
end

---Lay a connection aside, unless there are enough already; false: it is closed.
---@param key string
---@param server table
---@param limits table pool_size, idle_timeout, max_messages
---@return boolean
function Pool:put(key, server, limits)
  local list = self.idle[key] or {}
  if not server:is_open() then return false end
  if #list >= limits.pool_size or (server.session.mails or 0) >= limits.max_messages then
    server:quit()
    return false
  end
  if not server:lay_aside(limits.idle_timeout) then return false end
  self.idle[key] = list
  list[#list + 1] = { server = server, until_when = core.now() + limits.idle_timeout }
  return true
end

---A connection of that kind, the one used last; nil when there is none.
---@return table|nil server
function Pool:take(key)
  local list = self.idle[key]
  while list and #list > 0 do
    local entry = table.remove(list)
    if entry.until_when >= core.now() then return entry.server end
    entry.server:hang_up()
  end
  self.idle[key] = nil
end

---Say goodbye to all connections of that kind.
function Pool:close(key)
  local server = self:take(key)
  while server do
    if server:take_up() then server:quit() end
    server:hang_up()
    server = self:take(key)
  end
end

---How many connections are idle.
function Pool:count(key)
  return self.idle[key] and #self.idle[key] or 0
end

return pool
