-- What the library promises about delivery, through cosockets, against the server of
-- spec/sim that misbehaves by chance: the same seeds and promise as spec/sim, with a
-- real connection between.
--
--   SIM_SEED=n    only this one
--   SIM_RUNS=n    so many (default 400)
local chance = require "spec.sim.chance"
local nginx = require "spec.nginx.support.nginx"
local simulated = require "spec.sim.server"
local core = require "smtplib.core"
local wire = require "smtplib.sink.wire"

local RUNS = tonumber(os.getenv("SIM_RUNS") or 400)
local ONLY = tonumber(os.getenv("SIM_SEED"))

local pieces = { "a line", "\n", "\r\n", ".", "..", "\r", "\n.\n", "\r\n.\r\n", ("x"):rep(300), "From me\n" }

local function jobs_of(c)
  local jobs = {}
  for id = 1, c:number(5) do
    local to, parts = {}, { "Subject: message " .. id .. "\n\n" }
    for i = 1, c:number(4) do to[i] = ("r%d.%d@example.org"):format(i, id) end
    for _ = 1, c:number(12) do parts[#parts + 1] = c:pick(pieces) end
    jobs[id] = { from = "s" .. id .. "@example.org", to = to, message = table.concat(parts) }
  end
  return jobs
end

-- Moves bytes between a stream and the simulated server, until one of them ends.
local function relay(stream, server)
  while true do
    if server.out ~= "" and not stream:send(server.out) then return end
    server.out = ""
    if server.ended then return end
    local bytes = stream:receive()
    if not bytes then return end
    if not server:send(bytes) then return end
  end
end

-- Serves connections until the channel closes; then tells what it took.
local function serve(seed, options)
  local listener = assert(core.listen("127.0.0.1", 0))
  local port = listener:port()
  local child = assert(core.spawn(function(channel)
    local server = simulated.new(chance.new(seed), options)
    while true do
      local ready = core.poll({ listener, channel }, {}, math.huge)
      if not ready or ready[1] == channel or ready[2] then break end
      local stream = listener:accept(0)
      if stream then
        stream:settimeout(5)
        if server:connect() then relay(stream, server) end
        stream:close()
      end
    end
    channel:send(wire.frame(server.taken))
  end, listener))
  listener:close()
  return port, child
end

-- What the server took, once it has been told to end.
local function taken_by(child)
  local channel = child:channel()
  channel:settimeout(10)
  channel:send("end\n")
  local reader = wire.reader()
  while true do
    local value = reader:next()
    if value then return value end
    reader:feed(assert(channel:receive()))
  end
end

local send_all = [[
  local options, jobs, is_batch = ...
  local lmtp = options.lmtp
  options.lmtp = nil
  local server, err = require("smtplib")[lmtp and "LMTP" or "SMTP"](options)
  if not server then return nil, err end
  local results = {}
  if is_batch then
    local many, failure = server:send_messages(jobs)
    if not many then return nil, failure end
    for id, result in ipairs(many) do results[id] = { refused = result.refused, err = result.err } end
  else
    for id, job in ipairs(jobs) do
      local refused, failure = server:sendmail(job.from, job.to, job.message)
      results[id] = { refused = refused, err = failure }
    end
  end
  server:quit()
  assert(not server:is_open())
  return results
]]

local function canonical(message)
  local text = message:gsub("\r\n", "\n"):gsub("\r", "\n"):gsub("\n", "\r\n")
  return text:sub(-2) == "\r\n" and text or text .. "\r\n"
end

-- How often each recipient of a job got it.
local function takes_of(taken, job)
  local takes, copies = {}, 0
  for _, one in ipairs(taken) do
    if one.from == job.from then
      assert(one.data == canonical(job.message), ("not what was sent: %q"):format(one.data))
      copies = copies + 1
      for _, recipient in ipairs(one.to) do takes[recipient] = (takes[recipient] or 0) + 1 end
    end
  end
  return takes, copies
end

local function check(taken, job, result)
  local takes, copies = takes_of(taken, job)
  for _, recipient in ipairs(job.to) do
    local times = takes[recipient] or 0
    assert(times <= 1, recipient .. " got it twice")
    if result.refused then
      assert(times == (result.refused[recipient] and 0 or 1), recipient .. " got it " .. times .. " times")
    end
  end
  if result.refused then return "success" end
  assert(result.err.is_error and type(result.err.temporary) == "boolean", "no error table")
  assert(result.err.delivery ~= "none" or copies == 0, "surely not taken, and yet it was")
  return result.err.delivery
end

describe("Through cosockets, against a server that misbehaves by chance", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end
  -- Once is enough: nginx's Lua is LuaJIT, whichever Lua runs the specs.
  if not rawget(_G, "jit") then return end

  local server
  setup(function() server = nginx.start() end)
  teardown(function() if server then server:stop() end end)

  local function run(seed, seen)
    local c = chance.new(seed)
    local options, jobs = simulated.options(c), jobs_of(c)
    local port, child = serve(seed, options)
    local results, err = server:run(send_all, { host = "127.0.0.1", port = port, lmtp = options.lmtp or nil,
      local_hostname = "me.example.org", timeout = 0.1 }, jobs, c:once_in(3))
    local taken = taken_by(child)
    child:wait(5)
    if not results then
      assert(err.is_error and err.delivery == "none" and #taken == 0, "no connection, and yet something was taken")
      return
    end
    for id, job in ipairs(jobs) do
      local what = check(taken, job, results[id])
      seen[what] = (seen[what] or 0) + 1
    end
  end

  it("each result is what became of the message", function()
    local seen = {}
    for seed = ONLY or 1, ONLY or RUNS do
      local ok, why = pcall(run, seed, seen)
      if not ok then error(("SIM_SEED=%d: %s"):format(seed, tostring(why)), 0) end
    end
    assert.equal("", server:alarms())
    if ONLY or RUNS < 100 then return end
    assert.is_true((seen.success or 0) > 50 and (seen.none or 0) > 20 and (seen.unknown or 0) > 3)
  end)
end)
