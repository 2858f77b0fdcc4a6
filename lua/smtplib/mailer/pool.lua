-- Idle connections of a Mailer by their key. In nginx they are the worker's: another
-- request, with a Mailer of its own, finds them again.
local core = require "smtplib.core"
local transports = require "smtplib.transport"

---@class smtplib.mailer.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "smtplib.mailer.pool"

local SWEEP = 5 -- seconds between looks at connections that nobody asks for

local pool = {}

local shared
local serial = 0

local function new(is_shared)
  return setmetatable({ idle = {}, swept = core.now(), is_shared = is_shared }, Pool)
end

---The pool for a Mailer that is made now.
function pool.new()
  if not transports.is_inside_nginx() then return new(false) end
  shared = shared or new(true)
  return shared
end

---A name for a new connection by which the host finds it again, and no other.
function pool.name()
  serial = serial + 1
  local pid = transports.is_inside_nginx() and rawget(_G, "ngx").worker.pid() or 0
  return ("smtplib:%d:%d"):format(pid, serial)
end

-- Close what has been idle for too long.
local function expire(self, key, now)
  local list = self.idle[key]
  if not list then return end
  for i = #list, 1, -1 do
    if list[i].until_when < now then table.remove(list, i).server:hang_up() end
  end
  if not list[1] then self.idle[key] = nil end
end

local function sweep(self, now)
  if now < self.swept + SWEEP then return end
  self.swept = now
  for key in pairs(self.idle) do expire(self, key, now) end
end

---Lay a connection aside, unless there are enough already; false: it is closed.
---@param key string
---@param server table
---@param limits table pool_size, idle_timeout, max_messages
---@return boolean
function Pool:put(key, server, limits)
  local now = core.now()
  sweep(self, now)
  expire(self, key, now)
  local list = self.idle[key]
  if (list and #list or 0) >= limits.pool_size or (server.session.mails or 0) >= limits.max_messages then
    server:quit()
    return false
  end
  if not server:lay_aside(limits.idle_timeout) then
    server:hang_up()
    return false
  end
  list = self.idle[key] or {}
  self.idle[key] = list
  list[#list + 1] = { server = server, until_when = now + limits.idle_timeout }
  return true
end

---A connection of that kind, the one used last; nil when there is none.
---@return table|nil server
function Pool:take(key)
  expire(self, key, core.now())
  local list = self.idle[key]
  if not list then return nil end
  local server = table.remove(list).server
  if not list[1] then self.idle[key] = nil end
  return server
end

---Why none of that kind can be used from here, although they stand (nginx's phases);
---else nil.
---@return string? name, string? sentence
function Pool:elsewhere(key)
  local list = self.idle[key]
  local server = list and list[#list].server
  if server and server.session then return server.session:elsewhere() end
end

---Say goodbye to all connections of that kind.
---@param key string
---@param on_each fun(server: table) called with each when it is closed
function Pool:close(key, on_each)
  local server = self:take(key)
  while server do
    if server:take_up() then server:quit() end
    server:hang_up()
    on_each(server)
    server = self:take(key)
  end
end

---Close all connections without a word.
---@param on_each? fun(server: table) called with each when it is closed
function Pool:clear(on_each)
  for key, list in pairs(self.idle) do
    self.idle[key] = nil
    for _, entry in ipairs(list) do
      entry.server:hang_up()
      if on_each then on_each(entry.server) end
    end
  end
end

---How many connections are idle.
function Pool:count(key)
  expire(self, key, core.now())
  return self.idle[key] and #self.idle[key] or 0
end

return pool
