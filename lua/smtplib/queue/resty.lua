-- lua-resty-redis, where nginx has it, with the methods of smtplib.queue.resp.
local endpoint = require "smtplib.endpoint"
local guard = require "smtplib.guard"
local ngx_transport = require "smtplib.transport.ngx"

local resty = {}

local Client = {}
Client.__index = Client
Client.__name = "smtplib.queue.resty"

local module

-- Debian has it under another name.
local function find_module()
  if module ~= nil then return module end
  module = false
  for _, name in ipairs { "resty.redis", "nginx.redis" } do
    local ok, found = guard.call(require, name)
    if ok and type(found) == "table" and not module then module = found end
  end
  return module
end

---True where it can be used.
function resty.is_available()
  return rawget(_G, "ngx") ~= nil and find_module() ~= false
end

local function plain(value)
  if value == rawget(_G, "ngx").null then return false end
  if type(value) == "table" then
    for i, inner in ipairs(value) do value[i] = plain(inner) end
  end
  return value
end

-- What Redis says begins with a word in capitals; what nginx says does not.
local function name_of(why)
  return why:find("^%u%u+ ") and "redis" or ngx_transport.name_of(why)
end

function Client:command(name, ...)
  local value, why = self.redis[name:lower()](self.redis, ...)
  if why ~= nil then
    why = tostring(why)
    return nil, name_of(why), why
  end
  return plain(value)
end

function Client:is_fresh()
  return self.redis:get_reused_times() == 0
end

function Client:keep(seconds)
  return self.redis:set_keepalive(seconds * 1000, 100) == 1
end

function Client:close()
  self.redis:close()
end

local function connect(redis, host, port, options)
  if endpoint.is_path(host) then return redis:connect("unix:" .. host, options) end
  return redis:connect(host, port, options)
end

---As smtplib.queue.resp.connect.
function resty.connect(host, port, options)
  local trouble, sentence = ngx_transport.new():elsewhere() -- the library would raise
  if trouble then return nil, trouble, sentence end
  local redis, made = module:new()
  if not redis then return nil, "system", tostring(made) end
  redis:set_timeout(math.ceil(options.timeout * 1000))
  local done, why = connect(redis, host, port, { pool = options.pool })
  if not done then return nil, ngx_transport.name_of(tostring(why)), tostring(why) end
  return setmetatable({ redis = redis }, Client)
end

return resty
