-- The library as a client of the benchmarks' sink.
--
--   SINK_PORT=… lua client.lua JOB COUNT FILE
--
-- Prints the wall and CPU seconds of the job, from the connection to QUIT.
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

-- One message of COUNT times the file, as a string.
function jobs.large(count, bytes)
  local server = connect()
  assert(server:sendmail(from, to, bytes:rep(count)))
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

local job, count, path = assert(jobs[arg[1]], "unknown job"), assert(tonumber(arg[2])), assert(arg[3])
local file = assert(io.open(path, "rb"))
local bytes = file:read "*a"
file:close()

local wall, cpu = now(), os.clock()
job(count, bytes)
print(("wall %.6f\ncpu %.6f"):format(now() - wall, os.clock() - cpu))
