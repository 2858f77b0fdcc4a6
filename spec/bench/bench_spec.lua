-- Round trips and system calls are counts, not times: they are proved here, on
-- the interpreter that runs this spec. And the whole benchmark runs through.
local trial = require "spec.bench.trial"
local count = require "spec.bench.count"
local figures = require "spec.bench.figures"
local nginx = require "spec.nginx.support.nginx"

local abi = rawget(_G, "jit") and "jit" or _VERSION:match("%d+%.%d+")
local FEW = 50
local jobs_of_work = {
  "small", "report", "base64", "unbase64", "quopri", "unquopri", "parse", "parselarge", "read",
}

describe("the benchmark", function()
  local client
  local can_run, why = trial.prepare()

  local function measure(name, run)
    it(name, can_run and run or function()
      pending(why)
    end)
  end

  setup(function()
    if can_run then client = assert(trial.lua_client(abi), "the library is not built for this Lua") end
  end)

  -- what, job, the sink's options, turns for 50 messages
  local cases = {
    { "sendmail waits twice a message with PIPELINING", "sendmail", "--no-chunking", 2 * FEW },
    { "sendmail waits four times a message without", "sendmail", "--no-pipelining --no-chunking", 4 * FEW },
    { "send_messages waits once a message, and once more, with PIPELINING", "send_messages", "--no-chunking", FEW + 1 },
    { "send_messages waits four times a message without", "send_messages", "--no-pipelining --no-chunking", 4 * FEW },
    { "send_message waits twice a message with PIPELINING", "composed", "--no-chunking", 2 * FEW },
  }

  for _, case in ipairs(cases) do
    local name, job, sink, turns = case[1], case[2], case[3], case[4]
    measure(name, function()
      local file = job == "composed" and trial.files.text or trial.files.message
      local numbers = trial.run(client, job, FEW, file, { sink = sink })
      assert.equal(turns, numbers.turns)
      assert.equal(FEW, numbers.messages)
      assert.equal(1, numbers.connections)
    end)
  end

  measure("a large text arrives whole, its dots stuffed, in two turns", function()
    for _, job in ipairs{ "large", "source" } do
      local numbers = trial.run(client, job, 32, trial.files.block, { sink = "--no-chunking" })
      assert.equal(2, numbers.turns)
      assert.equal(32 * 65536, numbers.content)
      assert.truthy(numbers.dot_lines >= 32)
    end
  end)

  measure("a source is sent in the same memory, however large it is", function()
    local small = trial.run(client, "source", 16, trial.files.block, {}).peak_kib
    local large = trial.run(client, "source", 1024, trial.files.block, {}).peak_kib
    assert.truthy(large - small < 4096, ("%d KiB, then %d KiB"):format(small, large))
  end)

  measure("a trial whose messages do not arrive is an error", function()
    local deaf = { name = "true", command = "true", environment = "" }
    local ok, err = pcall(trial.run, deaf, "sendmail", FEW, trial.files.message, {})
    assert.is_false(ok)
    assert.truthy(tostring(err):find("messages are missing", 1, true), err)
  end)

  measure("a client that fails is an error, which shows what it said", function()
    local ok, err = pcall(trial.run, client, "no-such-job", FEW, trial.files.message, {})
    assert.is_false(ok)
    assert.truthy(tostring(err):find("unknown job", 1, true), err)
  end)

  measure("system calls a message are few", function()
    local calls = count.calls(client, "sendmail", FEW, trial.files.message, {})
    if not calls then return pending "no strace" end
    -- Memory that Lua asks for between the two runs counts, too.
    assert.truthy(calls > 2 and calls < 7, tostring(calls))
  end)

  measure("each work is done as often as it is told", function()
    for _, job in ipairs(jobs_of_work) do
      local numbers = trial.work(client, job, { count = 2 })
      assert.equal(2, numbers.done, job)
      assert.truthy(numbers.bytes >= 1024, job)
    end
  end)

  measure("the whole of it runs, and prints a row for each client", function()
    local pipe = assert(io.popen(("%s spec/bench/run.lua --messages %d --rounds 1 --mebibytes 1 --seconds 0.01 --no-fetch --no-counts --luas %s 2>&1; echo \"status $?\"")
      :format(client.name, FEW, abi)))
    local said = pipe:read "*a"
    pipe:close()
    assert.truthy(said:find("status 0\n$"), said)
    for _, job in ipairs{ "sendmail", "send_messages", "composed", "large", "source" } do
      assert.truthy(said:find("\n" .. client.name .. " " .. job, 1, true), said)
    end
    for _, job in ipairs(jobs_of_work) do
      assert.truthy(said:find("\n" .. client.name .. " " .. job .. " ", 1, true), said)
    end
    assert.truthy(said:find("\nmemcpy ", 1, true), said)
  end)

  local measure_nginx = abi == "jit" and not nginx.missing() and measure or function() end
  measure_nginx("mail from nginx is measured beside lua-resty-mail's way: two turns instead of four, none for a connection", function()
    local pipe = assert(io.popen("luajit spec/bench/nginx.lua --messages 20 --rounds 1 --delay 0 --delay 1 --plain 2>&1"))
    local said = pipe:read "*a"
    pipe:close()
    for _, row in ipairs { { "lua%-resty%-mail's way", 4 }, { "connection per message", 2 }, { "Mailer", 2 } } do
      local found = select(2, said:gsub("\n" .. row[1] .. "[^\n]* " .. row[2] .. "%.00 +%d%.%d%d", ""))
      assert.equal(2, found, said)
    end
  end)

  it("knows medians", function()
    assert.equal(2, figures.median{ 3, 1, 2 })
    assert.equal(2.5, figures.median{ 4, 1, 3, 2 })
    assert.equal(7, figures.median{ 7 })
  end)
end)
