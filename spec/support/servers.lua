-- Real mail servers for the specs: started by the scripts of
-- spec/interop/servers, asked what was delivered, stopped again. A server dies
-- with the interpreter that started it, however that ends.
--
--   local postfix = servers.postfix()          -- in `setup`
--   local text, id = servers.message("Hello")
--   … send text to postfix.host, postfix.port …
--   local mail = postfix:delivered(id)         -- .bytes, .trace
--   postfix:stop()                             -- in `teardown`
--
-- What each server offers (ports, users, refusing recipients): see start-*.
local servers = {}

local top = debug.getinfo(1, "S").source:match("^@(.*)spec/support/servers%.lua$") or ""
local scripts = top .. "spec/interop/servers/"

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- An outer LD_PRELOAD (a sanitizer) is for the specs, not for the servers.
local function run(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; " .. command .. "; echo \"status=$?\""))
  local output, status = pipe:read("*a"):match("^(.*)status=(%d+)\n$")
  pipe:close()
  return output, tonumber(status)
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

---Why no server can run here, or nil. Called within `describe`.
---@return string? reason
function servers.missing()
  local output, status = run("sh " .. scripts .. "install.sh 2>&1")
  if status ~= 0 then error("the mail servers cannot be installed:\n" .. output, 2) end
  return output:match("No mail servers[^\n]*")
end

-- Of this process; Linux tells it in a file, Lua does not.
local function own_pid()
  local file = io.open("/proc/self/stat")
  if not file then return "" end
  local pid = file:read("*n")
  file:close()
  return ("%d"):format(pid)
end

local Server = {}
Server.__index = Server

-- Header fields that a server puts before the message.
local trace_fields = {
  ["return-path"] = true, ["x-original-to"] = true, ["delivered-to"] = true,
  ["envelope-to"] = true, ["received"] = true,
}

-- bytes without the fields that servers prepend, and those fields by their
-- lower-case names (the topmost of each name).
local function split_trace(bytes)
  local trace, at = {}, 1
  while true do
    local name, value, after = bytes:match("^([%w%-]+):[ \t]*([^\n]*)\n()", at)
    if not name or not trace_fields[name:lower()] then break end
    while bytes:find("^[ \t]", after) do
      local more, behind = bytes:match("^([^\n]*)\n()", after)
      value, after = value .. "\n" .. more, behind
    end
    trace[name:lower()] = trace[name:lower()] or value
    at = after
  end
  return bytes:sub(at), trace
end

-- Files that are not mail: a maildir's tmp, gsasl_smtpd's .part, Dovecot's indexes.
local wait_script = [[
list() {
  (cd "$1" 2>/dev/null && grep -rlF -e "$2" . | grep -v -e /tmp/ -e '[.]part$' -e dovecot)
}
for i in $(seq 400); do
  [ $(list "$@" | wc -l) -lt "$3" ] || break
  sleep 0.05
done
list "$@"]]

local function wait_for_files(folder, word, count)
  local output = run(("sh -c %s wait %s %s %d"):format(quote(wait_script), quote(folder), quote(word), count))
  local paths = {}
  for path in output:gmatch("%./([^\n]+)") do paths[#paths + 1] = folder .. "/" .. path end
  table.sort(paths)
  return paths
end

---Options for smtplib.SMTP and its like to reach this server; `overrides` win.
---@param overrides table?
---@return table
function Server:options(overrides)
  local options = { host = self.host, port = self.port, timeout = 20, tls_options = { cafile = self.ca } }
  for name, value in pairs(overrides or {}) do options[name] = value end
  return options
end

---Waits until `count` files that contain `word` were delivered, removes them
---and returns what they held.
---@param word string the Message-ID, or a part of it shared by several
---@param count integer?
---@param folder string? other than the server's own
---@return {bytes: string, trace: table<string, string>}[]
function Server:collect(word, count, folder)
  local paths = wait_for_files(folder or self.mail, word, count or 1)
  local mails = {}
  for i, path in ipairs(paths) do
    local bytes, trace = split_trace(read_file(path))
    mails[i] = { bytes = bytes, trace = trace }
    os.remove(path)
  end
  if #mails ~= (count or 1) then
    error(("%d of %d messages with %s arrived in 20 s"):format(#mails, count or 1, word), 2)
  end
  return mails
end

---@param id string
---@param folder string?
---@return {bytes: string, trace: table<string, string>}
function Server:delivered(id, folder)
  return self:collect(id, 1, folder)[1]
end

---How many messages lie there, delivered and not collected.
---@return integer
function Server:count()
  return tonumber((run("find " .. quote(self.mail) .. " -type f -path '*/new/*' 2>/dev/null | wc -l"))) or 0
end

---What the server logged so far.
---@return string
function Server:log_text()
  return read_file(self.log)
end

---How Postfix says the sender of a delivered message logged in.
---@param id string
---@return string? mechanism, string? user
function Server:login_of(id)
  local log = self:log_text()
  local queue_id = log:match("(%w+): message%-id=<" .. id:gsub("%p", "%%%0") .. ">")
  return log:match(queue_id .. ": client=[^\n]*sasl_method=([%w-]+), sasl_username=(%S+)")
end

function Server:stop()
  run(scripts .. "stop " .. quote(self.folder))
end

-- Each server makes its certificates in its own folder: this tree may lie where
-- the user that a server becomes cannot read.
local function start(name, settings)
  local output, status = run(("unset CERTS; OWNER=%s %s %sstart-%s"):format(own_pid(), settings or "",
    scripts, name))
  if status ~= 0 then
    return nil, status
  end
  local server = setmetatable({ name = name }, Server)
  for key, value in output:gmatch("([%w_]+)=([^\n]*)\n") do
    server[key] = tonumber(value) or value
  end
  return server
end

local function must_start(...)
  local server, status = start(...)
  if not server then error(("start-%s failed (%d)"):format((...), status), 3) end
  return server
end

function servers.postfix()
  return must_start("postfix")
end

---@param relay_port integer? of the server that submission hands its mail to
function servers.dovecot(relay_port)
  return must_start("dovecot", relay_port and "RELAY=" .. relay_port)
end

function servers.exim()
  return must_start("exim")
end

function servers.gsasl()
  return must_start("gsasl")
end

---nil where the machine does not let it run.
function servers.opensmtpd()
  local server, status = start("opensmtpd")
  if not server and status ~= 77 then error("start-opensmtpd failed", 2) end
  return server
end

---A token for XOAUTH2 and OAUTHBEARER at Dovecot.
---@param user string
---@param seconds integer? that it is valid; below zero for one that has expired
---@return string
function servers.token(user, seconds)
  return (run(scripts .. "token " .. quote(user) .. " " .. (seconds or "")))
end

local made = 0

---A message with CRLF line ends and a Message-ID of its own.
---@param body string
---@return string text, string id
function servers.message(body)
  made = made + 1
  local id = ("%d.%s.%d@client.example.test"):format(made, own_pid(), os.time())
  return table.concat({
    "From: Sender <sender@example.test>",
    "To: Alice <alice@example.test>",
    "Subject: what a real server makes of it",
    "Date: Mon, 23 Nov 2026 20:08:22 +0000",
    "Message-ID: <" .. id .. ">",
    "", body,
  }, "\r\n"), id
end

---Where two strings part, as a sentence that fits on a line; nil when they are
---equal. (An assertion on 20 MiB would print them.)
---@param expected string
---@param got string
---@return string?
function servers.difference(expected, got)
  if expected == got then return nil end
  local low, high = 0, math.min(#expected, #got)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if expected:sub(1, middle) == got:sub(1, middle) then low = middle else high = middle - 1 end
  end
  local from = math.max(1, low - 20)
  return ("%d bytes expected, %d got; from byte %d: %q instead of %q"):format(#expected, #got, low + 1,
    got:sub(from, low + 40), expected:sub(from, low + 40))
end

---How a message that was sent lies in a maildir: with LF.
---@param text string
---@return string
function servers.stored(text)
  return (text:gsub("\r\n", "\n"))
end

return servers
