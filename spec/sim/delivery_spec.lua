-- What the library promises about delivery, against a
-- server that misbehaves by chance: thousands of sessions, each by a seed that
-- is printed when it fails.
--
--   SIM_SEED=n    only this one, its dialogue shown
--   SIM_RUNS=n    so many (default 2000)
local smtplib = require "smtplib"
local chance = require "spec.sim.chance"
local server = require "spec.sim.server"

local RUNS = tonumber(os.getenv("SIM_RUNS") or 2000)
local ONLY = tonumber(os.getenv("SIM_SEED"))

local pieces = { "a line", "\n", "\r\n", ".", "..", "\r", "\n.\n", "\r\n.\r\n", "\n..\r.\r\n", ("x"):rep(300), "From me\n" }

local function random_message(c, id)
  local parts = { "Subject: message " .. id .. "\n\n" }
  for _ = 1, c:number(12) do parts[#parts + 1] = c:pick(pieces) end
  return table.concat(parts)
end

-- What must arrive of a message: every line end CRLF, and one at the end.
local function canonical(message)
  local text = message:gsub("\r\n", "\n"):gsub("\r", "\n"):gsub("\n", "\r\n")
  if text:sub(-2) ~= "\r\n" then text = text .. "\r\n" end
  return text
end

local function random_job(c, id)
  local to = {}
  for i = 1, c:number(5) do to[i] = ("r%d.%d@example.org"):format(i, id) end
  return { id = id, from = "s" .. id .. "@example.org", to = to, message = random_message(c, id) }
end

-- A string, or a source in random pieces.
local function as_content(c, message)
  if c:once_in(2) then return message end
  local at = 1
  return function()
    if at > #message then return nil end
    local piece = message:sub(at, at + c:number(40))
    at = at + #piece
    return piece
  end
end

-- How often the server took this job's message, by recipient.
local function takes_of(peer, job)
  local takes, copies = {}, 0
  for _, taken in ipairs(peer.taken) do
    if taken.from == job.from then
      copies = copies + 1
      assert(taken.data == canonical(job.message), ("not what %s sent: %q"):format(taken.from, taken.data))
      for _, recipient in ipairs(taken.to) do takes[recipient] = (takes[recipient] or 0) + 1 end
    end
  end
  return takes, copies
end

local function is_error_table(err)
  return smtplib.is_error(err) and type(err.message) == "string" and type(err.temporary) == "boolean"
    and (err.delivery == "none" or err.delivery == "unknown")
end

local function check_success(takes, job, refused)
  for _, recipient in ipairs(job.to) do
    local times, wanted = takes[recipient] or 0, refused[recipient] and 0 or 1
    assert(times == wanted, ("accepted, and %s got it %d times"):format(recipient, times))
  end
end

-- The promise, for one job and what was said of it.
local function check_result(peer, job, refused, err, lmtp)
  local takes, copies = takes_of(peer, job)
  if refused then
    check_success(takes, job, refused)
    return "success"
  end
  assert(is_error_table(err), "no error table: " .. tostring(err))
  if err.delivery == "none" then
    assert(copies == 0, "surely not delivered, and yet taken: " .. tostring(err))
  end
  for _, recipient in ipairs(job.to) do
    assert((takes[recipient] or 0) <= 1, "taken more than once: " .. tostring(err))
  end
  if err.delivery == "unknown" and not lmtp then
    assert(err.command == "DATA", "unknown although no dot had left: " .. tostring(err.command))
  end
  return err.delivery
end

-- After anything the object is usable, or closed.
local function check_usable(peer, client)
  if not client:is_open() then
    assert(peer.closed, "closed, but not the transport")
    local code, err = client:noop()
    assert(code == nil and is_error_table(err), "closed, and yet a command worked")
    return
  end
  local was = peer.calm
  peer.calm = true
  local code, err = client:noop()
  assert(code == 250 or not client:is_open(), "neither usable nor closed: " .. tostring(code or err))
  peer.calm = was
end

local function connect(peer, options)
  local class = options.lmtp and smtplib.LMTP or smtplib.SMTP
  return class {
    host = "sim.example.org", port = 25, local_hostname = "me.example.org", transport = peer,
    trace = ONLY and function(direction, bytes) io.stderr:write(direction, " ", ("%q\n"):format(bytes)) end or nil,
  }
end

local function send_one_by_one(c, client, peer, options, seen)
  for id = 1, c:number(3) do
    local job = random_job(c, id)
    local refused, err = client:sendmail(job.from, job.to, as_content(c, job.message))
    local what = check_result(peer, job, refused, err, options.lmtp)
    seen[what] = (seen[what] or 0) + 1
    check_usable(peer, client)
  end
end

local function send_many(c, client, peer, options, seen)
  local jobs, entries = {}, {}
  for id = 1, c:number(6) do
    jobs[id] = random_job(c, id)
    entries[id] = { from = jobs[id].from, to = jobs[id].to, message = as_content(c, jobs[id].message) }
  end
  local results, err = client:send_messages(entries, { overlap = c:pick { true, false, "auto" } })
  if not results then
    assert(is_error_table(err) and #peer.taken == 0, "no results")
    return
  end
  for id, job in ipairs(jobs) do
    assert(results[id], "no result for message " .. id)
    local what = check_result(peer, job, results[id].refused, results[id].err, options.lmtp)
    seen[what] = (seen[what] or 0) + 1
  end
  check_usable(peer, client)
end

local function run(seed, seen)
  local c = chance.new(seed)
  local options = server.options(c)
  local peer = server.new(c, options)
  local client, err = connect(peer, options)
  if not client then
    assert(is_error_table(err), "no error table: " .. tostring(err))
    assert(err.delivery == "none" and (peer.closed or peer.connects == 0))
    return
  end
  if c:once_in(3) then
    send_many(c, client, peer, options, seen)
  else
    send_one_by_one(c, client, peer, options, seen)
  end
  client:quit()
  assert(not client:is_open() and peer.closed, "open after quit")
end

describe("Against a server that misbehaves by chance", function()
  local seen = {}

  it("each result is what became of the message", function()
    for seed = ONLY or 1, ONLY or RUNS do
      local ok, why = pcall(run, seed, seen)
      if not ok then error(("SIM_SEED=%d: %s"):format(seed, tostring(why)), 0) end
    end
  end)

  it("all kinds of results are seen", function()
    if ONLY or RUNS < 500 then return end
    assert.is_true((seen.success or 0) > 500)
    assert.is_true((seen.none or 0) > 100)
    assert.is_true((seen.unknown or 0) > 20)
  end)
end)
