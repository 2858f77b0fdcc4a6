-- One trial: a client does a job, COUNT times, against a sink of its own.
-- Everything that was measured or counted comes back as numbers by name. A
-- trial whose messages did not arrive whole is an error.
local trial = {}

local build = os.getenv "BUILD" or "build"
local folder = build .. "/bench"
local sink, floor = folder .. "/sink", folder .. "/floor"
local SECONDS = 900 -- that a trial may take

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Exit status and output of a shell command.
local function shell(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \"status $?\""))
  local said = pipe:read "*a"
  pipe:close()
  return tonumber(said:match("status (%d+)\n$")), said
end

---@param program string
---@return boolean
function trial.has(program)
  return shell("command -v " .. quote(program)) == 0
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

-- Only where it is not there yet: another run may be reading it.
local function write(path, text)
  if read(path) == text then return end
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Lines of 72 characters, every 80th begins with a dot; `size` bytes in all.
local function text_of(size, eol)
  local lines, left, i = {}, size, 0
  while left > 0 do
    i = i + 1
    local length = left >= 2 * (72 + #eol) and 72 or math.min(left - #eol, 100)
    local line = ("the %d. line of the benchmark's text, as long as its neighbours "):format(i):rep(2)
    lines[i] = (i % 80 == 0 and "." or "") .. line
    lines[i] = lines[i]:sub(1, length) .. eol
    left = left - #lines[i]
  end
  return table.concat(lines)
end

local head = "From: Sender <sender@bench.test>\r\nTo: recipient@bench.test\r\nSubject: A message of the benchmark\r\n\r\n"

---What the clients send: paths by name, and sizes by path.
trial.files = {
  message = folder .. "/message", -- 1 KiB with its header, CRLF
  text = folder .. "/text",       -- 1 KiB to compose from, LF
  block = folder .. "/block",     -- 64 KiB of a large text, CRLF
}
trial.sizes = { [trial.files.message] = 1024, [trial.files.block] = 65536 }

-- Compiled aside and moved: another run may be using the one in place.
local function compile(source, program)
  local status, said = shell(("%s -std=c11 -O2 -Wall -Wextra -o %s.$$ %s && mv %s.$$ %s"):format(
    os.getenv "CC" or "cc", program, source, program, program))
  assert(status == 0, said)
end

---Build the sink and the floor, and write the files. False, why, where that is impossible.
---@return boolean ok
---@return string? why
function trial.prepare()
  if not read("/proc/self/status") then return false, "the sink is written for Linux" end
  shell("mkdir -p " .. folder)
  compile("spec/bench/sink.c", sink)
  compile("spec/bench/floor.c", floor)
  write(trial.files.message, head .. text_of(1024 - #head, "\r\n"))
  write(trial.files.text, text_of(1024, "\n"))
  write(trial.files.block, text_of(65536, "\r\n"))
  return true
end

-- A client is { name =, environment =, command = }.

---The library on one Lua; nil when that Lua or its build is missing.
---@param abi string "5.4", "jit", …
function trial.lua_client(abi)
  local interpreter = abi == "jit" and "luajit" or "lua" .. abi
  if not read(("%s/%s/smtplib/core.so"):format(build, abi)) or not trial.has(interpreter) then return nil end
  return { name = interpreter, abi = abi, command = interpreter .. " spec/bench/client.lua",
    environment = ("-u LUA_INIT LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;'"):format(build, abi) }
end

---Python's smtplib; nil when there is no Python. PYTHON names another one.
function trial.python_client()
  local python = os.getenv "PYTHON" or "/usr/bin/python3"
  if not trial.has(python) then python = "python3" end
  if not trial.has(python) then return nil end
  return { name = "python3", command = python .. " spec/bench/client.py", environment = "PYTHONHASHSEED=0" }
end

---Bytes made beforehand: what the machine can do at best (floor.c).
function trial.floor_client()
  return { name = "floor", command = floor, environment = "" }
end

-- Two processors that this process may use; the same one twice if need be.
local function processors()
  local allowed = read("/proc/self/status"):match("Cpus_allowed_list:%s*(%S+)")
  local found = {}
  for first, last in allowed:gmatch("(%d+)%-?(%d*)") do
    for number = tonumber(first), tonumber(last) or tonumber(first) do found[#found + 1] = number end
  end
  return found[1], found[2]
end

---@return boolean # pinning to one or two processors is possible
function trial.can_pin(count)
  return trial.has "taskset" and select("#", processors()) >= count and select(count, processors()) ~= nil
end

local function pin(number)
  return trial.has "taskset" and number and ("taskset -c %d "):format(number) or ""
end

local function command_line(client, job, count, file, how)
  local first, second = processors()
  return table.concat({
    ("timeout -k 5 %d "):format(SECONDS), pin(first), sink, " ", how.sink or "", " ",
    how.apart and pin(second) or "", "env ", client.environment, " ", how.under or "", " ",
    client.command, (" %s %d %s"):format(job, count, file),
  })
end

local function check(numbers, job, count, file)
  local is_one = job == "large" or job == "source"
  if numbers.messages ~= (is_one and 1 or count) then return "messages are missing" end
  if numbers.bare_dots ~= 0 then return "a dot was not stuffed" end
  if numbers.unknown ~= 0 then return "the sink did not know a command" end
  local size = trial.sizes[file]
  if size and numbers.content ~= size * count then return "the content has another length" end
end

---Run it. `how.sink`: the sink's options; `how.apart`: client and sink on two
---processors, not one; `how.under`: a command before the client's.
---@param client table
---@param job string see client.lua
---@param count integer
---@param file string one of trial.files
---@param how? table
---@return table<string, number>
function trial.run(client, job, count, file, how)
  local line = command_line(client, job, count, file, how or {})
  local status, said = shell(line)
  local numbers = {}
  for name, number in said:gmatch("([%l_]+) (%d[%d.]*)\n") do numbers[name] = tonumber(number) end
  local wrong = status ~= 0 and "it failed" or check(numbers, job, count, file)
  if wrong then error(("%s: %s\n%s"):format(wrong, line, said), 2) end
  return numbers
end

return trial
