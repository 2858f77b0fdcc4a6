-- One trial: a client does a job, COUNT times, against a sink of its own, or a
-- worker does one without a connection. Everything that was measured or counted
-- comes back as numbers by name. A trial that fails, or whose messages did not
-- arrive whole, is an error.
local smtplib = require "smtplib"
local email = smtplib.email

local trial = {}

local build = os.getenv "BUILD" or "build"
local folder = build .. "/bench"
local sink, floor, copy = folder .. "/sink", folder .. "/floor", folder .. "/copy"
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

-- Bytes without a pattern, the same ones each time.
local function noise(size)
  local state, bytes = 1, {}
  for i = 1, size do
    state = (state * 69069 + 1) % 4294967296
    bytes[i] = string.char(math.floor(state / 16777216))
  end
  return table.concat(bytes)
end

-- Text in German, in long lines: five bytes in a hundred are not ASCII.
local function prose(size)
  local sentence = "Die Übung fällt leicht, sobald man etwas davon versteht und sie einmal am Tage macht; "
  local line = sentence:rep(4) .. "\n"
  return line:rep(math.floor(size / #line))
end

local MIB = 1048576

local function binary()
  return noise(MIB)
end

-- Text, html and attachments of three MiB.
local function large()
  local message = assert(email.Message{ from = "sender@bench.test", to = "recipient@bench.test",
    subject = "A large message of the benchmark", text = text_of(8192, "\n"), html = text_of(16384, "\n"),
    attachments = {
      { content = binary(), filename = "one.pdf" }, { content = binary(), filename = "two.zip" },
      { content = prose(MIB), filename = "three.txt" },
    } })
  return message:as_bytes{ eol = "\r\n" }
end

-- What workers have at hand: how each file is made.
local material = {
  binary = binary,
  ["binary.base64"] = function() return smtplib.base64.encodebytes(binary(), 76, "\r\n") end,
  prose = function() return prose(MIB) end,
  ["prose.quopri"] = function() return smtplib.quopri.encode(prose(MIB)) end,
  large = large,
}

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
  compile("spec/bench/copy.c", copy)
  write(trial.files.message, head .. text_of(1024 - #head, "\r\n"))
  write(trial.files.text, text_of(1024, "\n"))
  write(trial.files.block, text_of(65536, "\r\n"))
  for name, make in pairs(material) do
    if not read(folder .. "/" .. name) then write(folder .. "/" .. name, make()) end
  end
  return true
end

-- A client is { name =, environment =, command = }, and work = instead of
-- command for what it does without a connection.

---The library on one Lua; nil when that Lua or its build is missing.
---@param abi string "5.4", "jit", …
function trial.lua_client(abi)
  local interpreter = abi == "jit" and "luajit" or "lua" .. abi
  if not read(("%s/%s/smtplib/core.so"):format(build, abi)) or not trial.has(interpreter) then return nil end
  return { name = interpreter, abi = abi, command = interpreter .. " spec/bench/client.lua",
    work = interpreter .. " spec/bench/work.lua",
    environment = ("-u LUA_INIT LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;'"):format(build, abi) }
end

---Python's smtplib; nil when there is no Python. PYTHON names another one.
function trial.python_client()
  local python = os.getenv "PYTHON" or "/usr/bin/python3"
  if not trial.has(python) then python = "python3" end
  if not trial.has(python) then return nil end
  return { name = "python3", command = python .. " spec/bench/client.py", work = python .. " spec/bench/work.py",
    environment = "PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1" }
end

---Bytes made beforehand: what the machine can do at best (floor.c).
function trial.floor_client()
  return { name = "floor", command = floor, environment = "" }
end

local composer = "nodemailer@10.6.1"

---nodemailer's composer of messages; nil, why without Node or without that
---package, which is fetched into the build folder if `fetch` says so.
function trial.node_client(fetch)
  if not trial.has "node" then return nil, "there is no Node here" end
  local home = folder .. "/node_modules/nodemailer/package.json"
  if not read(home) and fetch and trial.has "npm" then
    shell(("cd %s && timeout 120 npm install --prefix . --no-save --no-audit --no-fund --ignore-scripts %s")
      :format(folder, composer))
  end
  if not read(home) then return nil, "nodemailer could not be fetched" end
  return { name = "nodemailer", work = "node spec/bench/work.js", environment = "NODE_ENV=production" }
end

---memcpy: what the memory can do at best (copy.c).
function trial.copy_client()
  return { name = "memcpy", work = copy, environment = "" }
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

local function numbers_of(line)
  local status, said = shell(line)
  local numbers = {}
  for name, number in said:gmatch("([%l_]+) (%d[%d.]*)\n") do numbers[name] = tonumber(number) end
  return numbers, status ~= 0 and "it failed", said
end

---Let a worker do a job without a connection, for `seconds` or `count` times.
---@param client table
---@param job string see work.lua
---@param how {seconds: number?, count: integer?, under: string?}
---@return table<string, number>
function trial.work(client, job, how)
  local line = table.concat({ ("timeout -k 5 %d "):format(SECONDS), pin((processors())), "env ", client.environment, " ",
    how.under or "", " ", client.work, (" %s %g %d"):format(job, how.seconds or SECONDS, how.count or 1e9) })
  local numbers, wrong, said = numbers_of(line)
  if wrong or not numbers.done then error(("%s: %s\n%s"):format(wrong or "no numbers", line, said), 2) end
  return numbers
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
  local numbers, wrong, said = numbers_of(line)
  wrong = wrong or check(numbers, job, count, file)
  if wrong then error(("%s: %s\n%s"):format(wrong, line, said), 2) end
  return numbers
end

return trial
