-- What a message costs in system calls and in instructions: each is the
-- difference between a run with N and one with 2 N messages, so start and end
-- do not count, and neither does the load of the machine.
local trial = require "spec.bench.trial"

local count = {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  os.remove(path)
  return text
end

-- The calls of strace's table: lines of "% time, seconds, usecs/call, calls …".
local function calls_of(text)
  local total = 0
  for number, name in text:gmatch("%d+%.%d+ +%d+%.%d+ +%d+ +(%d+)[ %d]* +([%w_]+)\n") do
    if name ~= "total" then total = total + tonumber(number) end
  end
  return total
end

---System calls a message; nil without strace.
---@return number?
function count.calls(client, job, messages, file, how)
  if not trial.has "strace" then return nil end
  local path = os.tmpname()
  local function run(n)
    trial.run(client, job, n, file, { sink = how.sink, under = "strace -f -c -o " .. path })
    return calls_of(read(path))
  end
  return (run(2 * messages) - run(messages)) / messages
end

-- Self cost by object and by function, from callgrind's format: names are
-- given once, "(12) name", and are "(12)" afterwards; the line behind "calls="
-- is the cost of the callee.
local function costs_of(text)
  local names, current = { ob = {}, fn = {} }, {}
  local costs = { objects = {}, functions = {}, total = 0 }
  local is_callee = false

  local function add(list, name, cost)
    list[name] = (list[name] or 0) + cost
  end

  local function take(cost)
    costs.total = costs.total + cost
    add(costs.objects, current.ob or "?", cost)
    add(costs.functions, (current.fn or "?") .. " " .. (current.ob or "?"), cost)
  end

  local function name_line(is_call, kind, id, name)
    if name ~= "" then names[kind][id] = name:gsub("^.*/", "") end
    if is_call == "" then current[kind] = names[kind][id] end
  end

  for line in text:gmatch("[^\n]+") do
    local is_call, kind, id, name = line:match("^(c?)([of][bn])=%((%d+)%)%s*(.*)$")
    local cost = line:match("^[%d+*-]%S* (%d+)$")
    if kind then
      name_line(is_call, kind, id, name)
    elseif line:find("^calls=") then
      is_callee = true
    elseif cost then
      if not is_callee then take(tonumber(cost)) end
      is_callee = false
    end
  end
  return costs
end

local function difference(more, less, messages)
  local list = {}
  for name, cost in pairs(more) do
    local each = (cost - (less[name] or 0)) / messages
    if each >= 1 then list[#list + 1] = { name = name, cost = each } end
  end
  table.sort(list, function(a, b)
    if a.cost ~= b.cost then return a.cost > b.cost end
    return a.name < b.name
  end)
  return list
end

---Instructions a message: `total`, and lists of {name=, cost=} in `objects`
---and `functions`, the dearest first; nil without valgrind.
---@return table?
function count.instructions(client, job, messages, file, how)
  if not trial.has "valgrind" then return nil end
  local path = os.tmpname()
  local function run(n)
    trial.run(client, job, n, file, { sink = how.sink,
      under = "valgrind -q --tool=callgrind --callgrind-out-file=" .. path })
    return costs_of(read(path))
  end
  local more, less = run(2 * messages), run(messages)
  return {
    total = (more.total - less.total) / messages,
    objects = difference(more.objects, less.objects, messages),
    functions = difference(more.functions, less.functions, messages),
  }
end

return count
