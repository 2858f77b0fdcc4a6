-- Transports: plain byte pipes under the core. Two are built in: the
-- operating system's (blocking) and nginx's (cosockets).
local blocking = require "smtplib.transport.blocking"
local ngx_transport = require "smtplib.transport.ngx"
local wrap = require "smtplib.transport.wrap"

local transport = {}

---True where nginx has cosockets; not in a thread of ngx.run_worker_thread, which may
---block.
function transport.is_inside_nginx()
  local ngx = rawget(_G, "ngx")
  return type(ngx) == "table" and ngx.get_phase ~= nil and ngx.socket ~= nil
end

---A new transport of the kind that suits this host, not connected yet. Inside
---nginx it is a cosocket, also in phases that have none: there `connect` fails
---at once, since a blocking one would hold up the worker.
---@return table|userdata
function transport.choose()
  if transport.is_inside_nginx() then return ngx_transport.new() end
  return blocking.new()
end

---A new transport by its name.
---@param name "blocking"|"ngx"
---@return table|userdata
function transport.named(name)
  return name == "ngx" and ngx_transport.new() or blocking.new()
end

transport.blocking = blocking
transport.ngx = ngx_transport

---Adapt a socket with LuaSocket's methods (see smtplib.transport.wrap).
transport.wrap = wrap.wrap

return transport
