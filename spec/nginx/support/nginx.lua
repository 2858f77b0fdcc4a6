-- Debian's nginx with its Lua module, for the specs: a folder of its own, a Unix
-- socket instead of a port, this tree and the core that was built for LuaJIT. It
-- ends by its pid, and with the interpreter that started it.
--
--   local server = nginx.start()                           -- in `setup`
--   local refused, err = server:run([[ … return … ]], …)   -- in content_by_lua
--   assert.equal("", server:alarms())
--   server:stop()                                          -- in `teardown`
local core = require "smtplib.core"
local http = require "spec.nginx.support.http"
local peer = require "spec.os.peer"
local wire = require "smtplib.sink.wire"

local nginx = {}

local Server = {}
Server.__index = Server

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")
local control = "spec/nginx/support/control"

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

---What a shell command printed, and its status.
---@return string output, integer status
function nginx.shell(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \"status=$?\""))
  local output, status = pipe:read("*a"):match("^(.*)status=(%d+)\n$")
  pipe:close()
  return output, tonumber(status)
end

---Run make, whatever make runs us: its job server is not ours.
---@param arguments string
---@return string output, integer status
function nginx.make(arguments)
  return nginx.shell("env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make " .. arguments)
end

local function must(command)
  local output, status = nginx.shell(command)
  if status ~= 0 then error(command .. ":\n" .. output, 3) end
  return output
end

local module_folders = { "/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules" }

local function modules()
  for _, folder in ipairs(module_folders) do
    local file = io.open(folder .. "/ngx_http_lua_module.so")
    if file then
      file:close()
      return folder
    end
  end
end

---Why no nginx can run here, or nil. Called within `describe`. On Linux, where it
---can be installed, that is an error.
---@return string? reason
function nginx.missing()
  if modules() then return nil end
  local reason = "No nginx with a Lua module on this machine: see spec/support/install_tools.sh."
  if io.open "/proc/self/status" then error(reason, 0) end
  return reason
end

-- Which Lua runs the specs does not matter: nginx's is LuaJIT.
local function build_folder()
  local build = os.getenv("BUILD") or "build"
  if not io.open(build .. "/jit/smtplib/core.so") then
    build = "build"
    local output, status = nginx.make("build/jit/smtplib/core.so")
    if status ~= 0 then error(output, 3) end
  end
  return build .. "/jit"
end

local template = [[
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
{user}
worker_processes {workers};
pid pid;
error_log error.log {level};
{main}
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  {http_block}
}
]]

local http_block = [[
  client_max_body_size 100m;
  client_body_buffer_size 1m;
  lua_package_path "{top}/lua/?.lua;{top}/?.lua;;";
  lua_package_cpath "{build}/?.so;;";
  lua_socket_log_errors off;
  {http}
  server {
    listen unix:{folder}/http.sock;
    location = /ping { return 200 "pong"; }
    location = /run { content_by_lua_block { require("spec.nginx.support.handler").run() } }
    {server}
  }
]]

local function fill_in(text, values)
  return (text:gsub("{(%l[%l_]*)}", values))
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local bytes = file:read("*a")
  file:close()
  return bytes
end

nginx.read_file, nginx.write_file = read_file, write_file

-- Linux tells a process its pid in a file, Lua does not.
local function own_pid()
  return ("%d"):format(tonumber(read_file("/proc/self/stat"):match("^%d+")))
end

---Start it. All options are optional.
---@param options? table template: a configuration of the spec's own; workers; build: folder of the C module; main, http, server: further lines of nginx.conf, http_block: all of that block instead, with {folder} for its folder; level of the error log
---@return table server
function nginx.start(options)
  options = options or {}
  local folder = must("mktemp -d ${TMPDIR:-/tmp}/smtplib-nginx.XXXXXX"):match("%S+")
  local top = must("pwd"):match("[^\n]+")
  local build = options.build or build_folder()
  local values = {
    modules = modules(), workers = options.workers or 1, level = options.level or "notice",
    main = options.main or "", http = options.http or "", server = options.server or "",
    user = must("id -u"):match("%d+") == "0" and "user root;" or "",
    folder = folder, top = top, build = build:sub(1, 1) == "/" and build or top .. "/" .. build,
  }
  write_file(folder .. "/.smtplib-nginx", "")
  values.http, values.server = fill_in(values.http, values), fill_in(values.server, values)
  values.http_block = fill_in(options.http_block or http_block, values)
  write_file(folder .. "/nginx.conf", fill_in(options.template or template, values))
  local self = setmetatable({ folder = folder, socket = folder .. "/http.sock" }, Server)
  must(("OWNER=%s %s start %s"):format(own_pid(), control, quote(folder)))
  return self
end

---@return integer
function Server:master()
  return tonumber(read_file(self.folder .. "/pid"):match("%d+"))
end

---The pids of its workers.
---@return integer[]
function Server:workers()
  local list = {}
  for pid in nginx.shell("pgrep -P " .. self:master()):gmatch("%d+") do list[#list + 1] = tonumber(pid) end
  return list
end

---Memory of a process that is its own, in KiB.
---@return integer
function nginx.memory(pid)
  return tonumber(read_file("/proc/" .. ("%d"):format(pid) .. "/status"):match("VmRSS:%s*(%d+)"))
end

---@param pid integer
---@param name string "HUP", "KILL", …
function nginx.signal(pid, name)
  must(("kill -%s %d"):format(name, pid))
end

---Send a request; see spec.nginx.support.http.
function Server:open(method, uri, body, timeout)
  return http.open(self.socket, method, uri, body, timeout)
end

---@return integer status, string body, string head
function Server:get(uri)
  return self:open("GET", uri):response()
end

-- The code's lines keep their numbers in what it raises.
local function frame_of(code, ...)
  return wire.frame { code = code, name = "=code", arguments = { n = select("#", ...), ... } }
end

---Let nginx run code, without waiting.
function Server:begin(code, ...)
  local request = self:open("POST", "/run", frame_of(code, ...))
  request.server = self
  return request
end

---What the code of a request returned.
function nginx.result(request)
  local status, body = request:response()
  if status ~= 200 then error(("HTTP status %d\n%s"):format(status, request.server:log()), 2) end
  local reader = wire.reader()
  reader:feed(body)
  local list = reader:next()
  if not list then error("no result: " .. body, 2) end
  return unpack(list, 1, list.n)
end

---Let nginx run code in content_by_lua and wait for what it returns. Error tables
---come as plain ones with `is_error` and `text`.
function Server:run(code, ...)
  local request = self:begin(code, ...)
  return nginx.result(request)
end

---@return string
function Server:log()
  return read_file(self.folder .. "/error.log")
end

-- What never may be in an error log.
local alarming = { "%[alert%]", "%[emerg%]", "C%-call boundary", "entry thread aborted",
  "runtime error", "exited on signal", "failed to run" }

---The lines of the error log that tell of a fault of the handler, of the library or
---of nginx; the empty string when there is none.
---@param expected? string a pattern: what a spec has brought about
---@return string
function Server:alarms(expected)
  local found = {}
  for line in self:log():gmatch("[^\n]+") do
    for _, pattern in ipairs(alarming) do
      if line:find(pattern) and not (expected and line:find(expected)) then
        found[#found + 1] = line
        break
      end
    end
  end
  return table.concat(found, "\n")
end

---Wait until `condition` holds.
---@return boolean
function nginx.eventually(condition, seconds)
  local deadline = core.now() + (seconds or 20)
  while not condition() do
    if core.now() > deadline then return false end
    core.sleep(0.02)
  end
  return true
end

---Start a Python program of this folder that prints its port first.
---@param program string its name, and arguments
---@return integer port
---@return file* input closed: it ends
function nginx.program(program)
  local path = peer.unix_path()
  local input = io.popen(("python3 spec/nginx/support/%s >%s"):format(program, path), "w")
  local port
  assert(nginx.eventually(function()
    port = tonumber(nginx.read_file(path):match("^(%d+)\n"))
    return port ~= nil
  end))
  os.remove(path)
  return port, input
end

function Server:stop()
  nginx.shell(control .. " stop " .. quote(self.folder))
end

return nginx
