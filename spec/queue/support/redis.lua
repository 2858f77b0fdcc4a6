-- A redis-server of Debian's for the specs: on a Unix socket and a free port, in a
-- folder of its own. It ends by its pid, and with the interpreter that started it.
local core = require "smtplib.core"

local redis = {}

local Server = {}
Server.__index = Server

local function shell(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Nobody listens on it at this moment.
local function free_port()
  local listener = assert(core.listen("127.0.0.1", 0))
  local port = listener:port()
  listener:close()
  return port
end

-- Linux tells a process its pid in a file, Lua does not.
local function own_pid()
  return assert(io.open("/proc/self/stat")):read("*a"):match("^%d+")
end

---@param options? string further words of the command line
---@return table server host, port, socket
function redis.start(options)
  local folder = shell("mktemp -d ${TMPDIR:-/tmp}/smtplib-redis.XXXXXX"):match("%S+")
  local self = setmetatable({ folder = folder, host = "127.0.0.1", options = options or "" }, Server)
  self.socket = folder .. "/redis.sock"
  self:run()
  return self
end

-- The server, and beside it who ends it when we are gone.
function Server:run()
  self.port = free_port()
  local command = ("redis-server --port %d --bind 127.0.0.1 --unixsocket %s --dir %s --save '' --appendonly yes "
    .. "--daemonize no %s"):format(self.port, quote(self.socket), quote(self.folder), self.options)
  self.pid = shell(("cd %s; setsid %s >>log 2>&1 </dev/null & echo $!"):format(quote(self.folder), command)):match("%d+")
  self.watcher = shell(("setsid sh -c 'tail --pid=%s -f /dev/null; kill %s; rm -rf %s' >/dev/null 2>&1 </dev/null & echo $!")
    :format(own_pid(), self.pid, self.folder)):match("%d+")
  for _ = 1, 500 do
    local answer = self:ask("PING")
    if answer == "PONG" or answer:find("^NOAUTH") then return end
    core.sleep(0.01)
  end
  error("redis-server does not answer: " .. shell("cat " .. quote(self.folder .. "/log")))
end

---What redis-cli prints.
---@param ... string|number
function Server:ask(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = quote(tostring((select(i, ...)))) end
  return (shell(("redis-cli -s %s %s 2>/dev/null"):format(quote(self.socket), table.concat(words, " "))):gsub("\n$", ""))
end

local function finish(self, signal)
  shell(("kill -TERM -%s; kill -%s %s 2>/dev/null; while kill -0 %s 2>/dev/null; do sleep 0.01; done"):format(
    self.watcher, signal, self.pid, self.pid))
end

---End it properly; `run` starts it again with what it has.
function Server:shut_down()
  finish(self, "TERM")
end

function Server:stop()
  finish(self, "KILL")
  shell("rm -rf " .. quote(self.folder))
end

return redis
