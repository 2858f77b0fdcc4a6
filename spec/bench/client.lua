-- The library as a client of the benchmarks' sink.
--
--   SINK_PORT=… lua client.lua JOB COUNT FILE
--
-- Prints the wall and CPU seconds of the job, from the connection to QUIT, and
-- the most memory that the process had meanwhile.
-- client.py does the same jobs with Python's smtplib.
local smtplib = require "smtplib"
local now = require("smtplib.core").now

local from, to = "sender@bench.test", "recipient@bench.test"
local jobs = {}

local function connect()
  return assert(smtplib.SMTP{ host = "127.0.0.1", port = tonumber(os.getenv "SINK_PORT"),
    local_hostname = "client.bench.test" })
end

-- COUNT times the file, one call each.
function jobs.sendmail(count, bytes)
  local server = connect()
  for _ = 1, count do assert(server:sendmail(from, to, bytes)) end
  server:quit()
end

-- COUNT times the file, one call for all.
function jobs.send_messages(count, bytes)
  local server = connect()
  local i = 0
  local function next_message()
    i = i + 1
    if i <= count then return { from = from, to = to, message = bytes } end
  end
  local sent = server:send_messages(next_message, { on_result = function(_, result) assert(not result.err, result.err) end })
  assert(sent == count)
  server:quit()
end

-- COUNT messages composed from the file as their text.
function jobs.composed(count, bytes)
  local server = connect()
  for _ = 1, count do
    assert(server:send_message(assert(smtplib.email.Message{ from = from, to = to,
      subject = "A message of the benchmark", text = bytes })))
  end
  server:quit()
end

-- One message of COUNT times the file, as a string that is there already.
function jobs.large(_, whole)
  local server = connect()
  assert(server:sendmail(from, to, whole))
  server:quit()
end

-- The same, as a function that returns the next piece.
function jobs.source(count, bytes)
  local server = connect()
  local left = count
  assert(server:sendmail(from, to, function()
    left = left - 1
    if left >= 0 then return bytes end
  end))
  server:quit()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- What was used before does not count (Linux).
local function forget_peak()
  local file = io.open("/proc/self/clear_refs", "w")
  if not file then return end
  file:write "5"
  file:close()
end

local name, count = arg[1], assert(tonumber(arg[2]))
local job, content = assert(jobs[name], "unknown job"), read(arg[3])
if name == "large" then content = content:rep(count) end
for _ = 1, 10 do collectgarbage() end -- LuaJIT halves its buffer each time
forget_peak()

local wall, cpu = now(), os.clock()
job(count, content)
print(("wall %.6f\ncpu %.6f"):format(now() - wall, os.clock() - cpu))
print("peak_kib " .. read("/proc/self/status"):match("VmHWM:%s*(%d+)"))
