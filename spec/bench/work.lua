-- The library at work without a connection: composing, codecs, reading.
--
--   lua work.lua JOB SECONDS COUNT
--
-- Repeats the job until SECONDS are over or it was done COUNT times, and prints
-- how often, the bytes that one has to do with, wall and CPU seconds, and the
-- most memory that the process had meanwhile. Its inputs are the files of
-- trial.lua. work.py and work.js do the same with what others use.
local smtplib = require "smtplib"
local now = require("smtplib.core").now

local email, base64, quopri = smtplib.email, smtplib.base64, smtplib.quopri
local folder = (os.getenv "BUILD" or "build") .. "/bench/"

local function read(name)
  local file = assert(io.open(folder .. name, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

local function consume(source)
  for _ in source do end -- luacheck: ignore 542
end

local function over(name, run)
  return function()
    local bytes = read(name)
    return function() return run(bytes) end, #bytes
  end
end

-- Each gives a function that does it once, and the bytes which count for that.
local jobs = {}

jobs.small = over("text", function(text)
  consume(assert(email.Message { from = "Sender <sender@bench.test>", to = "recipient@bench.test",
    subject = "A message of the benchmark", text = text }):source())
end)

local function report(content)
  return assert(email.Message { from = "Sender <sender@bench.test>", to = "recipient@bench.test",
    subject = "A report of the benchmark", text = "Hello,\nhere is the report.\n", html = "<p>Hello,<br>here is the report.</p>\n",
    attachments = { { content = content, filename = "report.pdf" } } })
end

jobs.report = over("binary", function(content) consume(report(content):source()) end)

jobs.base64 = over("binary", function(bytes) base64.encodebytes(bytes, 76, "\r\n") end)

jobs.unbase64 = over("binary.base64", base64.decodebytes)

jobs.quopri = over("prose", quopri.encode)

jobs.unquopri = over("prose.quopri", quopri.decode)

jobs.parse = over("message", email.message_from_string)

jobs.parselarge = over("large", email.message_from_string)

-- Parsed, and the content of each part decoded.
jobs.read = over("large", function(bytes)
  for part in email.message_from_string(bytes):walk() do
    if not part:is_multipart() then part:get_payload(nil, true) end
  end
end)

-- What was used before does not count (Linux).
local function forget_peak()
  local file = io.open("/proc/self/clear_refs", "w")
  if not file then return end
  file:write "5"
  file:close()
end

local function peak()
  local file = assert(io.open("/proc/self/status"))
  local kibibytes = file:read("*a"):match("VmHWM:%s*(%d+)")
  file:close()
  return kibibytes
end

local function run(job, seconds, count)
  local done, start = 0, now()
  repeat
    job()
    done = done + 1
  until done >= count or now() - start >= seconds
  return done
end

local job, bytes = assert(jobs[arg[1]], "unknown job")()
local seconds, count = tonumber(arg[2]), tonumber(arg[3])
run(job, seconds / 10, count)
forget_peak()
local wall, cpu = now(), os.clock()
local done = run(job, seconds, count)
wall, cpu = now() - wall, os.clock() - cpu
print(("done %d\nbytes %d\nwall %.6f\ncpu %.6f\npeak_kib %s"):format(done, bytes, wall, cpu, peak()))
