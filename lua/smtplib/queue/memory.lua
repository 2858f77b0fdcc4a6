-- A queue in this process's memory, for programs that send what they enqueue before
-- they end. What is in it is gone with the process.
local core = require "smtplib.core"

---@class smtplib.queue.Memory: smtplib.queue.Store
local Memory = {}
Memory.__index = Memory
Memory.__name = "smtplib.queue.memory"

local memory = {}

-- The moment at which something that is held may be taken again.
local function hold(self, entry, seconds)
  entry.due = core.now() + seconds
  self.held[entry] = true
  self.next_due = math.min(self.next_due, entry.due)
end

function Memory:put(record, options)
  if not options.over and self.count >= self.limit then return nil, "full" end
  local entry = { record = record, attempts = options.attempts or 0 }
  self.count = self.count + 1
  if (options.delay or 0) > 0 then
    hold(self, entry, options.delay)
  else
    self.last = self.last + 1
    self.fresh[self.last] = entry
  end
  return true
end

-- Of what is held and due, the one that has been so for the longest.
local function due_entry(self)
  local now = core.now()
  if now < self.next_due then return nil end
  local found
  self.next_due = math.huge
  for entry in pairs(self.held) do
    if entry.due <= now and (not found or entry.due < found.due) then found = entry end
    self.next_due = math.min(self.next_due, entry.due)
  end
  return found
end

local function fresh_entry(self)
  local entry = self.fresh[self.first]
  if not entry then return nil end
  self.fresh[self.first] = nil
  self.first = self.first + 1
  return entry
end

function Memory:take(seconds)
  local entry = due_entry(self) or fresh_entry(self)
  if not entry then return nil end
  entry.attempts = entry.attempts + 1
  hold(self, entry, seconds)
  return { record = entry.record, attempts = entry.attempts, entry = entry, due = entry.due }
end

-- A lease that has run out may be another's by now.
local function is_holder(self, lease)
  return self.held[lease.entry] and lease.entry.due == lease.due
end

function Memory:renew(lease, seconds)
  if not is_holder(self, lease) then return false end
  hold(self, lease.entry, seconds)
  lease.due = lease.entry.due
  return true
end

Memory.give_back = Memory.renew

function Memory:acknowledge(lease)
  if not self.held[lease.entry] then return true end
  self.held[lease.entry] = nil
  self.count = self.count - 1
  return true
end

function Memory:size()
  return self.count
end

---Seconds until something can be taken; nil when nothing is there.
function Memory:wait()
  if self.fresh[self.first] then return 0 end
  local due = math.huge
  for entry in pairs(self.held) do due = math.min(due, entry.due) end
  if due < math.huge then return math.max(0, due - core.now()) end
end

function Memory.describe(_)
  return "this process's memory"
end

---@param options table limit
function memory.new(options)
  return setmetatable({
    limit = options.limit, fresh = {}, first = 1, last = 0, held = {}, count = 0, next_due = math.huge,
  }, Memory)
end

return memory
