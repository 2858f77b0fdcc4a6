-- Measures the library against Python's smtplib, both sending to the same sink
-- (sink.c), and prints tables: medians over the rounds, and the ratio to
-- Python's figure in the same round. It judges nothing: times depend on the
-- machine and on what else it does. Counts do not; bench_spec.lua proves those.
-- "floor" is the least that the machine needs (floor.c). Composing, codecs and
-- reading are measured without a connection (work.lua), beside Python's email,
-- nodemailer's composer and memcpy.
--
--   lua5.4 spec/bench/run.lua [--messages N] [--rounds N] [--mebibytes N]
--                             [--luas "5.4 jit"] [--seconds N] [--no-fetch]
--                             [--no-counts] [--no-sending] [--no-work]
--                             [--profile]
--
-- From the top folder, after `make`. --seconds: how long each work is repeated.
-- --no-fetch: nodemailer only where it is already. --no-counts: without strace
-- and valgrind. --no-sending, --no-work: without the one part or the other.
-- --profile: only where the instructions of sendmail go, function by function.
package.path = "./?.lua;" .. package.path
local count = require "spec.bench.count"
local figures = require "spec.bench.figures"
local trial = require "spec.bench.trial"

local FEW = 200 -- messages under strace and valgrind
local BLOCKS = 16 -- a MiB

local options = { messages = 10000, rounds = 5, mebibytes = 64, luas = "5.4 jit", seconds = 0.5,
  fetch = true, sending = true, work = true, counts = true, profile = false }

local function read_options(given)
  local i = 1
  while given[i] do
    local off, name = given[i]:match("^%-%-(n?o?%-?)(%l+)$")
    local default = options[name or ""]
    if default == nil or off ~= "" and off ~= "no-" then
      io.stderr:write("unknown option ", given[i], "\n")
      os.exit(2)
    elseif type(default) == "boolean" then
      options[name] = off == ""
    else
      i = i + 1
      options[name] = type(default) == "number" and assert(tonumber(given[i]), "a number, please") or given[i]
    end
    i = i + 1
  end
end

local is_watched = os.execute "test -t 2"

local function progress(text)
  if is_watched then io.stderr:write(("\r%-60s\r"):format(text)) end
end

-- All rows in turn, round by round: whatever disturbs one disturbs its rivals.
local function take_turns(rows, rounds, take)
  for _, row in ipairs(rows) do row.rounds = {} end
  for round = 1, rounds do
    for _, row in ipairs(rows) do
      progress(("round %d of %d: %s"):format(round, rounds, row.name))
      row.rounds[round] = take(row, round)
    end
  end
  progress("")
  return rows
end

local function measure(rows, n, file, how, rounds)
  return take_turns(rows, rounds, function(row)
    local numbers = trial.run(row.client, row.job, n, file, how)
    numbers.n = n
    return numbers
  end)
end

local function column(title, decimals, value)
  return { title = title, decimals = decimals, value = value }
end

local rate = column("messages/s", 0, function(x) return x.n / x.wall end)
local cpu = column("CPU us each", 1, function(x) return x.cpu / x.n * 1e6 end)
local both = column("+ sink us", 1, function(x) return (x.cpu + x.sink_cpu) / x.n * 1e6 end)
local turns = column("turns each", 3, function(x) return x.turns / x.n end)
local peak = column("peak MiB", 1, function(x) return x.peak_kib and x.peak_kib / 1024 end)
local speed = column("MB/s", 0, function(x) return x.content / x.wall / 1e6 end)
local cpu_whole = column("CPU s", 3, function(x) return x.cpu end)
local calls = column("calls each", 2, function(x) return x.calls end)
local instructions = column("instructions", 0, function(x) return x.instructions and x.instructions.total end)

-- Python first (it is what the others are compared with), then each job on
-- each Lua.
local function rows_of(clients, python_job, jobs)
  local rows = {}
  local function add(client, job)
    rows[#rows + 1] = { name = client.name .. " " .. job, client = client, job = job }
  end
  if clients.python then add(clients.python, python_job) end
  for _, job in ipairs(jobs) do
    for _, client in ipairs(clients) do add(client, job) end
    if clients.floor and job:find "^send" then add(clients.floor, job) end
  end
  return rows
end

-- Without the floor: it needs PIPELINING.
local function rivals(clients)
  local found = { python = clients.python }
  for i, client in ipairs(clients) do found[i] = client end
  return found
end

local function many(clients, title, how, rounds)
  local rows = rows_of(how.sink and rivals(clients) or clients, "sendmail", { "sendmail", "send_messages" })
  measure(rows, options.messages, trial.files.message, how, rounds)
  figures.print(("%d messages of 1 KiB on one connection, %s"):format(options.messages, title),
    { rate, cpu, both, turns, peak }, rows)
end

local function composed(clients)
  local n = math.max(1, math.floor(options.messages / 5))
  local rows = measure(rows_of(clients, "composed", { "composed" }), n, trial.files.text, {}, options.rounds)
  figures.print(("%d messages composed from a text of 1 KiB and sent"):format(n), { rate, cpu, turns, peak }, rows)
end

local function large(clients)
  local rows = measure(rows_of(clients, "large", { "large", "source" }), options.mebibytes * BLOCKS,
    trial.files.block, {}, options.rounds)
  figures.print(("One text of %d MiB with lines that begin with a dot; large: a string, source: a function")
    :format(options.mebibytes), { speed, cpu_whole, peak }, rows)
end

local function counts(clients)
  local rows = rows_of(clients, "sendmail", { "sendmail", "send_messages" })
  local n = math.min(FEW, options.messages)
  for _, row in ipairs(rows) do
    progress("counting: " .. row.name)
    row.rounds = { {
      calls = count.calls(row.client, row.job, n, trial.files.message, {}),
      instructions = count.instructions(row.client, row.job, n, trial.files.message, {}),
    } }
  end
  progress("")
  figures.print("System calls, and instructions outside of the kernel, for each message of 1 KiB", { calls, instructions }, rows)
end

local function profile(clients)
  for _, client in ipairs(clients) do
    local found = assert(count.instructions(client, "sendmail", FEW, trial.files.message, {}), "valgrind is missing")
    print(("\n%s: %.0f instructions each sendmail"):format(client.name, found.total))
    for _, part in ipairs(found.objects) do print(("%10.0f  %s"):format(part.cost, part.name)) end
    print "of these:"
    for i = 1, math.min(40, #found.functions) do
      print(("%10.0f  %s"):format(found.functions[i].cost, found.functions[i].name))
    end
  end
end

-- Nothing is waited for here: CPU time, which other processes disturb less.
local composed_rate = column("messages/s", 0, function(x) return x.done / x.cpu end)
local composed_cpu = column("us each", 1, function(x) return x.cpu / x.done * 1e6 end)
local work_speed = column("MB/s", 0, function(x) return x.bytes * x.done / x.cpu / 1e6 end)
local of_copy = column("of memcpy", 3, function(x) return x.bytes * x.done / x.cpu / x.copied end)

local compositions = {
  { "A text of 1 KiB composed, not sent", "small" },
  { "Text, html and an attachment of 1 MiB composed, not sent", "report" },
}

local works = {
  { "base64 in lines of 76", "base64" }, { "base64 decoded", "unbase64" },
  { "quoted-printable, of 1 MiB of German text", "quopri" }, { "quoted-printable decoded", "unquopri" },
  { "Parsing messages of 1 KiB", "parse" },
  { "Parsing a message of 4 MiB with attachments", "parselarge" },
  { "The same, and each part decoded", "read" },
}

local function work(row)
  return trial.work(row.client, row.job, { seconds = options.seconds })
end

-- Python first, another that does the job, then each Lua.
local function workers(clients, job, other)
  local rows = {}
  local function add(client)
    if client then rows[#rows + 1] = { name = client.name .. " " .. job, client = client, job = job } end
  end
  add(clients.python)
  add(other)
  for _, client in ipairs(clients) do add(client) end
  return rows
end

local function composing(clients)
  local node, why = trial.node_client(options.fetch)
  for _, case in ipairs(compositions) do
    local rows = take_turns(workers(clients, case[2], node), options.rounds, work)
    figures.print(case[1], { composed_rate, composed_cpu, peak }, rows)
  end
  if not node then print("Without nodemailer: " .. why .. ".") end
end

-- memcpy goes first in each round; what comes after it is compared with it.
local function working(clients)
  local copy = { name = "memcpy", client = trial.copy_client(), job = "copy" }
  for _, case in ipairs(works) do
    local rows = workers(clients, case[2])
    table.insert(rows, 1, copy)
    take_turns(rows, options.rounds, function(row, round)
      local numbers = work(row)
      local first = copy.rounds[round] or numbers
      numbers.copied = first.bytes * first.done / first.cpu
      return numbers
    end)
    table.remove(rows, 1)
    rows[#rows + 1] = copy
    figures.print(case[1], { work_speed, of_copy }, rows)
  end
end

local function find_clients()
  local clients = { python = trial.python_client(), floor = trial.floor_client() }
  if not clients.python then print "There is no Python here: ratios are to the first row." end
  for abi in options.luas:gmatch("%S+") do
    clients[#clients + 1] = trial.lua_client(abi)
  end
  assert(clients[1], "the library is not built for any of " .. options.luas)
  return clients
end

read_options(arg)
local ok, why = trial.prepare()
if not ok then
  print("The benchmarks cannot run here: " .. why)
  os.exit(0)
end
local clients = find_clients()
if options.profile then
  profile(clients)
  os.exit(0)
end
local function sending()
  local is_pinned = trial.can_pin(1)
  many(clients, is_pinned and "client and sink on one processor" or "not pinned to processors", {}, options.rounds)
  if trial.can_pin(2) then many(clients, "client and sink on one processor each", { apart = true }, options.rounds) end
  many(clients, "the sink without PIPELINING", { sink = "--no-pipelining" }, 1)
  if options.counts then counts(clients) end
  composed(clients)
  large(clients)
end

if options.work then
  composing(clients)
  working(clients)
end
if options.sending then sending() end
print("\n\"+ sink us\": CPU time of client and sink together, which on one processor bounds the rate.\nRatios are to the first row, in the same round; medians of " .. options.rounds .. " rounds.")
