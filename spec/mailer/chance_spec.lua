-- A Mailer over servers that misbehave by chance (spec.sim.server), also while a
-- connection is idle: what send() says is what became of each message, whatever
-- hosts, attempts, replaced connections and coroutines it took. Thousands of lives of
-- a Mailer, each by a seed that is printed when it fails.
--
--   SIM_SEED=n    only this one, its dialogue shown
--   SIM_RUNS=n    so many (default 2000)
local chance = require "spec.sim.chance"
local server = require "spec.sim.server"
local smtplib = require "smtplib"

local RUNS = tonumber(os.getenv("SIM_RUNS") or 2000)
local ONLY = tonumber(os.getenv("SIM_SEED"))

-- The servers of one life: each connection misbehaves by itself, all take into one
-- store.
local function new_world(c)
  local keywords = {}
  for _, keyword in ipairs { "PIPELINING", "8BITMIME", "SIZE 100000", "LIMITS MAILMAX=2" } do
    if not c:once_in(3) then keywords[#keywords + 1] = keyword end
  end
  return { c = c, taken = {}, connections = {}, options = { lmtp = c:once_in(4), keywords = keywords },
    listens = c:once_in(2), yields = false }
end

-- What a socket does and another transport may not: tell of what came unasked.
local function idle_check(self, engine)
  if self.out ~= "" then
    engine:input(self.out)
    self.out = ""
  end
  if self.ended then engine:input_end() end
  return true
end

local function new_transport(world)
  local one = server.new(world.c, world.options)
  one.taken = world.taken
  if world.listens then one.idle_check = idle_check end
  local receive = one.receive
  one.receive = function(self)
    if world.yields then coroutine.yield() end
    if self.closed then return nil, "closed" end
    return receive(self)
  end
  world.connections[#world.connections + 1] = one
  return one
end

-- What happens to connections while nobody uses them.
local function pass_time(world)
  for _, one in ipairs(world.connections) do
    if one.out and not one.closed and not one.ended and not one.data and world.c:once_in(6) then
      local what = world.c:number(4)
      if what == 1 then one.out = one.out .. "421 4.4.2 idle\r\n" end
      if what == 2 then one.out = one.out .. "250 unasked\r\n" end
      if what == 3 then one.out = one.out .. "42" end
      one.ended = what ~= 2
    end
  end
end

local function random_job(c, id)
  local to = {}
  for i = 1, c:number(4) do to[i] = ("r%d.%d@example.org"):format(i, id) end
  local text = ("Subject: %d\r\n\r\n%s\r\n"):format(id, (".x\r\n"):rep(c:number(30)))
  local job = { id = id, from = ("s%d@example.org"):format(id), to = to, text = text }
  job.message = text
  if c:once_in(3) then
    local at = 1
    job.message = function()
      local piece = text:sub(at, at + c:number(60))
      at = at + #piece
      return piece ~= "" and piece or nil
    end
  end
  return job
end

-- How often each recipient of a job got it.
local function takes_of(world, job)
  local takes, copies = {}, 0
  for _, taken in ipairs(world.taken) do
    if taken.from == job.from then
      copies = copies + 1
      assert(taken.data == job.text, ("not what %s sent: %q"):format(taken.from, taken.data))
      for _, recipient in ipairs(taken.to) do takes[recipient] = (takes[recipient] or 0) + 1 end
    end
  end
  return takes, copies
end

local function check(world, job, result, err)
  local takes, copies = takes_of(world, job)
  for _, recipient in ipairs(job.to) do
    local times = takes[recipient] or 0
    assert(times <= 1, ("%s got message %d %d times"):format(recipient, job.id, times))
    if result then
      local wanted = result.refused[recipient] and 0 or 1
      assert(times == wanted, ("message %d was sent, and %s got it %d times"):format(job.id, recipient, times))
    end
  end
  if result then
    assert(result.reply[1] >= 200 and result.reply[1] < 300)
    return "sent"
  end
  assert(smtplib.is_error(err), "no error table: " .. tostring(err))
  assert(err.delivery == "unknown" or copies == 0, "surely not delivered, and yet taken: " .. tostring(err))
  return err.delivery
end

local function note(world, seen, job, result, err)
  local what = check(world, job, result, err)
  seen[what] = (seen[what] or 0) + 1
  world.results = (world.results or 0) + 1
  world.sent = (world.sent or 0) + (result and 1 or 0)
  for _ in pairs(result and result.refused or err and err.recipients or {}) do world.refused = (world.refused or 0) + 1 end
end

local function send_in_turn(world, mailer, jobs, seen)
  for _, job in ipairs(jobs) do
    local result, err = mailer:send { from = job.from, to = job.to, message = job.message }
    note(world, seen, job, result, err)
    pass_time(world)
  end
end

-- All at once, whoever's turn it is by chance.
local function send_at_once(world, mailer, jobs, seen)
  local threads, results = {}, {}
  for i, job in ipairs(jobs) do
    threads[i] = { id = i, co = coroutine.create(function()
      results[i] = { mailer:send { from = job.from, to = job.to, message = job.message } }
    end) }
  end
  world.yields = true
  while threads[1] do
    local i = world.c:number(#threads)
    local ok, raised = coroutine.resume(threads[i].co)
    assert(ok, raised)
    if coroutine.status(threads[i].co) == "dead" then table.remove(threads, i) end
  end
  world.yields = false
  for i, job in ipairs(jobs) do note(world, seen, job, results[i][1], results[i][2]) end
end

local function check_metrics(world, mailer, jobs)
  local metrics, connects = mailer.metrics, 0
  for _, one in ipairs(world.connections) do connects = connects + one.connects end
  assert(metrics.sent == (world.sent or 0), "sent")
  assert(metrics.sent + metrics.failed == #jobs, "failed")
  assert(metrics.refused == (world.refused or 0), "refused")
  assert(metrics.connections == connects, ("%d connections counted, %d made"):format(metrics.connections, connects))
end

local function new_mailer(c, world)
  return smtplib.Mailer {
    host = c:once_in(2) and { "one.example.org", "two.example.org" } or "one.example.org", tls = false, lmtp = world.options.lmtp,
    local_hostname = "me.example.org", transport = function() return new_transport(world) end,
    retries = c:number(3) - 1, backoff = 0, pool_size = c:number(3) - 1, max_messages = c:number(4),
    trace = ONLY and function(direction, bytes) io.stderr:write(direction, " ", ("%q\n"):format(bytes)) end or nil,
  }
end

local function live(seed, seen)
  local c = chance.new(seed)
  local world = new_world(c)
  local mailer = new_mailer(c, world)
  local jobs = {}
  for id = 1, c:number(8) do jobs[id] = random_job(c, id) end
  if c:once_in(3) then send_at_once(world, mailer, jobs, seen) else send_in_turn(world, mailer, jobs, seen) end
  assert(mailer:idle() <= mailer.settings.pool_size * #mailer.settings.targets, "too many idle connections")
  mailer:close()
  assert(mailer:idle() == 0)
  for _, one in ipairs(world.connections) do assert(one.closed or one.connects == 0, "left open") end
  check_metrics(world, mailer, jobs)
  seen.reconnects = (seen.reconnects or 0) + mailer.metrics.reconnects
end

describe("A Mailer over servers that misbehave by chance", function()
  local seen = {}

  it("says of each message what became of it, and doubles none", function()
    for seed = ONLY or 1, ONLY or RUNS do
      local ok, why = pcall(live, seed, seen)
      if not ok then error(("SIM_SEED=%d: %s"):format(seed, tostring(why)), 0) end
    end
  end)

  it("sees all that can happen", function()
    if ONLY or RUNS < 500 then return end
    assert.is_true((seen.sent or 0) > 500)
    assert.is_true((seen.none or 0) > 100)
    assert.is_true((seen.unknown or 0) > 20)
    assert.is_true((seen.reconnects or 0) > 100)
  end)
end)
